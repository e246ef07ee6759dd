"""Which entities of two departments are one: proposed by a program, counted once a person has accepted it.

    proposed ──accept──► accepted        both are known under one name from now on
        ▲  └────refuse──► refused        proposed no more
        └──────undo─────── either        as if nobody had decided

Entities with the same name are one as they stand, since names are what the federation knows things by. A person who
refuses an `exact` match takes them apart: the other department's is then known as `name (department)`. Facts keep the
names that their department gave them, so that undoing is exact. Every decision has its audit entry in one transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal as OneOf
from typing import cast

from sqlalchemy import Connection, Table, func, insert, select, update

from lepton_fed.audit.commitments import Openings, storable
from lepton_fed.audit.entries import MatchDecided, moment
from lepton_fed.audit.log import append
from lepton_fed.errors import DataError
from lepton_fed.knowledge.facts import name_of
from lepton_fed.storage.knowledge_tables import KnowledgeMatchRow

Method = OneOf["exact", "name", "private", "person"]
State = OneOf["proposed", "accepted", "refused"]
METHODS: tuple[Method, ...] = ("exact", "name", "private", "person")

MATCH = cast(Table, KnowledgeMatchRow.__table__)

_MOVES: dict[tuple[str, str], str] = {
    ("proposed", "accept"): "accepted",
    ("proposed", "refuse"): "refused",
    ("accepted", "undo"): "proposed",
    ("refused", "undo"): "proposed",
}
"""Every move there is: (state, what a person does) to the next state."""

Move = OneOf["accept", "refuse", "undo"]


@dataclass(frozen=True, order=True)
class Pair:
    """Two departments' entities, the department that sorts first first: the same two are one pair, however named."""

    department: str
    entity: str
    other_department: str
    other_entity: str

    def __post_init__(self) -> None:
        if self.department >= self.other_department:
            raise DataError(f"a match is of two departments in their order, found {self.department!r} first")

    @classmethod
    def of(cls, department: str, entity: str, other_department: str, other_entity: str) -> Pair:
        """The pair, in its order; DataError for one department's two entities."""
        if department == other_department:
            raise DataError(f"both entities are of {department}; a match is between two departments")
        one, other = sorted([(department, name_of(entity)), (other_department, name_of(other_entity))])
        return cls(*one, *other)

    @property
    def digest(self) -> bytes:
        """32 bytes by which the audit log names it."""
        texts = (self.department, self.entity, self.other_department, self.other_entity)
        return hashlib.sha256("\0".join(texts).encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Match:
    """A pair and what became of it. `canonical`: the name of both, once accepted; `by`: who decided."""

    number: int
    pair: Pair
    method: str
    state: str
    canonical: str
    proposed: datetime
    decided: datetime | None
    by: str
    reason: str


def propose(
    connection: Connection,
    pairs: Iterable[Pair],
    method: Method,
    *,
    called_by: str | None = None,
    time: datetime | None = None,
) -> int:
    """Add pairs that nobody proposed before; how many those were.

    `called_by`: the department whose names both would get; default: the one that sorts first.
    """
    texts = select(MATCH.c.department, MATCH.c.entity, MATCH.c.other_department, MATCH.c.other_entity)
    known = {tuple(row) for row in connection.execute(texts)}
    when = time or datetime.now(UTC)
    rows = [_row(pair, method, when, called_by) for pair in sorted(set(pairs)) if _texts(pair) not in known]
    if rows:
        connection.execute(insert(KnowledgeMatchRow), rows)
    return len(rows)


def decide(
    connection: Connection,
    log: str,
    number: int,
    move: Move,
    *,
    by: str,
    reason: str = "",
    canonical: str | None = None,
    time: datetime | None = None,
) -> Match:
    """Make a person's decision; DataError, and nothing changed, for a move that the match does not allow.

    `canonical`: the name that both departments will see; default: the one that it was proposed with.
    """
    match = _of_number(connection, number)
    state = _MOVES.get((match.state, move))
    if state is None:
        raise DataError(f"match {number} is {match.state}: nothing to {move}; undo a decision before another one")
    if not by.strip():
        raise DataError("a match is decided by a person: say who")
    when = time or datetime.now(UTC)
    values = {"state": state, "decided": when, "by": storable(by), "reason": storable(reason)}
    values["canonical"] = name_of(canonical) if canonical else match.canonical
    connection.execute(update(MATCH).where(MATCH.c.number == number).values(values))
    decided = _of_number(connection, number)
    _audited(connection, log, decided, when)
    return decided


def matches(connection: Connection, *states: State) -> list[Match]:
    """All matches, or those in one of the states, in the order in which they were proposed."""
    wanted = select(MATCH).order_by(MATCH.c.number)
    if states:
        wanted = wanted.where(MATCH.c.state.in_(states))
    return [_match(**row) for row in connection.execute(wanted).mappings()]


def state(connection: Connection) -> str:
    """Changes whenever what counts does."""
    decided = matches(connection, "accepted", "refused")
    counted = [m for m in decided if m.state == "accepted" or _exact(m)]
    said = [(m.number, m.state, m.canonical, _texts(m.pair)) for m in counted]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def canonical(connection: Connection) -> Callable[[str, str], str]:
    """The name by which an entity of a department is known to all, from (department, name)."""
    table = known(connection)
    return lambda department, name: table.get((department, name), name)


def known(connection: Connection) -> dict[tuple[str, str], str]:
    """The same as a table of those whose name is another one than their department's, by (department, name)."""
    return names(matches(connection, "accepted", "refused"))


def own_names(connection: Connection, department: str, name: str) -> list[str]:
    """What a department calls the entity that is known to all by `name`, sorted."""
    table = names(matches(connection, "accepted", "refused"))
    found = {own for (owner, own), known in table.items() if owner == department and known == name}
    return sorted(found if (department, name) in table else found | {name})


def names(decided: Iterable[Match]) -> dict[tuple[str, str], str]:
    """The names of those entities that are known by another one than their own.

    Accepted matches join transitively; a group goes by the name of its first match.
    """
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    named: dict[int, tuple[int, str]] = {}
    """By group, the number of its first match with the name that this one gave."""
    apart: dict[tuple[str, str], str] = {}
    for match in sorted(decided, key=lambda match: match.number):
        one = (match.pair.department, match.pair.entity)
        other = (match.pair.other_department, match.pair.other_entity)
        if match.state == "accepted":
            left, right = groups.setdefault(one, [one]), groups.setdefault(other, [other])
            own = (match.number, match.canonical)
            first = min(named.pop(id(left), own), named.pop(id(right), own))
            if left is not right:
                left += right
                groups.update(dict.fromkeys(right, left))
            named[id(left)] = first
        elif match.state == "refused" and _exact(match):
            apart[other] = f"{match.pair.other_entity} ({match.pair.other_department})"
    return apart | {key: named[id(group)][1] for key, group in groups.items()}


def _exact(match: Match) -> bool:
    return match.pair.entity == match.pair.other_entity


def _audited(connection: Connection, log: str, match: Match, when: datetime) -> None:
    openings = Openings()
    entry = MatchDecided(
        time=moment(when),
        run="",
        department=match.pair.department,
        other=match.pair.other_department,
        match=match.pair.digest,
        state=match.state,
        reason=openings.commit(match.reason),
        by=openings.commit(match.by),
    )
    append(connection, log, [entry], openings)


def _of_number(connection: Connection, number: int) -> Match:
    found = connection.execute(select(MATCH).where(MATCH.c.number == number)).mappings().first()
    if found is None:
        most = connection.execute(select(func.max(MATCH.c.number))).scalar()
        raise DataError(
            f"there is no match {number}; " + (f"they go up to {most}" if most else "none was proposed yet")
        )
    return _match(**found)


def _texts(pair: Pair) -> tuple[str, str, str, str]:
    return (pair.department, pair.entity, pair.other_department, pair.other_entity)


def _row(pair: Pair, method: Method, when: datetime, called_by: str | None) -> dict[str, object]:
    texts = dict(zip(("department", "entity", "other_department", "other_entity"), _texts(pair), strict=True))
    canonical = pair.other_entity if called_by == pair.other_department else pair.entity
    rest = {"method": method, "state": "proposed", "canonical": canonical, "proposed": when, "decided": None}
    return {**texts, **rest, "by": "", "reason": ""}


def _match(
    number: int,
    department: str,
    entity: str,
    other_department: str,
    other_entity: str,
    method: str,
    state: str,
    canonical: str,
    proposed: datetime,
    decided: datetime | None,
    by: str,
    reason: str,
) -> Match:
    return Match(
        number=number,
        pair=Pair(department, entity, other_department, other_entity),
        method=method,
        state=state,
        canonical=canonical,
        proposed=proposed,
        decided=decided,
        by=by,
        reason=reason,
    )
