"""What a round can sum: several cohorts, hubs, weights, groups, sealed sums, noised sums, clamped entries."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.client import Contribution
from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.fixedpoint import FixedPoint
from lepton_fed.secagg.messages import MaskedInput, Published, SealedSums
from lepton_fed.secagg.plan import Cohort, channels, privacy, prove_no_overflow, sampling_distance, verdicts
from lepton_fed.secagg.review import Terms
from lepton_fed.secagg.server import secure_sum
from lepton_fed.secagg.skellam import Noise, variance_for
from tests.secagg.federation import FIXED, LENGTH, SCALARS, Federation, expected, group, in_turn, without


def test_hubs_are_summed_in_atom_mode_with_one_upload_each() -> None:
    federation = Federation.of(12, colluders=2)
    hubs = {"h1": federation.names[:6], "h2": federation.names[6:]}
    cohorts = tuple(Cohort.of(name, dict.fromkeys(members, 1)) for name, members in hubs.items())
    plan = federation.plan((group(federation.names, cohorts=cohorts),))
    assert dict(verdicts(plan))["model"].mode == "atom"
    sizes = {}

    def look(exchange: int, replies: dict[str, Wire]) -> dict[str, Wire]:
        if exchange == 2:
            sizes.update({n: len(r.vectors) for n, r in replies.items() if isinstance(r, MaskedInput)})
        return without("d07", exchange=2)(exchange, replies)

    outcome = federation.run(plan, look)
    assert set(sizes.values()) == {1}
    for name, members in hubs.items():
        left = tuple(one for one in members if one != "d07")
        assert np.array_equal(outcome.sums["model", name].vector, expected(federation, left).vector)
        assert np.array_equal(outcome.sums["model", name].scalars, expected(federation, left).scalars)


def test_cohorts_made_of_atoms_are_computed_from_atom_sums_with_their_own_weights() -> None:
    federation = Federation.of(12, colluders=2)
    low, high = federation.names[:6], federation.names[6:]
    rows = {
        "near low": {**dict.fromkeys(low, 3), **dict.fromkeys(high, 1)},
        "near high": {**dict.fromkeys(low, 1), **dict.fromkeys(high, 2)},
        "low": {n: Fraction(1, 2) for n in low},
    }
    cohorts = tuple(Cohort.of(name, weights) for name, weights in rows.items())
    plan = federation.plan((group(federation.names, cohorts=cohorts),))
    assert len(channels(plan)) == 2
    outcome = federation.run(plan)
    for name, weights in rows.items():
        right = expected(federation, tuple(weights), weights)
        # The first row's weight is quantised; others are exact multiples of it.
        assert np.abs(outcome.sums["model", name].vector - right.vector).max() <= 12 / FIXED.scale
        assert np.allclose(outcome.sums["model", name].scalars, right.scalars, atol=1e-5)


def test_cohort_mode_end_to_end_with_a_drop_out() -> None:
    federation = Federation.of(12, colluders=2)
    first, second = federation.names[:7], federation.names[4:]
    rows = {"A": dict.fromkeys(first, 1), "B": dict.fromkeys(second, 1), "2A": dict.fromkeys(first, 2)}
    cohorts = tuple(Cohort.of(name, weights) for name, weights in rows.items())
    plan = federation.plan((group(federation.names, cohorts=cohorts),))
    assert dict(verdicts(plan))["model"].mode == "cohort"
    assert len(channels(plan)) == 2
    outcome = federation.run(plan, without("d08", exchange=2))
    for name, weights in rows.items():
        left = tuple(one for one in weights if one != "d08")
        right = expected(federation, left, weights)
        assert np.array_equal(outcome.sums["model", name].vector, right.vector)
        assert np.array_equal(outcome.sums["model", name].scalars, right.scalars)


def test_several_groups_share_one_survivor_set() -> None:
    """Words with other members (here targets only) are a group of their own."""
    federation = Federation.of(10)
    targets = federation.names[3:]
    joint = group(targets, "joint loss", length=0, scalars=("total",))
    for name in targets:
        federation.departments[name].contributions["joint loss"] = Contribution(
            np.zeros(0, np.float32), np.array([1.25])
        )
    outcome = federation.run(federation.plan((group(federation.names), joint)), without("d04", exchange=2))
    assert outcome.sums["joint loss", "all"].scalars.tolist() == [1.25 * 6]
    left = tuple(n for n in federation.names if n != "d04")
    assert np.array_equal(outcome.sums["model", "all"].vector, expected(federation, left).vector)


def test_clamped_entries_are_counted_under_the_mask() -> None:
    federation = Federation.of(5)
    federation.departments["d01"].contributions["model"].vector[:3] = 100.0
    federation.departments["d02"].contributions["model"].vector[7] = -100.0
    outcome = federation.run(federation.plan())
    assert outcome.sums["model", "all"].clipped == 4


def test_replies_may_arrive_one_by_one() -> None:
    federation = Federation.of(5)
    flow = secure_sum(federation.plan(), federation.roster, federation.advertised())
    requests = next(flow)
    with pytest.raises(StopIteration) as end:
        while True:
            requests = flow.send(in_turn(federation.ask(requests)))
    right = expected(federation, federation.names)
    assert np.array_equal(end.value.value.sums["model", "all"].vector, right.vector)


def test_a_repeated_run_sends_the_same_words_before_masks_and_gives_equal_sums() -> None:
    def once(seed: bytes) -> np.ndarray:
        federation = Federation.of(5, seed=seed)
        for department in federation.departments.values():
            department.party = replace(department.party, rounding_key=b"r" * 31 + department.name[-1:].encode())
            vector = np.random.default_rng(7).normal(size=LENGTH).astype(np.float32)
            department.contributions = {"model": Contribution(vector, np.zeros(len(SCALARS)))}
        return federation.run(federation.plan()).sums["model", "all"].vector

    assert np.array_equal(once(b"one run"), once(b"another"))


@pytest.mark.parametrize(
    "fixed",
    [
        FixedPoint(clip=8.0, scale=2.0**26),
        FixedPoint(clip=8.0, scale=2.0**16, weight_low=Fraction(500), weight_high=Fraction(1000)),
    ],
)
def test_a_plan_that_could_overflow_is_refused(fixed: FixedPoint) -> None:
    federation = Federation.of(10)
    plan = federation.plan((group(federation.names, fixed=fixed),))
    with pytest.raises(Malformed, match="can overflow"):
        prove_no_overflow(plan)
    with pytest.raises(RoundFailed, match="can overflow"):
        federation.run(plan)


def test_the_largest_sum_that_the_proof_allows_is_exact() -> None:
    federation = Federation.of(10)
    fixed = FixedPoint(clip=(2**31 - 1) // 10 / 2**4, scale=2.0**4)
    for department in federation.departments.values():
        department.contributions["model"].vector[:] = 3e38
    outcome = federation.run(federation.plan((group(federation.names, fixed=fixed),)))
    limit = int(np.float32(fixed.clip * fixed.scale))
    limit = limit if limit <= (2**31 - 1) // 10 else int(np.nextafter(np.float32(limit), np.float32(0)))
    assert (outcome.sums["model", "all"].vector == np.float32(10 * limit / 16)).all()


def sealed(count: int, **options: object) -> tuple[Federation, object]:
    terms = Terms(coordinator_sees="nothing")
    federation = Federation.of(count, terms=terms)
    recipients = federation.names[2:5]
    plan = federation.plan((group(federation.names, recipients=recipients, opened=("loss",)),), sealed=True, **options)
    return federation, plan


def test_sealed_sums_are_opened_by_recipients_only_and_alike() -> None:
    federation, plan = sealed(7)
    seen = {}

    def look(exchange: int, replies: dict[str, Wire]) -> dict[str, Wire]:
        return without("d06", exchange=4)(exchange, replies)  # Exchanges 1 and 2 agree on the group key.

    original = federation.ask

    def ask(requests):  # type: ignore[no-untyped-def]
        seen.update({n: r for n, r in requests.items() if isinstance(r, SealedSums)})
        return original(requests)

    federation.ask = ask  # type: ignore[method-assign]
    outcome = federation.run(plan, look)
    assert outcome.sums == {}
    assert outcome.sums_hash is not None
    left = tuple(n for n in federation.names if n != "d06")
    right = expected(federation, left)
    for name in plan.recipients:
        opened = federation.departments[name].opened["model", "all"]
        assert np.array_equal(opened.vector, right.vector)
        assert np.array_equal(opened.scalars, right.scalars)
    (words,) = {words.tobytes() for one in seen.values() for _, words in one.sums}
    as_seen = np.frombuffer(words, np.uint32)[:LENGTH].view(np.int32) / FIXED.scale
    assert np.abs(as_seen - right.vector).max() > 100  # What the coordinator holds is still under the pads,
    limbs = FIXED.limbs  # except for the scalar that the plan opens.
    loss = np.frombuffer(words, np.uint32)[LENGTH + limbs : LENGTH + 2 * limbs].view(np.int32).tolist()
    assert sum(v << 16 * i for i, v in enumerate(loss)) / 2**24 == right.scalars[1]


def test_a_department_that_seals_refuses_an_open_plan_and_foreign_recipients() -> None:
    federation = Federation.of(7, terms=Terms(coordinator_sees="nothing"))
    with pytest.raises(RoundFailed, match="lets the coordinator see no sum"):
        federation.run(federation.plan())
    federation = Federation.of(7, terms=Terms(recipients=frozenset({"d00", "d01"})))
    with pytest.raises(RoundFailed, match="may not learn sums"):
        federation.run(federation.plan())


def test_a_group_key_that_not_all_recipients_signed_is_refused() -> None:
    federation, plan = sealed(7)

    def lose_one(exchange: int, replies: dict[str, Wire]) -> dict[str, Wire]:
        return without("d03", exchange=2)(exchange, replies)

    with pytest.raises(RoundFailed, match="not every recipient signed"):
        federation.run(plan, lose_one)


def test_noised_sums_are_near_and_cost_what_the_accountant_says() -> None:
    federation = Federation.of(10)
    fixed = FixedPoint(clip=8.0, scale=2.0**10, scalar_bits=4)
    honest = federation.plan().survivors - federation.roster.colluders
    noise = Noise(
        norm=40.0,
        variance=variance_for(0.5, 40.0, 2.0**10),
        honest=honest,
        scalar_norm=1500.0,
        scalar_variance=variance_for(0.5, 1500.0, 2.0**4),
    )
    plan = federation.plan((group(federation.names, fixed=fixed, noise=noise),))
    outcome = federation.run(plan)
    one = outcome.sums["model", "all"]
    assert one.clipped is None
    error = one.vector - expected(federation, federation.names).vector
    deviation = 0.5 * 40.0 * (10 / honest) ** 0.5
    assert 0.5 * deviation < error.std() < 1.7 * deviation
    cost = privacy(plan)
    assert cost is not None
    assert 1 < cost.epsilon(1e-5) < 100
    assert sampling_distance(plan) < 1e-9


def test_noise_is_on_top_of_a_bounded_overflow_proof_and_counts_on_no_more_than_is_certain() -> None:
    federation = Federation.of(10)
    certain = federation.plan().survivors - federation.roster.colluders
    noise = Noise(norm=1.0, variance=2.0**20, honest=certain + 1)
    fixed = FixedPoint(clip=8.0, scale=2.0**10, scalar_bits=10)
    with pytest.raises(RoundFailed, match="more than are certain"):
        federation.run(federation.plan((group(federation.names, fixed=fixed, noise=noise),)))
    federation = Federation.of(10, terms=Terms(noise_multiplier=1.0))
    with pytest.raises(RoundFailed, match="noise multiplier of 1, found 0"):
        federation.run(federation.plan())


def test_across_rounds_who_leaves_is_isolated_warned_of_or_refused() -> None:
    other = bytes(32)
    for across, count in (("off", 0), ("warn", 1)):
        federation = Federation.of(10, terms=Terms(across_rounds=across))
        federation.run(federation.plan())
        for department in federation.departments.values():
            department.model = other
        warnings = []

        def look(exchange: int, replies: dict[str, Wire], f: Federation = federation, w: list = warnings):  # type: ignore[no-untyped-def, type-arg]
            if exchange == 3:
                w.extend(Wire.from_bytes(f.departments[n].stored).warning for n in replies)  # type: ignore[attr-defined]
            return without("d03", exchange=2)(exchange, replies)

        federation.run(federation.plan(round=2, model_hash=other), look)
        assert len({w for w in warnings if w}) == count
    federation = Federation.of(10, terms=Terms(across_rounds="enforce"))
    federation.run(federation.plan())
    for department in federation.departments.values():
        department.model = other
    with pytest.raises(RoundFailed, match="involves only d03"):
        federation.run(federation.plan(round=2, model_hash=other), without("d03", exchange=2))


def test_next_rounds_keys_come_with_the_last_message_and_the_result_can_be_published() -> None:
    federation = Federation.of(5)
    coordinator = federation.departments["d00"].party.identity
    outcome = federation.run(federation.plan())
    published = Published.sign(coordinator, outcome.plan.instance, outcome.survivors, outcome.hash())
    published.verify(coordinator.public)
    with pytest.raises(Malformed):
        replace(published, survivors=("d00",)).verify(coordinator.public)


def test_n_equals_two_needs_both_policies_to_say_so() -> None:
    federation = Federation.of(2)
    with pytest.raises(Malformed, match="too few"):
        federation.plan()
    with pytest.raises(RoundFailed, match="hides among at least 2"):
        federation.run(federation.plan(crowd=1))
    federation = Federation.of(2, terms=Terms(crowd=1))
    outcome = federation.run(federation.plan(crowd=1))
    assert np.array_equal(outcome.sums["model", "all"].vector, expected(federation, federation.names).vector)


def test_n_equals_three_has_no_drop_out() -> None:
    federation = Federation.of(3)
    with pytest.raises(RoundFailed, match="2 departments are left, 3 are needed"):
        federation.run(federation.plan(), without("d01", exchange=2))
