"""The table for a yearly review, to download from the page of points."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.yearly import Contributions, as_csv, contributions
from lepton_fed.portal.web.page import said
from lepton_fed.portal.web.visiting import ThePortal, Visiting
from lepton_fed.portal.wording import Wording

router = APIRouter(prefix="/rewards")

Asked = Annotated[str, Query(max_length=64)]


@router.get("/table")
def table(
    request: Request, portal: ThePortal, visit: Visiting, person: Asked = "", since: Asked = "", until: Asked = ""
) -> Response:
    """Somebody's contributions, the reader's own where nobody is named; of this quarter where none is."""
    with portal.reading(visit.person) as acting:
        found = contributions(acting, person or visit.person.name, *quarters(portal.clock(), since, until))
    return answered(found, said(request))


def quarters(now: datetime, since: str, until: str) -> tuple[Quarter, Quarter]:
    """The first and the last; this one where none is named."""
    last = Quarter.parse(until) if until else Quarter.of(now)
    return Quarter.parse(since) if since else last, last


def answered(found: Contributions, t: Wording) -> Response:
    """To be saved and not to be shown. Its name is made of numbers, which any header may hold."""
    name = f"contributions-{found.person.id}-{found.since}-{found.until}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(found, t), media_type="text/csv; charset=utf-8", headers=headers)
