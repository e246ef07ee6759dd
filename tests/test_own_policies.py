"""Departments' own .cedar files count in simulations and in deployed departments, as soon as they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lepton_fed.assembly import build_departments, guards_from, read_own
from lepton_fed.config import Federation
from lepton_fed.errors import PolicyError
from lepton_fed.messages import Join, Joined, Refused
from lepton_fed.own_policies import guard_of, hour_here, troubles
from lepton_fed.simulation import simulate
from tests.federations import LINES, TARGET, quick, write

NEVER = '@id("never") forbid (principal, action == Action::"train", resource);'
BY_ROUND = '@id("first") forbid (principal, action == Action::"train", resource) when { context.round < 2 };'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write(tmp_path / "小", quick({}, 3))


def give(place: Path, text: str, name: str = LINES[0], file: str = "own.cedar") -> Path:
    """Gives a department a file of policies, named in its own file."""
    federation = Federation.load(place)
    own = federation.department_file(name)
    own.write_text(f'policies = ["{file}"]\n' + own.read_text(encoding="utf-8"), encoding="utf-8")
    path = own.parent / file
    path.write_text(text, encoding="utf-8")
    return path


def asked(place: Path, name: str = LINES[0]) -> Any:
    federation = Federation.load(place)
    own = {n: read_own(federation, n) for n in federation.settings.names}
    return build_departments(federation, own)[name].handle(Join(federation.fingerprint))


def test_a_department_goes_by_the_files_that_its_own_file_names(place: Path) -> None:
    assert isinstance(asked(place), Joined)
    give(place, NEVER)
    reply = asked(place)
    assert isinstance(reply, Refused)
    assert "rule never of own.cedar forbids it" in reply.reason
    assert isinstance(asked(place, LINES[1]), Joined)


def test_a_simulation_ends_before_training_where_a_department_would_never_train(place: Path, tmp_path: Path) -> None:
    give(place, NEVER)
    with pytest.raises(PolicyError, match=f"{LINES[0]} refused: .*rule never of own"):
        simulate(place, out=tmp_path / "run")


def test_a_department_that_refuses_a_round_is_missing_from_it_and_the_run_says_so_before_and_after(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(place, BY_ROUND)
    heard: list[str] = []
    monkeypatch.setattr("lepton_fed.simulation._conclude", lambda run, *_: heard.extend(run.warnings))
    simulate(place)
    said = f"{LINES[1]} may not 训练 updates of {LINES[0]}: rule first of own.cedar forbids it"
    assert any(one.startswith(f"{LINES[0]} would refuse to train now: ") and said in one for one in heard), heard
    assert any(one.startswith(f"{LINES[0]} took no part in a round: ") and said in one for one in heard), heard


def test_a_file_that_changes_counts_without_a_restart(place: Path) -> None:
    path = give(place, "permit (principal, action, resource) when { context.hour < 24 };")
    federation = Federation.load(place)
    own = {n: read_own(federation, n) for n in federation.settings.names}
    department = build_departments(federation, own)[LINES[0]]
    assert isinstance(department.handle(Join(federation.fingerprint)), Joined)
    path.write_text(NEVER)
    assert isinstance(department.handle(Join(federation.fingerprint)), Refused)
    path.write_text("slip of the pen")
    reply = department.handle(Join(federation.fingerprint))
    assert isinstance(reply, Refused)
    assert "policies cannot be used" in reply.reason


def test_what_is_wrong_with_own_files_is_one_sentence_each(place: Path) -> None:
    give(place, "slip of the pen")
    guards = guards_from(Federation.load(place))
    (said,) = troubles(guards.values())
    assert said.startswith(f"{LINES[0]}: own.cedar: ")
    assert said.endswith(f"; until it is mended, everything that {LINES[0]} owns is denied")
    assert "\n" not in said


def test_departments_of_one_process_share_the_federation_files_rules(place: Path) -> None:
    give(place, NEVER)
    guards = guards_from(Federation.load(place))
    assert guards[LINES[1]].policies is guards[TARGET].policies
    assert guards[LINES[0]].policies is not guards[LINES[1]].policies


def test_a_guard_knows_its_clock_its_code_and_its_federation(place: Path) -> None:
    federation = Federation.load(place)
    context = guard_of(federation, LINES[0]).context("生产线数据", 3)
    assert context.federation == f"sha256:{federation.fingerprint}"
    assert context.code is not None
    assert context.code.startswith("sha256:")
    assert context.hour in range(24)
    assert hour_here() in range(24)
