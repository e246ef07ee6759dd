"""A transaction to read sees one state of the database, whatever others commit meanwhile; a lock is waited for."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, text

from lepton_fed.errors import StorageError
from lepton_fed.storage import sqlite_url
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


def opened_beside(path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[sqlite3.Connection], None]) -> int:
    """A new file is written to while somebody else holds it without a write-ahead log, as whoever opens it at the same
    moment does. `meanwhile`: what he does at each pause, of which each takes a second. The seconds that it took.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        seconds = itertools.count()
        clock = SimpleNamespace(monotonic=lambda: float(next(seconds)), sleep=lambda _: meanwhile(other))
        monkeypatch.setattr("lepton_fed.storage.database.time", clock)
        database = Database(sqlite_url(path), patience=5, durable=False)
        try:
            with database.writing() as connection:
                connection.execute(text("CREATE TABLE said (x INTEGER)"))
        finally:
            database.close()
    return next(seconds)


def test_a_new_file_that_somebody_else_is_opening_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened_beside(tmp_path / "新.sqlite", monkeypatch, lambda other: other.rollback()) == 2


def test_a_new_file_is_waited_for_as_long_as_there_is_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[sqlite3.Connection] = []
    with pytest.raises(StorageError, match="is locked by another process; wait until that ends"):
        opened_beside(tmp_path / "新.sqlite", monkeypatch, pauses.append)
    assert len(pauses) == 4
