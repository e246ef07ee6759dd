"""Every event is committed when `record` returns and comes back as it was, in order; only its owner reads the file."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from lepton_fed.errors import StorageError
from lepton_fed.flower.link_audit import AuditEvent, Outcome
from lepton_fed.history import Measurement
from lepton_fed.storage import AuditTable, RunStore, StoredEvent, schema, sqlite_url
from lepton_fed.storage.audit_table import storable
from lepton_fed.storage.database import Database
from tests.thoroughness import at_most

EVENT = AuditEvent(
    actor="生产车间", address="10.0.0.1", action="/v1/fleet/push-messages", outcome="done", run="1234567890123456789"
)


@pytest.fixture
def table(url: str) -> Iterator[AuditTable]:
    with AuditTable(url, durable=False) as opened:
        yield opened


def refused(reason: str) -> AuditEvent:
    return AuditEvent(actor="", address="::1", action="/docs", outcome="refused", reason=reason)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_events_come_back_as_they_were_in_the_order_in_which_they_were_recorded(table: AuditTable) -> None:
    assert table.events() == []
    events = [EVENT, refused("没有"), AuditEvent(actor="operator", address="", action="stop", outcome="failed")]
    for event in events:
        table.record(event)
    assert [stored.event for stored in table.events()] == events
    assert [stored.id for stored in table.events()] == [1, 2, 3]
    assert all(stored.event.time.tzinfo == UTC for stored in table.events())


def test_a_time_is_kept_in_utc_to_the_microsecond(table: AuditTable) -> None:
    shanghai = datetime(2026, 1, 1, 3, 0, 0, 123_457, tzinfo=timezone(timedelta(hours=8)))
    table.record(AuditEvent(actor="", address="", action="", outcome="done", time=shanghai))
    (found,) = table.events()
    assert found.event.time == shanghai
    assert (found.event.time.hour, found.event.time.year) == (19, 2025)


def test_a_reader_goes_on_after_the_last_event_that_he_has_seen(table: AuditTable) -> None:
    for number in range(7):
        table.record(refused(str(number)))
    seen: list[StoredEvent] = []
    while page := table.events(seen[-1].id if seen else 0, limit=3):
        assert len(page) <= 3
        seen += page
    assert [stored.event.reason for stored in seen] == [str(number) for number in range(7)]
    assert table.events(after=seen[-1].id) == []


def test_no_event_is_lost_between_threads(table: AuditTable) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(table.record, (refused(str(number)) for number in range(80))))
    stored = table.events()
    assert sorted(int(s.event.reason) for s in stored) == list(range(80))
    assert [s.id for s in stored] == sorted({s.id for s in stored})


def test_an_event_is_committed_when_record_returns(url: str) -> None:
    with AuditTable(url) as writer, AuditTable(url) as reader:
        writer.record(EVENT)
        assert [stored.event for stored in reader.events()] == [EVENT]


def test_an_id_is_never_given_again(url: str) -> None:
    with AuditTable(url, durable=False) as table:
        for _ in range(2):
            table.record(EVENT)
    database = Database(url, patience=1, durable=False)
    with database.writing() as connection:
        connection.execute(text("DELETE FROM audit_event WHERE id = 2"))
    database.close()
    with AuditTable(url, durable=False) as table:
        table.record(EVENT)
        assert [stored.id for stored in table.events()] == [1, 3]


@settings(deadline=None, max_examples=at_most(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.text(st.characters(exclude_categories=())), min_size=5, max_size=5),
    outcome=st.sampled_from(["done", "refused", "failed"]),
)
def test_any_text_can_be_recorded(table: AuditTable, words: list[str], outcome: Outcome) -> None:
    actor, address, action, reason, run = words
    table.record(AuditEvent(actor=actor, address=address, action=action, outcome=outcome, reason=reason, run=run))
    event = _last(table)
    assert [event.actor, event.address, event.action, event.reason, event.run] == [storable(word) for word in words]


def _last(table: AuditTable) -> AuditEvent:
    return table.events(limit=10_000)[-1].event


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/生产/\U0001f4a1", "/生产/\U0001f4a1"),
        ("/\udcff\ud800", r"/\udcff\ud800"),
        ("/a\0b\n", "/a\\x00b\n"),
        ("", ""),
    ],
)
def test_what_no_database_takes_is_spelled_out_and_all_else_stays(given: str, kept: str) -> None:
    assert storable(given) == kept


def test_an_outcome_that_there_is_not_is_refused(table: AuditTable) -> None:
    with pytest.raises(StorageError) as caught:
        table.record(AuditEvent(actor="", address="", action="", outcome="perhaps"))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert table.events() == []


# ---------------------------------------------------------------- its file


def test_only_its_owner_can_read_the_file_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "运行 100%?.sqlite"
    seen: list[int] = []
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: seen.append(mode(path)) or real(*a, **k))
    with AuditTable(path) as table:
        table.record(EVENT)
        assert {mode(p) for p in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3
    assert seen
    assert set(seen) == {0o600}


def test_a_file_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with RunStore(sqlite_url(path)) as store:
        path.chmod(0o644)
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").chmod(0o644)
        with AuditTable(path) as table:
            table.record(EVENT)
            assert {mode(p) for p in tmp_path.iterdir()} == {0o600}
        assert store.runs() == []


def test_opening_it_ends_no_lock_that_this_process_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with RunStore(sqlite_url(path)) as store, AuditTable(path) as table:
        with store._database.writing() as connection:
            connection.execute(text("DELETE FROM run"))
            AuditTable(path).close()
            # In another process, because one process's own locks are no obstacle to it in the file system.
            script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
            assert "locked" in _failing(script, str(path))
        table.record(EVENT)


def _failing(script: str, *arguments: str) -> str:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:a.sqlite?uri=true"])
def test_a_database_without_a_file_of_its_own_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="needs a file of its own name"):
        AuditTable(url)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing does not exist; check the path"):
        AuditTable(tmp_path / "missing" / "a.sqlite")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is no file of its own"):
        AuditTable(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "text").write_text("x" * 5000)
    with pytest.raises(StorageError, match="is another kind of file"):
        AuditTable(tmp_path / "text")
    with pytest.raises(StorageError, match="is no URL") as caught:
        AuditTable("anna:s3cret at host")
    assert "s3cret" not in str(caught.value)


def test_an_event_that_cannot_be_kept_is_one_sentence(url: str) -> None:
    with AuditTable(url) as one, AuditTable(url, patience=0.05) as other:
        with one._database.writing() as connection:
            connection.execute(text("LOCK TABLE audit_event" if "postgres" in url else "DELETE FROM audit_event"))
            with pytest.raises(StorageError, match="is locked by another process; wait until that ends"):
                other.record(EVENT)
        other.record(EVENT)
        assert len(one.events()) == 1


# ---------------------------------------------------------------- beside runs


def test_runs_and_calls_may_share_a_database(url: str) -> None:
    with AuditTable(url) as table, RunStore(url) as store:
        run = store.start_run(name="制造", purpose="", fingerprint="0" * 64, federation_toml="", seed=1, folder="x")
        table.record(EVENT)
        assert [found.id for found in store.runs()] == [run]
        assert [stored.event for stored in table.events()] == [EVENT]


def test_a_database_of_the_first_schema_gets_the_table_and_keeps_its_runs(url: str) -> None:
    measured = [Measurement(1, "生产车间", "test", "auc", 0.75)]
    with RunStore(url) as store:
        run = store.start_run(name="制造", purpose="", fingerprint="0" * 64, federation_toml="", seed=1, folder="x")
        store.record_round(run, 1, 2.0, measured)
    _downgrade(url, "0001")
    with AuditTable(url) as table, RunStore(url) as store:
        table.record(EVENT)
        assert store.run(run).name == "制造"
        assert store.history(run) == measured
        assert [stored.event for stored in table.events()] == [EVENT]


def _downgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    database = Database(url, patience=1, durable=False)
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        assert schema.version(connection) == revision
    database.close()
