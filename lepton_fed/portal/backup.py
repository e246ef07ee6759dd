"""A portal in one file and back again: a ZIP of one JSON line per row, the same for SQLite and PostgreSQL.

    backup ──► portal.json (what it is), <table>.jsonl, attachments/ ...  ──► restore, into a portal that is new

So a backup is also the way from one database to the other. Sessions stay behind: who restores a backup signs in anew.
"""

from __future__ import annotations

import base64
import io
import json
import os
import secrets
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Column, Connection, Date, LargeBinary, Table, func, insert, select, text

from lepton_fed.errors import StorageError
from lepton_fed.portal.attachments import archive as attachments
from lepton_fed.portal.finding.search import published
from lepton_fed.portal.people.accounts import SESSION
from lepton_fed.portal.people.departments import DEPARTMENT
from lepton_fed.portal.portal import Portal
from lepton_fed.storage.atomic import unreadable, unwritable
from lepton_fed.storage.columns import Utc
from lepton_fed.storage.models import Base
from lepton_fed.storage.schema import HEAD, version

FORMAT = 1
ABOUT = "portal.json"
AT_ONCE = 500


def backup(portal: Portal, path: Path) -> int:
    """Write everything to a new file that only its owner may read; returns how many rows. StorageError."""
    # Nobody who may write into the folder can lay a file or a link of that name there first.
    part = path.with_name(f".backup-{secrets.token_hex(8)}.part")
    try:
        if path.exists():
            raise StorageError(f"{path} exists and is left as it is; choose another name")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            rows = _written(portal, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        raise unwritable(error, path) from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def restore(portal: Portal, path: Path) -> int:
    """Fill a new portal, whose tables may be unprepared, from a backup: all of it, tables and files, or nothing.

    Returns how many rows. StorageError.
    """
    try:
        with _files_unless_failed(portal) as placed:
            with zipfile.ZipFile(path) as archive, portal.database.writing() as connection:
                _require_ours(archive, path)
                portal.prepare(connection)
                _require_new(connection)
                rows = sum(_read(connection, archive, table) for table in _tables())
                attachments.unpacked(portal.files, connection, archive, placed)
                for entry, heading, body in published(connection):
                    portal.words.put(connection, entry, heading, body)
            return rows
    except OSError as error:
        raise unreadable(error, path) from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise StorageError(f"{path} is no backup of a portal, or is damaged ({type(error).__name__})") from None


def _tables() -> list[Table]:
    """Those of the portal, each after those that it refers to."""
    return [t for t in Base.metadata.sorted_tables if t.name.startswith("portal_") and t is not SESSION]


def _written(portal: Portal, file: io.BufferedIOBase) -> int:
    rows = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, portal.database.reading() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        about = {"format": FORMAT, "schema": HEAD, "made": portal.clock().isoformat()}
        archive.writestr(ABOUT, json.dumps(about))
        for table in _tables():
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as inside:
                for row in connection.execute(select(table)).mappings():
                    line = {name: _plain(value) for name, value in row.items()}
                    inside.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                    rows += 1
        attachments.packed(portal.files, connection, archive)
    return rows


def _read(connection: Connection, archive: zipfile.ZipFile, table: Table) -> int:
    rows = 0
    with archive.open(f"{table.name}.jsonl") as inside:
        for lines in _batches(inside):
            values = [{c.name: _value(c, row[c.name]) for c in table.columns} for row in map(json.loads, lines)]
            connection.execute(insert(table), values)
            rows += len(values)
    if connection.dialect.name == "postgresql" and "id" in table.columns and rows:
        top = select(func.max(table.c.id)).scalar_subquery()
        connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), top)))
    return rows


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    for line in lines:
        some.append(line)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _require_ours(archive: zipfile.ZipFile, path: Path) -> None:
    about = json.loads(archive.read(ABOUT))
    if about["format"] != FORMAT or about["schema"] != HEAD:
        raise StorageError(
            f"{path} has schema {about['schema']} and this program {HEAD}; restore it with the release that made it, "
            "and open it with this one"
        )


@contextmanager
def _files_unless_failed(portal: Portal) -> Iterator[set[str]]:
    """Where the block fails, the files are gone again whose digests it has put down."""
    placed = set[str]()
    try:
        yield placed
    except BaseException:
        if placed and not _may_be_there(portal):
            for digest in placed:
                portal.files.take_back(digest)
        raise


def _may_be_there(portal: Portal) -> bool:
    """Whether the rows came to be after all: a connection may be lost on the way back from a commit."""
    try:
        with portal.database.reading() as connection:
            return version(connection) is not None and _holds_something(connection)
    except StorageError:
        return True


def _holds_something(connection: Connection) -> bool:
    return connection.execute(select(DEPARTMENT.c.name)).first() is not None


def _require_new(connection: Connection) -> None:
    if _holds_something(connection):
        raise StorageError("this portal holds something already; restore into a new folder or an empty database")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else value


def _value(column: Column[object], value: object) -> object:
    if not isinstance(value, str):
        return value
    if isinstance(column.type, Utc):
        return datetime.fromisoformat(value)
    if isinstance(column.type, Date):
        return date.fromisoformat(value)
    return base64.b64decode(value) if isinstance(column.type, LargeBinary) else value
