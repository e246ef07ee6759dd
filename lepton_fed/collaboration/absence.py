"""What stops if a department is away: everybody who needs something that nobody else can give.

A department that depends on several for the same thing goes on while one of them is there, with less; it stops when
all of them are away or stopped themselves. With a different thing on every edge, those who stop are exactly those
who depend on the one who is away, directly or through others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lepton_fed.collaboration.precedence import dependences, places

if TYPE_CHECKING:
    from lepton_fed.collaboration.precedence import Needs


@dataclass(frozen=True)
class Absence:
    """`stopped`: who cannot go on, with what each then lacks. `weakened`: who goes on with fewer givers than before."""

    away: tuple[str, ...]
    stopped: Mapping[str, tuple[str, ...]]
    weakened: tuple[str, ...]


def absence(needs: Needs, away: Iterable[str]) -> Absence:
    """What follows from some departments being away at once."""
    gone = list(dict.fromkeys(away))
    left = _givers(needs)
    lacking: dict[str, list[str]] = {}
    touched: set[str] = set()
    queue = list(gone)
    while queue:
        lost = queue.pop()
        for a, _, what in needs.in_edges(lost, keys=True):
            touched.add(a)
            left[a, what] -= 1
            if left[a, what] == 0 and a not in gone:
                lacking.setdefault(a, []).append(what)
                if len(lacking[a]) == 1:
                    queue.append(a)
    place = places(needs)
    stopped = {name: tuple(lacking[name]) for name in sorted(lacking, key=place.__getitem__)}
    weakened = sorted(touched - lacking.keys() - set(gone), key=place.__getitem__)
    return Absence(tuple(sorted(gone, key=place.__getitem__)), stopped, tuple(weakened))


def hinges(needs: Needs) -> tuple[Absence, ...]:
    """Departments on which everything hangs: away, each stops at least half of all others, and at least two."""
    least = max(2.0, (len(needs) - 1) / 2)
    return tuple(found for name in needs if len((found := absence(needs, [name])).stopped) >= least)


def _givers(needs: Needs) -> dict[tuple[str, str], int]:
    """How many give `what` to each department that needs it."""
    count: dict[tuple[str, str], int] = defaultdict(int)
    for edge in dependences(needs):
        count[edge.dependent, edge.what] += 1
    return count
