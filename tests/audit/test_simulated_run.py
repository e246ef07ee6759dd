"""The log of a whole simulated run proves its models, and no field of it can be edited in its database unnoticed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from lepton_fed.audit import Decided, Entry, ModelMade, Planned, Released, RunBegun, RunEnded, leaf_hash
from lepton_fed.audit.log import hashes
from lepton_fed.audit.places import Found, logs_at
from lepton_fed.audit.provenance import prove
from lepton_fed.config import Federation
from lepton_fed.record import DATABASE
from lepton_fed.simulation import simulate
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.checkpoint import Checkpoint
from lepton_fed.storage.database import Database
from tests.audit.edits import edits
from tests.audit.example import unguarded
from tests.federations import FOUR, SECURE, TARGET, quick, written

EVERYBODY = (*FOUR, TARGET)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one of two rounds."""
    place = tmp_path_factory.mktemp("whole")
    simulate(written(place / "file", quick(SECURE, 2)), out=place / "runs" / "first")
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def found(place: Path) -> Found:
    (log,) = logs_at(place / "runs" / "first")
    return log


def entries(place: Path) -> list[Entry]:
    return [Entry.read(record.body) for record in found(place).written.records]


@pytest.fixture
def database(place: Path) -> Iterator[Database]:
    """Its database, whose triggers somebody has taken away."""
    opened = schema.opened(sqlite_url(place / "runs" / DATABASE), patience=10, durable=False)
    unguarded(opened)
    yield opened
    opened.close()


def test_the_log_proves_every_model_of_the_run(original: Path) -> None:
    models = sorted((original / "runs" / "first" / "models").glob("*.safetensors"))
    assert len(models) == len(EVERYBODY)
    verdict = found(original).verdict()
    assert verdict.sound, verdict.text
    assert verdict.countersigned == dict.fromkeys(EVERYBODY, verdict.size)
    for model in models:
        (proof,) = prove(found(original).written.records, hashlib.sha256(model.read_bytes()).digest())
        assert proof.status == "finished"
        assert proof.departments == tuple((name, 2) for name in sorted(FOUR))
        assert {name for name, _ in proof.policies} == {name for name, _ in proof.contracts} == set(EVERYBODY)
        assert dict(proof.code).keys() == {"lepton-fed"}
        assert proof.allowed > 0


def test_every_round_is_told_from_its_plan_to_what_came_out(original: Path) -> None:
    told = entries(original)
    assert isinstance(told[0], RunBegun)
    assert isinstance(told[-1], RunEnded)
    assert [one.round for one in told if isinstance(one, Planned)] == [1, 2, 3]
    sums = Counter((one.round, one.group) for one in told if isinstance(one, Released))
    assert sums == {(1, "updates"): 1, (1, "measurements"): 1, (2, "updates"): 1, (2, "measurements"): 1} | {
        (3, "measurements"): 1
    }
    assert {one.target for one in told if isinstance(one, ModelMade)} == set(EVERYBODY)
    assert {one.department for one in told if isinstance(one, Decided)} >= set(FOUR)


@pytest.mark.parametrize("fields", [1, pytest.param(None, marks=pytest.mark.long, id="all")])
def test_an_edit_of_any_field_of_any_kind_of_entry_in_the_database_is_found(
    place: Path, database: Database, fields: int | None
) -> None:
    first = {type(entry): (number, entry) for number, entry in reversed(list(enumerate(entries(place))))}
    assert len(first) >= 6
    change = text("UPDATE audit_entry SET body = :body WHERE number = :number")
    for number, entry in first.values():
        for name, edited in islice(edits(entry), fields):
            with database.writing() as connection:
                connection.execute(change, {"body": edited.body, "number": number})
            sentences = [one.sentence for one in found(place).verdict().findings]
            assert any(one.startswith(f"entry {number} ({entry.TITLE}, ") for one in sentences), (name, sentences)
        with database.writing() as connection:
            connection.execute(change, {"body": entry.body, "number": number})
    assert found(place).verdict().sound


def test_who_edits_the_hashes_as_well_is_found_at_the_head(place: Path, database: Database) -> None:
    last = len(entries(place)) - 1
    ended = entries(place)[last]
    with database.writing() as connection:
        nodes = connection.execute(text("SELECT nodes FROM audit_entry WHERE number = :n"), {"n": last}).scalar_one()
        edited = next(one for name, one in edits(ended) if name == "status")
        made = b"".join((leaf_hash(edited.body), *hashes(nodes)[1:]))
        update = text("UPDATE audit_entry SET body = :body, nodes = :nodes WHERE number = :n")
        connection.execute(update, {"body": edited.body, "nodes": made, "n": last})
    assert not found(place).verdict().sound


@pytest.mark.parametrize("statement", ["entry WHERE number = 3", "head WHERE number = 0", "countersignature"])
def test_a_row_that_was_dropped_is_found(place: Path, database: Database, statement: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        if statement == "head WHERE number = 0":
            connection.execute(text("DELETE FROM audit_countersignature WHERE number = 0"))
        connection.execute(text(f"DELETE FROM audit_{statement}"))
    verdict = found(place).verdict()
    # Signatures that are gone are no proof of anything, and nobody is counted.
    assert not verdict.sound or (statement == "countersignature" and not verdict.countersigned)


def test_secrets_of_the_log_are_their_owners_alone_and_public_keys_are_not_secret(original: Path) -> None:
    folder = original / "runs" / "audit-keys" / "小联邦"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {mode for name, mode in modes.items() if name != "public.json"} == {0o600}
    said = (folder / "public.json").read_bytes()
    for key in folder.glob("*.key"):
        assert key.read_bytes().hex().encode() not in said


def test_another_run_of_the_federation_goes_on_with_its_log(place: Path) -> None:
    before = len(entries(place))
    result = simulate(Federation.load(place / "file" / "federation.toml"), rounds=1, out=place / "runs" / "second")
    verdict = found(place).verdict()
    assert verdict.sound
    assert verdict.countersigned == dict.fromkeys(EVERYBODY, verdict.size)
    runs = {one.run for one in entries(place)[before:]}
    assert runs == {result.run}


def test_a_run_whose_log_was_written_anew_says_so_loudly(place: Path, database: Database) -> None:
    with database.writing() as connection:
        for table in ("countersignature", "head", "opening", "taken", "entry", "log"):
            connection.execute(text(f"DELETE FROM audit_{table}"))
    simulate(Federation.load(place / "file" / "federation.toml"), rounds=1, out=place / "runs" / "second")
    report = (place / "runs" / "second" / "report.html").read_text(encoding="utf-8")
    for name in EVERYBODY:
        assert f"{name} DOES NOT COUNTERSIGN the audit log" in report
    assert "rolled back" in report or "forked" in report


def test_a_run_that_goes_on_for_more_rounds_tells_each_of_them_once(place: Path) -> None:
    simulate(Federation.load(place / "file" / "federation.toml"), rounds=3, resume=place / "runs" / "first")
    told = entries(place)
    # Twice 3: the last report after two rounds, and the third round.
    assert [one.round for one in told if isinstance(one, Planned)] == [1, 2, 3, 3, 4]
    assert sum(isinstance(one, RunBegun) for one in told) == sum(isinstance(one, RunEnded) for one in told) == 2
    assert found(place).verdict().sound


KILLED = """
    import os, signal, sys
    from lepton_fed.simulation import simulate
    from lepton_fed.storage.checkpoint import Checkpoint
    save = Checkpoint.save
    def killed(self, round, *arguments, **more):
        if round == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return save(self, round, *arguments, **more)
    Checkpoint.save = killed
    simulate(sys.argv[1], out=sys.argv[2])
"""


class Gone(BaseException):
    """The run ends here, for a reason that nobody foresaw."""


def test_a_run_gone_between_its_database_and_its_checkpoint_tells_no_round_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = written(tmp_path / "file", quick({**SECURE, "audit": {"every": 1}}, 3))
    out = tmp_path / "runs" / "first"
    save = Checkpoint.save

    def gone(self: Checkpoint, round: int, *arguments: Any, **more: Any) -> Any:
        if round == 2:
            raise Gone
        return save(self, round, *arguments, **more)

    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", gone)
        with pytest.raises(Gone):
            simulate(federation, out=out)
    goes_on_once(tmp_path, federation, ended=2)


@pytest.mark.long
def test_a_run_killed_between_its_database_and_its_checkpoint_tells_no_round_twice(tmp_path: Path) -> None:
    federation = written(tmp_path / "file", quick({**SECURE, "audit": {"every": 1}}, 3))
    out = tmp_path / "runs" / "first"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(federation.path), str(out)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    goes_on_once(tmp_path, federation, ended=1)


def goes_on_once(place: Path, federation: Federation, *, ended: int) -> None:
    """A run whose database has round 2 and whose checkpoint has not is resumed; then its log has so many ends."""
    assert [one.round for one in entries(place) if isinstance(one, Planned)] == [1, 2]
    simulate(federation, resume=place / "runs" / "first")
    told = entries(place)
    assert [one.round for one in told if isinstance(one, Planned)] == [1, 2, 3, 4]
    assert sum(isinstance(one, RunBegun) for one in told) == 2
    assert sum(isinstance(one, RunEnded) for one in told) == ended
    verdict = found(place).verdict()
    assert verdict.sound
    assert verdict.countersigned == dict.fromkeys(EVERYBODY, verdict.size)


def test_a_run_without_a_folder_writes_no_log_and_no_keys(tmp_path: Path) -> None:
    federation = written(tmp_path / "file", quick(SECURE, 1))
    before = sorted(tmp_path.rglob("*"))
    simulate(federation)
    assert sorted(tmp_path.rglob("*")) == before
