"""What the coordinator does with a hub's mean update d (Reddi et al. 2021, Algorithm 2; Hsu et al. 2019).

none       x <- x + η d
momentum   m <- μ m + d                 x <- x + η m
adam       m <- μ m + (1 - μ) d         v <- β2 v + (1 - β2) d²
yogi       m likewise                   v <- v - (1 - β2) d² sign(v - d²)
adagrad    m likewise                   v <- v + d²
           x <- x + η m / (√v + τ)      no bias correction, moments start at 0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lepton_fed.messages import Vector
from lepton_fed.settings import ServerOptimiser


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moment of a hub, (d,) float32; None before they are needed."""

    first: Vector | None = None
    second: Vector | None = None


BLOCK = 1 << 15
"""Entries that are worked on at once, so that intermediate values stay small beside a large model."""


def advance(
    settings: ServerOptimiser, model: Vector, update: Vector, moments: Moments, out: Vector | None = None
) -> tuple[Vector, Moments]:
    """The hub's next model and moments; nothing is changed in place. `out`: where the model is to be, which may be
    where the update is.
    """
    out = np.empty_like(model) if out is None else out
    after = _fresh(settings, model, moments)
    for low in range(0, model.size, BLOCK):
        piece = slice(low, low + BLOCK)
        out[piece], stepped = _stepped(settings, model[piece], update[piece], _each(moments, piece))
        for whole, part in ((after.first, stepped.first), (after.second, stepped.second)):
            if whole is not None and part is not None:
                whole[piece] = part
    return out, after


def _fresh(settings: ServerOptimiser, model: Vector, moments: Moments) -> Moments:
    """Room for the moments that this optimiser changes; those that it leaves alone stay what they are."""
    if settings.optimiser == "none":
        return moments
    second = None if settings.optimiser == "momentum" else np.empty_like(model)
    return Moments(np.empty_like(model), second)


def _each(moments: Moments, piece: slice) -> Moments:
    first, second = moments.first, moments.second
    return Moments(None if first is None else first[piece], None if second is None else second[piece])


def _stepped(settings: ServerOptimiser, model: Vector, update: Vector, moments: Moments) -> tuple[Vector, Moments]:
    rate = np.float32(settings.learning_rate)
    if settings.optimiser == "none":
        return model + update if settings.learning_rate == 1.0 else model + rate * update, Moments()
    first = moments.first if moments.first is not None else np.zeros_like(model)
    if settings.optimiser == "momentum":
        first = np.float32(settings.momentum) * first + update
        return model + rate * first, Moments(first)
    first = np.float32(settings.momentum) * first + np.float32(1 - settings.momentum) * update
    second = _second(settings, moments.second if moments.second is not None else np.zeros_like(model), update**2)
    step = rate * first / (np.sqrt(second) + np.float32(settings.tau))
    return (model + step).astype(np.float32, copy=False), Moments(first, second)


def _second(settings: ServerOptimiser, second: Vector, square: Vector) -> Vector:
    fresh = np.float32(1 - settings.beta2)
    if settings.optimiser == "adam":
        return np.float32(settings.beta2) * second + fresh * square
    if settings.optimiser == "yogi":
        yogi: Vector = second - fresh * square * np.sign(second - square)
        return yogi
    return second + square
