"""What people do about errors and comments on an entry's page: report, answer, take back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from lepton_fed.portal.entries import reports, withdrawals
from lepton_fed.portal.errors import Forbidden, NotThere, PortalError
from lepton_fed.portal.web.entry_pages import entry_page
from lepton_fed.portal.web.page import to
from lepton_fed.portal.web.typed import Typed
from lepton_fed.portal.web.visiting import Changing, ThePortal

router = APIRouter(prefix="/entries")

Text = Annotated[str, Form()]


@router.post("/{number}/reports")
def report(request: Request, portal: ThePortal, visit: Changing, number: int, text: Text = "") -> Response:
    """Report an error in what readers see."""
    try:
        with portal.writing(visit.person) as acting:
            reports.report(acting, number, text)
    except (NotThere, Forbidden):
        raise
    except PortalError as error:
        return entry_page(request, portal, visit, number, problem=error, typed=Typed("report", text=text))
    return to(f"/entries/{number}#reports")


@router.post("/{number}/reports/{report}/answer")
def answer(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    number: int,
    report: int,
    verdict: Text = "",
    reason: Text = "",
) -> Response:
    """Say that an error was fixed, or is none."""
    try:
        with portal.writing(visit.person) as acting:
            reports.answer(acting, number, report, verdict, reason)
    except (NotThere, Forbidden):
        raise
    except PortalError as error:
        typed = Typed(f"answer-{report}", reason=reason)
        return entry_page(request, portal, visit, number, problem=error, typed=typed)
    return to(f"/entries/{number}#reports")


@router.post("/{number}/comments/{comment}/take-back")
def take_back(
    request: Request, portal: ThePortal, visit: Changing, number: int, comment: int, reason: Text = ""
) -> Response:
    """Take back a comment."""
    try:
        with portal.writing(visit.person) as acting:
            withdrawals.take_back(acting, number, comment, reason)
    except (NotThere, Forbidden):
        raise
    except PortalError as error:
        typed = Typed(f"take-back-{comment}", reason=reason)
        return entry_page(request, portal, visit, number, problem=error, typed=typed)
    return to(f"/entries/{number}#comments")
