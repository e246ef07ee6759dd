"""Departments' facts in a database, as revisions that are only added to, each with its audit entry in one transaction.

    record   facts   ──►  revision 1: they stand            since = 1
    retract  some    ──►  revision 2: they stand no more    since = 1, until = 2
    restore  1       ──►  revision 3: as it was after 1     since = 1, until = 2; since = 3

What stood after any revision can be read at any time, and no row is removed. The connection is one for writing
(`Database.writing`); failures of the database are the caller's to explain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection, Insert, Select, Table, and_, exists, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from lepton_fed.audit.commitments import Openings, storable
from lepton_fed.audit.entries import KnowledgeRevised, moment
from lepton_fed.audit.log import append
from lepton_fed.errors import DataError, StorageError
from lepton_fed.knowledge.facts import Fact, Literal, name_of, relation_of
from lepton_fed.storage.knowledge_tables import KnowledgeFactRow, KnowledgeRevisionRow

BATCH = 20_000
"""Facts a statement: enough that a statement costs nothing, few enough that memory does not notice."""

FACT = cast(Table, KnowledgeFactRow.__table__)
REVISION = cast(Table, KnowledgeRevisionRow.__table__)

_TEXTS = (FACT.c.head, FACT.c.relation, FACT.c.tail, FACT.c.datatype, FACT.c.language, FACT.c.confidence)
_COLUMNS = (*_TEXTS, FACT.c.source, FACT.c.head_written, FACT.c.tail_written)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Whose change of the facts it is, out of what, when, by whom and why."""

    department: str
    source: str
    by: str
    reason: str = ""
    time: datetime | None = None
    """Now, if not given."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A change that was made; `added` facts came and `ended` facts stand no more."""

    number: int
    kind: str
    added: int
    ended: int
    digest: bytes
    provenance: Provenance


@dataclass(frozen=True)
class Held:
    """A fact with where it comes from: it stands from the revision `since` up to, not with, `until`."""

    fact: Fact
    department: str
    since: int
    until: int | None
    source: str
    time: datetime


def record(connection: Connection, log: str, facts: Iterable[Fact], provenance: Provenance) -> Revision | None:
    """Add what does not stand yet; None, and nothing changed, where everything does. Errors of `facts` go through."""
    number = _begun(connection, "import", provenance)
    stream = iter(facts)
    while batch := list(islice(stream, BATCH)):
        _add(connection, [_row(fact, provenance.department, number) for fact in batch])
    return _ended(connection, log, number)


def retract(
    connection: Connection,
    log: str,
    provenance: Provenance,
    *,
    head: str | None = None,
    relation: str | None = None,
    tail: str | None = None,
) -> Revision | None:
    """End those of the department's facts that have all that is said; DataError if nothing is said.

    Names as they may be written, as on import; a literal's text as it is.
    """
    conditions = list(_said(head, relation, tail))
    if not conditions:
        raise DataError("say which facts to retract: by head, relation or tail")
    number = _begun(connection, "retract", provenance)
    _end(connection, number, and_(_standing(provenance.department), *conditions))
    return _ended(connection, log, number)


def restore(connection: Connection, log: str, revision: int, provenance: Provenance) -> Revision | None:
    """Make the department's facts again what they were after `revision`; 0 is before the first."""
    department = provenance.department
    if revision != 0:
        _require_own(connection, revision, department)
    number = _begun(connection, "restore", provenance)
    then = FACT.alias("then")
    stood = and_(
        then.c.department == department,
        then.c.since <= revision,
        or_(then.c.until.is_(None), then.c.until > revision),
    )
    _end(
        connection,
        number,
        and_(
            _standing(department),
            FACT.c.since > revision,
            ~exists(select(literal(1)).where(stood, then.c.key == FACT.c.key)),
        ),
    )
    copied = (FACT.c.department, FACT.c.key, *_COLUMNS)
    source = [then.c[column.name] for column in copied]
    again = select(*source, literal(number)).where(stood, then.c.until.is_not(None), then.c.until < number)
    connection.execute(_adding(connection).from_select([*(c.name for c in copied), "since"], again))
    return _ended(connection, log, number)


# ------------------------------------------------------------ to read


def standing(
    connection: Connection,
    department: str,
    at: int | None = None,
    relation: str | None = None,
    only: ColumnElement[bool] | None = None,
) -> Iterator[Fact]:
    """The department's facts as they stand, or stood after revision `at`, in the order in which they came.

    `relation`: only those of it; `only`: those for which the condition on `FACT` holds.
    """
    wanted = select(*_COLUMNS).where(_stood(department, at)).order_by(FACT.c.id)
    if relation is not None:
        wanted = wanted.where(FACT.c.relation == relation)
    if only is not None:
        wanted = wanted.where(only)
    for row in connection.execution_options(yield_per=BATCH).execute(wanted):
        yield _fact(*row)


def held(
    connection: Connection, department: str, *, head: str | None = None, tail: str | None = None, ended: bool = False
) -> Iterator[Held]:
    """Facts with their provenance: about `head`, about `tail`, or all; `ended`: those that stand no more as well."""
    wanted = (
        select(*_COLUMNS, FACT.c.since, FACT.c.until, REVISION.c.source, REVISION.c.time)
        .join(REVISION, REVISION.c.number == FACT.c.since)
        .where(FACT.c.department == department)
        .order_by(FACT.c.id)
    )
    yield from _held(connection, wanted.where(*_about(head, tail, ended)), department)


def history(connection: Connection, department: str, key: bytes) -> list[Held]:
    """When a fact (`Fact.key`) stood, from the first time on."""
    wanted = (
        select(*_COLUMNS, FACT.c.since, FACT.c.until, REVISION.c.source, REVISION.c.time)
        .join(REVISION, REVISION.c.number == FACT.c.since)
        .where(FACT.c.department == department, FACT.c.key == key)
        .order_by(FACT.c.since)
    )
    return list(_held(connection, wanted, department))


def revisions(connection: Connection, department: str | None = None) -> list[Revision]:
    """All changes, or those of a department, in order."""
    wanted = select(REVISION).order_by(REVISION.c.number)
    if department is not None:
        wanted = wanted.where(REVISION.c.department == department)
    return [_revision(**row) for row in connection.execute(wanted).mappings()]


def departments(connection: Connection) -> list[str]:
    """Whose facts are here, sorted."""
    return sorted(connection.execute(select(REVISION.c.department).distinct()).scalars())


def digest(connection: Connection, number: int) -> bytes:
    """The digest of a revision, its keys computed again from what the rows say: a row edited by hand gives another."""
    came, gone = (
        [_fact(*row).key for row in connection.execute(select(*_COLUMNS).where(column == number))]
        for column in (FACT.c.since, FACT.c.until)
    )
    return _digest(came, gone)


# ------------------------------------------------------------ how it is written


def _begun(connection: Connection, kind: str, provenance: Provenance) -> int:
    row = {
        "department": provenance.department,
        "kind": kind,
        "source": storable(provenance.source),
        "time": provenance.time or datetime.now(UTC),
        "by": storable(provenance.by),
        "reason": storable(provenance.reason),
        "added": 0,
        "ended": 0,
        "digest": bytes(32),
    }
    key = connection.execute(insert(KnowledgeRevisionRow).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _ended(connection: Connection, log: str, number: int) -> Revision | None:
    """The revision with its counts, digest and audit entry; None, and no revision, where it changed nothing."""
    came, gone = (
        list(connection.execute(select(FACT.c.key).where(column == number)).scalars())
        for column in (FACT.c.since, FACT.c.until)
    )
    if not came and not gone:
        connection.execute(REVISION.delete().where(REVISION.c.number == number))
        return None
    row = {"added": len(came), "ended": len(gone), "digest": _digest(came, gone)}
    connection.execute(update(REVISION).where(REVISION.c.number == number).values(row))
    found = connection.execute(select(REVISION).where(REVISION.c.number == number)).mappings().one()
    revision = _revision(**found)
    _audited(connection, log, revision)
    return revision


def _digest(came: Iterable[bytes], gone: Iterable[bytes]) -> bytes:
    """SHA-256 over the keys of the facts that came, then of those that ended, each sorted."""
    found = hashlib.sha256()
    for keys in (came, gone):
        found.update(b"".join(sorted(keys)) + b"|")
    return found.digest()


def _audited(connection: Connection, log: str, revision: Revision) -> None:
    openings, provenance = Openings(), revision.provenance
    assert provenance.time is not None
    entry = KnowledgeRevised(
        time=moment(provenance.time),
        run="",
        department=provenance.department,
        change=revision.kind,
        revision=revision.number,
        added=revision.added,
        ended=revision.ended,
        digest=revision.digest,
        source=openings.commit(provenance.source),
        reason=openings.commit(provenance.reason),
        by=openings.commit(provenance.by),
    )
    append(connection, log, [entry], openings)


def _adding(connection: Connection) -> Insert:
    """An insertion that leaves a fact alone that stands already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(KnowledgeFactRow).on_conflict_do_nothing()
    if connection.dialect.name == "postgresql":
        return postgresql.insert(KnowledgeFactRow).on_conflict_do_nothing()
    raise StorageError(f"facts are kept in SQLite or PostgreSQL, not in {connection.dialect.name}")


def _add(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Add rows that do not stand yet. Their values need no conversion, which costs more than the insertion itself."""
    compiled = _adding(connection).compile(dialect=connection.dialect, column_keys=list(rows[0]))
    order = compiled.positiontup
    given = rows if order is None else [tuple(row[name] for name in order) for row in rows]
    connection.exec_driver_sql(str(compiled), given)


def _row(fact: Fact, department: str, number: int) -> dict[str, object]:
    end = fact.tail
    tail, datatype, language = (
        (end.text, end.datatype, end.language or None) if isinstance(end, Literal) else (end, None, None)
    )
    return {
        "department": department,
        "key": fact.key,
        "since": number,
        "head": fact.head,
        "relation": fact.relation,
        "tail": tail,
        "datatype": datatype,
        "language": language,
        "confidence": fact.confidence,
        "source": storable(fact.source) if fact.source else None,
        "head_written": fact.head_written,
        "tail_written": fact.tail_written,
    }


def _fact(
    head: str,
    relation: str,
    tail: str,
    datatype: str | None,
    language: str | None,
    confidence: float,
    source: str | None,
    head_written: str | None,
    tail_written: str | None,
) -> Fact:
    end = tail if datatype is None else Literal(tail, datatype, language or "")
    return Fact(head, relation, end, confidence, source, head_written, tail_written)


def _standing(department: str) -> ColumnElement[bool]:
    return and_(FACT.c.department == department, FACT.c.until.is_(None))


def _stood(department: str, at: int | None) -> ColumnElement[bool]:
    if at is None:
        return _standing(department)
    return and_(FACT.c.department == department, FACT.c.since <= at, or_(FACT.c.until.is_(None), FACT.c.until > at))


def _about(head: str | None, tail: str | None, ended: bool) -> Iterator[ColumnElement[bool]]:
    if head is not None:
        yield FACT.c.head == head
    if tail is not None:
        yield and_(FACT.c.tail == tail, FACT.c.datatype.is_(None))
    if not ended:
        yield FACT.c.until.is_(None)


def _said(head: str | None, relation: str | None, tail: str | None) -> Iterator[ColumnElement[bool]]:
    if head is not None:
        yield FACT.c.head == _known_as(head, name_of)
    if relation is not None:
        yield FACT.c.relation == _known_as(relation, relation_of)
    if tail is not None:
        entity = and_(FACT.c.datatype.is_(None), FACT.c.tail == _known_as(tail, name_of))
        yield or_(entity, and_(FACT.c.datatype.is_not(None), FACT.c.tail == tail))


def _known_as(written: str, known: Callable[[str], str]) -> str:
    """The name that is written so. What is none any more may stand here from before, so that it can be retracted."""
    try:
        return known(written)
    except DataError:
        return written


def _held(connection: Connection, wanted: Select[Any], department: str) -> Iterator[Held]:
    for row in connection.execution_options(yield_per=BATCH).execute(wanted):
        since, until, source, time = row[-4:]
        fact = _fact(*row[:-4])
        yield Held(fact, department, since, until, fact.source or source, time)


def _end(connection: Connection, number: int, which: ColumnElement[bool]) -> None:
    connection.execute(update(FACT).where(which, FACT.c.since < number).values(until=number))


def _require_own(connection: Connection, revision: int, department: str) -> None:
    wanted = select(REVISION.c.department).where(REVISION.c.number == revision)
    found = connection.execute(wanted).scalar()
    if found is None or found != department:
        raise DataError(f"{department} has no revision {revision}; `lepton-fed knowledge revisions` lists those it has")


def _revision(
    number: int,
    department: str,
    kind: str,
    source: str,
    time: datetime,
    by: str,
    reason: str,
    added: int,
    ended: int,
    digest: bytes,
) -> Revision:
    provenance = Provenance(department=department, source=source, by=by, reason=reason, time=time)
    return Revision(number=number, kind=kind, added=added, ended=ended, digest=bytes(digest), provenance=provenance)
