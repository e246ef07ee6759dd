"""The rule by which points are given: for entries that helped, above all people of other departments.

    first person of another department    10        for each such department
    each further person of it              2        up to FURTHER of them
    a person of the own department         1        up to FURTHER of them
    own entries                            0

A person's marks count MOST_A_DAY times a day, in their order: who marks everything decides nothing. So twenty friends
of one other department are worth 18 points an entry, and one reader each of three other departments is worth 30.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

FIRST, NEXT, HOME = 10, 2, 1
FURTHER = 4
MOST_A_DAY = 10


@dataclass(frozen=True)
class Help:
    """Somebody said that an entry helped. `of`: the entry's department; `department`: theirs."""

    entry: int
    owner: int
    of: str
    person: int
    department: str
    time: datetime


@dataclass(frozen=True)
class Score:
    """A person's points in a period, and of how many entries and departments they come."""

    owner: int
    points: int
    entries: int
    departments: int


def scores(helps: Iterable[Help]) -> list[Score]:
    """What each owner has, the most first; of a tie, who was there first."""
    persons = _persons(helps)
    points: dict[int, int] = defaultdict(int)
    for (owner, _, home, _), count in persons.items():
        points[owner] += _points(count, home=home)
    made = [Score(owner, total, *_spread(owner, persons)) for owner, total in points.items()]
    return sorted(made, key=lambda score: (-score.points, score.owner))


def points_by_entry(helps: Iterable[Help], owner: int) -> dict[int, int]:
    """The same of one owner, by the entries that they come of."""
    points: dict[int, int] = defaultdict(int)
    for (whose, entry, home, _), count in _persons(helps).items():
        if whose == owner:
            points[entry] += _points(count, home=home)
    return dict(points)


def _persons(helps: Iterable[Help]) -> dict[tuple[int, int, bool, str], int]:
    """How many people each entry helped: by owner, entry, whether they are of its department, and department."""
    persons: dict[tuple[int, int, bool, str], int] = defaultdict(int)
    for one in _counted(helps):
        persons[one.owner, one.entry, one.department == one.of, one.department] += 1
    return persons


def _points(count: int, *, home: bool) -> int:
    """Of so many people of one department, for one entry."""
    return HOME * min(count, FURTHER) if home else FIRST + NEXT * min(count - 1, FURTHER)


def _counted(helps: Iterable[Help]) -> Iterable[Help]:
    """Those that count: of others, and of each person the first so many a day."""
    given: dict[tuple[int, object], int] = defaultdict(int)
    for one in sorted(helps, key=lambda one: (one.time, one.entry, one.person)):
        if one.person == one.owner:
            continue
        day = (one.person, one.time.date())
        given[day] += 1
        if given[day] <= MOST_A_DAY:
            yield one


def _spread(owner: int, persons: Mapping[tuple[int, int, bool, str], int]) -> tuple[int, int]:
    own = [(entry, department) for (whose, entry, _, department) in persons if whose == owner]
    return len({entry for entry, _ in own}), len({department for _, department in own})
