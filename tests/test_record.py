"""A run's folder and database as it happens: begun whole or not at all, ended with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_fed.config import Federation
from lepton_fed.errors import RoundError, StoppedError, StorageError
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.record import DATABASE, Recorder, recorded_rounds
from lepton_fed.storage import RunFolder, RunStore, sqlite_url
from tests.federations import BASE, quick, written


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return written(tmp_path / "files", quick({}, 5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "run"


def measured(number: int, value: float) -> Measurement:
    return Measurement(number, FEDERATION, "federation", "auc", value)


def status(folder: Path) -> tuple[str, str]:
    """What the folder says, after checking that the database says the same."""
    record = RunFolder.open(folder, writing=False).record()
    with RunStore(sqlite_url(folder.parent / DATABASE)) as store:
        stored = store.run(record.id)
    assert (stored.status, stored.reason) == (record.status, record.reason)
    return record.status, record.reason


def test_a_run_that_is_finished_says_so(federation: Federation, folder: Path) -> None:
    with Recorder.create(folder, federation, None, 0) as recorder:
        assert status(folder) == ("running", "")
        recorder.finish()
    assert status(folder) == ("finished", "")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), ("stopped", "stopped by hand")),
        (StoppedError("somebody stopped it"), ("stopped", "somebody stopped it")),
        (RoundError("round 3 has no update"), ("failed", "round 3 has no update")),
        # Another program's message may quote a row.
        (ValueError("could not convert '4711.0815'"), ("failed", "ValueError")),
    ],
)
def test_a_run_that_ends_early_says_why(
    federation: Federation, folder: Path, error: BaseException, expected: tuple[str, str]
) -> None:
    with pytest.raises(type(error)), Recorder.create(folder, federation, None, 0):
        raise error
    assert status(folder) == expected


def test_a_failure_of_the_storage_is_not_written_to_that_storage(federation: Federation, folder: Path) -> None:
    with pytest.raises(StorageError, match="full"), Recorder.create(folder, federation, None, 0):
        raise StorageError("full")
    assert status(folder) == ("running", "")


def test_a_run_whose_database_cannot_be_reached_leaves_nothing(federation: Federation, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (tmp_path / "a" / "b" / "run", empty):
        with pytest.raises(StorageError, match="cannot be opened"):
            Recorder.create(folder, federation, "sqlite:////nowhere/x.sqlite", 0)
    assert not (tmp_path / "a").exists()
    assert list(empty.iterdir()) == []


def test_rounds_are_kept_and_those_after_the_checkpoint_forgotten(federation: Federation, folder: Path) -> None:
    with Recorder.create(folder, federation, None, 0) as recorder:
        for number in range(3):
            recorder.keep_round(number, 0.1, [measured(number, number / 10)])
        recorder.checkpoint.save(2, {}, {})
    with Recorder.reopen(folder, federation, None) as recorder:
        saved = recorder.saved()
        assert saved is not None
        assert saved.round == 2
        # Round 2's measurements come again with round 3.
        assert recorder.history() == [measured(0, 0.0), measured(1, 0.1)]


def test_a_run_without_a_checkpoint_begins_anew(federation: Federation, folder: Path) -> None:
    with Recorder.create(folder, federation, None, 0) as recorder:
        recorder.keep_round(0, 0.1, [measured(0, 0.5)])
        first = recorder.record.id
    with Recorder.reopen(folder, federation, None) as recorder:
        assert recorder.saved() is None
        assert recorder.history() == []
        assert recorder.record.id == first


def test_only_the_number_of_rounds_may_change_between_the_parts_of_a_run(
    federation: Federation, folder: Path, tmp_path: Path
) -> None:
    Recorder.create(folder, federation, None, 0).__exit__(None, None, None)
    assert recorded_rounds(folder) == 5
    longer = written(tmp_path / "longer", quick({}, 9))
    Recorder.reopen(folder, longer, None).__exit__(None, None, None)
    assert recorded_rounds(folder) == 9
    assert RunFolder.open(folder, writing=False).record().fingerprint == longer.fingerprint
    for k, change in enumerate(
        (
            {"federation": {**BASE["federation"], "seed": 8}},
            {"rounds": {"participants": 1}},
            {"rounds": {"evaluate_every": 3}},
            {"weights": {"alpha": "uniform"}},
        )
    ):
        other = written(tmp_path / str(k), quick(change, 9))
        with pytest.raises(StorageError, match="another federation file"):
            Recorder.reopen(folder, other, None)
    assert recorded_rounds(folder) == 9


def test_a_membership_may_change_the_file_between_the_parts_of_a_run(
    federation: Federation, folder: Path, tmp_path: Path
) -> None:
    with Recorder.create(folder, federation, None, 0) as recorder:
        recorder.keep_round(0, 0.1, [measured(0, 0.5)])
        recorder.keep_round(1, 0.1, [])
        recorder.checkpoint.save(1, {}, {})
    other = written(tmp_path / "other", quick({"weights": {"alpha": "uniform"}}, 5))
    with Recorder.reopen(folder, other, None, changed=True) as recorder:
        assert recorder.saved() is not None
        assert recorder.history() == [measured(0, 0.5)]
        assert recorder.record.fingerprint == other.fingerprint
    assert RunFolder.open(folder, writing=False).record().fingerprint == other.fingerprint
    assert Federation.load(folder / "federation.toml").fingerprint == other.fingerprint
    with RunStore(sqlite_url(folder.parent / DATABASE)) as store:
        assert [run.fingerprint for run in store.runs()] == [other.fingerprint]


def test_a_run_that_another_process_holds_is_not_opened(federation: Federation, folder: Path) -> None:
    with Recorder.create(folder, federation, None, 0):
        with pytest.raises(StorageError, match="another process"):
            Recorder.reopen(folder, federation, None)
        assert recorded_rounds(folder) == 5
    Recorder.reopen(folder, federation, None).__exit__(None, None, None)


def test_reopening_with_an_unreachable_database_changes_nothing(federation: Federation, folder: Path) -> None:
    with Recorder.create(folder, federation, None, 0) as recorder:
        recorder.finish()
    before = (folder / "run.json").read_bytes()
    with pytest.raises(StorageError, match="cannot be opened"):
        Recorder.reopen(folder, federation, "sqlite:////nowhere/x.sqlite")
    assert (folder / "run.json").read_bytes() == before
    Recorder.reopen(folder, federation, None).__exit__(None, None, None)
