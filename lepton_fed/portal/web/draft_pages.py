"""Drafts at a click: a model card of a finished run, a data set card of a department."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from lepton_fed.portal.federation import drafts
from lepton_fed.portal.web.page import said, to
from lepton_fed.portal.web.visiting import Changing, ThePortal
from lepton_fed.portal.web.watching import Looking

router = APIRouter(prefix="/federation")

Text = Annotated[str, Form()]


@router.post("/runs/{run}/draft")
def of_run(
    request: Request, portal: ThePortal, visit: Changing, looking: Looking, run: str, department: Text = ""
) -> Response:
    """A model card, in the language of the page."""
    language = said(request).language
    number = drafts.draft_of_run(portal, visit.person, looking.watched, run, department, language)
    return to(f"/entries/{number}", newest=1)


@router.post("/data-sets/{of}/draft")
def of_data(
    request: Request, portal: ThePortal, visit: Changing, looking: Looking, of: str, department: Text = ""
) -> Response:
    """A data set card, likewise."""
    language = said(request).language
    number = drafts.draft_of_data(portal, visit.person, looking.watched, of, department, language)
    return to(f"/entries/{number}", newest=1)
