"""The flat optimisers take the steps of torch.optim."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lepton_fed.settings import Optimiser
from lepton_fed.training.optimisers import Memory, stepper

START = torch.randn(11, generator=torch.Generator().manual_seed(1))
GRADIENTS = torch.randn(9, 11, generator=torch.Generator().manual_seed(2))

PEERS: dict[str, tuple[dict[str, Any], Any]] = {
    "sgd": ({"learning_rate": 0.1}, lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": ({"learning_rate": 0.1, "momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    "nesterov": (
        {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    "weight decay": (
        {"learning_rate": 0.1, "weight_decay": 0.3},
        lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.3),
    ),
    "nesterov with weight decay": (
        {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.3},
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.8, nesterov=True, weight_decay=0.3),
    ),
    "adam": ({"name": "adam", "learning_rate": 0.1}, lambda p: torch.optim.Adam(p, 0.1)),
    "adam with all its numbers": (
        {
            "name": "adam",
            "learning_rate": 0.1,
            "beta1": 0.7,
            "beta2": 0.9,
            "epsilon": 0.01,
            "weight_decay": 0.3,
        },
        lambda p: torch.optim.Adam(p, 0.1, betas=(0.7, 0.9), eps=0.01, weight_decay=0.3),
    ),
    "adamw": (
        {"name": "adamw", "learning_rate": 0.1, "weight_decay": 0.3},
        lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.3),
    ),
    "adamw without decay": (
        {"name": "adamw", "learning_rate": 0.1},
        lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.0),
    ),
}


def ours(options: dict[str, Any], memory: Memory | None = None, gradients: Tensor = GRADIENTS, **more: Any) -> Tensor:
    parameters, gradient = more.pop("start", START).clone(), torch.zeros(11)
    step = stepper(Optimiser(**options), parameters, gradient, memory, **more)
    for one in gradients:
        gradient.copy_(one)
        step()
    return parameters


@pytest.mark.parametrize("name", PEERS)
def test_a_step_is_torchs(name: str) -> None:
    options, make = PEERS[name]
    parameter = torch.nn.Parameter(START.clone())
    peer = make([parameter])
    for one in GRADIENTS:
        parameter.grad = one.clone()
        peer.step()
    found = ours(options)
    assert torch.allclose(found, parameter.detach(), rtol=1e-6, atol=1e-7)
    if name in ("sgd", "momentum", "nesterov", "weight decay"):
        assert torch.equal(found, parameter.detach())


@pytest.mark.parametrize("name", PEERS)
def test_steps_with_a_memory_go_on_where_the_last_ones_ended(name: str) -> None:
    options, _ = PEERS[name]
    memory: Memory = {}
    half = ours(options, memory, GRADIENTS[:4])
    assert torch.equal(ours(options, memory, GRADIENTS[4:], start=half), ours(options))


@pytest.mark.parametrize("name", ["weight decay", "nesterov with weight decay", "adam with all its numbers", "adamw"])
def test_weight_decay_can_leave_out_parameters(name: str) -> None:
    options, _ = PEERS[name]
    flags = (torch.arange(11) % 2).float()
    without = options | {"weight_decay": 0.0}
    found = ours(options, decayed=flags)
    assert torch.allclose(found[flags == 1], ours(options)[flags == 1], atol=1e-7)
    assert torch.allclose(found[flags == 0], ours(without)[flags == 0], atol=1e-7)
    assert not torch.allclose(found, ours(without), atol=1e-3)


def test_parameters_are_moved_in_place() -> None:
    parameters, gradient = START.clone(), GRADIENTS[0].clone()
    view = parameters[3:5]
    stepper(Optimiser(learning_rate=1.0), parameters, gradient)()
    assert torch.equal(view, (START - GRADIENTS[0])[3:5])
