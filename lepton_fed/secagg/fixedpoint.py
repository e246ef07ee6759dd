"""Real numbers as words modulo 2^32, and sums of words back as real numbers.

    a vector entry:  v = weight * x * scale;  q = floor(v) + (coin < v - floor(v));  one word, two's
    complement a scalar:        integer nearest to weight * x * 2^bits, in limbs of 16 bits, the top one
    signed; one word a limb

Rounding is unbiased: the expectation of q is v. Its coins are an AES-CTR keystream under the department's
own rounding key, so a repeated run rounds alike and nobody else can predict them. Clamping is counted, and
NaN and infinity are refused. A sum over members lifts back exactly as long as it stays within +-(2^31 - 1),
which `Plan` proves beforehand.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, frexp, isfinite

import numpy as np
import numpy.typing as npt

from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.masks import CHUNK, CHUNK_BYTES, Keystream
from lepton_fed.translation import sentence

Vector = npt.NDArray[np.float32]
"""`(d,) float32`."""

LIMIT = 2**31 - 1
"""Largest magnitude that a sum may reach."""

LIMB_BITS = 16
_LIMB_MASK = 2**LIMB_BITS - 1


@dataclass(frozen=True)
class FixedPoint(Wire):
    """How a group's numbers become words.

    `clip` bounds an entry before any weight; the secret weight that the department has multiplied in lies
    within [weight_low, weight_high] (1 and 1 when there is none). `scale` is the number of steps per unit (a
    power of two loses nothing to the multiplication). Weighted scalars lie within +-scalar_bound, at steps
    of 2^-scalar_bits.
    """

    KIND = "fixed-point"
    clip: float
    scale: float
    weight_low: Fraction = Fraction(1)
    weight_high: Fraction = Fraction(1)
    scalar_bound: float = 2.0**40
    scalar_bits: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.clip < 2.0**64 and 0 < self.scale < 2.0**64):
            raise Malformed(
                sentence("clip and scale must be positive, found {clip} and {scale}", clip=self.clip, scale=self.scale)
            )
        if not 0 < self.weight_low <= self.weight_high:
            raise Malformed("the band of secret weights must satisfy 0 < low <= high")
        if not (0 < self.scalar_bound <= 2.0**64 and 0 <= self.scalar_bits <= 64):
            raise Malformed("scalars need a bound in (0, 2^64] and between 0 and 64 fractional bits")

    @property
    def band(self) -> Fraction:
        """The largest ratio of two secret weights."""
        return self.weight_high / self.weight_low

    def word_bound(self, weight: Fraction) -> int:
        """Largest magnitude of one vector word of a member with this public weight."""
        return ceil(Fraction(self.clip) * Fraction(self.scale) * self.weight_high * weight)

    @property
    def scalar_limit(self) -> int:
        """Largest magnitude of a scalar's integer."""
        return ceil(Fraction(self.scalar_bound) * Fraction(2**self.scalar_bits))

    @property
    def limbs(self) -> int:
        """Words per scalar: room for the limit, a sign and as much again for noise."""
        return -(-(self.scalar_limit.bit_length() + 2) // LIMB_BITS)


class NotFinite(ValueError):
    """A contribution holds NaN or infinity."""


@dataclass
class Quantiser:
    """Fills words chunk by chunk from a float32 vector; a `masks.Prepare`.

    `factor` is weight times scale and `bound` the largest magnitude. `clipped` counts the clamped entries of
    all chunks so far.
    """

    vector: Vector
    words: Words
    factor: float
    bound: int
    coins: bytes = field(repr=False)
    _clipped: list[int] = field(default_factory=list)
    _scratch: threading.local = field(default_factory=threading.local, repr=False)

    @property
    def clipped(self) -> int:
        return sum(self._clipped)

    def __call__(self, low: int, high: int) -> None:
        """Write `words[low:high]`, in place; raises `NotFinite`."""
        scratch = self._scratch_of_this_thread(low)
        count = high - low
        value, floor, less = scratch.value[:count], scratch.floor[:count], scratch.less[:count]
        with np.errstate(over="ignore", invalid="ignore"):  # _clamp looks for what this makes.
            np.multiply(self.vector[low:high], np.float32(self.factor), out=value)
        self._clamp(value, self.vector[low:high])
        np.floor(value, out=floor)
        np.subtract(value, floor, out=value)
        np.subtract(value, np.float32(0.5), out=value)
        np.multiply(value, np.float32(2**32), out=value)
        words = self.words[low:high].view(np.int32)
        np.copyto(words, floor, casting="unsafe")
        scratch.stream.read_into(scratch.buffer, count)
        np.copyto(floor, scratch.coins[:count], casting="unsafe")
        np.less(floor, value, out=less)
        np.add(words, less.view(np.int8), out=words)
        scratch.next = high

    def _clamp(self, value: Vector, source: Vector) -> None:
        """Clamp to the bound in place and count; a look at the extremes is enough for most chunks."""
        limit = _float32_at_most(self.bound)
        if value.size == 0 or (-limit <= value.min() and value.max() <= limit):
            return
        if not np.isfinite(source).all():
            raise NotFinite("the vector holds NaN or infinity")
        self._clipped.append(int(np.count_nonzero(np.abs(value) > limit)))
        np.clip(value, -limit, limit, out=value)

    def _scratch_of_this_thread(self, low: int) -> threading.local:
        scratch = self._scratch
        if not hasattr(scratch, "value"):
            scratch.value, scratch.floor = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
            scratch.less = np.empty(CHUNK, np.bool_)
            scratch.buffer = bytearray(CHUNK_BYTES)
            scratch.coins = np.frombuffer(scratch.buffer, dtype="<i4")
            scratch.next = -1
        if scratch.next != low:
            scratch.stream = Keystream(self.coins, low)
        return scratch


def scalars_to_integers(scalars: npt.NDArray[np.float64], weight: Fraction, fixed: FixedPoint) -> tuple[list[int], int]:
    """Nearest integers of weighted scalars, clamped to the limit, and how many were clamped."""
    integers, clipped = [], 0
    for scalar in scalars.tolist():
        if not isfinite(scalar):
            raise NotFinite("a scalar is NaN or infinite")
        integer = round(Fraction(scalar) * weight * 2**fixed.scalar_bits)
        clipped += abs(integer) > fixed.scalar_limit
        integers.append(max(-fixed.scalar_limit, min(fixed.scalar_limit, integer)))
    return integers, clipped


def integers_to_words(integers: list[int], limbs: int) -> Words:
    """Each integer as `limbs` words, lowest first: `(limbs * len(integers),) uint32`."""
    words = [
        (integer >> (LIMB_BITS * place)) & (_LIMB_MASK if place < limbs - 1 else 2**32 - 1)
        for integer in integers
        for place in range(limbs)
    ]
    return np.array(words, dtype=np.uint32)


def words_to_integers(words: Words, limbs: int) -> list[int]:
    """The integers, or exact sums of at most 32767 of them, that the words hold.

    >>> words_to_integers(integers_to_words([-5, 7], 2) + integers_to_words([1, 70000], 2), 2)
    [-4, 70007]
    """
    signed = words.view(np.int32).tolist()
    return [
        sum(limb << (LIMB_BITS * place) for place, limb in enumerate(signed[at : at + limbs]))
        for at in range(0, len(signed), limbs)
    ]


def lift(words: Words, factor: float) -> Vector:
    """Signed words times `factor` (1 / scale), computed in float64 and stored over the words: `(d,) float32`.

    The words are consumed: the result shares their memory, so no second vector is needed.
    """
    result = words.view(np.float32)
    exact = frexp(factor)[0] == 0.5  # Times a power of two, float32 rounds once and to the same number as float64.
    for low in range(0, words.size, CHUNK):
        signed, chunk = words[low : low + CHUNK].view(np.int32), result[low : low + CHUNK]
        if exact:
            np.copyto(chunk, signed, casting="unsafe")
            np.multiply(chunk, np.float32(factor), out=chunk)
        else:
            chunk[:] = signed * np.float64(factor)
    return result


def _float32_at_most(bound: int) -> np.float32:
    """The largest float32 that does not exceed the integer `bound`."""
    limit = np.float32(bound)
    return limit if int(limit) <= bound else np.nextafter(limit, np.float32(0))
