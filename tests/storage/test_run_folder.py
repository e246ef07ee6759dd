"""A run folder holds one run, is written by one process, and refuses what is not its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open

from lepton_fed.errors import StorageError
from lepton_fed.storage import RunFolder, RunRecord
from lepton_fed.storage.run_record import read_record, versions
from lepton_fed.storage.tensors import tensors
from tests.storage.failures import failing_after

RECORD = RunRecord.new(name="制造", fingerprint="f" * 64, seed=2**70)


def test_a_new_run_has_its_record_and_its_paths(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "runs" / "一", RECORD) as folder:
        assert folder.record() == RECORD
        assert folder.record().started.tzinfo == UTC
        assert {p.name for p in folder.path.iterdir()} == {"run.json", ".lock"}
        assert folder.model("供应链/部门") == folder.path / "models" / "供应链%2F部门.safetensors"
        assert folder.card("研发部门").name == "研发部门.md"
        names = [p.name for p in (folder.federation, folder.history, folder.report)]
        assert names == ["federation.toml", "history.parquet", "report.html"]


def test_a_record_says_how_the_run_ended_and_with_what(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", RECORD) as folder:
        ended = RECORD.ended("failed", "研发部门: 没有数据")
        folder.write_record(ended)
        found = folder.record()
        assert found == ended
        assert (found.status, found.reason) == ("failed", "研发部门: 没有数据")
        assert found.finished is not None
        assert found.finished >= found.started
        again = found.resumed()
        assert (again.status, again.reason, again.finished, again.id) == ("running", "", None, RECORD.id)
    assert versions().keys() == {"python", "torch", "lepton_fed"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 1}', "null", RECORD.to_text().replace("running", "walking")])
def test_a_damaged_record_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    RunFolder.create(tmp_path / "run", RECORD).close()
    (tmp_path / "run" / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=r"run\.json is damaged"):
        RunFolder.open(tmp_path / "run")


def test_a_record_with_unknown_keys_of_a_later_version_is_read() -> None:
    assert read_record(RECORD.to_text().replace("{", '{"later": 1,', 1)) == RECORD


def test_a_folder_that_holds_a_run_is_not_begun_again_but_can_be_opened(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", RECORD).close()
    with pytest.raises(StorageError, match="already holds a run; resume that one"):
        RunFolder.create(tmp_path / "run", replace(RECORD, id="other"))
    with RunFolder.open(tmp_path / "run") as folder:
        assert folder.record() == RECORD


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "论文.doc").write_text("mine")
    with pytest.raises(StorageError, match="not empty and holds no run"):
        RunFolder.create(tmp_path, RECORD)
    with pytest.raises(StorageError, match="holds no run; give the folder of an earlier one"):
        RunFolder.open(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["论文.doc"]


def test_a_run_that_was_killed_before_it_had_begun_does_not_block_the_folder(tmp_path: Path) -> None:
    for name in (".lock", ".part-0123456789abcdef"):
        (tmp_path / name).write_text("")
    with RunFolder.create(tmp_path, RECORD):
        assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "run.json"]


def test_opening_clears_away_what_a_killed_process_left(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", RECORD) as folder:
        folder.write_model("甲", {"w": np.zeros(2)}, "card")
        for place in (folder.path, folder.models):
            (place / ".part-0123456789abcdef").write_text("half")
    with RunFolder.open(tmp_path / "run", writing=False) as reader:
        assert (reader.path / ".part-0123456789abcdef").exists()
    with RunFolder.open(tmp_path / "run"):
        assert not list((tmp_path / "run").rglob(".part-*"))


def test_a_missing_folder_and_a_file_are_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(StorageError, match="holds no run"):
            RunFolder.open(path)
    with pytest.raises(StorageError, match="file is a file, and a folder is expected"):
        RunFolder.create(tmp_path / "file", RECORD)
    with pytest.raises(StorageError, match="file is a file, and a folder is expected"):
        RunFolder.create(tmp_path / "file" / "run", RECORD)


def test_too_little_space_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_100_000_000))
    with pytest.raises(StorageError, match=r"needs 3\.2 GB and its disk has 1\.1 GB left"):
        RunFolder.create(tmp_path / "a" / "b", RECORD, needs=3_200_000_000)
    assert list(tmp_path.iterdir()) == []
    RunFolder.create(tmp_path / "a" / "b", RECORD, needs=1_000_000_000).close()


def test_a_disk_that_fills_up_at_the_beginning_leaves_no_folder_behind(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(StorageError, match="no space left"), failing_after(0):
        RunFolder.create(tmp_path / "mine" / "a" / "b", RECORD)
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        RunFolder.create(tmp_path / "run", RECORD)


def test_a_second_process_may_read_but_not_write(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lepton_fed.storage import RunFolder\n"
        "try: RunFolder.open(Path(sys.argv[1]), writing=sys.argv[2] == 'write'); print('opened')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    def second(mode: str) -> str:
        command = [sys.executable, "-c", program, str(tmp_path / "run"), mode]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with RunFolder.create(tmp_path / "run", RECORD):
        said = second("write")
        assert said.startswith("StorageError another process is writing the run in ")
        assert "\n" not in said
        assert second("read") == "opened"
    assert second("write") == "opened"


def test_one_process_holds_a_folder_once(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", RECORD)
    with pytest.raises(StorageError, match="another process is writing"):
        RunFolder.open(tmp_path / "run")
    folder.close()
    folder.close()
    RunFolder.open(tmp_path / "run").close()


def test_a_lock_that_was_given_up_with_its_file_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, flock = tmp_path / "run", fcntl.flock

    def given_up_before(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        (path / ".lock").unlink()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", given_up_before)
    with pytest.raises(StorageError, match="another process has just given up the run in"):
        RunFolder.create(path, RECORD)
    assert not path.exists()
    RunFolder.create(path, RECORD).close()


def test_a_killed_process_gives_up_its_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from lepton_fed.storage import RunFolder, RunRecord\n"
        "folder = RunFolder.create(Path(sys.argv[1]), RunRecord.new(name='', fingerprint='', seed=0))\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "run")], check=False)
    assert done.returncode == -9
    with RunFolder.open(tmp_path / "run") as folder:
        assert folder.record().status == "running"


def test_a_model_is_stored_with_its_card_and_known_by_its_digest(tmp_path: Path) -> None:
    arrays = {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(3)}
    with RunFolder.create(tmp_path / "run", RECORD) as folder:
        digest = folder.write_model("研发部门", arrays, "# 研发部门\n", {"federation": "制造"})
        assert digest == hashlib.sha256(folder.model("研发部门").read_bytes()).hexdigest()
        assert folder.card("研发部门").read_text(encoding="utf-8") == "# 研发部门\n"
        found = tensors(folder.model("研发部门").read_bytes(), folder.model("研发部门"))
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[n], a) and found[n].dtype == a.dtype for n, a in arrays.items())
        with safe_open(folder.model("研发部门"), framework="np") as file:
            assert file.metadata() == {"federation": "制造"}


def test_the_checkpoint_lives_in_the_run_folder(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", RECORD) as folder:
        folder.checkpoint().save(1, {}, {"甲": {"x": np.zeros(1)}})
        found = folder.checkpoint(durable=False).latest()
        assert found is not None
        assert found.round == 1
        assert (folder.path / "checkpoint" / "manifest.json").exists()
