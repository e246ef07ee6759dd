"""A new SQLite database gets its tables from what the migrations made once: they take longer than most tests.

Only in this process, and not where the migrations are what is tested (the fixture `migrated`).
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable

from sqlalchemy import Connection, create_engine

from lepton_fed.storage import schema

by_migrations: Callable[[Connection, str | None], None] = schema._upgrade


def copied(connection: Connection, found: str | None) -> None:
    """In the place of `schema._upgrade`."""
    if connection.dialect.name != "sqlite" or found is not None:
        by_migrations(connection, found)
        return
    for statement in _statements():
        connection.exec_driver_sql(statement)


@functools.cache
def _statements() -> tuple[str, ...]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        by_migrations(connection, None)
        made = connection.connection.driver_connection
        assert isinstance(made, sqlite3.Connection)
        found = [line for line in made.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
    engine.dispose()
    return tuple(found)
