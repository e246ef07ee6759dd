"""Where people and departments stand in a quarter: points by name, readings, and how readings went before."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.reading import names
from lepton_fed.portal.entries.tables import ENTRY, USE
from lepton_fed.portal.reward.efficiency import Efficiency, efficiency
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.rule import Help, Score, scores

LISTED = 20
QUARTERS = 4


@dataclass(frozen=True)
class Standing:
    """`people`: the first so many with their names; `past`: E of the last quarters, the oldest first."""

    quarter: Quarter
    people: tuple[tuple[str, Score], ...]
    efficiency: Efficiency
    past: tuple[tuple[Quarter, Efficiency], ...]


def standing(acting: Acting, quarter: Quarter) -> Standing:
    """Everybody's, for everybody to see: that is what a published rule is for."""
    found = scores(helps(acting, quarter))[:LISTED]
    known = names(acting, [score.owner for score in found])
    last = [quarter]
    while len(last) < QUARTERS:
        last.append(last[-1].before)
    past = tuple((one, efficiency(acting, one.since, one.until)) for one in reversed(last))
    return Standing(quarter, tuple((known[one.owner], one) for one in found), past[-1][1], past)


def helps(acting: Acting, quarter: Quarter) -> list[Help]:
    """Every mark of a quarter."""
    wanted = (
        select(ENTRY.c.id, USE.c.owner, ENTRY.c.department, USE.c.person, USE.c.department, USE.c.helped)
        .join(USE, USE.c.entry == ENTRY.c.id)
        .where(USE.c.helped >= quarter.since, USE.c.helped < quarter.until)
    )
    return [Help(*row) for row in acting.connection.execute(wanted)]
