"""The local loop: steps, the implicit pull, drift and extra terms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lepton_fed.parameters import FlatModel
from lepton_fed.settings import Optimiser
from lepton_fed.training.descent import Pull, descend
from lepton_fed.training.losses import mse

X = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
Y = torch.randn(12, generator=torch.Generator().manual_seed(2))
BATCHES = [(X[k], Y[k]) for k in torch.arange(12).split(5)]
RATE = 0.1


def model(private: tuple[str, ...] = ()) -> FlatModel:
    torch.manual_seed(0)
    return FlatModel(nn.Linear(3, 1), private=private)


def gradient(theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of the mean squared error, by hand."""
    rest = x @ theta[:3] + theta[3] - y
    return torch.cat([2 * x.t() @ rest, 2 * rest.sum().reshape(1)]) / len(y)


def run(flat: FlatModel, pull: Pull | None = None, optimiser: Optimiser | None = None, **more: object) -> torch.Tensor:
    descend(flat, mse, optimiser or Optimiser(learning_rate=RATE), BATCHES, pull=pull, **more)  # type: ignore[arg-type]
    return flat.vector.clone()


def test_each_batch_is_one_step() -> None:
    flat = model()
    theta = flat.vector.clone()
    for batch in BATCHES:
        theta = theta - RATE * gradient(theta, *batch)
    assert descend(flat, mse, Optimiser(learning_rate=RATE), BATCHES) == 3
    assert torch.allclose(flat.vector, theta, atol=1e-6)
    assert descend(flat, mse, Optimiser(learning_rate=RATE), []) == 0


@given(st.floats(0, 1e4))
def test_the_pull_is_the_formula_of_the_mathematics_page(strength: float) -> None:
    flat, anchor = model(), torch.tensor([1.0, -2.0, 3.0, 0.5])
    theta, c = flat.vector.clone(), RATE * strength
    for batch in BATCHES:
        theta = (theta - RATE * gradient(theta, *batch) + c * anchor) / (1 + c)
    assert torch.allclose(run(flat, Pull(anchor, strength)), theta, atol=2e-6)


def test_a_pull_without_strength_changes_no_bit() -> None:
    assert torch.equal(run(model(), Pull(torch.full((4,), 1e3), 0.0)), run(model()))


@pytest.mark.parametrize("strength", [1e12, 1e300, 1.7e308])
def test_a_huge_pull_leads_to_the_anchor_and_never_diverges(strength: float) -> None:
    anchor = torch.tensor([1.0, -2.0, 3.0, 0.5])
    assert torch.allclose(run(model(), Pull(anchor, strength)), anchor, atol=1e-5)
    fast = Optimiser(learning_rate=1e3)
    assert torch.equal(run(model(), Pull(anchor, math.inf), fast), anchor)


def test_private_parameters_are_not_pulled() -> None:
    flat = model(private=("bias",))
    anchor = torch.tensor([1.0, -2.0, 3.0])
    run(flat, Pull(anchor, 1e12))
    assert torch.allclose(flat.shared, anchor, atol=1e-5)
    assert abs(float(flat.private)) < 10
    assert float(flat.private) != float(model(private=("bias",)).private)


def test_drift_is_added_to_the_gradient_of_shared_parameters_alone() -> None:
    drift = torch.tensor([0.3, -0.2, 0.1])
    flat = model(private=("bias",))
    theta = flat.vector.clone()
    for batch in BATCHES:
        theta = theta - RATE * (gradient(theta, *batch) + torch.cat([drift, torch.zeros(1)]))
    assert torch.allclose(run(flat, drift=drift), theta, atol=1e-6)


def test_an_extra_term_is_added_to_each_batchs_loss() -> None:
    flat = model()
    theta = flat.vector.clone()
    for batch in BATCHES:
        theta = theta - RATE * (gradient(theta, *batch) + 2 * theta)
    module = flat.module
    extra = lambda: sum((p.square().sum() for p in module.parameters()), torch.zeros(()))  # noqa: E731
    assert torch.allclose(run(flat, extra=extra), theta, atol=1e-6)


def test_weight_decay_can_spare_biases() -> None:
    decay = Optimiser(learning_rate=RATE, weight_decay=0.5, decay_biases=False)
    flat = model()
    theta = flat.vector.clone()
    for batch in BATCHES:
        theta = theta - RATE * (gradient(theta, *batch) + 0.5 * theta * torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert torch.allclose(run(flat, optimiser=decay), theta, atol=1e-6)
