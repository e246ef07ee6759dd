"""What a department keeps across its processes: what it has learnt, its membership, the model that it ends with."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clients.home import KEPT, MODELS, DepartmentHome
from lepton_fed.config import Federation
from lepton_fed.coordinator import State, begin, close, join, play
from lepton_fed.department import Department
from lepton_fed.deploy.changes import add_department, renew, revoke
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.messages import Join, Joined, Message, Refused, Reply
from lepton_fed.running import about
from lepton_fed.simulation import simulate
from lepton_fed.storage.file_names import file_name
from lepton_fed.storage.tensors import tensors
from lepton_fed.transport import InProcess, drive
from tests.federations import COUPLINGS, FOUR, LINES, TARGET, quick, written
from tests.server.together import FIVE, five, provisioned

PRIVATE = COUPLINGS["mr-mtl with private parts and local adam"]


class Living(InProcess):
    """Departments at home; `killed`: their next processes begin before the next exchange."""

    def __init__(self, homes: Mapping[str, DepartmentHome]) -> None:
        super().__init__({name: home.department() for name, home in homes.items()})
        self.homes = dict(homes)

    def exchange(self, messages: Mapping[str, Message], on_reply: Any = None) -> Iterator[tuple[str, Reply]]:
        for name, reply in super().exchange(messages, on_reply):
            self.homes[name].worked(self.departments[name], messages[name])
            yield name, reply

    def kill(self, *names: str) -> None:
        for name in names:
            self.departments[name] = self.homes[name].department()


def living(federation: Federation, made: Provisioned, *, disclose: bool = True) -> Living:
    found = {}
    for name, folder in made.departments.items():
        own = federation.department_file(name)
        kit = DepartmentKit.load(folder)
        found[name] = DepartmentHome.opened(kit, own if own.exists() else None, disclose=disclose)
    return Living(found)


def begun(federation: Federation, made: Provisioned, there: Living) -> State:
    roster = CoordinatorKit.load(made.coordinator).membership.roster
    return drive(join(federation.settings, begin(federation.settings, (), federation.fingerprint, roster)), there)


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return written(tmp_path / "file", quick(PRIVATE, 2))


@pytest.fixture
def made(federation: Federation, tmp_path: Path) -> Provisioned:
    return provisioned(tmp_path, federation)


def exported(made: Provisioned, name: str) -> Path:
    return made.departments[name] / "state" / MODELS / f"{file_name(name)}.safetensors"


# ---------------------------------------------------------------- what it has learnt


def test_departments_that_are_killed_between_rounds_lose_nothing_that_they_have_learnt(
    federation: Federation, made: Provisioned
) -> None:
    there = living(federation, made)
    state = begun(federation, made, there)
    for _ in range(federation.settings.rounds.count):
        there.kill(*LINES, TARGET)
        state, _ = drive(play(federation.settings, state), there)
    there.kill(*LINES, TARGET)
    drive(close(federation.settings, state), there)
    plain = simulate(federation)
    for name, hub in plain.state.hubs.items():
        assert np.array_equal(hub.state.model, state.hubs[name].state.model)
    for name in (*LINES, TARGET):
        ours = tensors(exported(made, name).read_bytes(), exported(made, name))
        assert all(torch.equal(torch.from_numpy(ours[key]), value) for key, value in plain.models[name].items())


def test_private_parts_are_kept_before_an_answer_leaves_and_by_nobody_else_readable(
    federation: Federation, made: Provisioned
) -> None:
    there = living(federation, made)
    drive(play(federation.settings, begun(federation, made, there)), there)
    now, later = there.departments[LINES[0]], there.homes[LINES[0]].department()
    assert later.last_round == 1
    kept, before = later.state(), now.state()
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[name].cpu(), before[name].cpu()) for name in kept)
    state = made.departments[LINES[0]] / "state"
    assert (state / KEPT).is_dir()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_question_that_changes_nothing_is_not_kept(federation: Federation, made: Provisioned) -> None:
    there = living(federation, made)
    begun(federation, made, there)
    there.homes[LINES[0]].worked(there.departments[LINES[0]], Join(federation.fingerprint))
    assert not list((made.departments[LINES[0]] / "state").glob(f"{KEPT}/*.safetensors"))
    assert there.homes[LINES[0]].department().last_round == 0


def test_the_model_is_written_after_the_last_round_and_says_what_it_is(
    federation: Federation, made: Provisioned
) -> None:
    from safetensors import safe_open

    there = living(federation, made)
    state = begun(federation, made, there)
    for _ in range(federation.settings.rounds.count):
        state, _ = drive(play(federation.settings, state), there)
        assert not exported(made, TARGET).exists()
    drive(close(federation.settings, state), there)
    with safe_open(exported(made, TARGET), "np") as file:
        about = file.metadata()
    assert about == {
        "department": TARGET,
        "federation": "小联邦",
        "fingerprint": federation.fingerprint,
        "serial": "1",
        "rounds": "2",
    }
    assert stat.S_IMODE(exported(made, TARGET).parent.stat().st_mode) == 0o700


def test_who_learns_from_nobody_is_left_no_model(tmp_path: Path) -> None:
    only = [{"name": LINES[0], "roles": ["source"]}, {"name": LINES[1]}, {"name": TARGET, "roles": ["target"]}]
    federation = written(tmp_path / "file", quick({"departments": only}, 1))
    made = provisioned(tmp_path, federation)
    there = living(federation, made)
    state, _ = drive(play(federation.settings, begun(federation, made, there)), there)
    drive(close(federation.settings, state), there)
    assert not exported(made, LINES[0]).exists()
    assert exported(made, LINES[1]).exists()


# ---------------------------------------------------------------- a newer membership


@pytest.fixture
def five_made(tmp_path: Path) -> Provisioned:
    return provisioned(tmp_path, five(tmp_path / "file"))


def home_of(made: Provisioned, tmp_path: Path, name: str = FOUR[0]) -> tuple[DepartmentHome, Department]:
    own = Federation.load(tmp_path / "file" / "federation.toml").department_file(name)
    home = DepartmentHome.opened(DepartmentKit.load(made.departments[name]), own)
    return home, home.department()


def test_a_membership_that_changes_nobody_leaves_the_department_in_the_middle_of_its_sum(
    five_made: Provisioned, tmp_path: Path
) -> None:
    home, department = home_of(five_made, tmp_path)
    changed = renew(five_made.administrator, tmp_path / "coordinator-2")
    same, members, serial = home.taken(changed.update.read_bytes(), department)
    assert same is department
    assert serial == 2
    assert members.coordinator == CoordinatorKit.load(tmp_path / "coordinator-2").identity.public


def test_a_department_goes_by_the_members_that_are_left_with_its_rows_loaded_and_what_it_has_learnt(
    five_made: Provisioned, tmp_path: Path
) -> None:
    home, department = home_of(five_made, tmp_path)
    department.last_round = 3
    # Rows are read once.
    (tmp_path / "file" / "federation" / f"{FOUR[0]}.csv").unlink()
    update = revoke(five_made.administrator, FIVE[4]).update.read_bytes()
    now, members, serial = home.taken(update, department)
    assert now is not department
    assert now.rows.train is not None
    assert department.rows.train is not None
    assert len(now.rows.train) == len(department.rows.train)
    assert now.last_round == 3
    assert set(members.departments) == set(FOUR)
    assert serial == 2
    assert now.party is not None
    assert now.party.roster.names == tuple(sorted(FOUR))
    # And so does its next process.
    assert DepartmentKit.load(five_made.departments[FOUR[0]]).membership.serial == 2


def test_a_newcomer_is_in_the_file_from_then_on(five_made: Provisioned, tmp_path: Path) -> None:
    home, department = home_of(five_made, tmp_path)
    more = five(tmp_path / "more", "仓库")
    update = add_department(five_made.administrator, more, "仓库", out=tmp_path / "new").update.read_bytes()
    now, _, _ = home.taken(update, department)
    assert now.fingerprint == more.fingerprint
    assert now.fingerprint != department.fingerprint


def test_the_membership_in_use_is_taken_again_and_an_older_one_is_not(five_made: Provisioned, tmp_path: Path) -> None:
    home, department = home_of(five_made, tmp_path)
    first = home.kit.update
    assert home.taken(first, department)[0] is department
    assert home.considered(first).departments.keys() == set(FIVE)
    second = revoke(five_made.administrator, FIVE[4]).update.read_bytes()
    assert home.considered(second).departments.keys() == set(FOUR)
    home.taken(second, department)
    for act in (lambda: home.considered(first), lambda: home.taken(first, department)):
        with pytest.raises(PeerError, match="only a larger one is taken"):
            act()


def test_a_membership_of_another_administrator_is_none(five_made: Provisioned, tmp_path: Path) -> None:
    home, department = home_of(five_made, tmp_path)
    other = provisioned(tmp_path / "other", five(tmp_path / "other" / "file"))
    update = revoke(other.administrator, FIVE[4]).update.read_bytes()
    with pytest.raises(PeerError):
        home.considered(update)
    with pytest.raises(PeerError):
        home.taken(update, department)
    assert home.kit.membership.serial == 1


def test_who_hears_that_it_has_left_does_not_start_again(five_made: Provisioned, tmp_path: Path) -> None:
    home, department = home_of(five_made, tmp_path)
    update = revoke(five_made.administrator, FOUR[0]).update.read_bytes()
    with pytest.raises(ConfigError, match="it was taken out"):
        home.taken(update, department)
    with pytest.raises(ConfigError, match="it was taken out"):
        DepartmentKit.load(five_made.departments[FOUR[0]])


# ---------------------------------------------------------------- policies of its own


def test_a_file_in_the_kits_folder_counts_without_a_restart_and_for_this_department_alone(
    federation: Federation, made: Provisioned
) -> None:
    there = living(federation, made)
    message = Join(federation.fingerprint)
    own = made.departments[LINES[0]] / "policies" / "never.cedar"
    assert isinstance(there.departments[LINES[0]].handle(message), Joined)
    own.write_text('@id("never") forbid (principal, action == Action::"train", resource);')
    reply = there.departments[LINES[0]].handle(message)
    assert isinstance(reply, Refused)
    assert "rule never of policies/never.cedar forbids it" in reply.reason
    assert isinstance(there.departments[LINES[1]].handle(message), Joined)
    own.unlink()
    assert isinstance(there.departments[LINES[0]].handle(message), Joined)


def test_a_department_says_at_its_start_which_policies_it_goes_by_or_what_is_wrong_with_them(
    federation: Federation, made: Provisioned
) -> None:
    folder = made.departments[LINES[0]] / "policies"
    (folder / "夜班.cedar").write_text("forbid (principal, action, resource) when { context.hour == 12 };")
    there = living(federation, made)
    assert [*about(there.departments[LINES[0]], "here:1")] == [
        f"{LINES[0]}: policies of its own: policies/夜班.cedar",
        f"{LINES[0]}: rows are loaded, dialling here:1",
    ]
    (folder / "夜班.cedar").write_text("slip of the pen")
    there.kill(LINES[0])
    first, _ = about(there.departments[LINES[0]], "here:1")
    assert first.startswith(f"note: {LINES[0]}: policies/夜班.cedar: ")
    assert first.endswith(f"everything that {LINES[0]} owns is denied")
    assert [*about(there.departments[LINES[1]], "here:1")] == [f"{LINES[1]}: rows are loaded, dialling here:1"]
