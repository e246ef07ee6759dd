"""A row that two may add at the same moment: one of them does, and neither fails."""

from __future__ import annotations

from sqlalchemy import Connection, Table, insert
from sqlalchemy.exc import IntegrityError


def added_once(connection: Connection, table: Table, values: dict[str, object]) -> bool:
    """Whether the row is new; False where its key is there already, with the transaction as good as before."""
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(values))
    except IntegrityError:
        return False
    return True
