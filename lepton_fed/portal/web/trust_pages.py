"""What people do about errors and comments on an entry's page: report, answer, take back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response

from lepton_fed.portal.entries import reports, withdrawals
from lepton_fed.portal.web.page import to
from lepton_fed.portal.web.visiting import Changing, ThePortal

router = APIRouter(prefix="/entries")

Text = Annotated[str, Form()]


@router.post("/{number}/reports")
def report(portal: ThePortal, visit: Changing, number: int, text: Text = "") -> Response:
    """Report an error in what readers see."""
    with portal.writing(visit.person) as acting:
        reports.report(acting, number, text)
    return to(f"/entries/{number}#reports")


@router.post("/{number}/reports/{report}/answer")
def answer(
    portal: ThePortal, visit: Changing, number: int, report: int, verdict: Text = "", reason: Text = ""
) -> Response:
    """Say that an error was fixed, or is none."""
    with portal.writing(visit.person) as acting:
        reports.answer(acting, number, report, verdict, reason)
    return to(f"/entries/{number}#reports")


@router.post("/{number}/comments/{comment}/take-back")
def take_back(portal: ThePortal, visit: Changing, number: int, comment: int, reason: Text = "") -> Response:
    """Take back a comment."""
    with portal.writing(visit.person) as acting:
        withdrawals.take_back(acting, number, comment, reason)
    return to(f"/entries/{number}#comments")
