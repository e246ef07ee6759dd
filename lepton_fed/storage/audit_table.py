"""Calls of the coordinator's port as rows of a database, each committed before its call is answered.

    AuditEvent --AuditTable.record--> a row of audit_event --AuditTable.events--> StoredEvent, in the order of its id

Events are added and read, never changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from sqlalchemy import URL, insert, select

from lepton_fed.audit.commitments import storable
from lepton_fed.closing import Closing
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.storage import schema
from lepton_fed.storage.call_tables import AuditEventRow
from lepton_fed.storage.private_file import make_private

_INSERT = insert(AuditEventRow)


@dataclass(frozen=True)
class StoredEvent:
    """An event, and the number by which it is known: ids grow, and none is given twice."""

    id: int
    event: AuditEvent


class AuditTable(Closing):
    """An audit sink on a database: a file of SQLite (mode 600), or any other by URL. Close it, or use it in a `with`.

    It may be the database of the runs. Every method raises StorageError, in one sentence and without a password, if
    the database cannot be reached, read or written, or is locked for longer than `patience` seconds. `durable`: an
    event survives a power cut, too (SQLite; other databases have settings of their own).
    """

    def __init__(self, where: str | URL | Path, *, patience: float = 10.0, durable: bool = True) -> None:
        url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else where
        make_private(url, "the record of calls")
        self._database = schema.opened(url, patience=patience, durable=durable)
        # One at a time: writers of one process would else wait for each other in the database, less fairly, and
        # events could be seen in another order than that of their ids.
        self._lock = Lock()

    def record(self, event: AuditEvent) -> None:
        """Commit an event; any number of threads may call this."""
        row = {name: storable(value) if isinstance(value, str) else value for name, value in asdict(event).items()}
        with self._lock, self._database.writing() as connection:
            connection.execute(_INSERT, row)

    def events(self, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """The first `limit` events whose id is greater than `after`, in order."""
        table = AuditEventRow.__table__
        with self._database.reading() as connection:
            rows = connection.execute(select(table).where(table.c.id > after).order_by(table.c.id).limit(limit))
            return [_event(**row) for row in rows.mappings()]

    def close(self) -> None:
        """Give back the connections."""
        self._database.close()


def _event(id: int, **fields: object) -> StoredEvent:  # noqa: A002
    return StoredEvent(id, AuditEvent(**fields))  # type: ignore[arg-type]
