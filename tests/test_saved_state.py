"""A state taken apart into arrays and plain values comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lepton_fed import saved_state
from lepton_fed.assembly import build_departments, read_own, throw_away_parties
from lepton_fed.coordinator import State, begin, close, join, play
from lepton_fed.department import Department
from lepton_fed.hub import arrays_of
from lepton_fed.secagg.client import Advertised
from lepton_fed.storage import Checkpoint
from lepton_fed.transport import InProcess, drive
from tests.federations import COUPLINGS, quick, written

SEALED = "sealed sums with adam at the coordinator's place"


def run(
    tmp_path: Path, coupling: str, rounds: int, after: Callable[[State], State] = lambda state: state
) -> tuple[State, dict[str, Department]]:
    """State and departments after some rounds. `after`: each of them, and before the first."""
    federation = written(tmp_path, quick(COUPLINGS[coupling], 5))
    settings = federation.settings
    owns = {n: read_own(federation, n) for n in settings.names}
    parties = throw_away_parties(federation, {n: own.file for n, own in owns.items()})
    departments = build_departments(federation, owns, parties)
    transport = InProcess(departments)
    roster = next(iter(parties.values())).roster if parties else None
    state = begin(settings, fingerprint=federation.fingerprint, roster=roster)
    state = after(drive(join(settings, state), transport))
    for _ in range(rounds):
        state, _ = drive(play(settings, state), transport)
        state = after(state)
    return state, departments


# Departments in one process are handed the coordinator's own arrays; over a network they have copies.
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_run_whose_arrays_are_in_its_checkpoints_file_goes_on_as_if_they_were_in_memory(
    tmp_path: Path, coupling: str
) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", durable=False)

    def kept(state: State) -> State:
        checkpoint.save(state.round, saved_state.meta(state), saved_state.groups(state, {}, ()))
        found = checkpoint.mapped()
        assert found is not None
        placed = saved_state.placed(state, found[0].groups, 1)
        large = {key: array for key, array in arrays_of(placed.hubs).items() if array.size > 2}
        assert not any(array.flags.writeable for array in large.values())
        return placed

    mapped, _ = run(tmp_path / "one", coupling, 3, kept)
    plain, _ = run(tmp_path / "other", coupling, 3)
    assert as_bytes(saved_state.groups(mapped, {}, ())) == as_bytes(saved_state.groups(plain, {}, ()))
    assert saved_state.largest(mapped) == saved_state.largest(plain) > 0


def as_bytes(groups: dict[str, saved_state.Arrays]) -> dict[str, dict[str, bytes]]:
    return {name: {key: array.tobytes() for key, array in held.items()} for name, held in groups.items()}


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path, coupling: str) -> None:
    state, departments = run(tmp_path, coupling, 3)
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    held = saved_state.groups(state, departments, departments)
    checkpoint.save(state.round, saved_state.meta(state), held)
    saved = checkpoint.latest()
    assert saved is not None
    fresh, others = run(tmp_path, coupling, 0)
    again = saved_state.restore(fresh, others, saved.round, saved.meta, saved.groups)
    assert again.round == 3
    assert again.plans == state.plans
    assert again.declared == state.declared
    assert json.dumps(saved_state.meta(again)) == json.dumps(saved_state.meta(state))
    assert as_bytes(saved_state.groups(again, others, others)) == as_bytes(held)


@pytest.mark.parametrize(
    "coupling", ["average", "soft clusters", "distill between two architectures", "secure sums", SEALED]
)
def test_a_restored_federation_goes_on_as_the_first_would(tmp_path: Path, coupling: str) -> None:
    state, departments = run(tmp_path, coupling, 2)
    fresh, others = run(tmp_path, coupling, 0)
    meta = json.loads(json.dumps(saved_state.meta(state)))
    held = saved_state.groups(state, departments, departments)
    again = saved_state.restore(fresh, others, 2, meta, held)
    settings = next(iter(departments.values())).settings
    expected, _ = drive(play(settings, state), InProcess(departments))
    found, _ = drive(play(settings, again), InProcess(others))
    assert as_bytes(saved_state.groups(found, others, others)) == as_bytes(
        saved_state.groups(expected, departments, departments)
    )
    last = drive(close(settings, expected), InProcess(departments)).measurements
    assert repr(drive(close(settings, found), InProcess(others)).measurements) == repr(last)


def test_only_departments_that_changed_are_written(tmp_path: Path) -> None:
    state, departments = run(tmp_path, "average", 1)
    name = next(iter(departments))
    assert saved_state.groups(state, departments, [name]).keys() == {"coordinator", f"department {name}"}


def test_a_department_that_was_never_asked_starts_afresh(tmp_path: Path) -> None:
    state, departments = run(tmp_path, "average", 2)
    held = saved_state.groups(state, departments, ())
    fresh, others = run(tmp_path, "average", 0)
    before = {n: d.state().keys() for n, d in others.items()}
    saved_state.restore(fresh, others, 2, saved_state.meta(state), held)
    assert {n: d.state().keys() for n, d in others.items()} == before


def test_a_department_called_like_the_coordinator_has_a_group_of_its_own(tmp_path: Path) -> None:
    state, departments = run(tmp_path, "average", 1)
    renamed = {"coordinator": next(iter(departments.values()))}
    groups = saved_state.groups(state, renamed, renamed)
    assert len(groups) == 2
    assert all(isinstance(a, np.ndarray) for held in groups.values() for a in held.values())


@pytest.mark.parametrize("coupling", ["secure sums", SEALED])
def test_a_checkpoint_holds_no_key_of_a_secure_sum(tmp_path: Path, coupling: str) -> None:
    state, departments = run(tmp_path, coupling, 2)
    secrets = []
    for department in departments.values():
        if department.member is not None:
            secrets += [department.member.party.identity.seed, department.member.party.rounding_key]
            advertised = department.member.state
            if isinstance(advertised, Advertised):
                secrets += [advertised.mask_secret, advertised.seal_secret]
    assert len(secrets) >= 16
    Checkpoint(tmp_path / "checkpoint").save(
        2, saved_state.meta(state), saved_state.groups(state, departments, departments)
    )
    written_bytes = b"".join(p.read_bytes() for p in (tmp_path / "checkpoint").rglob("*") if p.is_file())
    assert len(written_bytes) > 1000
    assert not any(secret in written_bytes or secret.hex().encode() in written_bytes for secret in secrets)
