"""The coordinator's process as an operator has it: submitted to, stopped, ended, killed, and gone on with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clients.home import KEPT
from lepton_fed.config import Federation
from lepton_fed.flower.desk import STEPS
from lepton_fed.secagg.ledger import Entries
from lepton_fed.simulation import simulate
from lepton_fed.storage.checkpoint import Checkpoint
from lepton_fed.storage.ledger_file import LedgerFile
from tests.deployed import COORDINATOR, ROOT, Deployed, deployed
from tests.federations import quick, written
from tests.server.together import FIVE, five, hubs_in

pytestmark = [pytest.mark.flower, pytest.mark.long]

ROUNDS = 8


def asked(there: Deployed, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`lepton-fed ARGUMENTS`, as somebody types it."""
    return subprocess.run(
        [sys.executable, "-m", "lepton_fed", *map(str, arguments)],
        cwd=there.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def refused(there: Deployed, *arguments: object) -> str:
    """What a command says that cannot do what it is asked: one sentence, exit code 2, nothing on standard output."""
    done = asked(there, *arguments)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("lepton-fed: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("lepton-fed: ").rstrip("\n")


def same_as_in_one_process(there: Deployed, federation: Federation) -> None:
    """Plain sums are the same bit for bit, wherever departments are."""
    held = hubs_in(there.made.coordinator / "state")
    for name, hub in simulate(federation).state.hubs.items():
        assert np.array_equal(held[f"model {name}"], hub.state.model)


def test_an_operator_submits_stops_and_goes_on_and_a_federation_trains_once(tmp_path: Path) -> None:
    federation = written(tmp_path / "小", quick({}, ROUNDS))
    other = written(tmp_path / "other", quick({"training": {"steps": 3, "batch": 8}}, ROUNDS))
    with deployed(tmp_path, federation, departments=False) as there:
        kit = there.made.coordinator
        assert there.status()["state"] == "idle"
        # Before anything else, what is refused changes nothing.
        assert f"another process works from the kit {kit}" in refused(there, "server", kit)
        assert "not the federation file that the kits were made with" in refused(there, "submit", kit, other.path)
        assert there.status()["state"] == "idle"
        assert asked(there, "submit", kit).stderr == "the run has begun\n"
        assert "a run is under way" in refused(there, "submit", kit)
        stopped = asked(there, "stop", kit)
        assert stopped.returncode == 0
        assert stopped.stdout.startswith("小联邦  stopped: somebody stopped it\nround 0 of 8\n")
        for name in there.made.departments:
            there.start(name)
        followed = asked(there, "submit", kit, federation.path, "--follow")
        assert followed.returncode == 0, followed
        assert followed.stderr == "the run goes on\n"
        assert f"round {ROUNDS} of {ROUNDS} took" in followed.stdout
        assert followed.stdout.endswith("the run has finished\n")
        # Also for the next process.
        assert there.end(COORDINATOR) == 0
        there.start(COORDINATOR)
        after = there.status()
        assert (after["state"], after["round"]) == ("finished", ROUNDS)
        assert "make new kits" in refused(there, "submit", kit)
        same_as_in_one_process(there, federation)
        assert "Traceback" not in there.logs()


def test_a_coordinator_that_is_ended_or_killed_goes_on_by_itself_when_it_is_started(tmp_path: Path) -> None:
    federation = written(tmp_path / "小", quick({}, ROUNDS))
    with deployed(tmp_path, federation) as there:
        there.submit()
        there.wait_until(round=1)
        assert there.end(COORDINATOR) == 0
        there.start(COORDINATOR)
        there.wait_until(round=4)
        there.kill(COORDINATOR)
        there.start(COORDINATOR)
        assert there.wait_until("finished")["round"] == ROUNDS
        same_as_in_one_process(there, federation)
        state = there.made.coordinator / "state"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state / "exchanges.jsonl", state)}
        assert modes == {"exchanges.jsonl": 0o600, "state": 0o700}
        assert there.kit.token not in there.log(COORDINATOR)


def test_a_department_that_is_killed_or_fails_costs_the_rounds_that_department_and_no_more(tmp_path: Path) -> None:
    with deployed(tmp_path, five(tmp_path / "五", rounds=60), "--grace", 1) as there:
        there.submit()
        there.wait_until(round=1)
        killed, broken = FIVE[1], FIVE[2]
        there.kill(killed)
        before, kept = ledger(there, killed), kept_round(there, killed)
        there.start(killed)
        there.wait_for(lambda: kept_round(there, killed) > kept + 1)
        after = ledger(there, killed)
        assert after.serial > before.serial
        assert after.burned[: len(before.burned)] == before.burned
        assert after.released[: len(before.released)] == before.released
        assert kept > 0
        # A department that fails says at which step, and what happened stays with it.
        file = there.department_kit(broken).ledger
        file.write_bytes(b"spoilt")
        there.wait_for(lambda: reasons(there, broken))
        there.wait_until(round=there.status()["round"] + 1)
        told = {one for one in reasons(there, broken) if "its own log says why" in one}
        assert told
        assert told <= {f"{step} failed at this department; its own log says why" for step in STEPS.values()}
        assert str(file) not in asked(there, "logs", there.made.coordinator).stdout
        own = (there.department_kit(broken).state / "errors.log").read_text(encoding="utf-8")
        assert str(file) in own
        assert "Traceback" in own
        assert "Traceback" not in there.log(COORDINATOR)


def reasons(there: Deployed, name: str) -> list[str]:
    """Why a department took no part, in the coordinator's log."""
    with there.operator() as operator:
        lines = [line.split("  ", 1)[1] for _, line in operator.logs()]
    told = f"{name} took no part in a round: "
    return [line.removeprefix(told) for line in lines if line.startswith(told)]


def ledger(there: Deployed, name: str) -> Entries:
    kit = there.department_kit(name)
    return LedgerFile(kit.ledger, kit.membership.roster.federation).read()


def kept_round(there: Deployed, name: str) -> int:
    return Checkpoint(there.department_kit(name).state / KEPT).last_round()
