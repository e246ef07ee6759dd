"""How sums were made is found from the settings: what holds in every round, whoever was away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.cohorts import hubs
from lepton_fed.report.content import PLAIN
from lepton_fed.report.sums import how_summed, least_crowd
from lepton_fed.secagg.audit import Rule
from lepton_fed.secagg.plan import default_crowd, fewest_survivors, threshold
from lepton_fed.secrecy import audit
from lepton_fed.settings import Aggregation, Coupling, Grant, NoiseSettings, Rounds, Settings, Weights
from lepton_fed.sums import Scheme
from tests.couplings import small


def names(many: int) -> tuple[str, ...]:
    return tuple(f"部门{i}" for i in range(many))


def federation(many: int = 4, aggregation: Aggregation | None = None, **changes: Any) -> Settings:
    """A secure federation of so many, with public weights."""
    given: dict[str, Any] = {
        "aggregation": aggregation or Aggregation(),
        "weights": Weights(alpha="uniform"),
        "rounds": Rounds(count=7),
    }
    return small.settings(names(many), **{**given, **changes})


NOISY = Aggregation(noise=NoiseSettings(norm=1.0, multiplier=4.0, delta=1e-6))


def test_plain_settings_promise_nothing() -> None:
    plain = federation(aggregation=Aggregation(secure=False))
    assert how_summed(plain, 10, 7) == PLAIN
    assert not PLAIN.secure
    assert not PLAIN.sealed


def test_secure_settings_give_the_numbers_of_the_protocol() -> None:
    found = how_summed(federation(4), 10, 7)
    assert (found.secure, found.sealed, found.members, found.colluders) == (True, False, 4, 1)
    assert (found.crowd, found.full_crowd, found.fewest, found.largest_share) == (2, 2, 3, 0.8)
    assert (found.counts, found.across_rounds, found.epsilon, found.delta) == (None, "off", None, None)


def test_a_band_of_counts_and_the_look_across_rounds_are_the_files() -> None:
    banded = federation(
        aggregation=Aggregation(across_rounds="enforce"), weights=Weights(alpha="examples", counts=(10, 20))
    )
    found = how_summed(banded, 10, 7)
    assert (found.counts, found.across_rounds) == ((10, 20), "enforce")


def test_where_the_coordinator_sees_nothing_those_who_can_open_sums_are_named() -> None:
    found = how_summed(federation(aggregation=Aggregation(coordinator_sees="nothing")), 10, 7)
    assert found.sealed
    assert set(found.recipients) == set(names(4))


@given(many=st.integers(3, 20), colluders=st.integers(0, 6), chosen=st.none() | st.integers(1, 5))
def test_no_round_that_is_possible_hides_among_fewer_than_is_said(
    many: int, colluders: int, chosen: int | None
) -> None:
    settings = federation(many, Aggregation(colluders=colluders, crowd=chosen))
    said = least_crowd(Scheme(settings, hubs(settings), 1), many)
    for members in range(2, many + 1):
        k = default_crowd(members) if chosen is None else chosen
        least = fewest_survivors(threshold(members, colluders), k, colluders)
        if least <= members:
            assert said <= k


def test_some_who_are_away_can_make_a_crowd_of_three_one_of_two() -> None:
    """A round of six hides each among three; if one refuses, it is tried again with five, and hides among two."""
    found = how_summed(federation(6), 10, 7)
    assert (found.crowd, found.full_crowd) == (2, 3)
    assert how_summed(federation(12), 10, 7).crowd == 3
    assert how_summed(federation(8, Aggregation(crowd=4)), 10, 7).crowd == 4


@given(many=st.integers(3, 12), chosen=st.none() | st.integers(1, 3))
def test_the_smallest_sum_is_the_one_that_the_departments_audit_insists_on(many: int, chosen: int | None) -> None:
    found = how_summed(federation(many, Aggregation(crowd=chosen)), 10, 7)
    assert found.fewest == Rule.of(found.crowd, found.colluders).least


def test_epsilon_is_the_audits_for_the_rounds_that_were_played() -> None:
    settings = federation(aggregation=NOISY)
    found, audited = how_summed(settings, 1000, 7), audit(settings, 1000)
    assert found.rounds == 7
    assert found.epsilon == pytest.approx(audited.epsilon)
    assert found.delta is not None
    assert found.delta >= 1e-6
    fewer = how_summed(settings, 1000, 3)
    assert fewer.epsilon == pytest.approx(audit(replace(settings, rounds=Rounds(count=3)), 1000).epsilon)
    assert fewer.epsilon is not None
    assert found.epsilon is not None
    assert fewer.epsilon < found.epsilon


def test_delta_has_in_it_what_the_table_of_noise_leaves_out() -> None:
    short, long = (how_summed(federation(aggregation=NOISY), length, 7).delta for length in (10, 10**7))
    assert short is not None
    assert long is not None
    assert 1e-6 < short < 1.001e-6 < long


def test_a_department_in_several_sums_pays_for_each() -> None:
    """Whether they are masked by atom or by cohort depends on who is away; the dearer of both is counted."""
    everybody = names(8)
    forbidden = Grant(what="更新", who=everybody[:1], action="train", owner=everybody[7:], effect="forbid")
    both = federation(8, NOISY, access=(*small.PERMIT, forbidden))
    assert len(hubs(both)) == 2
    one, several = how_summed(federation(8, NOISY), 10, 5).epsilon, how_summed(both, 10, 5).epsilon
    assert several == pytest.approx(how_summed(federation(8, NOISY), 10, 10).epsilon)
    assert one is not None
    assert several is not None
    assert one < several


def test_under_clusters_everybody_writes_to_one_hub_a_round() -> None:
    clusters = federation(8, NOISY, coupling=Coupling(kind="clusters", hubs=3))
    assert how_summed(clusters, 10, 5).epsilon == pytest.approx(how_summed(federation(8, NOISY), 10, 5).epsilon)
