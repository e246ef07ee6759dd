"""The log of accounts and roles: a page and a call for whoever administers something."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from lepton_fed.portal.people import account_log
from lepton_fed.portal.web.page import page
from lepton_fed.portal.web.visiting import Calling, ThePortal, Visiting

router = APIRouter(prefix="/people")
calls = APIRouter(prefix="/api/people")

Before = Annotated[int | None, Query(ge=1, lt=2**63, description="Events before the one of this number.")]


class AccountEventGiven(BaseModel):
    """What was done. `by` is empty for a command and for the identity provider's word.

    `person` is empty where it is about nobody in particular.
    """

    id: int
    time: datetime
    kind: str
    by: str
    person: str
    department: str
    detail: str


@router.get("/log")
def log(request: Request, portal: ThePortal, visit: Visiting, before: Before = None) -> Response:
    """What was done to accounts of the departments that this person administers, the newest first."""
    with portal.reading(visit.person) as acting:
        found = account_log.events(acting, before)
    older = found[-1].id if len(found) == account_log.PAGE else None
    return page(request, "account_log.html.j2", events=found, older=older)


@calls.get("/log")
def read_log(portal: ThePortal, person: Calling, before: Before = None) -> list[AccountEventGiven]:
    """What was done to accounts that the caller administers, the newest first: a hundred at most."""
    with portal.reading(person) as acting:
        return [AccountEventGiven(**vars(one)) for one in account_log.events(acting, before)]
