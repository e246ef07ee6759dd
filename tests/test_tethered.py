"""A process on a tether is asked to end when the one that started it is gone, and made to if it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

PATIENCE = 120.0

HERE = "from lepton_fed.tethered import watch; import signal, time; "


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for process in made:
        process.kill()
        process.communicate()


def tethered(started: list[subprocess.Popen[bytes]], code: str) -> subprocess.Popen[bytes]:
    """A process that runs this, once it has said that it is there."""
    process = subprocess.Popen([sys.executable, "-c", HERE + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    return process


def let_go(process: subprocess.Popen[bytes]) -> int:
    """What becomes of it when the other end of its standard input is closed."""
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    return process.wait(PATIENCE)


def test_it_is_asked_to_end(started: list[subprocess.Popen[bytes]]) -> None:
    process = tethered(started, "watch(0); print('here', flush=True); time.sleep(600)")
    assert process.poll() is None
    assert let_go(process) == -signal.SIGTERM


def test_it_may_end_in_its_own_way(started: list[subprocess.Popen[bytes]]) -> None:
    asked = "signal.signal(signal.SIGTERM, lambda *_: exit(7)); watch(0); print('here', flush=True); time.sleep(600)"
    assert let_go(tethered(started, asked)) == 7


def test_who_does_not_end_is_killed(started: list[subprocess.Popen[bytes]]) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); watch(0, 0.1); print('here', flush=True); time.sleep(600)"
    assert let_go(tethered(started, deaf)) == -signal.SIGKILL


def test_what_is_written_to_it_ends_nothing(started: list[subprocess.Popen[bytes]]) -> None:
    process = tethered(started, "watch(0); print('here', flush=True); time.sleep(600)")
    assert process.stdin is not None
    os.write(process.stdin.fileno(), b"x" * 100)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    assert let_go(process) == -signal.SIGTERM
