"""Calls about the trust in an entry: what was found in it by itself, reported errors, comments that are taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from lepton_fed.portal.entries import access, quality, references, reports, withdrawals
from lepton_fed.portal.web import trust_shapes as shapes
from lepton_fed.portal.web.api_shapes import Made
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api")

References = Annotated[references.Kind, Query()]
Target = Annotated[str, Query(max_length=references.LONGEST)]


@router.get("/entries/{number}/checks")
def check(portal: ThePortal, person: Calling, number: int) -> list[shapes.CheckGiven]:
    """What was found by itself in the newest revision; nothing for whoever only reads."""
    with portal.reading(person) as acting:
        return [shapes.CheckGiven.of(one) for one in quality.of_newest(acting, number)]


@router.get("/references")
def list_about(portal: ThePortal, person: Calling, kind: References, target: Target) -> list[shapes.AboutGiven]:
    """Entries that speak of a run (its id), a model (the SHA-256 of its file) or an entity (its name or IRI)."""
    wanted = references.read(kind, target)
    with portal.reading(person) as acting:
        found = references.about(acting, [] if wanted is None else [wanted])
    return [shapes.AboutGiven.model_validate(one) for one in found]


@router.get("/entries/{number}/reports")
def list_reports(portal: ThePortal, person: Calling, number: int) -> list[shapes.ReportGiven]:
    """Errors that were reported; only the caller's own to whoever only reads."""
    with portal.reading(person) as acting:
        found = reports.reports(acting, access.seen(acting, number))
    return [shapes.ReportGiven.model_validate(one) for one in found]


@router.post("/entries/{number}/reports", status_code=201)
def report(portal: ThePortal, person: Calling, number: int, taken: shapes.ReportTaken) -> Made:
    """Report an error in what readers see."""
    with portal.writing(person) as acting:
        return Made(id=reports.report(acting, number, taken.text))


@router.post("/entries/{number}/reports/{report}/answer", status_code=204)
def answer(portal: ThePortal, person: Calling, number: int, report: int, taken: shapes.AnswerTaken) -> None:
    """Say that an error was fixed, or is none."""
    with portal.writing(person) as acting:
        reports.answer(acting, number, report, taken.verdict, taken.reason)


@router.post("/entries/{number}/comments/{comment}/withdrawal", status_code=204)
def take_back(portal: ThePortal, person: Calling, number: int, comment: int, taken: shapes.WithdrawalTaken) -> None:
    """Take back a comment."""
    with portal.writing(person) as acting:
        withdrawals.take_back(acting, number, comment, taken.reason)
