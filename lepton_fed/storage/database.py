"""A database behind transactions to read and to write; its failures are sentences without secrets."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from lepton_fed.errors import StorageError
from lepton_fed.storage.undivided import Undivided
from lepton_fed.translation import Sentence, sentence

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

_WRITES = "lepton_fed_writes"

_PAUSE = 0.01
"""Seconds between two looks at a lock for which SQLite does not wait by itself."""


class Database:
    """`reading()` and `writing()` each give a connection inside one transaction.

    SQLite: a write takes the lock when it begins, so that two writers queue up instead of failing halfway,
    and the write-ahead log lets readers go on meanwhile. `patience`: how many seconds to wait for a lock.
    """

    def __init__(self, url: str | URL, *, patience: float, durable: bool) -> None:
        self._url, self._patience = _parsed(url), patience
        self._turn = threading.Lock()
        self._engine = _engine(self._url, patience)
        self._writer = self._engine.execution_options(**{_WRITES: True})
        self._reader = self._engine
        if self._url.get_backend_name() == "sqlite":
            _prepare_sqlite(self._engine, patience, durable)
        elif self._url.get_backend_name() == "postgresql":
            _prepare_postgresql(self._engine, patience)
            # Otherwise each statement of a transaction sees what was committed until it begins.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one state of the database."""
        return Undivided(self._read())

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection whose changes all happen at the end of the block, or none of them.

        Also if Ctrl-C ends the block: the next one can begin at once.
        """
        return Undivided(self._write())

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._explained(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._queued(), self._explained(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """Threads write to SQLite one after another: by itself it has each look again, ever more rarely."""
        if self._url.get_backend_name() != "sqlite":
            yield
            return
        if not self._turn.acquire(timeout=self._patience):
            raise StorageError(_about(self._url, _SQLITE["locked"]))
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StorageError(_about(self._url, _reason(error, self._url))) from error


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # What cannot be read may hold a password anywhere, so none of it is shown.
        raise StorageError(
            sentence(
                "the database's address is no URL; write it as sqlite:///folder/file.sqlite "
                "or postgresql://user:password@host/database"
            )
        ) from None
    # SQLAlchemy's own choice of a PostgreSQL driver differs between its versions.
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _engine(url: URL, patience: float) -> Engine:
    try:
        # hide_parameters: an error's traceback says which statement failed, and not with which values.
        return create_engine(
            url, hide_parameters=True, pool_pre_ping=True, connect_args=_connect_arguments(url, patience)
        )
    except ModuleNotFoundError as error:
        raise StorageError(
            _about(
                url,
                sentence("needs the Python package {name}, which is not installed; install it", name=error.name),
            )
        ) from error
    except (NoSuchModuleError, ArgumentError, TypeError) as error:
        raise StorageError(
            _about(url, sentence("is not a database that SQLAlchemy knows; check the part before ://"))
        ) from error


def _connect_arguments(url: URL, patience: float) -> dict[str, object]:
    match url.get_backend_name():
        case "sqlite":
            return {"timeout": patience}
        case "postgresql":
            # libpq takes whole seconds, and 1 for 2.
            return {"connect_timeout": max(2, math.ceil(patience))}
    return {}


def _prepare_sqlite(engine: Engine, patience: float, durable: bool) -> None:
    @event.listens_for(engine, "connect")
    def settings(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        _write_ahead(connection, patience)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Python's driver begins only at the first change: too late for a migration or a waiting writer.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "handle_error")
    def keep(context: ExceptionContext) -> None:
        # A connection that is closed while a cursor of it still lives goes on holding its locks, until that dies. What
        # interrupted the program (Ctrl-C) has not harmed the connection: it stays open, and is rolled back.
        if not isinstance(context.original_exception, Exception):
            context.is_disconnect = False


def _write_ahead(connection: Any, patience: float) -> None:
    """Gives the file its write-ahead log. Of two programs that do so at once, SQLite refuses one without waiting."""
    until = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _prepare_postgresql(engine: Engine, patience: float) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(patience * 1000))}")


def _about(url: URL, what: Sentence) -> Sentence:
    """What there is to say of a URL, without its password and its query, where drivers take passwords as well."""
    shown = url.set(query={}).render_as_string(hide_password=True)
    return sentence("the database {url} {what}", url=shown, what=what)


_SQLITE = {
    "unable to open": sentence("cannot be opened; check that its folder exists and that you may write there"),
    "readonly": sentence("can only be read; have its permissions changed or choose another database"),
    "locked": sentence("is locked by another process; wait until that ends"),
    "not a database": sentence("is another kind of file; choose another path"),
    "full": sentence("has no space left on its disk; free some"),
    "malformed": sentence("is damaged; restore it from a copy or choose another path"),
    "already exists": sentence("has tables of another program; choose a database of its own for lepton-fed"),
}

_POSTGRESQL = {
    "25006": _SQLITE["readonly"],
    "42501": sentence("refuses this user the right to do that; have it granted or use another user"),
    "53100": _SQLITE["full"],
    "55P03": _SQLITE["locked"],
    "42P07": _SQLITE["already exists"],
}


def _reason(error: SQLAlchemyError, url: URL) -> Sentence:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if cause is None:
        return sentence("cannot be used ({kind}); check its URL", kind=type(error).__name__)
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state in _POSTGRESQL:
        return _POSTGRESQL[state]
    said = _without_secrets(str(cause), url)
    if url.get_backend_name() == "sqlite":
        for part, reason in _SQLITE.items():
            if part in said:
                return reason
    if state is None and url.get_backend_name() != "sqlite":
        return sentence("cannot be reached ({said}); check that it runs and that the URL is right", said=said)
    return sentence("refused ({said}); check that it is lepton-fed's and has not been changed by hand", said=said)


def _without_secrets(said: str, url: URL) -> str:
    """The driver's first line, with every secret of the URL starred out."""
    line = next(iter(said.strip().splitlines()), "no reason given").rstrip(".")
    values = [v for value in url.query.values() for v in ([value] if isinstance(value, str) else value)]
    for secret in sorted({url.password or "", *values} - {""}, key=len, reverse=True):
        line = line.replace(secret, "***")
    return line
