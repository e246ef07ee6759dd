"""Databases as those of the storage's tests, and a log in one of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.database import Database
from tests.audit.example import Example, filled
from tests.storage.conftest import postgresql_url, url

__all__ = ["postgresql_url", "url"]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite with our tables: made once and copied, because the migrations take most of a test's time."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite"
    schema.opened(sqlite_url(path), patience=10, durable=False).close()
    return path


@pytest.fixture
def database(url: str, empty: Path) -> Iterator[Database]:
    """A database with our tables, on SQLite and, where there is one, on PostgreSQL."""
    if url.startswith("sqlite"):
        shutil.copy(empty, str(make_url(url).database))
    opened = schema.opened(url, patience=10, durable=False)
    yield opened
    opened.close()


@pytest.fixture
def example(tmp_path: Path, empty: Path) -> Iterator[Example]:
    """A log with an entry of every kind, three heads and countersignatures, on SQLite."""
    shutil.copy(empty, tmp_path / "日志.sqlite")
    opened = schema.opened(sqlite_url(tmp_path / "日志.sqlite"), patience=10, durable=False)
    yield filled(opened)
    opened.close()
