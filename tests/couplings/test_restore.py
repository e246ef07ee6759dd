"""A department rebuilt from its saved state goes on bit for bit, whatever the coupling; so does the coordinator."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from lepton_fed import saved_state
from lepton_fed.coordinator import begin
from lepton_fed.department import Department
from lepton_fed.settings import (
    Aggregation,
    CommonSet,
    Coupling,
    DepartmentSettings,
    ModelSettings,
    Optimiser,
    Rounds,
    ServerOptimiser,
    Training,
)
from tests.couplings.small import BATCH, NAMES, RATE, Small, federation, proximal, settings

HEAD = ModelSettings(name="mlp", arguments={"hidden": [5], "dropout": 0.3}, private=("head.*",))
PLAIN = Optimiser(learning_rate=RATE)
SCAFFOLD = Training(epochs=1, batch=BATCH, optimiser=PLAIN, correction="scaffold")
STEPS = Training(steps=3, batch=BATCH, optimiser=Optimiser(name="adam", learning_rate=0.03))
MOMENTUM = Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=0.05, momentum=0.9))
COMMON = torch.randn(10, 4, generator=torch.Generator().manual_seed(5))
DISTILL = Coupling(kind="distill", common=CommonSet(path="c.npz"))
OWN = tuple(DepartmentSettings(name=n, model=ModelSettings(name="linear") if n == "外科" else None) for n in NAMES)

CASES: dict[str, dict[str, Any]] = {
    "fedavg": {},
    "fedper with dropout": {"model": HEAD},
    "steps with adam": {"training": STEPS},
    "momentum": {"training": MOMENTUM},
    "scaffold": {"training": SCAFFOLD},
    "fedadam": {"server": ServerOptimiser(optimiser="adam", learning_rate=0.05)},
    "fedavgm": {"server": ServerOptimiser(optimiser="momentum")},
    "drawn": {"rounds": Rounds(participants=2), "coupling": proximal("mr-mtl"), "training": STEPS},
    "fedprox": {"coupling": proximal("fedprox")},
    "mr-mtl": {"coupling": proximal("mr-mtl"), "model": HEAD, "training": STEPS},
    "ditto": {"coupling": proximal("ditto"), "model": HEAD, "training": MOMENTUM},
    "pfedme": {"coupling": proximal("pfedme", inner_steps=2, server_mix=0.5), "model": HEAD},
    "ifca": {"coupling": Coupling(kind="clusters", hubs=2, freeze=2)},
    "soft clusters": {"coupling": Coupling(kind="clusters", hubs=2, read="soft", reset=False)},
    "distill": {"coupling": DISTILL, "departments": OWN, "training": STEPS},
    "scaffold in int8": {"training": SCAFFOLD, "aggregation": Aggregation(secure=False, transport="int8")},
    "ifca in float16": {
        "coupling": Coupling(kind="clusters", hubs=2, freeze=2),
        "aggregation": Aggregation(secure=False, transport="float16"),
    },
}


def fresh(case: str) -> Small:
    # The data order of the product, not a double: it must need no state of its own.
    return federation(settings(**CASES[case]), order=None, common=COMMON if case == "distill" else None)


def killed_and_resumed(case: str, before: Small) -> Small:
    """New departments and a new coordinator that know nothing but what was stored as arrays and JSON."""
    groups = saved_state.groups(before.state, before.departments, NAMES)
    stored = {group: {key: array.copy() for key, array in arrays.items()} for group, arrays in groups.items()}
    values = json.loads(json.dumps(saved_state.meta(before.state)))
    after = fresh(case)
    after.state = saved_state.restore(
        begin(after.settings, fingerprint="指纹"), after.departments, before.state.round, values, stored
    )
    return after


def everything(ours: Small) -> dict[str, np.ndarray]:
    found = saved_state.groups(ours.state, ours.departments, NAMES)
    flat = {f"{group}/{key}": array for group, arrays in found.items() for key, array in arrays.items()}
    for name in NAMES:
        exported = ours.departments[name].export(ours.state.visible)
        flat |= {f"{name} model {key}": tensor.numpy() for key, tensor in exported.items()}
    return flat


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(case: str, killed_after: int) -> None:
    whole = fresh(case).play(5)
    stopped = fresh(case).play(killed_after)
    torch.rand(7)  # The process that takes over has another global random state.
    resumed = killed_and_resumed(case, stopped).play(5 - killed_after)
    expected, found = everything(whole), everything(resumed)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.array_equal(found[key], value), key
    assert whole.measured("loss", 5) == resumed.measured("loss", 5)
    assert whole.measured("joint_loss", 5) == resumed.measured("joint_loss", 5)


@pytest.mark.parametrize("case", CASES)
def test_a_stored_state_does_not_change_when_the_department_goes_on(case: str) -> None:
    ours = fresh(case).play(2)
    held = {n: d.state() for n, d in ours.departments.items()}
    copies = {n: {k: v.clone() for k, v in state.items()} for n, state in held.items()}
    ours.play(2)
    for name in NAMES:
        for key, value in copies[name].items():
            assert torch.equal(held[name][key], value), f"{name} {key}"


def test_a_department_has_the_same_answer_on_a_bench_of_its_own() -> None:
    """Departments of one process share a bench; what one leaves on it must not reach the next."""
    for case in CASES:
        shared, apart = fresh(case), fresh(case)
        for name, department in list(apart.departments.items()):
            alone = fresh(case).departments[name]
            apart.departments[name] = alone
            apart.transport.departments[name] = alone
            assert isinstance(department, Department)
        one, other = everything(shared.play(3)), everything(apart.play(3))
        for key, value in one.items():
            assert np.array_equal(other[key], value), f"{case} {key}"
