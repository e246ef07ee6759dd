"""Noise in the sums: the mean is near the plain one, as near as the plan says, and nothing else is released."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lepton_fed.errors import RoundError
from lepton_fed.parties import throw_away
from lepton_fed.secagg.review import Terms
from lepton_fed.settings import Aggregation, NoiseSettings, Rounds, Settings, Weights
from lepton_fed.sums import MEASUREMENTS
from tests.secagg.federation import Stream
from tests.secure.builder import FIVE, VICTIM, Federation, federation, plain_copy, secure, updates_group

MANY = (*FIVE, "急诊", "眼科", "检验")
NORM, MULTIPLIER = 2.0, 0.05
NOISE = NoiseSettings(norm=NORM, multiplier=MULTIPLIER)


def noised(noise: NoiseSettings = NOISE, **tables: object) -> Settings:
    return secure(MANY, aggregation=Aggregation(noise=noise), **tables)


def seeded(chosen: Settings, terms: dict[str, Terms] | None = None, seed: bytes = b"noise") -> Federation:
    """Departments whose noise, masks and keys come from a seed, so that a statistical test says the same each time."""
    parties = throw_away(chosen, terms)
    fixed = {n: replace(party, random=Stream(seed + n.encode())) for n, party in parties.items()}
    return federation(chosen, parties=fixed)


def error_of(ours: Federation) -> np.ndarray:
    """What noise added to the mean in one round."""
    theirs = plain_copy(ours)
    ours.play(), theirs.play()
    (hub,) = ours.releases()
    return ours.releases()[hub].mean.astype(np.float64) - theirs.releases()[hub].mean


def expected_deviation(ours: Federation) -> float:
    """Of one entry of the mean: every member adds its part of a noise that the fewest honest survivors suffice for."""
    group = updates_group(ours.transport.plans[-1])
    members = len(ours.transport.plans[-1].members)
    return math.sqrt(members / group.noise.honest) * MULTIPLIER * NORM / members


def test_the_mean_is_as_near_as_the_noise_says() -> None:
    ours = seeded(noised())
    errors = np.concatenate([error_of(ours) for _ in range(8)])
    sigma = expected_deviation(ours)
    assert errors.size == 8 * 31
    assert np.abs(errors).max() < 5 * sigma
    assert 0.8 * sigma < errors.std() < 1.2 * sigma
    assert abs(errors.mean()) < 4 * sigma / math.sqrt(errors.size)


def test_noise_is_fresh_in_every_run() -> None:
    first, second = (seeded(noised(), seed=seed).play() for seed in (b"one", b"other"))
    assert first.models() != second.models()


def test_updates_are_shortened_to_the_norm() -> None:
    """With next to no noise beside a small norm, each department's update is cut to that length."""
    ours = seeded(noised(NoiseSettings(norm=2.0**-6, multiplier=2.0**-6)))
    (release,) = ours.play().releases().values()
    assert float(np.linalg.norm(release.mean)) <= 2.0**-6 * 1.1


def test_a_table_of_weights_is_multiplied_in_before_the_noise() -> None:
    table = Weights(alpha={n: 2.0 if n in FIVE else 1.0 for n in MANY})
    ours = seeded(noised(NoiseSettings(norm=8.0, multiplier=2.0**-10), weights=table))
    assert np.abs(error_of(ours)).max() < 5 * math.sqrt(2) * 8.0 * 2.0**-10 / 6.5


def test_nothing_but_the_mean_is_released() -> None:
    ours = seeded(noised(rounds=Rounds(count=2))).play(2)
    ours.close()
    for news in ours.news:
        assert all(m.department for m in news.measurements)
    for plan in ours.transport.plans:
        assert MEASUREMENTS not in {group.name for group in plan.groups}
        assert all(group.scalars == () for group in plan.groups)
        assert all(group.noise is not None for group in plan.groups)
    (release,) = ours.releases().values()
    assert (release.mass, release.spread) == (len(MANY), 0.0)
    assert any(m.department == VICTIM for m in ours.news[-1].measurements)


def test_a_department_that_asks_for_more_noise_takes_no_part() -> None:
    ours = seeded(noised(), {VICTIM: Terms(noise_multiplier=2 * MULTIPLIER)}).play()
    assert "asks for a noise multiplier of 0.1, found 0.05" in ours.refusals[VICTIM]
    assert VICTIM not in ours.news[-1].answered


@pytest.mark.parametrize("multiplier", [0.05, 0.1, 0.3, 1.0, 3.7])
@pytest.mark.parametrize("norm", [0.3, 1.0, 7.0])
def test_a_department_that_asks_for_just_this_noise_takes_part(multiplier: float, norm: float) -> None:
    chosen = noised(NoiseSettings(norm=norm, multiplier=multiplier))
    ours = seeded(chosen, dict.fromkeys(MANY, Terms(noise_multiplier=multiplier))).play()
    assert ours.refusals == {}


def test_a_coordinator_that_plans_with_less_noise_than_the_file_is_refused_by_all() -> None:
    ours = seeded(noised())
    less = noised(replace(NOISE, multiplier=MULTIPLIER / 4))
    scheme = ours.state.scheme
    assert scheme is not None
    ours.settings = less
    ours.state = replace(ours.state, scheme=replace(scheme, settings=less))
    with pytest.raises(RoundError, match="not the one that the federation file makes"):
        ours.play()


def test_a_lost_department_leaves_enough_noise() -> None:
    """The noise counts on the fewest honest survivors, so a sum over fewer members is noised as it was said."""
    ours = seeded(noised())
    ours.transport.lost_reply = lambda name, message: name == VICTIM and hasattr(message, "work") and bool(message.work)
    ours.play()
    assert VICTIM not in ours.news[-1].answered
    plan = ours.transport.plans[-1]
    group = updates_group(plan)
    assert len(ours.news[-1].answered) - plan.colluders >= group.noise.honest
