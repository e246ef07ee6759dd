"""A department's numbers as masked words: weighted in float, quantised (or clipped, rounded and noised),
under masks.

    Contribution (float32, float64) --masked_words--> (group.words,) uint32

With noise off the words before masking are a function of the numbers, the rounding key, the federation and
the round, so a resumed or repeated run sends equal ones bit for bit. Noise is fresh every time.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lepton_fed.secagg.canonical import Words
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.fixedpoint import NotFinite, Quantiser, Vector, integers_to_words, scalars_to_integers
from lepton_fed.secagg.keys import derive
from lepton_fed.secagg.masks import Stream, add_streams
from lepton_fed.secagg.plan import Channel, Group, Plan, vector_bound
from lepton_fed.secagg.skellam import Noise, Sampler, clip_to_norm, round_conditionally, sensitivities


@dataclass(frozen=True, eq=False)
class Contribution:
    """One group's numbers, already multiplied by this department's own weight: `(d,) float32` and `(k,)
    float64`.
    """

    vector: Vector = field(repr=False)
    scalars: npt.NDArray[np.float64] = field(repr=False)


Buffers = MutableMapping[str, Words]
"""Memory for masked vectors by channel, kept from round to round: fresh pages can cost more than the masks.
Free for the next round once the message has been sent."""


@dataclass(frozen=True)
class Source:
    """Whose numbers they are, its key for rounding coins (32 bytes), and where noise comes from."""

    department: str
    rounding_key: bytes = field(repr=False)
    random: RandomBytes


def chosen(contributions: Mapping[str, Contribution], group: Group, department: str) -> Contribution:
    own = contributions.get(group.name)
    if own is None:
        raise ValueError(f"{department}: the plan asks for numbers of {group.name!r}, and none were given")
    if own.vector.dtype != np.float32 or own.vector.shape != (group.length,):
        raise ValueError(
            f"{department}: {group.name!r} needs a vector of ({group.length},) float32, "
            f"found {own.vector.shape} {own.vector.dtype}"
        )
    if own.scalars.dtype != np.float64 or own.scalars.shape != (len(group.scalars),):
        raise ValueError(f"{department}: {group.name!r} needs {len(group.scalars)} float64 scalars")
    return own


def masked_words(
    source: Source, plan: Plan, channel: Channel, own: Contribution, streams: list[Stream], threads: int,
    buffers: Buffers | None = None,
) -> Words:  # fmt: skip
    """The channel's words, quantised and masked chunk by chunk: `(group.words,) uint32`."""
    coins = derive(source.rounding_key, "coins", plan.federation, plan.round, channel.name)
    if channel.group.noise is not None:
        words = _noised_words(source, channel, channel.group.noise, own, coins)
        add_streams(words, streams, threads=threads)
        return words
    words = _room(buffers, channel)
    _quantise_and_mask(words, source, channel, own, coins, streams, threads)
    return words


def _room(buffers: Buffers | None, channel: Channel) -> Words:
    """Memory for the channel's words: what an earlier round used, if it fits."""
    kept = None if buffers is None else buffers.get(channel.name)
    if kept is None or kept.size != channel.group.words:
        kept = np.empty(channel.group.words, np.uint32)
    if buffers is not None:
        buffers[channel.name] = kept
    return kept


def _quantise_and_mask(
    words: Words, source: Source, channel: Channel, own: Contribution, coins: bytes, streams: list[Stream],
    threads: int,
) -> None:  # fmt: skip
    """Fill `words`, in place."""
    group, weight = channel.group, channel.weight(source.department)
    integers, clamped = scalars_to_integers(own.scalars, weight, group.fixed)
    words[group.length :] = integers_to_words([*integers, 0], group.fixed.limbs)
    factor = float(weight * Fraction(group.fixed.scale))
    quantise = Quantiser(own.vector, words, factor, vector_bound(channel, source.department), coins)

    def prepare(low: int, high: int) -> None:
        if low < group.length:
            quantise(low, min(high, group.length))

    add_streams(words, streams, threads=threads, prepare=prepare)
    words[-group.fixed.limbs :] += integers_to_words([quantise.clipped + clamped], group.fixed.limbs)


def _noised_words(source: Source, channel: Channel, noise: Noise, own: Contribution, coins: bytes) -> Words:
    """Clipped in L2, conditionally rounded, with this department's part of the noise; vector and scalars
    each on their own.
    """
    group, weight = channel.group, float(channel.weight(source.department))
    if not (np.isfinite(own.vector).all() and np.isfinite(own.scalars).all()):
        raise NotFinite("the contribution holds NaN or infinity")
    steps = 2.0**group.fixed.scalar_bits
    vector = own.vector.astype(np.float64) * weight
    parts = (
        ("vector", vector, noise.norm, group.fixed.scale, noise.variance),
        ("scalars", own.scalars * weight, noise.scalar_norm, steps, noise.scalar_variance),
    )
    noised = []
    for label, values, norm, scale, variance in parts:
        limit = sensitivities(values.size, norm, scale)[0]
        rounded = round_conditionally(clip_to_norm(values, norm) * scale, limit, derive(coins, label))
        noised.append(rounded + Sampler.of(variance / noise.honest).draw(source.random(32), values.size))
    head = noised[0].astype(np.int32).view(np.uint32)
    return np.concatenate((head, integers_to_words(noised[1].tolist(), group.fixed.limbs)))
