"""The store keeps runs, rounds, measurements and models; what fails is a sentence without a password."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url, text

from lepton_fed.errors import StorageError
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.storage import RunStore, sqlite_url
from lepton_fed.storage.database import _without_secrets
from tests.thoroughness import at_most

START: dict[str, Any] = {
    "name": "制造",
    "purpose": "预测性维护",
    "fingerprint": "f" * 64,
    "federation_toml": '[federation]\nname = "制造"\n',
    "seed": 2**100 + 1,
    "folder": "runs/一",
}


@pytest.fixture
def store(url: str) -> Iterator[RunStore]:
    with RunStore(url, durable=False) as opened:
        yield opened


def measured(round_: int, *values: float) -> list[Measurement]:
    return [Measurement(round_, f"部门{i}", "test", "auc", v) for i, v in enumerate(values)]


def test_a_run_comes_back_as_it_was_started(store: RunStore) -> None:
    before = datetime.now(UTC)
    run = store.run(store.start_run(**START))
    assert (run.name, run.purpose, run.fingerprint, run.seed) == ("制造", "预测性维护", "f" * 64, 2**100 + 1)
    assert (run.federation_toml, run.folder) == (START["federation_toml"], "runs/一")
    assert (run.status, run.reason, run.finished) == ("running", "", None)
    assert before <= run.started <= datetime.now(UTC)
    assert run.started.tzinfo == UTC


def test_times_are_kept_in_utc_wherever_they_come_from(store: RunStore) -> None:
    shanghai = datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=8)))
    run = store.run(store.start_run(**START, started=shanghai))
    assert run.started == shanghai
    assert (run.started.tzinfo, run.started.hour, run.started.year) == (UTC, 19, 2025)


def test_runs_are_listed_newest_first(store: RunStore) -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [store.start_run(**START, started=day + timedelta(days=i)) for i in (1, 3, 2)]
    assert [run.id for run in store.runs()] == [ids[1], ids[2], ids[0]]
    assert len(set(ids)) == 3


def test_a_history_is_in_the_order_of_rounds_and_within_a_round_as_recorded(store: RunStore) -> None:
    run, other = store.start_run(**START), store.start_run(**START)
    second = [Measurement(2, "乙", "test", "auc", 0.5), Measurement(2, "甲", "test", "auc", math.inf)]
    first = [
        Measurement(1, FEDERATION, "federation", "joint_loss", 1 / 3),
        Measurement(1, "甲", "train", "loss", -0.5),
    ]
    store.record_round(run, 2, 0.25, second)
    store.record_round(run, 1, 0.5, first)
    store.record_round(other, 1, 0.5, measured(1, 0.1))
    assert store.history(run) == first + second
    assert [(r.number, r.seconds) for r in store.rounds(run)] == [(1, 0.5), (2, 0.25)]


def test_nan_is_null_in_the_database_and_nan_again_in_python(store: RunStore) -> None:
    run = store.start_run(**START)
    store.record_round(run, 1, math.nan, measured(1, math.nan, 1.0))
    one, two = store.history(run)
    assert math.isnan(one.value)
    assert two.value == 1.0
    assert math.isnan(store.rounds(run)[0].seconds)
    with store._database.reading() as connection:
        assert connection.execute(text("SELECT avg(value) FROM measurement")).scalar() == 1.0


def test_recording_a_round_again_replaces_it(store: RunStore) -> None:
    run = store.start_run(**START)
    store.record_round(run, 1, 1.0, measured(1, 0.1, 0.2, 0.3))
    for _ in range(2):
        store.record_round(run, 1, 2.0, measured(1, 0.4, 0.5))
        assert store.history(run) == measured(1, 0.4, 0.5)
    store.record_round(run, 1, 3.0, [])
    assert store.history(run) == []
    assert [r.seconds for r in store.rounds(run)] == [3.0]


def test_a_round_that_cannot_be_recorded_leaves_the_earlier_one(store: RunStore) -> None:
    run = store.start_run(**START)
    store.record_round(run, 1, 1.0, measured(1, 0.1))
    with pytest.raises(ValueError, match="a measurement of round 2 among those of round 1"):
        store.record_round(run, 1, 1.0, measured(2, 0.2))
    with pytest.raises(ValueError, match=r"auc of '部门0' \(test\) was measured twice"):
        store.record_round(run, 1, 1.0, measured(1, 0.2) + measured(1, 0.3))
    with pytest.raises(StorageError):
        # Fails at the second row, after the earlier round was removed within the same transaction.
        store.record_round(run, 1, 1.0, [*measured(1, 0.2), Measurement(1, "x", "test", None, 0.1)])  # type: ignore[arg-type]
    assert store.history(run) == measured(1, 0.1)


values = st.lists(st.floats(allow_nan=False), max_size=3)


@settings(deadline=None, max_examples=at_most(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recorded=st.lists(st.tuples(st.integers(0, 6), st.lists(st.floats(allow_nan=False), max_size=3)), max_size=8),
    after=st.integers(-1, 7),
)
def test_a_resumed_run_has_the_history_up_to_where_it_goes_on(
    store: RunStore, recorded: list[tuple[int, list[float]]], after: int
) -> None:
    run = store.start_run(**START)
    expected: dict[int, list[Measurement]] = {}
    for number, values in recorded:
        store.record_round(run, number, 1.0, measured(number, *values))
        expected[number] = measured(number, *values)
    store.forget_after(run, after)
    kept = [number for number in sorted(expected) if number <= after]
    assert store.history(run) == [m for number in kept for m in expected[number]]
    assert [r.number for r in store.rounds(run)] == kept


def test_a_run_ends_and_can_go_on(store: RunStore) -> None:
    run = store.start_run(**START)
    store.record_round(run, 1, 1.0, measured(1, 0.1))
    store.finish_run(run, "failed", "研发部门 refused")
    ended = store.run(run)
    assert (ended.status, ended.reason) == ("failed", "研发部门 refused")
    assert ended.finished is not None
    assert ended.finished >= ended.started
    longer = {"folder": "moved", "fingerprint": "0" * 64, "federation_toml": "rounds.count = 40"}
    assert store.start_run(**START | longer, id=run) == run
    again = store.run(run)
    assert (again.status, again.reason, again.finished, again.folder) == ("running", "", None, "moved")
    assert (again.fingerprint, again.federation_toml) == ("0" * 64, "rounds.count = 40")
    assert (again.started, again.name, again.seed) == (ended.started, ended.name, ended.seed)
    assert len(store.runs()) == 1
    assert store.history(run) == measured(1, 0.1)
    with pytest.raises(ValueError, match="one of running, finished, failed, stopped"):
        store.finish_run(run, "gone")  # type: ignore[arg-type]


def test_a_run_keeps_the_id_it_already_has(store: RunStore) -> None:
    assert store.start_run(**START, id="0f0e") == "0f0e"
    assert store.run("0f0e").status == "running"


def test_models_are_known_by_department_and_replaced(store: RunStore) -> None:
    run = store.start_run(**START)
    store.record_model(run, "研发部门", digest="1" * 64, file="models/研发部门.safetensors")
    store.record_model(run, "供应链部门", digest="2" * 64, file="models/供应链部门.safetensors")
    store.record_model(run, "研发部门", digest="3" * 64, file=Path("models") / "研发部门.safetensors")
    found = [(m.department, m.digest, m.file) for m in store.models(run)]
    assert found == [
        ("供应链部门", "2" * 64, "models/供应链部门.safetensors"),
        ("研发部门", "3" * 64, "models/研发部门.safetensors"),
    ]
    assert all(m.created.tzinfo == UTC for m in store.models(run))


def test_an_unknown_run_is_refused_everywhere(store: RunStore) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.run("x"),
        lambda: store.history("x"),
        lambda: store.rounds("x"),
        lambda: store.models("x"),
        lambda: store.record_round("x", 1, 1.0, []),
        lambda: store.forget_after("x", 1),
        lambda: store.record_model("x", "d", digest="0" * 64, file="f"),
        lambda: store.finish_run("x", "finished"),
    ]
    for call in calls:
        with pytest.raises(StorageError, match="the database has no run x"):
            call()


def test_a_store_that_is_opened_again_has_everything(url: str) -> None:
    with RunStore(url) as first:
        run = first.start_run(**START)
        first.record_round(run, 1, 1.0, measured(1, 0.1))
    with RunStore(url) as second:
        assert second.history(run) == measured(1, 0.1)


def test_a_reader_is_not_held_up_by_a_writer(url: str) -> None:
    with RunStore(url) as writer, RunStore(url, patience=0.05) as reader:
        run = writer.start_run(**START)
        with writer._database.writing() as connection:
            connection.execute(text("UPDATE run SET name = 'x'"))
            assert reader.run(run).name == "制造"
        assert reader.run(run).name == "x"


def test_a_writer_is_not_held_up_by_a_reader_who_goes_on_seeing_one_state(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "a.sqlite")
    with RunStore(url, patience=0.05) as writer, RunStore(url) as reader:
        run = writer.start_run(**START)
        with reader._database.reading() as connection:
            assert connection.execute(text("SELECT name FROM run")).scalar() == "制造"
            writer.record_round(run, 1, 1.0, measured(1, 0.1))
            assert connection.execute(text("SELECT count(*) FROM measurement")).scalar() == 0
        assert reader.history(run) == measured(1, 0.1)


def test_a_locked_database_is_told_when_patience_ends(url: str) -> None:
    with RunStore(url) as one, RunStore(url, patience=0.05) as other:
        run = one.start_run(**START)
        with one._database.writing() as connection:
            connection.execute(text("UPDATE run SET name = 'x'"))
            with pytest.raises(StorageError, match="is locked by another process; wait until that ends"):
                other.finish_run(run, "finished")
        other.finish_run(run, "finished")


def sentence(url: str) -> str:
    with pytest.raises(StorageError) as caught:
        RunStore(url, patience=0.1)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_what_is_wrong_with_an_sqlite_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 5000)
    (tmp_path / "folder").mkdir()
    assert "check that its folder exists" in sentence(sqlite_url(tmp_path / "missing" / "a.sqlite"))
    assert "check that its folder exists" in sentence(sqlite_url(tmp_path / "folder"))
    assert "is another kind of file" in sentence(sqlite_url(tmp_path / "text"))
    assert str(tmp_path / "text") in sentence(sqlite_url(tmp_path / "text"))


def test_a_database_that_may_only_be_read_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with RunStore(sqlite_url(path)) as store:
        run = store.start_run(**START)
    with RunStore(f"sqlite:///file:{path}?mode=ro&uri=true") as reader:
        assert reader.run(run).name == "制造"
        with pytest.raises(StorageError, match="can only be read"):
            reader.finish_run(run, "finished")
    sqlite3.connect(tmp_path / "empty.sqlite").execute("CREATE TABLE t (x)").connection.close()
    assert "can only be read" in sentence(f"sqlite:///file:{tmp_path / 'empty.sqlite'}?mode=ro&uri=true")


def test_any_character_may_occur_in_an_sqlite_path(tmp_path: Path) -> None:
    path = tmp_path / "运行 100%?#&.sqlite"
    RunStore(sqlite_url(path)).close()
    assert path.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://anna:s3cret@127.0.0.1:1/db", "cannot be reached"),
        ("postgresql://anna@127.0.0.1:1/db?password=s3cret", "cannot be reached"),
        ("oracle2://anna:s3cret@host/db", "is not a database that SQLAlchemy knows"),
        ("mysql+missing_driver://anna:s3cret@host/db", "is not a database that SQLAlchemy knows"),
        ("mysql+asyncmy://anna:s3cret@host/db", "needs the Python package 'asyncmy'"),
        ("anna:s3cret at host", "the database's address is no URL"),
        ("postgresql://anna:s3cret@host:port/db", "the database's address is no URL"),
        ("", "the database's address is no URL"),
    ],
)
def test_an_unusable_url_is_one_sentence_without_its_password(url: str, words: str) -> None:
    if words == "cannot be reached":
        pytest.importorskip("psycopg")
    said = sentence(url)
    assert words.replace("'", "") in said.replace("'", "")
    assert "s3cret" not in said


def test_a_password_in_the_drivers_own_words_is_starred_out() -> None:
    url = make_url("postgresql://anna:s3cret@host/db?passfile=/a/b")
    assert _without_secrets("bad option s3cret in /a/b.\nmore", url) == "bad option *** in ***"


@pytest.mark.postgres
def test_a_user_who_is_refused_is_told_without_the_password(postgresql_url: str) -> None:
    said = sentence(make_url(postgresql_url).set(username="nobody_knows", password="s3cret").render_as_string(False))
    assert "s3cret" not in said
    assert "nobody_knows" in said


@pytest.mark.postgres
def test_a_server_that_may_only_be_read_can_be_read(postgresql_url: str) -> None:
    with RunStore(postgresql_url) as store:
        run = store.start_run(**START)
    read_only = make_url(postgresql_url).update_query_dict({"options": "-c default_transaction_read_only=on"})
    with RunStore(read_only) as reader:
        assert reader.run(run).name == "制造"
        with pytest.raises(StorageError, match="can only be read"):
            reader.finish_run(run, "finished")
