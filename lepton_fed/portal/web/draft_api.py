"""Drafts by a call: a model card of a finished run, a data set card of a department."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from lepton_fed.portal.federation import drafts
from lepton_fed.portal.web.api_shapes import Made, Taken
from lepton_fed.portal.web.visiting import Calling, ThePortal
from lepton_fed.portal.web.watching import LookingByCall

router = APIRouter(prefix="/api/federation")


class DraftTaken(Taken):
    """Whose draft it becomes, and in which language."""

    department: str
    language: Literal["zh", "en"] = "en"


@router.post("/runs/{run}/draft", status_code=201)
def of_run(portal: ThePortal, person: Calling, look: LookingByCall, run: str, taken: DraftTaken) -> Made:
    """A model card of a finished run; the answer is the entry's number."""
    return Made(id=drafts.draft_of_run(portal, person, look.watched, run, taken.department, taken.language))


@router.post("/data-sets/{of}/draft", status_code=201)
def of_data(portal: ThePortal, person: Calling, look: LookingByCall, of: str, taken: DraftTaken) -> Made:
    """A data set card of a department whose own file is on the portal's machine; the answer is the entry's number."""
    return Made(id=drafts.draft_of_data(portal, person, look.watched, of, taken.department, taken.language))
