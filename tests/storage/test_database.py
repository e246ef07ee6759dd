"""A transaction to read sees one state of the database, whatever others commit meanwhile."""

from __future__ import annotations

from sqlalchemy import Connection, text

from lepton_fed.storage.database import Database


def test_what_is_committed_meanwhile_is_not_seen(url: str) -> None:
    database = Database(url, patience=5, durable=False)
    try:
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE said (x INTEGER)"))
        with database.reading() as reading:
            before = _count(reading)
            with database.writing() as connection:
                connection.execute(text("INSERT INTO said VALUES (1)"))
            assert _count(reading) == before == 0
        with database.reading() as reading:
            assert _count(reading) == 1
    finally:
        database.close()


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT COUNT(*) FROM said")).scalar_one())
