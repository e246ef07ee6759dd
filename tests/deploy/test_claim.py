"""Two processes never work from one kit, and a lock goes with its process, however that ends."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_fed.deploy.claim import LOCK, claimed
from lepton_fed.errors import StorageError

HOLDING = """
import sys
from pathlib import Path
from lepton_fed.deploy.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "kit" / "state"
    folder.mkdir(parents=True)
    return folder


def test_a_kit_is_claimed_once_at_a_time_and_again_afterwards(state: Path) -> None:
    with claimed(state), pytest.raises(StorageError, match=r"works from the kit .*kit; stop it first"), claimed(state):
        pass
    with claimed(state):
        pass
    assert stat.S_IMODE((state / LOCK).stat().st_mode) == 0o600


def test_a_kit_is_free_after_a_failure(state: Path) -> None:
    with pytest.raises(ZeroDivisionError), claimed(state):
        raise ZeroDivisionError
    with claimed(state):
        pass


def test_what_a_killed_process_had_claimed_is_free(state: Path) -> None:
    command = [sys.executable, "-c", HOLDING, str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StorageError), claimed(state):
            pass
        process.kill()
        process.wait()
        with claimed(state):
            pass


def test_a_lock_is_no_way_to_another_file(state: Path, tmp_path: Path) -> None:
    other = tmp_path / "of somebody else"
    other.write_text("kept", encoding="utf-8")
    (state / LOCK).symlink_to(other)
    with pytest.raises(StorageError), claimed(state):
        pass
    assert other.read_text(encoding="utf-8") == "kept"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError), claimed(tmp_path / "nowhere"):
        pass
