"""The migrations make exactly the tables of the models, once, wholly or not at all."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

import lepton_fed.storage
from lepton_fed.errors import StorageError
from lepton_fed.storage import RunStore, schema, sqlite_url
from lepton_fed.storage.database import Database
from lepton_fed.storage.models import Base
from tests import prepared_schema

pytestmark = pytest.mark.usefixtures("migrated")

MIGRATIONS = Path(schema.__file__).parent / "migrations"


def database(url: str) -> Database:
    return Database(url, patience=10, durable=False)


def spelled(index: ReflectedIndex) -> dict[str, object]:
    return {**index, "dialect_options": {key: str(value) for key, value in index.get("dialect_options", {}).items()}}


def described(connection: Connection) -> dict[str, object]:
    """Every table but the version's: columns, keys, checks and indexes with their names."""
    found = inspect(connection)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)],
            found.get_pk_constraint(table),
            sorted(found.get_foreign_keys(table), key=lambda k: str(k["name"])),
            sorted(found.get_unique_constraints(table), key=lambda k: str(k["name"])),
            sorted(found.get_check_constraints(table), key=lambda k: str(k["name"])),
            # Text of SQL, as in the condition of an index, is no two times the same object.
            sorted(map(str, map(spelled, found.get_indexes(table)))),
        )
        for table in sorted(found.get_table_names())
        if table != schema.VERSION_TABLE
    }


def test_what_other_tests_get_is_what_the_migrations_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str) -> list[str]:
        schema.opened(sqlite_url(tmp_path / name), patience=10, durable=False).close()
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as connection:
            return list(connection.iterdump())

    expected = made("migrated")
    monkeypatch.setattr(schema, "_upgrade", prepared_schema.copied)
    assert made("copied") == expected


def test_the_migrations_make_exactly_the_models_tables(url: str) -> None:
    store = database(url)
    with store.writing() as connection:
        schema.upgrade(connection)
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
        migrated = described(connection)
    with store.writing() as connection:
        for table in migrated:
            connection.execute(text(f"DROP TABLE {table}" + (" CASCADE" if "postgres" in url else "")))
        Base.metadata.create_all(connection)
        assert described(connection) == migrated
    store.close()


def test_opening_twice_changes_nothing(url: str) -> None:
    seen = []
    for _ in range(2):
        RunStore(url).close()
        store = database(url)
        with store.reading() as connection:
            seen.append((schema.version(connection), described(connection)))
        store.close()
    assert seen[0] == seen[1]
    assert seen[0][0] == schema.HEAD


def test_head_is_the_newest_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_every_step_can_be_taken_back(url: str) -> None:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    store = database(url)
    with store.writing() as connection:
        schema.upgrade(connection)
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert described(connection) == {}
        schema.upgrade(connection)
        assert schema.version(connection) == schema.HEAD
    store.close()


def test_a_migration_that_fails_halfway_leaves_the_database_as_it_was(url: str) -> None:
    store = database(url)
    with store.writing() as connection:
        connection.execute(text("CREATE TABLE model (mine INTEGER)"))
    with pytest.raises(StorageError, match="has tables of another program"):
        RunStore(url)
    with store.reading() as connection:
        assert inspect(connection).get_table_names() == ["model"]
    store.close()


def test_a_newer_schema_is_refused_in_one_sentence(url: str) -> None:
    RunStore(url).close()
    store = database(url)
    with store.writing() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    store.close()
    with pytest.raises(StorageError, match=f"has schema 9999 and this program knows up to {schema.HEAD}"):
        RunStore(url)


def test_two_processes_may_open_a_new_database_at_once(url: str) -> None:
    program = "import sys; from lepton_fed.storage import RunStore; RunStore(sys.argv[1]).close(); print('opened')"
    command = [sys.executable, "-W", "error", "-c", program, url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["opened", "opened"]


def test_the_migrations_are_found_wherever_the_package_is_installed(tmp_path: Path) -> None:
    # A path with the character that configuration files read as a reference.
    site = tmp_path / "100%s site"
    package = Path(lepton_fed.storage.__file__).parents[1]
    shutil.copytree(package, site / "lepton_fed", ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import lepton_fed.storage as storage\n"
        "assert storage.__file__.startswith(sys.argv[1])\n"
        "storage.RunStore(sys.argv[2]).close(); print('opened')"
    )
    command = [sys.executable, "-I", "-c", program, str(site), sqlite_url(tmp_path / "a.sqlite")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "opened"


def test_a_developer_can_migrate_at_the_shell(tmp_path: Path) -> None:
    from alembic.config import main

    address = sqlite_url(tmp_path / "a.sqlite")
    configuration = tmp_path / "alembic.ini"
    configuration.write_text(f"[alembic]\nscript_location = {MIGRATIONS}\n")
    main(["-c", str(configuration), "-x", f"url={address}", "upgrade", "head"])
    engine = create_engine(address)
    with engine.connect() as connection:
        assert schema.version(connection) == schema.HEAD
    engine.dispose()
