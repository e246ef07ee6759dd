"""Brings a database to the newest schema when it is opened; refuses one newer than this program."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text

from lepton_fed.errors import StorageError
from lepton_fed.storage.database import Database
from lepton_fed.translation import sentence

HEAD = "0013"
"""The newest step of migrations/versions, here so that opening a database rarely imports Alembic."""

VERSION_TABLE = "lepton_fed_version"
"""Not Alembic's own default, which another program may use in a database shared with it."""

_UPGRADE_LOCK = 7_236_845_317
"""Any number that other programs are unlikely to lock."""


def opened(url: str | URL, *, patience: float, durable: bool) -> Database:
    """The database with the newest schema; StorageError, one sentence, if it cannot be had. Close it."""
    database = Database(url, patience=patience, durable=durable)
    try:
        with database.reading() as connection:
            current = version(connection) == HEAD
        if not current:
            with database.writing() as connection:
                upgrade(connection)
    except BaseException:
        database.close()
        raise
    return database


def version(connection: Connection) -> str | None:
    """The step that the database has reached; None for one without our tables."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def upgrade(connection: Connection) -> None:
    """Take the steps that are missing, all of them in the connection's transaction, which may write."""
    if connection.dialect.name == "postgresql":
        # SQLite's transaction already keeps others out; here two programs may open a new database at once.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    found = version(connection)
    if found == HEAD:
        return
    _upgrade(connection, found)


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    # ConfigParser, below, takes a % for the beginning of a reference.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StorageError(
            sentence(
                "the database has schema {found} and this program knows up to {known}; use a newer lepton-fed or "
                "another database",
                found=found,
                known=HEAD,
            )
        )
    command.upgrade(config, "head")
