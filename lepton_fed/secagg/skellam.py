"""Distributed Skellam noise: each department adds a little, the sum is differentially private, and what it
costs.

    department:  conditional stochastic rounding until ||q||_2 <= D2, then + Skellam(variance mu / n')
    sum:         Skellam(variance >= mu) as long as n' honest departments took part
    cost:        RDP(a) <= a D2^2 / 2 mu + min(((2a - 1) D2^2 + 6 D1) / 4 mu^2, 3 D1 / 2 mu),   integer a >= 2

(Agarwal, Kairouz and Liu, "The Skellam mechanism", NeurIPS 2021, Theorem 3.5 and Algorithm 1.) Adjacency:
one department's contribution set to zero. RDP becomes epsilon by Canonne, Kamath and Steinke 2020,
Proposition 12, the conversion that Google's dp-accounting uses.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, inf, log, log1p, sqrt

import numpy as np
import numpy.typing as npt

from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.masks import expand

ORDERS = (*range(2, 64), *range(64, 256, 8), *range(256, 1025, 64))
"""Rényi orders that the accountant minimises over; the bound holds for integers."""

BETA_LOG = 0.5
"""ln(1 / beta) of conditional rounding: one try is accepted with probability at least 1 - exp(-1/2)."""

_PRECISION = 192
"""Bits of the fixed-point arithmetic that the noise's table is computed in."""

LARGEST_VARIANCE = 2.0**34
"""Of one department, in steps squared: its table has two million entries and takes a second."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Noise(Wire):
    """The noise of a group of words: its vector and its scalars are noised apart and their costs added up.

    `norm` is the L2 clip of the weighted vector in real units and `variance` mu in steps squared;
    `scalar_norm` and `scalar_variance` likewise for the scalars. `honest` is n': fewest survivors minus
    colluders.
    """

    KIND = "noise"
    norm: float
    variance: float
    honest: int
    scalar_norm: float = 1.0
    scalar_variance: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.norm, self.variance, self.scalar_norm, self.scalar_variance) <= 0 or self.honest < 1:
            raise Malformed("noise needs positive norms and variances and at least one honest department")
        if max(self.variance, self.scalar_variance) / self.honest > LARGEST_VARIANCE:
            raise Malformed("noise of more than 2^34 steps squared per department: lower the scale")


@dataclass(frozen=True)
class Cost:
    """Rényi divergences by order: `(len(ORDERS),)` floats. Costs of independent releases add up."""

    rdp: tuple[float, ...]

    def __add__(self, other: Cost) -> Cost:
        return Cost(tuple(a + b for a, b in zip(self.rdp, other.rdp, strict=True)))

    def times(self, releases: int) -> Cost:
        """The cost of so many releases of this kind."""
        return Cost(tuple(releases * value for value in self.rdp))

    def epsilon(self, delta: float) -> float:
        """Smallest epsilon over the orders at `delta`, for adjacency "one department's contribution set to
        zero".
        """
        return max(0.0, min(map(lambda a, rdp: _epsilon_at(a, rdp, delta), ORDERS, self.rdp), default=inf))


NOTHING = Cost((0.0,) * len(ORDERS))


def cost(entries: int, norm: float, scale: float, variance: float) -> Cost:
    """What releasing one noised vector of `entries` words costs: L2 clip `norm`, `scale` steps per unit, mu
    = `variance`.
    """
    d2, d1 = sensitivities(entries, norm, scale)
    return Cost(tuple(_rdp(a, d1, d2, variance) for a in ORDERS))


def sensitivities(entries: int, norm: float, scale: float) -> tuple[float, float]:
    """(D2, D1) in steps: bounds of the rounded vector's norms under conditional rounding."""
    steps = norm * scale
    conditional = steps**2 + entries / 4 + sqrt(2 * BETA_LOG) * (steps + sqrt(entries) / 2)
    d2 = min(steps + sqrt(entries), sqrt(conditional))
    return d2, d2 * min(sqrt(entries), d2)


def _rdp(a: int, d1: float, d2: float, mu: float) -> float:
    return a * d2**2 / (2 * mu) + min(((2 * a - 1) * d2**2 + 6 * d1) / (4 * mu**2), 3 * d1 / (2 * mu))


def _epsilon_at(a: int, rdp: float, delta: float) -> float:
    return rdp + log1p(-1 / a) - log(delta * a) / (a - 1)


def clip_to_norm(vector: npt.NDArray[np.float64], norm: float) -> npt.NDArray[np.float64]:
    """The vector itself, or scaled down to L2 norm `norm`: `(d,) float64`."""
    length = float(np.linalg.norm(vector))
    return vector if length <= norm else vector * (norm / length)


def round_conditionally(steps: npt.NDArray[np.float64], limit: float, coins: bytes) -> Integers:
    """Stochastic rounding of `steps`, repeated until the L2 norm is within `limit` (D2): `(d,) int64`.

    Each try reads on in the keystream of `coins`; a try is accepted with probability above 0.39.
    """
    low = np.floor(steps)
    for attempt in range(1, 400):
        coin = expand(coins, steps.size * attempt)[-steps.size :] if steps.size else np.zeros(0, np.uint32)
        rounded = (low + (coin < (steps - low) * 2.0**32)).astype(np.int64)
        if float(np.sum(rounded.astype(np.float64) ** 2)) <= limit**2:
            return rounded
    raise ValueError("conditional rounding did not end; the vector was not clipped to its norm")


@dataclass(frozen=True)
class Sampler:
    """Exact Skellam noise of one variance from a cipher's coins, cut off where less than 2^-63 of its mass
    is left.

    `upper[k]` is P(|X| <= k) in units of 2^-63, by 192-bit integers, so the total variation distance per
    sample is below (len(upper) + 2) 2^-63.
    """

    upper: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, variance: float) -> Sampler:
        """The sampler for this variance (steps squared); tables are kept for the last few variances."""
        return _sampler(variance)

    @property
    def largest(self) -> int:
        """No sample is larger in magnitude, so overflow is excluded and not just unlikely."""
        return len(self.upper) - 1

    @property
    def distance(self) -> float:
        """Total variation distance to the exact distribution, per sample; to be added to delta."""
        return (len(self.upper) + 2) * 2.0**-63

    def draw(self, seed: bytes, count: int) -> Integers:
        """`(count,) int64` from the keystream of `seed`, which must be fresh: 63 bits for the magnitude, one
        for the sign.
        """
        coins = expand(seed, 2 * count).view("<u8")
        magnitude = np.searchsorted(self.upper, coins >> np.uint64(1), side="right").astype(np.int64)
        return np.where(coins & np.uint64(1), -np.minimum(magnitude, self.largest), np.minimum(magnitude, self.largest))


@lru_cache(8)
def _sampler(variance: float) -> Sampler:
    weights = _magnitude_weights(Fraction(variance))
    total, running, upper = sum(weights), 0, []
    for weight in weights:
        running += weight
        upper.append((running << 63) // total)
        if (total - running) << 63 < total:
            break
    upper[-1] = 1 << 63
    return Sampler(np.array(upper, dtype=np.uint64))


def _magnitude_weights(variance: Fraction) -> list[int]:
    """Integers proportional to P(|X| = k), k = 0, 1, ...: 1 for k = 0 and 2 otherwise, times the Bessel
    function I_k(variance).

    Miller's backward recurrence I_(k-1) = I_(k+1) + (2k / x) I_k is stable and needs no normalisation here.
    """
    spread = sqrt(float(variance))
    start = ceil(14 * spread + 80)
    values = [0] * (start + 2)
    values[start] = 1 << _PRECISION
    top, bottom = variance.numerator, variance.denominator
    for k in range(start, 0, -1):
        values[k - 1] = values[k + 1] + 2 * k * bottom * values[k] // top
    shift = max(0, values[0].bit_length() - 4 * _PRECISION)
    return [(value << (k > 0)) >> shift for k, value in enumerate(values[: start + 1])]


def noise_multiplier(norm: float, scale: float, variance: float) -> float:
    """Standard deviation of the summed noise over the clip, the number that papers quote."""
    return sqrt(variance) / (norm * scale)


def variance_for(multiplier: float, norm: float, scale: float) -> float:
    """mu for a noise multiplier: the inverse of `noise_multiplier`."""
    return (multiplier * norm * scale) ** 2


def releases_within(one: Cost, epsilon: float, delta: float, most: int = 1_000_000) -> int:
    """How many releases of cost `one` stay within `epsilon` at `delta`, at most `most`."""
    return bisect_left(range(1, most + 1), True, key=lambda releases: one.times(releases).epsilon(delta) > epsilon)


__all__ = [
    "NOTHING", "ORDERS", "Cost", "Noise", "Sampler", "clip_to_norm", "cost", "noise_multiplier",
    "releases_within",
    "round_conditionally", "sensitivities", "variance_for",
]  # fmt: skip
