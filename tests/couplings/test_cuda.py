"""On a GPU: the same federation as on the CPU, streamed as resident, and data that stay on the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lepton_fed.resident import Resident, Run, Streamed, place
from lepton_fed.settings import Coupling, ModelSettings, Optimiser, Training
from tests.couplings.small import BATCH, NAMES, RATE, federation, proximal, settings

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
]

CASES: dict[str, dict[str, Any]] = {
    "fedavg": {},
    "fedper": {"model": ModelSettings(name="mlp", arguments={"hidden": [5]}, private=("head.*",))},
    "scaffold": {
        "training": Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE), correction="scaffold")
    },
    "adam": {"training": Training(steps=3, batch=BATCH, optimiser=Optimiser(name="adam", learning_rate=0.01))},
    "mr-mtl": {"coupling": proximal("mr-mtl")},
    "ditto": {"coupling": proximal("ditto")},
    "clusters": {"coupling": Coupling(kind="clusters", hubs=2, read="soft", temperature=0.3)},
}


@pytest.mark.parametrize("case", CASES)
def test_a_federation_on_the_gpu_equals_one_on_the_cpu(case: str) -> None:
    chosen = settings(**CASES[case])
    here, there = federation(chosen).play(4), federation(chosen, device="cuda").play(4)
    assert torch.allclose(here.hub(), there.hub(), rtol=1e-4, atol=1e-4)
    for name in NAMES:
        one = here.departments[name].export(here.state.visible)
        other = there.departments[name].export(there.state.visible)
        for key, value in one.items():
            assert other[key].device.type == "cuda"
            assert torch.allclose(value, other[key].cpu(), rtol=1e-4, atol=1e-4), f"{name} {key}"


@pytest.mark.parametrize("case", ["fedavg", "mr-mtl"])
def test_streamed_examples_train_the_same_model_bit_for_bit(case: str) -> None:
    chosen = settings(**CASES[case])
    resident = federation(chosen, device="cuda").play(3)
    streamed = federation(chosen, device="cuda", resident=lambda x, y, d: Streamed(x, y, d, block_bytes=100)).play(3)
    assert torch.equal(resident.hub(), streamed.hub())


def test_data_stay_on_the_device_and_batches_are_selections_there() -> None:
    ours = federation(settings(), device="cuda")
    train = ours.departments["内科"].rows.train
    assert isinstance(train, Resident)
    address = train.x.data_ptr()
    ours.play(2)
    assert train.x.is_cuda
    assert train.x.data_ptr() == address
    for x, y in train.batches([Run(torch.arange(8), 4)]):
        assert x.is_cuda
        assert y.is_cuda


def test_streamed_examples_wait_in_pinned_memory_and_arrive_whole() -> None:
    x, y = torch.randn(5000, 64), torch.randn(5000)
    examples = Streamed(x, y, "cuda", block_bytes=40_000)
    assert examples.x.is_pinned()
    order = torch.randperm(5000)
    found = list(examples.batches([Run(order, 32)]))
    assert all(a.is_cuda for a, _ in found)
    assert torch.equal(torch.cat([a for a, _ in found]).cpu(), x[order])
    assert torch.equal(torch.cat([b for _, b in found]).cpu(), y[order])


def test_what_does_not_fit_the_device_is_streamed() -> None:
    x, y = torch.zeros(10, 3), torch.zeros(10)
    assert isinstance(place(x, y, "cuda"), Resident)
    assert isinstance(place(x, y, "cuda", limit=10), Streamed)


def test_a_state_from_the_gpu_continues_there() -> None:
    chosen = settings(coupling=proximal("mr-mtl"))
    whole = federation(chosen, device="cuda").play(4)
    stopped, resumed = federation(chosen, device="cuda").play(2), federation(chosen, device="cuda")
    for name in NAMES:
        resumed.departments[name].restore({k: v.cpu() for k, v in stopped.departments[name].state().items()})
    resumed.state = stopped.state
    assert torch.equal(resumed.play(2).hub(), whole.hub())
