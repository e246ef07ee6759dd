"""The table for a yearly review, by a call."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from lepton_fed.portal.reward.yearly import contributions
from lepton_fed.portal.web.refusals import file_of
from lepton_fed.portal.web.visiting import Calling, ThePortal
from lepton_fed.portal.web.yearly_pages import Asked, answered, quarters
from lepton_fed.portal.wording import wording

router = APIRouter(prefix="/api/rewards")


@router.get("/table", response_class=Response, responses=file_of("text/csv"))
def table(
    portal: ThePortal,
    person: Calling,
    of: Annotated[str, Query(max_length=64, description="The name to sign in with; default: the caller.")] = "",
    since: Asked = "",
    until: Asked = "",
    language: Literal["zh", "en"] = "en",
) -> Response:
    """Entries, thanks and points by quarter (as 2026-4), as CSV; of others for whoever may appraise them."""
    with portal.reading(person) as acting:
        found = contributions(acting, of or person.name, *quarters(portal.clock(), since, until))
    return answered(found, wording(language))
