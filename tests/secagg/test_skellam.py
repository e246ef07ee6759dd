"""Skellam noise: the sampler is the distribution, the accountant is the theorem, the conversion is the usual
one.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from lepton_fed.secagg import skellam
from lepton_fed.secagg.skellam import ORDERS, Sampler, cost, sensitivities, variance_for

SEED = b"s" * 32
"""Samples of it are near what is expected, as most samples are; one in millions would not be."""

# dp_accounting 0.6.0: rdp.compute_epsilon(ORDERS, releases * rdp, 1e-5)
# for our own RDP values of cost(10^4, 1, 2^12).
REFERENCE = {
    (0.5, 1): 10.804069502354595,
    (0.5, 100): 410.28515913858,
    (1.0, 1): 4.753718804339561,
    (1.0, 100): 110.16624904120926,
    (4.0, 1): 1.012773454313159,
    (4.0, 100): 14.180405251909615,
}


@pytest.mark.parametrize("variance", [0.05, 1.0, 7.5, 300.0, 1e5])
def test_samples_have_the_skellam_distribution(variance: float) -> None:
    count = 200_000
    sample = Sampler.of(variance).draw(SEED, count)
    spread = math.sqrt(variance)
    assert abs(sample.mean()) < 6 * spread / math.sqrt(count)
    kurtosis = 2 * variance**2 + variance
    assert abs(sample.var() - variance) < 6 * math.sqrt(kurtosis / count)
    assert abs((sample > 0).mean() - (sample < 0).mean()) < 6 / math.sqrt(count)


@pytest.mark.parametrize("variance", [0.3, 5.0, 40.0])
def test_the_table_is_the_difference_of_two_poissons(variance: float) -> None:
    half, top = variance / 2, 60
    poisson = [math.exp(-half) * half**k / math.factorial(k) for k in range(top)]
    for largest in range(8):
        inside = sum(poisson[a] * poisson[b] for a in range(top) for b in range(top) if abs(a - b) <= largest)
        assert float(Sampler.of(variance).upper[largest]) / 2**63 == pytest.approx(inside, abs=1e-12)


def test_the_sum_of_the_parts_has_the_variance_of_the_whole() -> None:
    parts = sum(Sampler.of(100.0 / 8).draw(bytes([k]) * 32, 100_000) for k in range(8))
    assert np.var(parts) == pytest.approx(100.0, rel=0.03)


def test_no_sample_leaves_the_table_and_little_is_cut_off() -> None:
    sampler = Sampler.of(1e4)
    assert 8 * 100 < sampler.largest < 14 * 100 + 80
    assert sampler.distance < 1e-15


@pytest.mark.parametrize("norm", [0.1, 1.0, 30.0])
def test_conditional_rounding_keeps_the_norm_and_is_near(norm: float) -> None:
    vector = np.random.default_rng(0).normal(size=500)
    steps = skellam.clip_to_norm(vector, norm) * 64
    limit, _ = sensitivities(500, norm, 64)
    rounded = skellam.round_conditionally(steps, limit, SEED)
    assert np.linalg.norm(rounded) <= limit
    assert np.abs(rounded - steps).max() <= 1
    again = skellam.round_conditionally(steps, limit, b"k" * 32)
    assert np.array_equal(again, skellam.round_conditionally(steps, limit, b"k" * 32))


def test_the_bound_is_the_theorem() -> None:
    d2, d1 = sensitivities(100, 2.0, 8.0)
    assert d2 == min(16 + 10, math.sqrt(256 + 25 + 1.0 * (16 + 5)))
    assert d1 == d2 * min(10, d2)
    mu, a = 1e4, ORDERS[3]
    expected = a * d2**2 / (2 * mu) + min(((2 * a - 1) * d2**2 + 6 * d1) / (4 * mu**2), 3 * d1 / (2 * mu))
    assert cost(100, 2.0, 8.0, mu).rdp[3] == expected


@pytest.mark.parametrize("variance", [4.0, 64.0])
@pytest.mark.parametrize("shift", [1, 3])
def test_the_bound_covers_the_exact_divergence_in_one_dimension(variance: float, shift: int) -> None:
    """Exact Rényi divergence of Skellam and shifted Skellam, computed from the table, is below the bound."""
    upper = Sampler.of(variance).upper.astype(np.float64) / 2**63
    half = np.diff(np.concatenate(([0.0], upper)))
    mass = np.concatenate((half[:0:-1] / 2, half[:1], half[1:] / 2))
    for a in (2, 4, 8):
        p, q = mass[shift:], mass[:-shift]
        keep = (p > 1e-14) & (q > 1e-14)
        exact = math.log(float(np.sum(q[keep] ** a / p[keep] ** (a - 1)))) / (a - 1)
        bound = a * shift**2 / (2 * variance) + min(
            ((2 * a - 1) * shift**2 + 6 * shift) / (4 * variance**2), 3 * shift / (2 * variance)
        )
        assert exact <= bound * (1 + 1e-6)


def test_epsilon_at_twenty_departments_noise_four_and_a_hundred_rounds() -> None:
    """The document's figure: about 15 at delta 1e-5."""
    one = cost(10**6, 1.0, 2.0**20, variance_for(4.0, 1.0, 2.0**20))
    assert one.times(100).epsilon(1e-5) == pytest.approx(14.1767, abs=1e-3)
    assert one.times(1).epsilon(1e-5) < one.times(10).epsilon(1e-5)
    assert skellam.releases_within(one, 15.0, 1e-5) > 100


@pytest.mark.parametrize(("multiplier", "releases"), REFERENCE)
def test_the_conversion_agrees_with_dp_accounting(multiplier: float, releases: int) -> None:
    """Against recorded values, and against the library itself where it is installed."""
    one = cost(10**4, 1.0, 2.0**12, variance_for(multiplier, 1.0, 2.0**12)).times(releases)
    assert one.epsilon(1e-5) == pytest.approx(REFERENCE[multiplier, releases], rel=1e-12)
    try:
        from dp_accounting.rdp import compute_epsilon
    except ImportError:
        return
    assert one.epsilon(1e-5) == pytest.approx(compute_epsilon(list(ORDERS), list(one.rdp), 1e-5)[0], rel=1e-9)
