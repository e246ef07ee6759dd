"""Knowledge efficiency E = Σ k_i + Σ_i Σ_{j≠i} k_ij, from what was really read.

    k_i    readings of department i's entries by people of department i
    k_ij   readings of department i's entries by people of department j

A reading is a person who opened an entry for the first time in the period; neither its owner nor its author counts. So
E grows with what is used, not with what is written, and a person who opens an entry a hundred times is one reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.tables import ENTRY, USE


@dataclass(frozen=True)
class Efficiency:
    """`k[i, j]`: readings of i's entries by people of j, where there are any."""

    k: Mapping[tuple[str, str], int]

    @property
    def own(self) -> int:
        """Σ k_i"""
        return sum(count for (of, by), count in self.k.items() if of == by)

    @property
    def shared(self) -> int:
        """Σ_i Σ_{j≠i} k_ij"""
        return sum(count for (of, by), count in self.k.items() if of != by)

    @property
    def total(self) -> int:
        """E"""
        return self.own + self.shared

    def most(self, count: int) -> list[str]:
        """The departments that give and take most, by name."""
        weight: dict[str, int] = {}
        for (of, by), readings in self.k.items():
            for name in {of, by}:
                weight[name] = weight.get(name, 0) + readings
        return sorted(sorted(weight, key=lambda name: (-weight[name], name))[:count])


def efficiency(acting: Acting, since: datetime, until: datetime) -> Efficiency:
    """Of the readings in [since, until)."""
    wanted = (
        select(ENTRY.c.department, USE.c.department, func.count())
        .join(USE, USE.c.entry == ENTRY.c.id)
        .where(USE.c.first >= since, USE.c.first < until)
        .group_by(ENTRY.c.department, USE.c.department)
    )
    return Efficiency({(of, by): int(count) for of, by, count in acting.connection.execute(wanted)})
