"""The local loop: for each batch, a gradient, a step, and the pull towards the anchor.

    θ <- (θ' + c θ̄) / (1 + c),    θ' = the optimiser's step from θ,    c = η λ β A

The pull is applied implicitly (a proximal step), so that a large λ leads to the anchor instead of diverging.
With plain SGD this is θ <- (θ - η g + η λ β A θ̄) / (1 + η λ β A) of the mathematics page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from lepton_fed.parameters import FlatModel
from lepton_fed.resident import Batch
from lepton_fed.settings import Optimiser
from lepton_fed.training.losses import Loss
from lepton_fed.training.optimisers import Memory, stepper


@dataclass(frozen=True, eq=False)
class Pull:
    """Towards `anchor` (shared parameters without buffers) with strength λ β A."""

    anchor: Tensor
    strength: float


Extra = Callable[[], Tensor]
"""Adds a term to a batch's loss (distillation)."""


def descend(
    model: FlatModel,
    loss: Loss,
    optimiser: Optimiser,
    batches: Iterable[Batch],
    *,
    pull: Pull | None = None,
    drift: Tensor | None = None,
    extra: Extra | None = None,
    memory: Memory | None = None,
) -> int:
    """Trains `model` in place, one step a batch; returns the number of steps.

    `drift` (shared parameters,): added to each gradient (scaffold's c - c_i). `memory`: the optimiser's, of
    earlier rounds; changed in place.
    """
    decayed = None if optimiser.decay_biases else model.matrices()
    step = stepper(optimiser, model.trained, model.gradient, memory, decayed)
    mixing = _mixing(optimiser.learning_rate, pull)
    shared_gradient = model.gradient[: model.pulled.numel()]
    module, gradient, steps = model.module, model.gradient, 0
    for x, y in batches:
        gradient.zero_()
        value = loss(module(x), y)
        if extra is not None:
            value = value + extra()
        value.backward()
        if drift is not None:
            shared_gradient.add_(drift)
        step()
        if pull is not None:
            model.pulled.lerp_(pull.anchor, mixing)
        steps += 1
    return steps


def _mixing(rate: float, pull: Pull | None) -> float:
    """c / (1 + c): how far one proximal step goes towards the anchor."""
    if pull is None:
        return 0.0
    c = rate * pull.strength
    return c / (1.0 + c) if math.isfinite(c) else 1.0
