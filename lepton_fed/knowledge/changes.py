"""What changed of a department's facts since a revision, as far as it moves anything in an index.

    Standing    which revisions and matches an index is of
    Touched     subjects whose facts are to be put into it anew, and all facts about them as they stand now

A subject is touched by a fact about it that came or ended; by a type, or another name, that an entity got: facts are
sorted by the types at both of their ends, so that those in which it is the tail move as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from lepton_fed.knowledge import joining, revisions
from lepton_fed.knowledge.facts import TYPE, Fact
from lepton_fed.knowledge.revisions import FACT, REVISION
from lepton_fed.knowledge.sorts import Sorting

Names = dict[str, str]
"""By a department's own name of an entity, the other one by which all know it."""

MOST = 20_000
"""Heads that are followed; where more were touched, building anew takes less."""

_AT_ONCE = 5_000
"""Names in one statement: databases take some tens of thousands."""


@dataclass(frozen=True)
class Standing:
    """The revisions up to `newest`, with the digest of all of them in hex; and the matches that count."""

    newest: int
    digest: str
    matches: str

    @classmethod
    def now(cls, connection: Connection) -> Standing:
        """As the database stands."""
        newest = connection.execute(select(func.max(REVISION.c.number))).scalar() or 0
        return cls(newest, _digest(connection, newest), joining.state(connection))

    def leads_to(self, connection: Connection) -> bool:
        """Whether the database has the same revisions up to `newest`, and possibly more.

        Not so where another database was put in its place, or a revision with a lower number was committed later.
        """
        return _digest(connection, self.newest) == self.digest


def _digest(connection: Connection, newest: int) -> str:
    """Of each revision, and of when it was made: another database may have come to the same last change."""
    columns = (REVISION.c.number, REVISION.c.department, REVISION.c.digest, REVISION.c.time)
    found = hashlib.sha256()
    for number, department, digest, time in connection.execute(
        select(*columns).where(REVISION.c.number <= newest).order_by(REVISION.c.number)
    ):
        found.update(f"{number}\0{department}\0{bytes(digest).hex()}\0{time.isoformat()}\n".encode())
    return found.hexdigest()


@dataclass(frozen=True)
class Touched:
    """Of one owner: subjects by the names by which all know them, before and now, and the facts about them."""

    sorting: Sorting
    """Of the entities in `facts`."""
    subjects: frozenset[str]
    facts: tuple[Fact, ...] = field(repr=False)


def touched(connection: Connection, owner: str, after: int, before: Names, now: Names) -> Touched | None:
    """What changed after that revision and with those names; None where that is more than is worth following."""
    if before == now and not _revised(connection, owner, after):
        return Touched(Sorting.of(owner, ()), frozenset(), ())
    came, retyped = _changed(connection, owner, after)
    moved = retyped | {own for own in before | now if before.get(own, own) != now.get(own, own)}
    if len(came) + len(moved) > MOST:
        return None
    heads = came | moved | set(_heads_of(connection, owner, moved))
    subjects = frozenset(names.get(head, head) for head in heads for names in (before, now))
    # Several own names may have become one subject: its facts go together, and come together.
    own = {name for name, known in now.items() if known in subjects} | {s for s in subjects if s not in now}
    if len(own) > MOST:
        return None
    facts = tuple(_about(connection, owner, own))
    return Touched(Sorting.of(owner, _types(connection, owner, facts)), subjects, facts)


def of_owner(known: Mapping[tuple[str, str], str], owner: str) -> Names:
    """Of all departments' names, one's."""
    return {own: name for (department, own), name in known.items() if department == owner}


def _revised(connection: Connection, owner: str, after: int) -> bool:
    """Whether the owner has changed anything since: one that has not costs no look at its facts."""
    later = select(REVISION.c.number).where(REVISION.c.department == owner, REVISION.c.number > after).limit(1)
    return connection.execute(later).first() is not None


def _changed(connection: Connection, owner: str, after: int) -> tuple[set[str], set[str]]:
    """Heads of the facts that came or ended, and those of them whose types did."""
    since = select(FACT.c.head, FACT.c.relation).where(FACT.c.department == owner)
    heads: set[str] = set()
    retyped: set[str] = set()
    # Two statements: that of ended facts has an index of its own.
    for condition in (FACT.c.since > after, FACT.c.until > after):
        for head, relation in connection.execute(since.where(condition).distinct()):
            heads.add(head)
            if relation == TYPE:
                retyped.add(head)
    return heads, retyped


def _heads_of(connection: Connection, owner: str, tails: Collection[str]) -> Iterator[str]:
    """Of the standing facts that end in one of these entities."""
    standing = select(FACT.c.head).where(FACT.c.department == owner, FACT.c.until.is_(None), FACT.c.datatype.is_(None))
    for some in _parts(tails):
        yield from connection.execute(standing.where(FACT.c.tail.in_(some)).distinct()).scalars()


def _about(connection: Connection, owner: str, heads: Collection[str], relation: str | None = None) -> Iterator[Fact]:
    """The standing facts about these entities, those of one relation or all."""
    for some in _parts(heads):
        condition = FACT.c.head.in_(some)
        yield from revisions.standing(connection, owner, relation=relation, only=condition)


def _types(connection: Connection, owner: str, facts: Iterable[Fact]) -> Iterator[Fact]:
    """What the entities in these facts are."""
    ends = {name for fact in facts for name in (fact.head, fact.tail) if isinstance(name, str)}
    # A statement reads all facts either way, since heads have no index: an import would pay for one with each fact.
    if len(ends) > _AT_ONCE:
        return revisions.standing(connection, owner, relation=TYPE)
    return _about(connection, owner, ends, TYPE)


def _parts(names: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(names)
    for first in range(0, len(ordered), _AT_ONCE):
        yield ordered[first : first + _AT_ONCE]
