"""Rows from any database that SQLAlchemy reaches, read only.

A connection is given a few seconds, nothing is committed, and no message of a driver is passed on: it may
hold the URL with its password, or rows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.data.department_file import DataSource
from lepton_fed.data.sources import password_of
from lepton_fed.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import URL, Connection, Engine

CONNECT_SECONDS = 5

TIMEOUT_ARGUMENT = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pg8000": "timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
    "mariadbconnector": "connect_timeout",
    "pyodbc": "timeout",
    "pymssql": "login_timeout",
    "oracledb": "tcp_connect_timeout",
}
"""What each driver calls the seconds it may take to connect."""


def read_sql(source: DataSource, base: Path, department: str) -> pd.DataFrame:
    """The rows of `query` at `url`. DataError where database or query fail, ConfigError for the URL."""
    engine = _engine(source, base, department)
    try:
        connection = _connect(engine, department)
        try:
            return _rows(connection, source.query or "", department)
        finally:
            connection.close()
    finally:
        engine.dispose()


def _engine(source: DataSource, base: Path, department: str) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    url = _url(source, base, department)
    try:
        if url.drivername in ("sqlite", "sqlite+pysqlite") and _is_file(url):
            path = _sqlite_file(url, base, department)
            return create_engine("sqlite://", creator=lambda: _open_read_only(path), poolclass=NullPool)
        return create_engine(url, connect_args=_connect_arguments(url), poolclass=NullPool)
    except ImportError as error:
        raise DataError(
            f"{department}: the driver {error.name!r} of its database ({url.drivername}) is not installed; "
            f"install it (for PostgreSQL: the extra `postgres`)"
        ) from None
    except (SQLAlchemyError, ValueError, TypeError):
        raise ConfigError(
            f"{department}: its url names a database or driver that is not known: {url.drivername}; "
            f"postgresql+psycopg and sqlite are examples"
        ) from None


def _url(source: DataSource, base: Path, department: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(source.url or "")
    except (ArgumentError, ValueError):
        raise ConfigError(f"{department}: its url is none; dialect://user@host:port/database is") from None
    password = password_of(source, base, department)
    return url if password is None else url.set(password=password)


def _connect_arguments(url: URL) -> dict[str, int]:
    argument = TIMEOUT_ARGUMENT.get(url.get_driver_name())
    return {argument: CONNECT_SECONDS} if argument is not None and argument not in url.query else {}


def _is_file(url: URL) -> bool:
    return url.database not in (None, "", ":memory:") and not str(url.database).startswith("file:")


def _sqlite_file(url: URL, base: Path, department: str) -> Path:
    """Relative to the department's file; SQLite itself would create a file that is not there."""
    path = base / Path(str(url.database)).expanduser()
    if not path.is_file():
        raise DataError(f"{department}: its database file {path} does not exist; correct `url` in its file")
    return path.resolve()


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=CONNECT_SECONDS)


def _connect(engine: Engine, department: str) -> Connection:
    try:
        return engine.connect()
    except Exception:
        # Drivers raise errors of their own besides SQLAlchemy's, and any may quote the URL.
        raise DataError(
            f"{department}: its database ({engine.dialect.name}) cannot be reached or refuses the user "
            f"within {CONNECT_SECONDS} seconds; check url, password and whether it runs"
        ) from None


def _rows(connection: Connection, query: str, department: str) -> pd.DataFrame:
    import pandas as pd

    # Without parameters the driver leaves % and : in the query alone.
    connection = connection.execution_options(no_parameters=True)
    if connection.dialect.name == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    try:
        result = connection.exec_driver_sql(query)
        if result.returns_rows:
            rows = [tuple(row) for row in result]
            return pd.DataFrame(rows, columns=list(result.keys()), dtype=object)
    except Exception as error:
        # As above: the message may hold rows.
        raise DataError(
            f"{department}: its query fails ({type(error).__name__}); try it in the database's own shell"
        ) from None
    raise DataError(f"{department}: its query returns no rows at all; a SELECT was expected")
