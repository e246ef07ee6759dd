"""Killed at random moments and resumed, a run ends exactly as if it had never stopped."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from lepton_fed import Federation, LeptonError, RunResult, simulate
from lepton_fed.progress import Quiet
from lepton_fed.storage import RunFolder, RunStore, read_history, sqlite_url
from tests import federations
from tests.federations import COUPLINGS, quick, written

ROUNDS = 40
PATIENCE = 240.0

# Children come from a process that has imported everything already, so that kills fall into the run and not
# into three seconds of imports.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *("lepton_fed.simulation", "lepton_fed.outcome", "lepton_fed.storage", "alembic.command", "pandas"),
        *("sklearn.model_selection", "sklearn.metrics", "matplotlib.figure", "jinja2", "pytest"),
    ]
)


class Clock(Quiet):
    """Says when the rounds begin, and how long they took."""

    def __init__(self, begun: Any = None) -> None:
        self.begun = begun
        self.first = self.last = 0.0

    def begin(self, done: int, rounds: int) -> None:
        self.first = time.monotonic()
        if self.begun is not None:
            self.begun.set()

    def measured(self, number: int, measurements: object) -> None:
        self.last = time.monotonic()


def go_on(federation: Path, folder: Path, begun: Any = None) -> None:
    """What a user does: start the run, or go on with it where it has begun."""
    torch.set_num_threads(1)
    place = "resume" if (folder / "run.json").exists() else "out"
    try:
        simulate(federation, progress=Clock(begun), **{place: folder})  # type: ignore[arg-type]
    except KeyboardInterrupt:
        sys.exit(130)


def go_on_alone(federation: Path, folder: Path, alive: Any, begun: Any) -> None:
    """Likewise in a process of its own, whose first and last steps, which are no user's, Ctrl-C ends quietly."""
    at_work = False

    def interrupt(*_: object) -> None:
        if not at_work:
            os._exit(130)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    alive.set()
    try:
        at_work = True
        go_on(federation, folder, begun)
        at_work = False
    except KeyboardInterrupt:
        sys.exit(130)


def started(federation: Federation, folder: Path) -> tuple[Any, Any]:
    """A process that goes on with the run, and an event that it sets when its rounds begin."""
    alive, begun = PROCESSES.Event(), PROCESSES.Event()
    child = PROCESSES.Process(target=go_on_alone, args=(federation.path, folder, alive, begun))
    child.start()
    assert alive.wait(PATIENCE)
    return child, begun


def killed_at_random(
    draw: random.Random, rounds_take: float, federation: Federation, folder: Path, sign: signal.Signals
) -> None:
    """One process that goes on with the run until it gets this signal, at any moment of its life.

    Most signals come while rounds are played; some while files are read and the folder is made.
    """
    child, begun = started(federation, folder)
    if draw.random() < 0.8:
        while child.is_alive() and not begun.wait(0.1):
            pass
        child.join(draw.uniform(0.0, rounds_take))
    else:
        child.join(draw.uniform(0.0, 0.3))
    if child.is_alive():
        os.kill(child.pid, sign)
    child.join(PATIENCE)
    assert child.exitcode in (0, 130, -sign), child.exitcode


def state(folder: Path) -> tuple[object, dict[str, dict[str, np.ndarray]]]:
    """The checkpoint: plain values without the clock's, and arrays."""
    saved = RunFolder.open(folder, writing=False).checkpoint().latest()
    assert saved is not None
    plain = {key: value for key, value in saved.meta.items() if key != "timing"}
    return (saved.round, plain), saved.groups


def assert_same(folder: Path, reference: Path) -> None:
    """Models, history and the coordinator's and departments' states are equal to the last bit."""
    models = sorted(p.name for p in (reference / "models").glob("*.safetensors"))
    assert models
    assert sorted(p.name for p in (folder / "models").glob("*.safetensors")) == models
    for name in models:
        assert_arrays(load_file(folder / "models" / name), load_file(reference / "models" / name))
    # repr: two NaN are the same measurement, and every bit of a float counts.
    assert repr(read_history(folder / "history.parquet")) == repr(read_history(reference / "history.parquet"))
    (plain, groups), (plain_then, groups_then) = state(folder), state(reference)
    assert plain == plain_then
    assert groups.keys() == groups_then.keys()
    for group, arrays in groups.items():
        assert_arrays(arrays, groups_then[group])


def assert_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in found.items():
        assert array.dtype == expected[name].dtype
        assert array.tobytes() == expected[name].tobytes(), name


def stored(folder: Path) -> RunStore:
    return RunStore(sqlite_url(folder.parent / "lepton-fed.sqlite"))


def killed_run(tmp_path: Path, coupling: str, kills: int, rounds: int = ROUNDS) -> None:
    draw = random.Random(f"{coupling} {kills}")
    federation = written(tmp_path, quick(COUPLINGS[coupling], rounds))
    clock = Clock()
    simulate(federation, out=tmp_path / "uninterrupted" / "run", progress=clock)
    folder = tmp_path / "killed" / "run"
    for _ in range(kills):
        killed_at_random(draw, min(0.5, 2 / kills) * (clock.last - clock.first), federation, folder, signal.SIGKILL)
    go_on(federation.path, folder)
    assert_same(folder, tmp_path / "uninterrupted" / "run")
    with stored(folder) as store:
        (run,) = store.runs()
        assert run.status == "finished"
        assert repr(store.history(run.id)) == repr(read_history(folder / "history.parquet"))
        assert [r.number for r in store.rounds(run.id)] == list(range(rounds + 1))


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Everything is imported before the first run is measured, or all kills would come after its end."""
    simulate(written(tmp_path_factory.mktemp("warm")), rounds=1, out=tmp_path_factory.mktemp("run"))


@pytest.mark.usefixtures("undrawn")
def test_a_run_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    killed_run(tmp_path, "average with adam at the server", 2, rounds=20)


@pytest.mark.long
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path, coupling: str) -> None:
    killed_run(tmp_path, coupling, 6)


@pytest.mark.usefixtures("undrawn")
def test_a_run_stopped_by_hand_can_go_on(tmp_path: Path) -> None:
    federation = written(tmp_path, quick(COUPLINGS["scaffold"], 20))
    simulate(federation, out=tmp_path / "whole")
    draw = random.Random(3)
    for _ in range(2):
        killed_at_random(draw, 0.2, federation, tmp_path / "stopped", signal.SIGINT)
    go_on(federation.path, tmp_path / "stopped")
    assert_same(tmp_path / "stopped", tmp_path / "whole")


class Interrupts:
    """Progress that presses Ctrl-C when a round has been measured."""

    def __init__(self, at: int) -> None:
        self.at = at

    def begin(self, done: int, rounds: int) -> None: ...
    def phase(self, what: str) -> None: ...
    def asked(self, number: int, names: int) -> None: ...
    def answered(self, name: str) -> None: ...
    def measured(self, number: int, measurements: object) -> None:
        if number == self.at:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their reports, which take longer to draw than these runs to train."""
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)


# What each coupling keeps is restored bit for bit in tests/couplings/test_restore.py; here it goes through files.
FILES = (
    "average with adam at the server",
    "participants drawn",
    "secure sums",
    "scaffold",
    "distill between two architectures",
)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "coupling", [pytest.param(one, marks=() if one in FILES else pytest.mark.long) for one in COUPLINGS]
)
def test_every_coupling_goes_on_exactly_where_it_was_stopped(tmp_path: Path, coupling: str) -> None:
    federation = written(tmp_path, quick(COUPLINGS[coupling], 6))
    simulate(federation, out=tmp_path / "whole")
    for k, at in enumerate((0, 3, 6)):
        how = {"out": tmp_path / "stopped"} if k == 0 else {"resume": tmp_path / "stopped"}
        with pytest.raises(KeyboardInterrupt):
            simulate(federation, progress=Interrupts(at), **how)
        assert RunFolder.open(tmp_path / "stopped", writing=False).record().status == "stopped"
    go_on(federation.path, tmp_path / "stopped")
    assert_same(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.usefixtures("undrawn")
def test_a_run_killed_between_its_record_and_its_federation_file_can_go_on(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({}, 3))
    simulate(federation, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        simulate(federation, out=tmp_path / "stopped", progress=Interrupts(0))
    for path in (tmp_path / "stopped").iterdir():
        if path.name not in ("run.json", ".lock") and path.is_file():
            path.unlink()
    (tmp_path / "lepton-fed.sqlite").unlink()
    go_on(federation.path, tmp_path / "stopped")
    assert_same(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.usefixtures("undrawn")
def test_a_finished_run_goes_on_for_more_rounds(tmp_path: Path) -> None:
    federation = written(tmp_path, quick(COUPLINGS["average with adam at the server"], 6))
    whole = simulate(federation, out=tmp_path / "whole")
    simulate(federation, rounds=4, out=tmp_path / "longer")
    longer = simulate(federation, rounds=6, resume=tmp_path / "longer")
    assert longer.state.round == 6
    assert repr(longer.history) == repr(whole.history)
    assert_same(tmp_path / "longer", tmp_path / "whole")


@pytest.mark.usefixtures("undrawn")
def test_a_finished_run_that_is_resumed_stays_as_it_is(tmp_path: Path) -> None:
    federation = written(tmp_path)
    first = simulate(federation, out=tmp_path / "a" / "run")
    again = simulate(federation, resume=tmp_path / "a" / "run")
    simulate(federation, out=tmp_path / "b" / "run")
    assert again.run == first.run
    assert again.comparison == first.comparison
    assert_same(tmp_path / "a" / "run", tmp_path / "b" / "run")


@pytest.mark.usefixtures("undrawn")
def test_a_resumed_run_asks_for_as_many_rounds_as_it_was_begun_with(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({}, 9))
    with pytest.raises(KeyboardInterrupt):
        simulate(federation, rounds=5, out=tmp_path / "run", progress=Interrupts(2))
    assert simulate(federation, resume=tmp_path / "run").state.round == 5


@pytest.mark.usefixtures("undrawn")
def test_a_run_folder_moved_with_its_database_goes_on(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({}, 4))
    simulate(federation, out=tmp_path / "whole" / "run")
    with pytest.raises(KeyboardInterrupt):
        simulate(federation, out=tmp_path / "here" / "run", progress=Interrupts(2))
    (tmp_path / "here").rename(tmp_path / "there")
    simulate(federation, resume=tmp_path / "there" / "run")
    assert_same(tmp_path / "there" / "run", tmp_path / "whole" / "run")


@pytest.mark.usefixtures("undrawn")
def test_a_run_is_resumed_from_within_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    federation = written(tmp_path, quick({}, 4))
    simulate(federation, out=tmp_path / "whole" / "run")
    with pytest.raises(KeyboardInterrupt):
        simulate(federation, out=tmp_path / "runs" / "run", progress=Interrupts(2))
    monkeypatch.chdir(tmp_path / "runs" / "run")
    simulate(federation, resume=Path())
    assert_same(tmp_path / "runs" / "run", tmp_path / "whole" / "run")
    assert not (tmp_path / "runs" / "run" / "lepton-fed.sqlite").exists()


@pytest.mark.usefixtures("undrawn")
def test_another_database_than_the_runs_own_is_refused_and_stays_empty(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({}, 4))
    with pytest.raises(KeyboardInterrupt):
        simulate(federation, out=tmp_path / "run", progress=Interrupts(3))
    other = sqlite_url(tmp_path / "other.sqlite")
    with pytest.raises(LeptonError, match=r"not in this database.*--database"):
        simulate(federation, resume=tmp_path / "run", database=other)
    with RunStore(other) as store:
        assert store.runs() == []
    (tmp_path / "lepton-fed.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with pytest.raises(LeptonError, match="not in this database"):
        simulate(federation, resume=tmp_path / "run")
    assert not (tmp_path / "lepton-fed.sqlite").exists()
    whole = simulate(federation, resume=tmp_path / "run", database=sqlite_url(tmp_path / "elsewhere.sqlite"))
    assert {m.round for m in whole.history} == {0, 1, 2, 3, 4}


def test_two_processes_never_write_one_run(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({}, 100_000))
    folder = tmp_path / "run"
    child, _ = started(federation, folder)
    try:
        while not (folder / "checkpoint" / "manifest.json").exists():
            assert child.is_alive()
            time.sleep(0.01)
        with pytest.raises(LeptonError, match="another process"):
            simulate(federation, resume=folder)
        with pytest.raises(LeptonError, match="already holds a run"):
            simulate(federation, out=folder)
        assert child.is_alive()
    finally:
        child.kill()
        child.join()
    assert RunFolder.open(folder, writing=False).record().status == "running"


def test_the_time_of_all_parts_of_a_run_is_added_up(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({}, 4))
    with pytest.raises(KeyboardInterrupt):
        simulate(federation, out=tmp_path / "run", progress=Interrupts(3))
    saved = RunFolder.open(tmp_path / "run", writing=False).checkpoint().latest()
    assert saved is not None
    before = saved.meta["timing"]
    assert isinstance(before, dict)
    result = simulate(federation, resume=tmp_path / "run")
    assert result.seconds > sum(float(v) for v in before.values())  # type: ignore[arg-type]
    for phase, seconds in before.items():
        assert result.timing[phase] >= float(seconds)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the command itself


@pytest.fixture
def command() -> list[str]:
    return [sys.executable, "-m", "lepton_fed", "simulate"]


@pytest.mark.long  # Without a process of its own: tests/test_cli.py.
def test_the_command_says_on_ctrl_c_how_to_go_on_and_goes_on(tmp_path: Path, command: list[str]) -> None:
    federation = written(tmp_path / "有 空格", quick({}, 100_000))
    folder = tmp_path / "有 空格" / "runs" / "一"
    process = subprocess.Popen(
        [*command, str(federation.path), "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "LC_ALL": "C", "OMP_NUM_THREADS": "1"},
        # A test run in the background may have Ctrl-C switched off, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not (folder / "checkpoint" / "manifest.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    said = err.splitlines()[-1]
    assert said.startswith("stopped; go on with: lepton-fed simulate ")
    assert f"'{federation.path}' --resume '{folder}'" in said
    assert RunFolder.open(folder, writing=False).record().status == "stopped"
    done = RunFolder.open(folder, writing=False).checkpoint().latest()
    assert done is not None
    result: RunResult = simulate(federation, rounds=done.round + 2, resume=folder)
    whole = simulate(federation, rounds=done.round + 2)
    assert repr(result.history) == repr(whole.history)
    for name in federations.LINES:
        assert all(torch.equal(result.models[name][k], v) for k, v in whole.models[name].items())
