"""kill -9 at random moments of a real worker process: the run goes on, and each step's effect happens exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from lepton_fed.pipeline import PipelineStore, State, SystemClock
from lepton_fed.storage.database import Database
from tests.pipeline.killed import LEASE, NAMES, STEPS

ROOT = Path(__file__).parents[2]


def started(url: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.pipeline.killed", url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def killed(process: subprocess.Popen[str], chance: random.Random) -> bool:
    """Kills it once it has said so many lines, or before it has said any; no: it was faster, and ended well."""
    assert process.stdout is not None
    for _ in range(chance.choice((0, 1, *range(2, 40)))):
        if not process.stdout.readline():
            break
    time.sleep(chance.uniform(0, 0.06))
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    with process.stdout:
        said = process.stdout.read()
    assert process.wait() in (0, -signal.SIGKILL), said
    return process.returncode == -signal.SIGKILL


def prepared(url: str) -> None:
    database = Database(make_url(url), patience=30, durable=False)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE effect (step VARCHAR(200), turn INTEGER)"))
    database.close()


def effects(url: str) -> Counter[tuple[str, int]]:
    database = Database(make_url(url), patience=30, durable=False)
    with database.reading() as connection:
        found = Counter((row.step, row.turn) for row in connection.execute(text("SELECT step, turn FROM effect")))
    database.close()
    return found


def survives(url: str, folder: Path, kills: int, seed: int) -> int:
    """Runs until so many kills; each run that ends is checked. Returns how many runs it took."""
    chance = random.Random(seed)
    folder.mkdir()
    prepared(url)
    left = kills
    while left:
        left -= killed(started(url, folder), chance)
    last = started(url, folder)
    said, _ = last.communicate(timeout=250)
    assert last.returncode == 0, said
    with PipelineStore(url, "杀", SystemClock(), lease=LEASE) as store:
        newest = store.status()
        assert newest is not None
        runs = newest.number
        for number in range(1, runs + 1):
            status = store.status(number)
            assert status is not None
            assert status.state == "finished"
            assert {one.state for one in status.steps} == {State.DONE}
            finished: set[str] = set()
            for event in store.events(number):
                assert event.step not in finished, f"{event.step} moved after it was done: {event}"
                if event.after is State.DONE:
                    finished.add(event.step)
            assert len(finished) == STEPS
    once = Counter({(f"{NAMES[k % 4]}/步{k}", t): runs for k in range(STEPS) for t in ((1, 2, 3) if k == 7 else (1,))})
    assert effects(url) == once
    for file in folder.iterdir():
        assert file.read_bytes() == b"done\n", "a try that begins twice has the same key"
    tries = Counter(file.name.split("_")[0] for file in folder.iterdir())
    assert set(tries.values()) == {STEPS + 2 + STEPS // 5}, "one for each pass, and one for each first try that failed"
    return runs


@pytest.mark.timeout(280)
def test_each_effect_happens_once_however_often_the_worker_is_killed(url: str, tmp_path: Path) -> None:
    survives(url, tmp_path / "文件", kills=2, seed=3)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_effect_happens_once_through_fifty_kills(url: str, tmp_path: Path) -> None:
    """On PostgreSQL fifteen, whose server is not killed with the worker and has less to show."""
    survives(url, tmp_path / "文件", kills=50 if url.startswith("sqlite") else 15, seed=11)
