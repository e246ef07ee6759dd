"""Seeds torch's own generators for a stretch of training and puts them back: dropout draws from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_STEADY: frozenset[type[nn.Module]] = frozenset(
    {nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ReLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.Flatten, nn.Sequential}
    | {nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm}
)
"""Layers known to draw nothing while they train."""


def may_draw(module: nn.Module) -> bool:
    """Whether training may draw random numbers: true unless every layer is known not to."""
    return any(type(layer) not in _STEADY for layer in module.modules())


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Within, random layers on `device` draw from `seed`.

    The generators are set directly: `torch.manual_seed` records a stack trace on each call (2 ms, more than
    some departments train).
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = device.index if device.index is not None else torch.cuda.current_device()
        generators.append(torch.cuda.default_generators[index])
    before = [g.get_state() for g in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)
