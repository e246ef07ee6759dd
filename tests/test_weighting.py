"""α adds up to one over any sources, β is 1 where the file says nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.settings import Weights
from lepton_fed.weighting import alphas, beta, raw_weight

NAMES = ("内科", "外科", "儿科", "药房")
tables = st.fixed_dictionaries({n: st.floats(0, 1e6) for n in NAMES}).filter(
    lambda t: any(v > 1e-3 for v in t.values())
)
some = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


@given(tables, some)
def test_alphas_of_a_table_add_up_to_one_and_keep_its_ratios(table: dict[str, float], sources: list[str]) -> None:
    if not any(table[n] > 1e-3 for n in sources):
        return
    found = alphas(Weights(alpha=table), sources)
    assert found is not None
    assert math.isclose(sum(found.values()), 1.0)
    total = sum(table[n] for n in sources)
    assert all(math.isclose(found[n] * total, table[n], rel_tol=1e-9, abs_tol=1e-9) for n in sources)


@given(some)
def test_uniform_alphas_are_equal(sources: list[str]) -> None:
    assert alphas(Weights(alpha="uniform"), sources) == {n: 1 / len(sources) for n in sources}


def test_example_counts_are_known_to_their_department_alone() -> None:
    assert alphas(Weights(), NAMES) is None
    assert raw_weight(Weights(), "内科", 37) == 37.0


def test_a_raw_weight_follows_the_file() -> None:
    assert raw_weight(Weights(alpha="uniform"), "内科", 37) == 1.0
    table = Weights(alpha={"内科": 2.5})
    assert raw_weight(table, "内科", 37) == 2.5
    assert raw_weight(table, "外科", 37) == 0.0


def test_beta_is_a_number_or_a_table_whose_missing_names_take_one() -> None:
    assert beta(Weights(beta=3.0), "内科") == 3.0
    table = Weights(beta={"内科": 0.0, "外科": 2.0})
    assert [beta(table, name) for name in NAMES] == [0.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("bad", [{"内科": -1.0}, {"内科": math.nan}, {"内科": math.inf}])
def test_weights_that_mean_nothing_are_refused(bad: dict[str, float]) -> None:
    for table in ({"alpha": bad}, {"beta": bad}):
        with pytest.raises(ValueError, match="weights:"):
            Weights(**table)  # type: ignore[arg-type]


def test_alphas_that_are_all_zero_are_refused_and_a_beta_table_may_spare_those_it_names() -> None:
    with pytest.raises(ValueError, match="alpha is zero for everybody"):
        Weights(alpha={"内科": 0.0, "外科": 0.0})
    with pytest.raises(ValueError, match="beta is zero for everybody"):
        Weights(beta=0.0)
    assert beta(Weights(beta={"内科": 0.0}), "外科") == 1.0
