"""Rows from a real SQLite, from a real PostgreSQL where there is one; and what must never be told."""

from __future__ import annotations

import os
import socket
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import URL, create_engine, make_url, text

from lepton_fed.data import DataSource
from lepton_fed.data.columns import numbers
from lepton_fed.data.sources import read
from lepton_fed.errors import ConfigError, DataError, LeptonError

SECRET = "geheim-7f3a"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with a database of four patients, in a place with letters that a URL would quote."""
    folder = tmp_path / "库 #1"
    folder.mkdir()
    connection = sqlite3.connect(folder / "病人.db")
    connection.execute("create table 病人 (年龄 integer, 医院 text, 价 numeric, 备注 text)")
    rows = [(60, "协和", 1.5, "a%b:c"), (61, "华山", 2, None), (None, "协和", 3, "x"), (63, "协和", 4, "007")]
    connection.executemany("insert into 病人 values (?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return folder


def sqlite(query: str, **more: Any) -> DataSource:
    return DataSource(url="sqlite:///病人.db", query=query, **more)


def table(source: DataSource, base: Path) -> pd.DataFrame:
    given = read(source, base, "心内科")
    assert isinstance(given, pd.DataFrame)
    return given


def failure(source: DataSource, base: Path, kind: type[LeptonError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        read(source, base, "心内科")
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "4711" not in str(caught.value)
    assert str(caught.value).startswith("心内科: ")
    return str(caught.value)


def test_a_query_gives_the_rows(base: Path) -> None:
    read_ = table(sqlite("select 年龄, 备注 from 病人 where 医院 = '协和' order by rowid"), base)
    assert read_["年龄"].tolist() == [60, None, 63]
    assert read_["备注"].tolist() == ["a%b:c", "x", "007"]


def test_percent_signs_and_colons_of_a_query_are_left_alone(base: Path) -> None:
    assert len(table(sqlite("select * from 病人 where 备注 like 'a%' and 备注 != ' :x'"), base)) == 1


def test_where_and_rename_apply_to_a_query_too(base: Path) -> None:
    source = sqlite("select * from 病人", where={"医院": ("华山",)}, rename={"年龄": "age"})
    assert table(source, base)["age"].tolist() == [61]


def test_a_query_can_change_nothing(base: Path) -> None:
    before = (base / "病人.db").read_bytes()
    assert "its query fails" in failure(sqlite("delete from 病人"), base)
    assert (base / "病人.db").read_bytes() == before


def test_a_database_file_that_is_not_there_is_not_made(base: Path) -> None:
    assert "does not exist" in failure(DataSource(url="sqlite:///no.db", query="select 1"), base)
    assert not (base / "no.db").exists()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select * from nowhere_4711", "its query fails (OperationalError)"),
        ("select 年龄 from 病人 where 年龄 > 4711", "no rows"),
        ("select 年龄, 年龄 from 病人", "same name"),
        ("pragma user_version = 3", "quer"),
    ],
)
def test_a_query_that_gives_no_table_is_told(base: Path, query: str, why: str) -> None:
    assert why in failure(sqlite(query), base)


def test_a_file_that_is_no_database_is_told(base: Path) -> None:
    (base / "病人.db").write_bytes(b"4711" * 1000)
    assert "fails" in failure(sqlite("select 1 from 病人"), base)


@pytest.mark.parametrize(
    ("url", "kind", "why"),
    [
        (f"{SECRET}", ConfigError, "its url is none"),
        (f"nosuchbase://me:{SECRET}@h/a", ConfigError, "nosuchbase"),
        (f"postgresql+nodriver://me:{SECRET}@h/a", ConfigError, "postgresql+nodriver"),
        (f"oracle+cx_oracle://me:{SECRET}@h/a", DataError, "not installed"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_its_password(
    base: Path, url: str, kind: type[LeptonError], why: str
) -> None:
    assert why in failure(DataSource(url=url, query="select 1"), base, kind)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that is bound and does not listen: connections are refused at once."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_database_that_cannot_be_reached_is_told_without_its_password(base: Path, closed_port: int) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg://me@127.0.0.1:{closed_port}/a"
    said = failure(DataSource(url=url, query="select 1", password=SECRET), base)
    assert "cannot be reached" in said


def test_the_password_comes_from_a_private_file_or_the_environment(
    base: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg://me@127.0.0.1:{closed_port}/a"
    from_file = DataSource(url=url, query="select 1", password_file="secret.txt")
    assert "does not exist" in failure(from_file, base, ConfigError)
    (base / "secret.txt").write_text(SECRET + "\n")
    (base / "secret.txt").chmod(0o644)
    assert "chmod 600" in failure(from_file, base, ConfigError)
    (base / "secret.txt").chmod(0o600)
    assert "cannot be reached" in failure(from_file, base)
    from_environment = DataSource(url=url, query="select 1", password_env="LEPTON_NO_SUCH")
    assert "LEPTON_NO_SUCH" in failure(from_environment, base, ConfigError)
    monkeypatch.setenv("LEPTON_NO_SUCH", SECRET)
    assert "cannot be reached" in failure(from_environment, base)


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture
def postgres() -> Iterator[URL]:
    """A server with a table of three patients; skips where the environment names none."""
    if "LEPTON_TEST_POSTGRES" not in os.environ:
        pytest.skip("LEPTON_TEST_POSTGRES names no PostgreSQL server")
    url = make_url(os.environ["LEPTON_TEST_POSTGRES"])
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("drop table if exists lepton_病人"))
        connection.execute(text("create table lepton_病人 (年龄 int, 价 numeric(8, 2), 吸烟 boolean, 日 date)"))
        rows = "(60, 1.50, true, '2020-01-01'), (61, 2.25, false, null), (null, 3, null, null)"
        connection.execute(text(f"insert into lepton_病人 values {rows}"))
    yield url
    with engine.begin() as connection:
        connection.execute(text("drop table lepton_病人"))
    engine.dispose()


def of_postgres(url: URL, query: str, password: str | None = None) -> DataSource:
    return DataSource(
        url=url.set(password=None).render_as_string(),
        query=query,
        password=password if password is not None else str(url.password or "") or None,
    )


@pytest.mark.postgres
def test_rows_come_from_postgresql_with_their_types(postgres: URL, tmp_path: Path) -> None:
    query = "select *, '10:30'::text as 时 from lepton_病人 where 年龄 is null or 年龄 % 2 >= 0 order by 价"
    read_ = table(of_postgres(postgres, query), tmp_path)
    values, absent, unreadable = numbers(read_["价"])
    assert values.tolist() == [1.5, 2.25, 3.0]
    assert numbers(read_["年龄"])[1].tolist() == [False, False, True]
    assert not absent.any()
    assert not unreadable.any()
    assert numbers(read_["日"])[2].tolist() == [True, False, False]
    assert read_["吸烟"].tolist() == [True, False, None]


@pytest.mark.postgres
def test_a_query_can_change_nothing_in_postgresql(postgres: URL, tmp_path: Path) -> None:
    failure(of_postgres(postgres, "delete from lepton_病人 returning 年龄"), tmp_path)
    assert len(table(of_postgres(postgres, "select * from lepton_病人"), tmp_path)) == 3


@pytest.mark.postgres
def test_a_wrong_password_is_told_without_it(postgres: URL, tmp_path: Path) -> None:
    if not postgres.password:
        pytest.skip("this server asks for no password")
    assert "refuses the user" in failure(of_postgres(postgres, "select 1", SECRET), tmp_path)


@pytest.mark.postgres
def test_a_failing_query_shows_no_value(postgres: URL, tmp_path: Path) -> None:
    said = failure(of_postgres(postgres, "select ('4711' || 年龄)::boolean from lepton_病人"), tmp_path)
    assert "its query fails" in said
