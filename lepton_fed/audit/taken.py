"""Up to which number a source's entries are in a log, so that each is there once, whoever was killed when.

with database.writing() as connection:
    if take(connection, log, "rounds of RUN", 7): append(...)      once for round 7, in the same transaction
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from lepton_fed.audit.log import locked
from lepton_fed.storage.audit_log_tables import AuditTakenRow


def taken(connection: Connection, log: str, source: str) -> int:
    """The number; 0 for a source that was never taken from."""
    table = AuditTakenRow
    found = connection.execute(select(table.number).where(table.log == log, table.source == source)).scalar()
    return 0 if found is None else int(found)


def take(connection: Connection, log: str, source: str, number: int) -> bool:
    """Whether `number` is new, which is noted; the log is this transaction's until it ends."""
    locked(connection, log)
    before = taken(connection, log, source)
    if number <= before:
        return False
    table = AuditTakenRow
    if before:
        where = table.log == log, table.source == source
        connection.execute(update(table).where(*where).values(number=number))
    else:
        connection.execute(insert(table), [{"log": log, "source": source, "number": number}])
    return True
