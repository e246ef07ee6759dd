"""Five departments and a coordinator, killed with -9 again and again, behind wires that break: every run ends well.

More of the same, for as long as one likes: `python -m tests.chaos.run --kills 200 --seed 7`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lepton_fed.storage.tensors import Array
from tests.chaos.federation import COORDINATOR, DEADLINE, NAMES, Made, Nursery
from tests.chaos.moments import COORDINATOR_MOMENTS, DEPARTMENT_MOMENTS
from tests.chaos.proxy import Proxy
from tests.chaos.scenario import Outcome, Storm, endure, require, require_gone, require_same
from tests.chaos.traces import Secret, command_lines, confessed, found, secrets_of
from tests.deployed import deployed

pytestmark = [pytest.mark.long, pytest.mark.flower, pytest.mark.timeout(1200)]

ROUNDS = 4


@dataclass(frozen=True)
class Ground:
    """Kits that were never started, a place to fork from, and what the undisturbed run comes to."""

    folder: Path
    made: Made
    nursery: Nursery
    still: Mapping[str, Array]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("chaos")
    with Nursery.opened(folder / "nursery") as nursery:
        made = Made.at(folder / "made", ROUNDS)
        with made.started(folder / "still", nursery, grace=DEADLINE) as parties:
            still = endure(parties)
        require_gone(parties)
        assert (still.state, still.missed) == ("finished", ())
        yield Ground(folder, made, nursery, still.hubs)


def endured(ground: Ground, name: str, storm: Storm | None = None, *, same: bool = True, **bent: object) -> Outcome:
    """One federation to its end; what must hold is asserted, and that nothing secret is left.

    `same`: whether it should come to the undisturbed run's models where nobody missed a round.
    """
    told = ground.folder / f"{name}-told"
    told.mkdir()
    with ground.made.started(ground.folder / name, ground.nursery, told=told, **bent) as parties:  # type: ignore[arg-type]
        outcome = endure(parties, storm)
    require_gone(parties)
    require(outcome, parties, ground.still if same else outcome.hubs)
    used = [secret for path in told.iterdir() for secret in confessed(path)]
    assert len(used) > 100
    assert found(parties.folder, [*secrets_of(parties), *used]) == []
    return outcome


def test_a_coordinator_killed_again_and_again_ends_with_the_same_models(ground: Ground) -> None:
    storm = Storm(random.Random(1), 7, victims=(COORDINATOR,), together=0.0)
    outcome = endured(ground, "coordinator", storm, grace=DEADLINE)
    assert (outcome.state, outcome.killed) == ("finished", 7), outcome
    assert outcome.missed == ()
    require_same(outcome.hubs, ground.still)


@pytest.mark.parametrize("moment", ["while departments upload", "between the database and the checkpoint"])
def test_a_coordinator_killed_between_two_writes_ends_with_the_same_models(ground: Ground, moment: str) -> None:
    outcome = endured(ground, moment, moments={COORDINATOR: COORDINATOR_MOMENTS[moment]}, grace=DEADLINE)
    assert (outcome.state, outcome.killed) == ("finished", 1), outcome
    assert outcome.missed == ()
    require_same(outcome.hubs, ground.still)


def test_departments_killed_one_at_a_time_cost_a_round_that_department_and_no_more(ground: Ground) -> None:
    storm = Storm(random.Random(2), ROUNDS, victims=NAMES, together=0.0, pauses=(0.5, 3.0), calm=True)
    outcome = endured(ground, "departments", storm)
    assert outcome.state == "finished", outcome
    assert outcome.killed >= 2


def test_two_departments_killed_before_their_shares_leave_are_waited_for(ground: Ground) -> None:
    """Their processes took the question with them. Nobody's numbers are out, so the round is done with all."""
    moment = DEPARTMENT_MOMENTS["after its ledger, before its shares"]
    outcome = endured(ground, "two", moments=dict.fromkeys(NAMES[1:3], moment))
    assert (outcome.state, outcome.killed) == ("finished", 2), outcome


def test_a_department_is_taken_out_while_the_coordinator_is_killed_again_and_again(ground: Ground) -> None:
    storm = Storm(random.Random(4), 4, victims=(COORDINATOR,), together=0.0, pauses=(0.4, 3.0), leaving=NAMES[4])
    outcome = endured(ground, "leaving", storm, same=False)
    assert outcome.state == "finished" and outcome.killed >= 2, outcome


def test_anybody_is_killed_behind_wires_that_delay_cut_and_repeat(ground: Ground) -> None:
    with Proxy.before(ground.made.port, ground.made.behind, seed=3, faults=0.3) as proxy:
        outcome = endured(ground, "anybody", Storm(random.Random(3), 7, together=0.3), proxied=True)
    assert outcome.killed >= 7
    assert {"delay", "cut", "repeat"} <= set(proxy.done)


def test_requests_that_come_twice_change_nothing(ground: Ground) -> None:
    outcome = endured(ground, "twice", twice=NAMES, grace=DEADLINE)
    assert (outcome.state, outcome.missed) == ("finished", ())
    require_same(outcome.hubs, ground.still)


def test_answers_that_are_lost_cost_time_and_nobody_the_round(ground: Ground) -> None:
    """A question whose transport was cut is asked again, an answer is given again, and all are in every sum.

    Each is waited for until its deadline: how long it takes to try again is the machine's affair.
    """
    outcome = endured(ground, "lossy", lossy=15, grace=DEADLINE)
    assert (outcome.state, outcome.missed) == ("finished", ())
    require_same(outcome.hubs, ground.still)


def test_a_secret_that_was_left_somewhere_would_be_found(tmp_path: Path) -> None:
    secret = Secret("a seed", bytes(range(100, 132)), tmp_path / "identity.key")
    tmp_path.joinpath("identity.key").write_bytes(secret.value)
    tmp_path.joinpath("identity.key").chmod(0o600)
    assert found(tmp_path, [secret]) == []
    tmp_path.joinpath("log").write_text(f"seed {secret.value.hex()}", encoding="utf-8")
    tmp_path.joinpath("identity.key").chmod(0o644)
    assert found(tmp_path, [secret]) == ["log: a seed (hex)", "identity.key: others may read it"]


def test_command_lines_hold_nothing_secret(ground: Ground, tmp_path: Path) -> None:
    with deployed(tmp_path / "real", ground.made.federation, commands=True) as there:
        there.wait_online()
        lines = command_lines(process.pid or 0 for process in there.processes.values())
        token = there.kit.token.encode()
        seeds = [there.department_kit(name).keys.identity.seed for name in NAMES]
    assert len(lines) == 1 + len(NAMES)
    assert all(b"lepton_fed" in line for line in lines.values())
    assert not [
        line for line in lines.values() for secret in (token, *seeds) if secret in line or secret.hex() in str(line)
    ]
