"""A department's optimiser as one closure over two flat vectors.

`torch.optim` loops over tensors; here there is one of each, so a step is one to six vector operations. The
updates are those of torch.optim.SGD, Adam and AdamW (compared with them in the tests).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lepton_fed.settings import Optimiser

Step = Callable[[], None]
Memory = dict[str, Tensor]
"""What an optimiser remembers: `velocity`, or `first`, `second` and `count`. Changed in place."""


def stepper(
    settings: Optimiser,
    parameters: Tensor,
    gradient: Tensor,
    memory: Memory | None = None,
    decayed: Tensor | None = None,
) -> Step:
    """A function that moves `parameters` (p,) in place by one step along `gradient` (p,), which it may overwrite.

    `memory`: of earlier steps, filled if empty. `decayed` (p,): 1 where weight decay acts, 0 elsewhere; None:
    everywhere.
    """
    make = _sgd if settings.name == "sgd" else _adam
    return make(settings, parameters, gradient, memory if memory is not None else {}, decayed)


def _decay(settings: Optimiser, parameters: Tensor, gradient: Tensor, decayed: Tensor | None) -> Step | None:
    """Adds the L2 term to the gradient, or None without weight decay; AdamW shrinks the parameters instead."""
    decay = settings.weight_decay
    if not decay:
        return None
    if settings.name == "adamw":
        shrink = 1 - settings.learning_rate * decay * (decayed if decayed is not None else torch.ones_like(gradient))
        return lambda: _discard(parameters.mul_(shrink))
    if decayed is None:
        return lambda: _discard(gradient.add_(parameters, alpha=decay))
    return lambda: _discard(gradient.addcmul_(parameters, decayed, value=decay))


def _discard(_: Tensor) -> None:
    return None


def _sgd(settings: Optimiser, parameters: Tensor, gradient: Tensor, memory: Memory, decayed: Tensor | None) -> Step:
    rate, momentum = settings.learning_rate, settings.momentum
    decay = _decay(settings, parameters, gradient, decayed)
    velocity = memory.setdefault("velocity", torch.zeros_like(gradient)) if momentum else None

    def step() -> None:
        if decay is not None:
            decay()
        if velocity is None:
            parameters.sub_(gradient, alpha=rate)
            return
        velocity.mul_(momentum).add_(gradient)
        parameters.sub_(gradient.add_(velocity, alpha=momentum) if settings.nesterov else velocity, alpha=rate)

    return step


def _adam(settings: Optimiser, parameters: Tensor, gradient: Tensor, memory: Memory, decayed: Tensor | None) -> Step:
    """Kingma and Ba 2015, Algorithm 1; `adamw` decays apart from the gradient (Loshchilov and Hutter 2019)."""
    rate, beta1, beta2 = settings.learning_rate, settings.beta1, settings.beta2
    decay = _decay(settings, parameters, gradient, decayed)
    first = memory.setdefault("first", torch.zeros_like(gradient))
    second = memory.setdefault("second", torch.zeros_like(gradient))
    counter = memory.setdefault("count", torch.tensor(0))
    count = int(counter)

    def step() -> None:
        nonlocal count
        count += 1
        counter.fill_(count)
        if decay is not None:
            decay()
        first.lerp_(gradient, 1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = (second.sqrt() / (1 - beta2**count) ** 0.5).add_(settings.epsilon)
        parameters.addcdiv_(first, scale, value=-rate / (1 - beta1**count))

    return step
