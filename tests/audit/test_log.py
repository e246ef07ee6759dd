"""Entries are committed with what they record, in one order without gaps; proofs come from the stored tree."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from lepton_fed.audit import (
    CounterSignature,
    Entry,
    MemoryHead,
    ModelMade,
    Openings,
    Witness,
    append,
    consistency,
    countersigned,
    erase,
    inclusion,
    last_head,
    openings,
    seal,
    written,
)
from lepton_fed.audit.merkle import EMPTY, Frontier, check_inclusion, leaf_hash
from lepton_fed.audit.verification import verify_written
from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.storage import sqlite_url
from lepton_fed.storage.database import Database
from tests.audit.example import COORDINATOR, DEPARTMENTS, KEYS, LOG, NOON, Example, at, decided, filled, sha

MINE = DEPARTMENTS["研发部门"]


def model(number: int) -> ModelMade:
    return ModelMade(at(number), "run", number, "研发部门", sha(str(number)), sha("v"))


def many(count: int, first: int = 0) -> list[Entry]:
    return [model(number) for number in range(first, first + count)]


def test_entries_come_back_in_order_with_the_root_of_their_tree(database: Database) -> None:
    entries = many(21)
    for first, last in ((0, 1), (1, 8), (8, 8), (8, 21)):
        with database.writing() as connection:
            assert append(connection, LOG, entries[first:last]) == range(first, last)
    with database.writing() as connection:
        sealed = seal(connection, LOG, COORDINATOR)
    found = written(database, LOG)
    assert [Entry.read(record.body) for record in found.records] == entries
    assert [record.index for record in found.records] == list(range(21))
    tree = Frontier()
    for entry in entries:
        tree, _ = tree.grown(leaf_hash(entry.body))
    assert sealed.signed.head.root == tree.root
    assert found.faults == ()
    assert verify_written(found, KEYS).sound


def test_an_entry_and_what_it_records_are_committed_together_or_not_at_all(database: Database) -> None:
    insert = text(
        "INSERT INTO audit_event (time, actor, address, action, outcome, reason, run) VALUES (:t,'','','',:o,'','')"
    )
    with database.writing() as connection:
        connection.execute(insert, {"t": NOON, "o": "done"})
        append(connection, LOG, many(3), Openings())
        seal(connection, LOG, COORDINATOR)
    with pytest.raises(StorageError), database.writing() as connection:
        append(connection, LOG, many(3, 3))
        seal(connection, LOG, COORDINATOR)
        connection.execute(insert, {"t": NOON, "o": "perhaps"})
    found = written(database, LOG)
    assert (len(found.records), len(found.heads)) == (3, 1)
    with database.writing() as connection:
        assert append(connection, LOG, many(2)) == range(3, 5)
        seal(connection, LOG, COORDINATOR)
    assert verify_written(written(database, LOG), KEYS).sound


def test_logs_of_one_database_are_apart(database: Database) -> None:
    for name, count in (("甲", 3), ("乙", 5)):
        with database.writing() as connection:
            assert append(connection, name, many(count)) == range(count)
    assert [len(written(database, name).records) for name in ("甲", "乙")] == [3, 5]
    with pytest.raises(StorageError, match="has no log '丙'"):
        written(database, "丙")
    with pytest.raises(Malformed, match="a name must be"), database.writing() as connection:
        append(connection, " ", many(1))


def test_an_empty_log_can_be_sealed(database: Database) -> None:
    with database.writing() as connection:
        assert last_head(connection, LOG) is None
        head = seal(connection, LOG, COORDINATOR).signed.head
    assert (head.size, head.root, head.previous) == (0, EMPTY, bytes(32))
    assert verify_written(written(database, LOG), KEYS).sound


def test_heads_name_the_one_before_and_time_does_not_go_back(database: Database) -> None:
    with database.writing() as connection:
        append(connection, LOG, many(2))
        first = seal(connection, LOG, COORDINATOR, NOON)
        second = seal(connection, LOG, COORDINATOR, NOON - timedelta(hours=1))
        assert last_head(connection, LOG) == second
    assert second.number == first.number + 1
    assert second.signed.head.previous == first.signed.head.hash
    assert second.signed.head.time == first.signed.head.time
    assert verify_written(written(database, LOG), KEYS).sound


def test_stored_proofs_hold_for_every_size(database: Database) -> None:
    entries = many(11)
    with database.writing() as connection:
        append(connection, LOG, entries)
        tree, one = Frontier(), Witness(MINE, LOG, KEYS.coordinator, MemoryHead())
        for size, entry in enumerate(entries, start=1):
            tree, _ = tree.grown(leaf_hash(entry.body))
            for index in range(size):
                path = inclusion(connection, LOG, index, size)
                check_inclusion(leaf_hash(entries[index].body), index, size, path, tree.root)
        one.shown(seal(connection, LOG, COORDINATOR).signed, ())
        for _ in range(3):
            append(connection, LOG, many(5))
            sealed = seal(connection, LOG, COORDINATOR)
            signature = one.shown(sealed.signed, consistency(connection, LOG, one.size, sealed.signed.head.size))
            countersigned(connection, LOG, sealed, signature, MINE.public)
        with pytest.raises(StorageError, match="has no entry 31"):
            inclusion(connection, LOG, 0, 32)
    assert verify_written(written(database, LOG), KEYS).countersigned == {"研发部门": 26}


def test_a_countersignature_is_checked_before_it_is_kept_and_kept_once(database: Database) -> None:
    with database.writing() as connection:
        append(connection, LOG, many(2))
        sealed = seal(connection, LOG, COORDINATOR)
        signature = CounterSignature.sign(sealed.signed.head, MINE)
        with pytest.raises(Malformed):
            countersigned(connection, LOG, sealed, signature, DEPARTMENTS["生产车间"].public)
        for _ in range(2):
            countersigned(connection, LOG, sealed, signature, MINE.public)
    assert written(database, LOG).heads[0].countersignatures == (signature,)


@pytest.mark.parametrize("table", ["audit_entry", "audit_head", "audit_countersignature"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET number = number + 100"])
def test_rows_of_the_log_cannot_be_changed_by_accident(database: Database, table: str, change: str) -> None:
    filled(database)
    before = written(database, LOG)
    with (
        pytest.raises(StorageError, match="the audit log is added to and never changed"),
        database.writing() as connection,
    ):
        connection.execute(text(change.format(table)))
    assert written(database, LOG) == before


# ---------------------------------------------------------------- texts


def test_texts_are_kept_apart_and_can_be_erased(database: Database) -> None:
    made = filled(database)
    with database.writing() as connection:
        assert openings(connection, LOG) == made.openings.made
    person = next(c for c, one in made.openings.made.items() if one.text == "张三")
    with database.writing() as connection:
        erase(connection, LOG, person)
        left = openings(connection, LOG)
    assert left == {c: one for c, one in made.openings.made.items() if c != person}
    assert verify_written(written(database, LOG), KEYS, openings=left).sound


def test_an_erased_text_is_not_in_sqlites_file_any_more(example: Example, tmp_path: Path) -> None:
    def content() -> bytes:
        with closing(sqlite3.connect(tmp_path / "日志.sqlite", isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (tmp_path / "日志.sqlite").read_bytes()

    assert "张三".encode() in content()
    person = next(c for c, one in example.openings.made.items() if one.text == "张三")
    with example.database.writing() as connection:
        # Some builds of SQLite overwrite of themselves.
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")
        erase(connection, LOG, person)
    assert "张三".encode() not in content()


def test_only_the_texts_of_appended_entries_are_kept(database: Database) -> None:
    made = Openings()
    made.commit("never used")
    with database.writing() as connection:
        append(connection, LOG, [decided(made, 1, True)], made)
        append(connection, LOG, [decided(made, 2, False)], made)
        append(connection, LOG, [decided(Openings(), 3, False)])
        assert sorted(one.text for one in openings(connection, LOG).values()) == sorted(
            one.text for one in made.made.values() if one.text != "never used"
        )


# ---------------------------------------------------------------- at once


def test_writers_at_once_make_one_order_without_gaps(url: str, database: Database) -> None:
    def write(worker: int) -> None:
        other = Database(url, patience=30, durable=False)
        for number in range(5):
            with other.writing() as connection:
                append(connection, LOG, [model(worker * 100 + number)])
                seal(connection, LOG, COORDINATOR)
        other.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    found = written(database, LOG)
    assert len(found.records) == len(found.heads) == 20
    assert {record.body for record in found.records} == {model(w * 100 + n).body for w in range(4) for n in range(5)}
    assert verify_written(found, KEYS).sound


def test_a_process_killed_before_its_commit_leaves_no_entry(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "a.sqlite")
    program = (
        "import os, sys\n"
        "from lepton_fed.audit import append, seal\n"
        "from lepton_fed.storage import schema\n"
        "from tests.audit.test_log import COORDINATOR, LOG, many\n"
        "database = schema.opened(sys.argv[1], patience=10, durable=False)\n"
        "with database.writing() as connection:\n"
        "    append(connection, LOG, many(3)); seal(connection, LOG, COORDINATOR)\n"
        "with database.writing() as connection:\n"
        "    append(connection, LOG, many(3)); seal(connection, LOG, COORDINATOR); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, url], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 9
    database = Database(url, patience=10, durable=False)
    with database.writing() as connection:
        assert append(connection, LOG, many(2)) == range(3, 5)
        seal(connection, LOG, COORDINATOR)
    assert verify_written(written(database, LOG), KEYS).sound
    database.close()


def test_appending_without_a_transaction_for_writing_loses_nothing(tmp_path: Path, database: Database) -> None:
    """Two that read the same frontier: the second to write is told, instead of overwriting the first's entry."""
    with database.writing() as connection:
        append(connection, LOG, many(1))
    with pytest.raises(StorageError), database.reading() as slow:
        slow.execute(text("SELECT size FROM audit_log")).all()
        if slow.dialect.name == "postgresql":
            raise StorageError("PostgreSQL's row lock makes the second wait instead")
        with database.writing() as quick:
            append(quick, LOG, many(1))
        append(slow, LOG, many(1))
    assert len(written(database, LOG).records) == (1 if "postgresql" in str(database._url) else 2)
