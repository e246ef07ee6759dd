"""The page of points and of who learns from whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from lepton_fed.portal.reward.efficiency import Efficiency
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.standing import standing
from lepton_fed.portal.reward.yearly import subjects
from lepton_fed.portal.web.page import page
from lepton_fed.portal.web.visiting import ThePortal, Visiting

router = APIRouter()

SHOWN = 16
"""Departments of the picture: those that give and take most."""

CELL = 34


@dataclass(frozen=True)
class Cell:
    """A square of the picture: its place in it, how dark it is (0 to 1), and what it says."""

    x: int
    y: int
    opacity: float
    count: int
    of: str
    by: str


@router.get("/rewards")
def rewards(
    request: Request, portal: ThePortal, visit: Visiting, quarter: Annotated[str, Query(max_length=8)] = ""
) -> Response:
    """Points and readings of a quarter."""
    now = Quarter.of(portal.clock())
    asked = Quarter.parse(quarter) if quarter else now
    portal.afterwards.done()  # What was read until now counts.
    with portal.reading(visit.person) as acting:
        found, people = standing(acting, asked), subjects(acting)
    shown = found.efficiency.most(SHOWN)
    return page(
        request,
        "rewards.html.j2",
        standing=found,
        subjects=people,
        now=now,
        shown=shown,
        cells=cells(found.efficiency, shown),
        cell=CELL,
    )


def cells(found: Efficiency, names: list[str]) -> list[Cell]:
    """The picture's squares: a row for who wrote, a column for who read."""
    most = max(found.k.values(), default=1)
    return [
        Cell(CELL * j, CELL * i, round(0.15 + 0.85 * count / most, 2), count, of, by)
        for i, of in enumerate(names)
        for j, by in enumerate(names)
        if (count := found.k.get((of, by), 0))
    ]
