"""The log in a database: entries appended, heads sealed and countersigned, all in the transaction of the caller.

    with database.writing() as connection:
        connection.execute(insert(RoundRow), ...)          what happened
        append(connection, "制造", [Planned(...)])          and that it happened: both are committed, or neither is
        seal(connection, "制造", coordinator)

The row of `audit_log` holds the tree's frontier, and whoever appends holds its lock until the transaction ends: entries
have one order without gaps. A call costs a few statements, an entry O(log n) hashes; a proof costs O(log n) rows.
The connection is one for writing (`Database.writing`). Failures of the database are the caller's to explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select, text, update

from lepton_fed.audit.commitments import Commitment, Opening, Openings
from lepton_fed.audit.entries import Entry, moment
from lepton_fed.audit.heads import NO_HEAD, CounterSignature, Head, SignedHead
from lepton_fed.audit.merkle import HASH, Complete, Frontier, consistency_path, inclusion_path, leaf_hash
from lepton_fed.audit.record import Sealed
from lepton_fed.errors import StorageError
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import check_name
from lepton_fed.storage.audit_log_tables import (
    AuditCounterSignatureRow,
    AuditEntryRow,
    AuditHeadRow,
    AuditLogRow,
    AuditOpeningRow,
)
from lepton_fed.translation import sentence


def append(connection: Connection, log: str, entries: Sequence[Entry], openings: Openings | None = None) -> range:
    """Add entries at the end of the log, which begins with its first; returns their indexes.

    `openings`: the texts behind their commitments, kept apart so that they can be erased.
    """
    tree = locked(connection, log)
    first, rows = tree.size, []
    for entry in entries:
        body = entry.body
        tree, made = tree.grown(leaf_hash(body))
        rows.append({"log": log, "number": tree.size - 1, "body": body, "nodes": b"".join(made)})
    if rows:
        connection.execute(insert(AuditEntryRow), rows)
        grown = {"size": tree.size, "frontier": b"".join(tree.hashes)}
        connection.execute(update(AuditLogRow).where(AuditLogRow.log == log).values(**grown))
    _keep(connection, log, entries, openings)
    return range(first, tree.size)


def seal(connection: Connection, log: str, coordinator: Identity, at: datetime | None = None) -> Sealed:
    """Sign a head over every entry so far, those of this transaction included. `at`: now, if not given."""
    tree = locked(connection, log)
    last = last_head(connection, log)
    time, previous, number = moment(at or datetime.now(UTC)), NO_HEAD, 0
    if last is not None:
        # A clock that was set back must not make the log look rolled back.
        time, previous, number = max(time, last.signed.head.time), last.signed.head.hash, last.number + 1
    signed = SignedHead.sign(Head(log, tree.size, tree.root, time, previous), coordinator)
    row = {"log": log, "number": number, "body": signed.written}
    connection.execute(insert(AuditHeadRow), [row])
    return Sealed(number, signed)


def size_of(connection: Connection, log: str) -> int:
    """How many entries it has; 0 for a log that has not begun."""
    found = connection.execute(select(AuditLogRow.size).where(AuditLogRow.log == log)).scalar()
    return 0 if found is None else int(found)


def last_head(connection: Connection, log: str) -> Sealed | None:
    """The newest head, without its countersignatures; None for a log that has none."""
    table = AuditHeadRow
    found = connection.execute(
        select(table.number, table.body).where(table.log == log).order_by(table.number.desc()).limit(1)
    ).first()
    return None if found is None else Sealed(found.number, SignedHead.read(found.body))


def countersigned(
    connection: Connection, log: str, sealed: Sealed, countersignature: CounterSignature, department: bytes
) -> None:
    """Keep a department's signature on a head; Malformed unless its key (32 bytes) made it. Twice changes nothing."""
    countersignature.check(sealed.signed.head, (department,))
    table = AuditCounterSignatureRow
    key = {"log": log, "number": sealed.number, "department": countersignature.department}
    known = select(table.department).filter_by(**key)
    if connection.execute(known).first() is None:
        connection.execute(insert(table), [{**key, "signature": countersignature.signature}])


def inclusion(connection: Connection, log: str, index: int, size: int) -> tuple[bytes, ...]:
    """The proof that entry `index` is among the first `size` (`merkle.check_inclusion` checks it)."""
    return inclusion_path(index, size, _complete(connection, log))


def consistency(connection: Connection, log: str, first: int, second: int) -> tuple[bytes, ...]:
    """The proof that the log of `second` entries begins with that of `first`: what a `Witness` asks for."""
    return consistency_path(first, second, _complete(connection, log))


def openings(connection: Connection, log: str) -> dict[Commitment, Opening]:
    """The texts that have not been erased, by what entries hold instead of them."""
    table = AuditOpeningRow
    rows = connection.execute(select(table.commitment, table.salt, table.text).where(table.log == log))
    return {Commitment(row.commitment): Opening(row.salt, row.text) for row in rows}


def erase(connection: Connection, log: str, commitment: Commitment) -> None:
    """Forget a text and its salt. Its entry stays, says nothing of it any more, and verifies.

    SQLite overwrites the bytes in the file, which its write-ahead log may hold until it is next checkpointed;
    PostgreSQL until the next VACUUM; copies of the database hold what they hold.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    table = AuditOpeningRow
    connection.execute(delete(table).where(table.log == log, table.commitment == commitment.digest))


def locked(connection: Connection, log: str) -> Frontier:
    """The log's tree, which nobody else appends to until the transaction ends; an empty one for a new log."""
    wanted = select(AuditLogRow.size, AuditLogRow.frontier).where(AuditLogRow.log == log).with_for_update()
    found = connection.execute(wanted).first()
    if found is None:
        check_name(log)
        # Two programs may begin it at once; the second waits here for the first and then finds it.
        begin = text("INSERT INTO audit_log (log, size, frontier) VALUES (:log, 0, :empty) ON CONFLICT DO NOTHING")
        connection.execute(begin, {"log": log, "empty": b""})
        found = connection.execute(wanted).one()
    return Frontier(found.size, hashes(found.frontier))


def _keep(connection: Connection, log: str, entries: Sequence[Entry], openings: Openings | None) -> None:
    made = {} if openings is None else openings.made
    wanted = dict.fromkeys(c for entry in entries for c in entry.commitments if c in made)
    rows = [{"log": log, "commitment": one.digest, "salt": made[one].salt, "text": made[one].text} for one in wanted]
    if rows:
        connection.execute(insert(AuditOpeningRow), rows)


def hashes(joined: bytes) -> tuple[bytes, ...]:
    """Hashes that were written one after the other; a last one may be short."""
    return tuple(joined[k : k + HASH] for k in range(0, len(joined), HASH))


def _complete(connection: Connection, log: str) -> Complete:
    """Complete subtrees of the stored tree: each lies with the entry that completed it."""
    table = AuditEntryRow

    def hash_of(level: int, position: int) -> bytes:
        number = (position + 1 << level) - 1
        nodes = connection.execute(select(table.nodes).where(table.log == log, table.number == number)).scalar()
        if nodes is None or len(nodes) < (level + 1) * HASH:
            raise StorageError(
                sentence(
                    "the log {log!r} has no entry {number}, or not its hashes; verify the log", log=log, number=number
                )
            )
        return bytes(nodes[level * HASH : (level + 1) * HASH])

    return hash_of
