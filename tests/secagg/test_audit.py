"""The audit finds every combination that singles somebody out, and lets nothing else stand in its way."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.secagg import linear
from lepton_fed.secagg.audit import (
    Released,
    Rule,
    atoms,
    coalition_leverage,
    examine,
    smallest_merge,
    verdict,
    worst_leverage,
)
from tests.thoroughness import at_most

NAMES = tuple("abcdefghijkl")


def sums(*members: str) -> tuple[Released, ...]:
    return tuple(Released.of(f"s{index}", tuple(sorted(one))) for index, one in enumerate(members))


def brute_force(rows: tuple[Released, ...], least: int) -> bool:
    """Support rule by definition: no set of fewer than `least` columns whose removal lowers the rank."""
    names = sorted(frozenset().union(*(row.members for row in rows)))
    matrix = tuple(tuple(dict(row.weights).get(name, Fraction(0)) for name in names) for row in rows)
    columns = range(len(names))
    return not any(linear.carries(matrix, chosen) for size in range(1, least) for chosen in combinations(columns, size))


@given(
    st.lists(st.sets(st.sampled_from(NAMES[:6]), min_size=1), min_size=1, max_size=4),
    st.integers(2, 5),
    st.booleans(),
)
@settings(max_examples=at_most(60), deadline=None)
def test_the_verdict_is_the_definition(members: list[set[str]], least: int, weighted: bool) -> None:
    rows = tuple(
        Released.of(f"s{i}", sorted(one), [Fraction((i * ord(n)) % 5 + 1 if weighted else 1) for n in sorted(one)])
        for i, one in enumerate(members)
    )
    finding = examine(rows, Rule(least, soft=Fraction(1)))
    assert finding.safe == brute_force(rows, least)
    if not finding.safe:
        exposure = finding.exposure
        assert exposure is not None
        involved = {
            name
            for name in NAMES
            if sum(
                f * dict(next(r for r in rows if r.name == s).weights).get(name, Fraction(0))
                for s, f in exposure.combination
            )
        }
        assert involved == set(exposure.departments)
        assert 0 < len(involved) < least


def test_the_seeds_own_three_department_graph_gives_everything_away() -> None:
    found = verdict(sums("ab", "abc", "bc"), Rule.of(2, 1))
    assert found.mode == "refused"
    assert len(found.finding.exposure.departments) == 1
    assert found.merge == (("s0", "s2"), ("s1",))  # The union is the middle department's own neighbourhood.


def test_a_ring_of_five_gives_everything_away() -> None:
    ring = sums(*("".join(NAMES[(i + j) % 5] for j in (-1, 0, 1)) for i in range(5)))
    found = verdict(ring, Rule.of(2, 1))
    assert found.mode == "refused"
    assert "involves only" in str(found)


def test_one_crowd_and_large_hubs_are_atoms() -> None:
    assert verdict(sums(NAMES), Rule.of(3, 4)).mode == "atom"
    assert verdict(sums(NAMES[:6], NAMES[6:]), Rule.of(2, 4)).mode == "atom"


def test_small_hubs_are_refused_and_the_merge_is_the_smallest() -> None:
    found = verdict(sums(NAMES[:6], NAMES[6:9], NAMES[9:]), Rule.of(2, 4))
    assert found.mode == "refused"
    assert found.merge == (("s0",), ("s1", "s2"))


def test_overlapping_cohorts_with_small_atoms_pass_as_cohorts() -> None:
    found = verdict(sums(NAMES[:7], NAMES[3:]), Rule.of(2, 3))
    assert found.mode == "cohort"
    assert min(map(len, found.atoms)) < 5


def test_n_equals_two_is_refused_unless_k_is_one() -> None:
    assert verdict(sums("ab"), Rule.of(2, 0)).mode == "refused"
    assert verdict(sums("ab"), Rule.of(1, 0)).mode == "atom"


def test_soft_assignments_expose_the_one_hard_member() -> None:
    """A victim at (1, 0) and ten others at (1/2, 1/2): the difference of the hub sums is the victim."""
    others = NAMES[1:11]
    half = [Fraction(1, 2)] * 10
    first = Released.of("hub 1", ("a", *others), [Fraction(1), *half])
    second = Released.of("hub 2", others, half)
    found = verdict((first, second), Rule.of(3, 3))
    assert found.mode == "refused"
    assert found.finding.exposure.departments == ("a",)


def test_dominance_is_refused_although_the_support_passes() -> None:
    heavy = Released.of("all", NAMES[:6], [Fraction(1000), *[Fraction(1)] * 5])
    found = verdict((heavy,), Rule.of(3, 2))
    assert found.mode == "refused"
    assert found.finding.exposure.departments == ("a",)
    assert verdict((heavy,), Rule.of(3, 2, soft=Fraction(1))).mode == "atom"


def test_ten_personalised_rows_over_twelve_pass_support_and_fail_leverage() -> None:
    generator = np.random.default_rng(0)
    rows = tuple(
        Released.of(f"t{j}", NAMES, [Fraction(int(w)) for w in generator.integers(1, 100, 12)]) for j in range(10)
    )
    assert examine(rows, Rule(3, soft=Fraction(1))).safe
    assert not examine(rows, Rule(3)).safe


def test_leverage_is_the_projectors_diagonal_and_the_band_bounds_it() -> None:
    matrix = tuple(tuple(Fraction(v) for v in row) for row in ((1, 2, 0, 1, 0), (0, 1, 1, 3, 1)))
    w = np.array(matrix, float)
    assert np.allclose([float(v) for v in linear.leverages(matrix)], np.diag(np.linalg.pinv(w) @ w))
    scaled = w.copy()
    scaled[:, 3] *= 4
    assert float(worst_leverage(linear.leverages(matrix)[3], Fraction(4))) == pytest.approx(
        (np.linalg.pinv(scaled) @ scaled)[3, 3]
    )


def test_a_band_of_secret_weights_counts_as_its_worst_case() -> None:
    assert examine(sums("abc"), Rule.of(2, 1, band=Fraction(2))).safe
    assert not examine(sums("abc"), Rule.of(2, 1, band=Fraction(3))).safe


def test_ten_half_size_cohorts_of_a_hundred_are_settled() -> None:
    generator = np.random.default_rng(3)
    names = [f"n{i:03d}" for i in range(100)]
    rows = tuple(Released.of(f"s{j}", [n for n in names if generator.random() < 0.5]) for j in range(10))
    assert examine(rows, Rule.of(3, 0)).safe
    assert len(atoms(rows)) > 90


def test_search_effort_is_bounded_and_gives_up_on_the_safe_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton_fed.secagg.audit.EFFORT", 0)
    generator = np.random.default_rng(4)
    names = [f"x{i:03d}" for i in range(40)]
    rows = tuple(Released.of(f"s{j}", [n for n in names if generator.random() < 0.5]) for j in range(5))
    finding = examine(rows, Rule.of(8, 3))
    assert not finding.safe
    assert "could not be proved" in finding.reason


def test_a_merge_of_many_cohorts_is_found_greedily() -> None:
    names = [f"m{i:02d}" for i in range(24)]
    cohorts = tuple(Released.of(f"s{j}", names[3 * j : 3 * j + 3]) for j in range(8))
    merge = smallest_merge(cohorts, Rule.of(3, 3))
    assert merge is not None
    assert all(3 * len(part) >= 6 for part in merge)


def test_a_coalition_leaves_fewer_to_hide_among() -> None:
    assert coalition_leverage(sums(NAMES[:10]), 3) == Fraction(1, 7)
