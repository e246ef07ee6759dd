"""A database of each earlier schema, with rows in all of its tables, is brought to the newest and keeps every row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table, insert, inspect, select, text, types

from lepton_fed.storage import schema
from lepton_fed.storage.database import Database

pytestmark = pytest.mark.usefixtures("migrated")

MIGRATIONS = Path(schema.__file__).parent / "migrations"
ROWS = 3
"""In each table; the first of one belongs to the first of another."""

Row = Mapping[str, object]


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


EARLIER = sorted(step.revision for step in ScriptDirectory.from_config(configuration()).walk_revisions())


def migrate(connection: Connection, to: str) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def ours(connection: Connection) -> list[Table]:
    """All tables but the version's, each after those that it refers to."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != schema.VERSION_TABLE]


def filled(connection: Connection) -> dict[str, list[Row]]:
    """Rows for every table, as they are read again."""
    made: dict[str, list[Row]] = {}
    for table in ours(connection):
        permitted = choices(connection, table.name)
        for k in range(ROWS):
            row = {column.name: value(column, k, permitted) for column in table.columns}
            for key in table.foreign_key_constraints:
                other = made[key.referred_table.name][k]
                row |= {part.parent.name: other[part.column.name] for part in key.elements}
            connection.execute(insert(table).values(row))
        made[table.name] = rows(connection, table)
    return made


def choices(connection: Connection, table: str) -> dict[str, list[str]]:
    """What the checks of a table, which are named for their columns, permit."""
    found = inspect(connection).get_check_constraints(table)
    return {str(one["name"]).removeprefix(f"ck_{table}_"): re.findall(r"'([^']*)'", one["sqltext"]) for one in found}


def value(column: Column[object], k: int, permitted: Mapping[str, list[str]]) -> object:
    if column.name in permitted:
        return permitted[column.name][k % len(permitted[column.name])]
    kind = column.type
    if isinstance(kind, types.DateTime):
        return datetime(2026, 11, 1 + k, 8, tzinfo=UTC if getattr(kind, "timezone", False) else None)
    if isinstance(kind, types.Date):
        return date(2026, 11, 1 + k)
    if isinstance(kind, types.Boolean):
        return k % 2 == 0
    if isinstance(kind, types.LargeBinary):
        return bytes([k]) * 32
    if isinstance(kind, types.Integer | types.Numeric | types.Float):
        return k + 1
    assert isinstance(kind, types.String), f"{column} is of a kind that this test does not know"
    return f"值 {k}"


def rows(connection: Connection, table: Table) -> list[Row]:
    found = [dict(row) for row in connection.execute(select(table)).mappings()]
    return sorted(found, key=repr)


def test_there_is_a_database_of_each_schema_to_try() -> None:
    assert len(EARLIER) >= 7
    assert EARLIER[-1] == schema.HEAD


@pytest.mark.parametrize("step", EARLIER)
def test_a_filled_database_of_an_earlier_schema_keeps_its_rows(url: str, step: str) -> None:
    database = Database(url, patience=10, durable=False)
    with database.writing() as connection:
        migrate(connection, step)
        before = filled(connection)
    assert all(len(found) == ROWS for found in before.values())
    with database.writing() as connection:
        schema.upgrade(connection)
    with database.reading() as connection:
        assert schema.version(connection) == schema.HEAD
        after = {table.name: rows(connection, table) for table in ours(connection)}
    for name, kept in before.items():
        assert [{column: row[column] for column in kept[0]} for row in after[name]] == kept, name
    database.close()


def test_a_token_from_before_reaches_as_far_as_it_did_and_none_reaches_further_by_a_step_back(url: str) -> None:
    database = Database(url, patience=10, durable=False)
    with database.writing() as connection:
        migrate(connection, "0012")
        made = [row["id"] for row in filled(connection)["portal_token"]]
        migrate(connection, "0013")
        assert reaches(connection) == dict.fromkeys(made, "everything")
        connection.execute(text("UPDATE portal_token SET reach = 'read' WHERE id = :one"), {"one": made[0]})
        config = configuration()
        config.attributes["connection"] = connection
        command.downgrade(config, "0012")
        migrate(connection, "0013")
        assert reaches(connection) == dict.fromkeys(made[1:], "everything")
    database.close()


def test_a_token_of_which_nobody_says_how_far_it_reaches_only_reads(url: str) -> None:
    database = Database(url, patience=10, durable=False)
    with database.writing() as connection:
        schema.upgrade(connection)
        filled(connection)
        kept = "person, name, made, ends"
        copied = (
            f"INSERT INTO portal_token (id, digest, {kept}) SELECT 9, :digest, {kept} FROM portal_token WHERE id = 1"
        )
        connection.execute(text(copied), {"digest": b"9" * 32})
        assert reaches(connection)[9] == "read"
    database.close()


def reaches(connection: Connection) -> dict[int, str]:
    found = connection.execute(text("SELECT id, reach FROM portal_token"))
    return {row.id: row.reach for row in found}
