"""Pages for finding: the first page, search with filters, and what waits for somebody."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from lepton_fed.portal.entries.reading import to_do
from lepton_fed.portal.finding.search import MOST_PAGES, Asked, find
from lepton_fed.portal.finding.suggestions import unread
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.web.page import page
from lepton_fed.portal.web.visiting import ThePortal, Visiting

router = APIRouter()

_SHORT = 200


@router.get("/")
def first(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """What is new and useful, what somebody may want to read, and what waits."""
    with portal.reading(visit.person) as acting:
        found, waiting, suggested = find(acting, Asked()), to_do(acting), unread(acting)
    return page(request, "home.html.j2", found=found, waiting=waiting, suggested=suggested)


@router.get("/search")
def search(
    request: Request,
    portal: ThePortal,
    visit: Visiting,
    q: Annotated[str, Query(max_length=_SHORT)] = "",
    department: Annotated[str, Query(max_length=_SHORT)] = "",
    kind: Annotated[str, Query(max_length=_SHORT)] = "",
    tag: Annotated[str, Query(max_length=_SHORT)] = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=MOST_PAGES)] = 1,
) -> Response:
    """What was found; for a script that asks while somebody types, the list alone."""
    asked = Asked(text=q, department=department, kind=kind, tag=tag, page=page_number)
    with portal.reading(visit.person) as acting:
        found, known = find(acting, asked), departments(acting.connection)
    # Whoever comes back to it by the browser's history wants the page.
    part = request.headers.get("hx-request") and not request.headers.get("hx-history-restore-request")
    template = "found.html.j2" if part else "search.html.j2"
    return page(request, template, asked=asked, found=found, departments=known)


@router.get("/work")
def work(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """Drafts, reviews, and what may be out of date."""
    with portal.reading(visit.person) as acting:
        return page(request, "work.html.j2", waiting=to_do(acting))
