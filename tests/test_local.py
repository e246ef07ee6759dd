"""`lepton-fed local`: a federation of processes on one machine, none of which is left, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from lepton_fed import local
from lepton_fed.errors import RoundError
from lepton_fed.flower.link_http import listening
from lepton_fed.forking import into
from lepton_fed.local import Processes, free_port
from lepton_fed.progress import Quiet
from tests.deployed import ROOT
from tests.federations import LINES, TARGET, quick, write, write_own

PATIENCE = 240.0
OBSTINATE = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
)


def begun(file: Path, out: Path) -> subprocess.Popen[str]:
    """The command, as somebody types it."""
    return subprocess.Popen(
        [sys.executable, "-m", "lepton_fed", "local", str(file), "--out", str(out), "--quiet"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def alive(out: Path) -> list[str]:
    """Processes of this machine that have the folder on their command line, or write their log into it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            said = (process / "fd" / "1").readlink()
        except OSError:
            continue
        if (str(out) in line or str(out) in str(said)) and int(process.name) != os.getpid():
            found.append(f"{line} > {said}")
    return found


def until(condition: object) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


# ---------------------------------------------------------------- the command


@pytest.mark.flower
@pytest.mark.long
def test_a_federation_of_processes_trains_and_leaves_models_a_report_and_no_process(tmp_path: Path) -> None:
    out = tmp_path / "出"
    process = begun(write(tmp_path / "小", quick({}, 2)), out)
    said, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, complaint
    assert not alive(out)
    run = out / "kits" / "coordinator" / "state" / "run"
    assert f"report: {run / 'report.html'}" in said
    assert (run / "report.html").is_file()
    for name in (*LINES, TARGET):
        assert (name in said) == (name != TARGET), "who has no rows has measured nothing"
        assert list((out / "kits" / "departments").glob(f"*/state/models/{name}.safetensors"))
        assert "Traceback" not in (out / "logs" / f"{name}.log").read_text(encoding="utf-8")


@pytest.mark.flower
@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGINT, "in its rounds"), (signal.SIGINT, "starting"), (signal.SIGTERM, "starting")]
)
def test_interrupted_it_ends_every_process_and_says_so_in_a_sentence(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    out = tmp_path / "out"
    checkpoint = out / "kits" / "coordinator" / "state" / "run" / "checkpoint" / "manifest.json"
    process = begun(write(tmp_path / "小", quick({}, 500)), out)
    until(lambda: (checkpoint.exists() if moment != "starting" else len(alive(out)) == 5) or process.poll() is not None)
    process.send_signal(number)
    said, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said == ""
    assert complaint == f"stopped; every process that was started has ended, and {out} has what they left\n"
    assert not alive(out)


@pytest.mark.flower
@pytest.mark.long
def test_killed_it_leaves_no_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    checkpoint = out / "kits" / "coordinator" / "state" / "run" / "checkpoint" / "manifest.json"
    process = begun(write(tmp_path / "小", quick({}, 500)), out)
    until(lambda: checkpoint.exists() or process.poll() is not None)
    assert len(alive(out)) == 5
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: not alive(out))


@pytest.mark.flower
@pytest.mark.long
def test_a_department_whose_file_is_broken_ends_it_with_that_departments_sentence(tmp_path: Path) -> None:
    file, out = write(tmp_path / "小", quick({}, 2)), tmp_path / "out"
    write_own(file, LINES[1], {"path": "nowhere.csv"})
    process = begun(file, out)
    said, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said == ""
    assert complaint.count("\n") == 1
    assert complaint.startswith(f"lepton-fed: the process of {LINES[1]} has ended: ")
    assert "nowhere.csv" in complaint
    assert complaint.count("lepton-fed: ") == 1
    assert not alive(out)


@pytest.mark.parametrize("made", ["a file that is not there", "a folder that is"])
def test_what_cannot_begin_starts_nothing(tmp_path: Path, made: str) -> None:
    out = tmp_path / "out"
    file = tmp_path / "nowhere.toml"
    if made == "a folder that is":
        file = write(tmp_path / "小", quick({}, 1))
        (out / "kits").mkdir(parents=True)
        (out / "kits" / "of somebody").touch()
    process = begun(file, out)
    said, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert (said, complaint.count("\n")) == ("", 1)
    assert not (out / "logs").exists()


# ---------------------------------------------------------------- processes


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "logs")
    yield made
    for process in made.started.values():
        process.kill()
        process.join()


def script(processes: Processes, name: str, code: str) -> BaseProcess:
    """A process of theirs that runs this instead."""
    processes.logs.mkdir(exist_ok=True)
    processes.log(name).touch()
    started = get_context("forkserver").Process(target=become, args=(code, processes.log(name)))
    started.start()
    processes.started[name] = started
    return started


def become(code: str, log: Path) -> None:
    into(log)
    os.execv(sys.executable, [sys.executable, "-c", code])


def test_who_ends_by_itself_is_quoted(processes: Processes) -> None:
    script(processes, LINES[0], "import time; time.sleep(600)")
    processes.require_alive()
    script(processes, "研发部门", "import sys; print('{}'); sys.exit('lepton-fed: its file is not there')").join()
    with pytest.raises(RoundError, match="the process of 研发部门 has ended: its file is not there"):
        processes.require_alive()
    processes.end()


def test_who_said_nothing_is_not_quoted(processes: Processes) -> None:
    script(processes, "研发部门", "").join()
    with pytest.raises(RoundError, match="it said nothing"):
        processes.require_alive()


def test_who_does_not_end_when_it_is_asked_to_is_killed(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "ENDING", 0.2)
    one = script(processes, "一", OBSTINATE)
    other = script(processes, "二", "import time; time.sleep(600)")
    until(lambda: processes.last_words("一") == "here")
    processes.end()
    assert one.exitcode == -signal.SIGKILL
    assert other.exitcode == -signal.SIGTERM


@pytest.mark.parametrize("during", ["terminate", "join"])
def test_a_second_interrupt_waits_for_nobody(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, during: str
) -> None:
    one, other = script(processes, "一", OBSTINATE), script(processes, "二", OBSTINATE)
    for name in ("一", "二"):
        until(lambda name=name: processes.last_words(name) == "here")

    def interrupted(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(BaseProcess, during, interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.end()
    assert one.exitcode == other.exitcode == -signal.SIGKILL


@dataclass
class Told:
    """An operator who is told one status after the other; the last one says that the run has finished."""

    answered: list[bool]

    def status(self) -> dict[str, Any]:
        seen = self.answered.pop(0) if self.answered else True
        return {
            "state": "running" if self.answered else "finished",
            "round": 0,
            "rounds": 2,
            "measured": {},
            "measured_round": 0,
            "departments": {"研发部门": {"online": True, "answered": seen}},
        }


def test_a_department_that_is_gone_before_the_first_round_ends_it_and_later_costs_that_department(
    processes: Processes,
) -> None:
    script(processes, "研发部门", "import sys; sys.exit('lepton-fed: its rows do not fit')").join()
    coordinator = script(processes, local.COORDINATOR, "import time; time.sleep(600)")
    with pytest.raises(RoundError, match="研发部门 has ended: its rows do not fit"):
        local._watched(Told([False, False]), processes, Quiet())  # type: ignore[arg-type]
    assert local._watched(Told([True, False]), processes, Quiet())["state"] == "finished"  # type: ignore[arg-type]
    coordinator.kill()
    coordinator.join()
    with pytest.raises(RoundError, match="has ended"):
        local._watched(Told([True, False]), processes, Quiet())  # type: ignore[arg-type]


def test_a_wish_to_end_is_heard_at_the_next_look(processes: Processes) -> None:
    processes.stop.set()
    with pytest.raises(KeyboardInterrupt):
        local._watched(Told([True, True, True]), processes, Quiet())  # type: ignore[arg-type]


def test_a_free_port_is_one_that_a_coordinator_can_listen_on_again_and_again() -> None:
    port = free_port()
    for _ in range(2):
        with listening("127.0.0.1", port), socket.create_connection(("127.0.0.1", port), timeout=60):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody could listen on a port that is kept")
def test_a_free_port_is_nobody_elses_before_a_coordinator_listens() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=60)
