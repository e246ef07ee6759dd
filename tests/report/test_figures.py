"""Drawings: labels that do not cover each other, a graph that says what the edges say, SVG that parses."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lepton_fed.report import Comparison, ReportContent, figures
from lepton_fed.report.network import all_learn_from_all, drawn_departments, network
from lepton_fed.report.words import gain
from lepton_fed.settings import Dependency
from tests.report.contents import THREE, many, settings, three
from tests.thoroughness import at_most


@given(st.lists(st.floats(-50, 300), min_size=1, max_size=15))
def test_labels_are_pushed_apart_and_keep_their_order(positions: list[float]) -> None:
    wanted = {str(i): p for i, p in enumerate(positions)}
    placed = figures.apart(wanted, 13.0, 0.0, 250.0)
    order = sorted(wanted, key=lambda who: wanted[who])
    gaps = np.diff([placed[who] for who in order])
    assert (gaps >= 13.0 - 1e-9).all()
    assert max(placed.values()) <= 250.0 + 1e-9
    assert min(placed.values()) >= -1e-9 or 13.0 * (len(positions) - 1) > 200.0


def test_labels_far_apart_stay_where_they_are() -> None:
    assert figures.apart({"a": 10.0, "b": 100.0}, 13.0, 0.0, 250.0) == {"a": 10.0, "b": 100.0}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_no_bar_of_the_distribution_holds_losers_and_winners(values: list[float]) -> None:
    edges = figures._bins(np.array(values))
    low, high = min(*values, 0.0), max(*values, 0.0)
    assert np.abs(edges).min() <= 1e-9 * max(1.0, high - low)
    assert edges[0] <= low + 1e-6
    assert edges[-1] >= high - 1e-6


def test_a_long_curve_is_thinned_but_keeps_its_ends() -> None:
    line = {r: float(r) for r in range(10_000)}
    kept = figures._finite(line)
    assert len(kept) <= figures.MOST_POINTS + 1
    assert (min(kept), max(kept)) == (0, 9_999)


def test_rounds_that_were_not_measured_are_left_out() -> None:
    assert figures._finite({3: 0.5, 1: math.nan, 2: math.inf, 0: 0.1}) == {0: 0.1, 3: 0.5}


def test_bars_of_an_auc_start_where_guessing_ends() -> None:
    assert figures._bar_start("auc", 0.55) == 0.5
    assert figures._bar_start("accuracy", 0.55) == 0.0
    assert figures._bar_start("auc", 0.1) == 0.0


def test_without_anything_to_draw_there_is_no_drawing() -> None:
    assert figures.bars([], "auc") == ""
    assert figures.curves("c", "auc", "test", {"a": {1: math.nan}}) == ""
    assert figures.joint_loss({}) == ""
    assert figures.times({}) == ""
    assert figures.times({"training": 0.0}) == ""
    assert figures.spread([gain(Comparison("a", "auc"))], "auc") == ""


def test_all_learn_from_all_is_recognised_with_or_without_oneself() -> None:
    complete = [(a, b) for a in THREE for b in THREE]
    assert all_learn_from_all(complete)
    assert all_learn_from_all([(a, b) for a, b in complete if a != b])
    assert all_learn_from_all([(a, b) for a in THREE for b in (*THREE, "target only")])
    assert not all_learn_from_all(complete[:-2])


def texts(drawing: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(drawing).iter("text")]


def test_a_complete_graph_is_drawn_through_one_mean() -> None:
    content = three()
    assert {"α 0.6 β 1", "α 0.1 β 0.5", "β 1", "会诊意见", *THREE} <= set(texts(network(content)))


def test_a_chain_is_drawn_edge_by_edge_with_the_weights_of_its_own_mean() -> None:
    content = three(
        edges=(("内科", "外科"), ("外科", "急诊科")),
        alpha={"外科": {"内科": 1.0}, "急诊科": {"外科": 1.0}},
        beta={"外科": 2.0, "急诊科": 0.25},
    )
    assert {"α 1 β 2", "α 1 β 0.25"} <= set(texts(network(content)))


@examples(max_examples=at_most(20), deadline=None)
@given(st.integers(1, 12), st.data())
def test_every_graph_can_be_drawn(n: int, data: st.DataObject) -> None:
    names = tuple(f"d{i}" for i in range(n))
    pair = st.tuples(st.sampled_from(names), st.sampled_from(names))
    edges = data.draw(st.lists(pair, max_size=20))
    needs = data.draw(st.lists(pair, max_size=6))
    content = three(
        settings=settings(names, graph=tuple(Dependency(from_=a, to=b, needs="x") for a, b in needs)),
        edges=edges, alpha={"": dict.fromkeys(names, 1 / n)}, beta=dict.fromkeys(names, 1.0),
    )  # fmt: skip
    assert set(names) <= set(texts(network(content)))


def test_of_many_departments_those_of_largest_weight_are_drawn() -> None:
    content: ReportContent = many(100, rounds=1)
    assert drawn_departments(content) == [f"门店{i:04d}" for i in range(70, 100)]


@pytest.mark.parametrize("count", [3, 8, 9, 30])
def test_figures_stay_as_wide_as_a_phone(count: int) -> None:
    drawing = ElementTree.fromstring(network(many(count, rounds=1)))
    assert [float(x) for x in str(drawing.get("viewBox")).split()][2] == pytest.approx(400)
