"""From unmasked words to the sums that were asked for: per group and cohort, a float32 vector and float64
scalars.

    cohort's sum = sum over its channels of factor * lift(words) / scale
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lepton_fed.secagg.canonical import Words, digest
from lepton_fed.secagg.fixedpoint import Vector, lift, words_to_integers
from lepton_fed.secagg.masks import CHUNK
from lepton_fed.secagg.plan import Channel, Cohort, Group, Plan, channels


@dataclass(frozen=True, eq=False)
class Sum:
    """One cohort's sum over the survivors: `(d,) float32`, `(k,) float64`, and how many entries were clamped
    in all.

    Divide by the summed weight, which is one of the scalars. `clipped` is None under noise, where it would
    be a release of its own.
    """

    vector: Vector = field(repr=False)
    scalars: npt.NDArray[np.float64] = field(repr=False)
    clipped: int | None


Sums = Mapping[tuple[str, str], Sum]
"""Sums by (group, cohort). A cohort none of whose members survived has none."""


def assemble(plan: Plan, words: Mapping[str, Words]) -> dict[tuple[str, str], Sum]:
    """Every cohort's sum from the channels' unmasked words. The words are consumed: a vector may take their
    memory.
    """
    sums = {}
    for group in plan.groups:
        for cohort in group.cohorts:
            used = _parts(plan, group, cohort, words)
            if used:
                alone = all(len(channel.parts) == 1 for channel, _ in used)
                sums[group.name, cohort.name] = _sum(group, [(f, words[channel.name]) for channel, f in used], alone)
    return sums


def opened(plan: Plan, words: Mapping[str, Words]) -> dict[tuple[str, str], dict[str, float]]:
    """The scalars that a sealed plan opens, by (group, cohort) and name: all that its coordinator may read."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for group in plan.groups:
        for cohort in group.cohorts if group.opened else ():
            totals = dict.fromkeys(group.opened, Fraction(0))
            parts = _parts(plan, group, cohort, words)
            for channel, factor in parts:
                integers = words_to_integers(words[channel.name][group.length :], group.fixed.limbs)
                for name, integer in zip(group.scalars, integers, strict=False):
                    if name in totals:
                        totals[name] += factor * integer
            if parts:
                steps = 2**group.fixed.scalar_bits
                found[group.name, cohort.name] = {name: float(total / steps) for name, total in totals.items()}
    return found


def sums_hash(sums: Sums) -> bytes:
    """32 bytes that stand for all vectors and scalars, so that who received them can compare."""
    parts: list[object] = []
    for (group, cohort), one in sorted(sums.items()):
        scalars = tuple(float(value) for value in one.scalars)
        parts.append((group, cohort, one.vector.view(np.uint32), scalars, one.clipped))
    return digest("sums", *parts)


def sum_hash(one: Sum) -> bytes:
    """32 bytes that stand for one cohort's sum; reads it once, without a copy."""
    scalars = tuple(float(value) for value in one.scalars)
    return digest("sum", one.vector.view(np.uint32), scalars, one.clipped)


def _parts(plan: Plan, group: Group, cohort: Cohort, words: Mapping[str, Words]) -> list[tuple[Channel, Fraction]]:
    """The channels that enter this cohort's sum, each with its factor."""
    own = [channel for channel in channels(plan) if channel.group.name == group.name and channel.name in words]
    return [(channel, factor) for channel in own for name, factor in channel.parts if name == cohort.name]


def _sum(group: Group, parts: list[tuple[Fraction, Words]], alone: bool) -> Sum:
    limbs = group.fixed.limbs
    totals = [Fraction(0)] * len(group.scalars)
    clipped = 0
    for factor, words in parts:
        integers = words_to_integers(words[group.length :], limbs)
        totals = [total + factor * one for total, one in zip(totals, integers, strict=False)]
        clipped += integers[-1] if group.noise is None else 0
    scalars = np.array([float(total / 2**group.fixed.scalar_bits) for total in totals], dtype=np.float64)
    vector = _vector([(float(f), words[: group.length]) for f, words in parts], 1 / group.fixed.scale, alone)
    return Sum(vector, scalars, clipped if group.noise is None else None)


def _vector(parts: list[tuple[float, Words]], step: float, alone: bool) -> Vector:
    """sum(factor * signed words) * step, in float64 by chunks; over the first words' memory if nobody else
    needs them.
    """
    first = parts[0][1]
    if alone and len(parts) == 1 and parts[0][0] == 1.0:
        return lift(first, step)
    result = first.view(np.float32) if alone else np.empty(first.size, np.float32)
    for low in range(0, first.size, CHUNK):
        total = sum(factor * words[low : low + CHUNK].view(np.int32) for factor, words in parts)
        result[low : low + CHUNK] = total * np.float64(step)
    return result
