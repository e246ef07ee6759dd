"""Reads a whole log out of a database, as one state of it, to be verified or exported."""

from __future__ import annotations

from sqlalchemy import Connection, Label, LargeBinary, cast, select
from sqlalchemy.orm import InstrumentedAttribute

from lepton_fed.audit import merkle
from lepton_fed.audit.errors import Unproven
from lepton_fed.audit.heads import CounterSignature, SignedHead
from lepton_fed.audit.log import hashes
from lepton_fed.audit.record import Record, Sealed, Written
from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.storage.audit_log_tables import AuditCounterSignatureRow, AuditEntryRow, AuditHeadRow, AuditLogRow
from lepton_fed.storage.database import Database
from lepton_fed.translation import sentence


def written(database: Database, log: str) -> Written:
    """The log with all its entries and heads; StorageError if the database has none of that name."""
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            # By default every statement sees a state of its own, and entries would not fit heads.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        wanted = select(AuditLogRow.size, AuditLogRow.frontier).where(AuditLogRow.log == log)
        row = connection.execute(wanted).first()
        if row is None:
            raise StorageError(f"the database has no log {log!r}; use the database that it was written in")
        records, (heads, faults) = _records(connection, log), _heads(connection, log)
        return Written(log, records, heads, (*_end(row.size, hashes(row.frontier), records), *faults))


def _end(size: int, frontier: tuple[bytes, ...], records: tuple[Record, ...]) -> tuple[str, ...]:
    """A sentence if the row that the next entry would be appended to does not fit the entries."""
    if size != len(records):
        why = sentence(
            "the log's row says {size} entries and {here} are here: entries were dropped or added",
            size=size,
            here=len(records),
        )
        return (why,)
    try:
        fits = merkle.frontier(size, lambda level, place: records[(place + 1 << level) - 1].nodes[level]).hashes
    except (IndexError, Unproven):
        fits = ()
    if fits != frontier:
        return (sentence("the log's row was edited: its frontier is not that of the entries"),)
    return ()


def _records(connection: Connection, log: str) -> tuple[Record, ...]:
    table = AuditEntryRow
    wanted = select(table.number, _raw(table.body), _raw(table.nodes)).where(table.log == log).order_by(table.number)
    return tuple(Record(row.number, row.body, hashes(row.nodes)) for row in connection.execute(wanted))


def _raw(column: InstrumentedAttribute[bytes]) -> Label[bytes]:
    """Bytes, also where somebody has put text in their place, which SQLite lets him."""
    return cast(column, LargeBinary).label(column.key)


def _heads(connection: Connection, log: str) -> tuple[tuple[Sealed, ...], tuple[str, ...]]:
    """Heads in their order, and a sentence for each that cannot be read."""
    table = AuditHeadRow
    signatures, faults = _signatures(connection, log)
    heads = []
    wanted = select(table.number, _raw(table.body)).where(table.log == log).order_by(table.number)
    for row in connection.execute(wanted):
        try:
            signed = SignedHead.read(row.body)
        except Malformed as error:
            why = sentence(
                "head {number} was edited: it cannot be read any more ({error})", number=row.number, error=str(error)
            )
            faults.append(why)
        else:
            heads.append(Sealed(row.number, signed, tuple(signatures.pop(row.number, []))))
    faults += [
        sentence("head {number} was dropped: countersignatures on it are here", number=number)
        for number in sorted(signatures)
    ]
    return tuple(heads), tuple(faults)


def _signatures(connection: Connection, log: str) -> tuple[dict[int, list[CounterSignature]], list[str]]:
    table = AuditCounterSignatureRow
    found: dict[int, list[CounterSignature]] = {}
    faults: list[str] = []
    wanted = select(table.number, table.department, table.signature).where(table.log == log)
    # Sorted here: databases order Chinese text each in their own way.
    for row in sorted(connection.execute(wanted), key=lambda row: (row.number, row.department)):
        try:
            one = CounterSignature(row.department, row.signature)
        except Malformed as error:
            why = sentence(
                "a countersignature on head {number} was edited: it cannot be read any more ({error})",
                number=row.number,
                error=str(error),
            )
            faults.append(why)
        else:
            found.setdefault(row.number, []).append(one)
    return found, faults
