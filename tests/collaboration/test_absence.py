"""What stops if somebody is away, against networkx where nobody can be replaced, and by hand where they can."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.collaboration import Graph
from lepton_fed.collaboration.absence import hinges
from tests.collaboration.graphs import graph_of, graphs


@given(graphs(labels="x"), st.data())
def test_where_every_edge_is_for_something_else_all_who_depend_on_the_absent_stop(
    drawn: Graph, data: st.DataObject
) -> None:
    edges = ((e.dependent, e.on, f"{e.dependent}{e.on}") for e in drawn.edges)
    graph = graph_of(*edges, names="".join(drawn.departments))
    away = data.draw(st.lists(st.sampled_from(graph.departments), unique=True, max_size=2))
    found = graph.away(*away)
    assert set(found.stopped) == set().union(*(nx.ancestors(graph.needs, name) for name in away)) - set(away)
    assert found.weakened == ()


@given(graphs(), st.data())
def test_who_goes_on_has_a_giver_left_for_everything(graph: Graph, data: st.DataObject) -> None:
    away = data.draw(st.lists(st.sampled_from(graph.departments), unique=True))
    found = graph.away(*away)
    gone = set(away) | set(found.stopped)
    for name in set(graph.departments) - gone:
        needed = [e for e in graph.edges if e.dependent == name]
        assert all(any(e.on not in gone for e in needed if e.what == what) for what in {e.what for e in needed})
        assert (name in found.weakened) == any(e.on in gone for e in needed)
    for name, lacking in found.stopped.items():
        for what in lacking:
            assert all(e.on in gone for e in graph.edges if (e.dependent, e.what) == (name, what))
    assert not set(found.weakened) & gone


def test_three_lines_replace_each_other_and_all_of_them_away_nobody_does() -> None:
    graph = graph_of(("研", "一"), ("研", "二"), ("研", "三"), ("售", "研", "模型"))
    assert graph.away("一").weakened == ("研",)
    assert graph.away("一").stopped == {}
    found = graph.away("三", "一", "二")
    assert found.away == ("一", "二", "三")
    assert found.stopped == {"研": ("x",), "售": ("模型",)}


def test_a_cycle_stops_as_a_whole_and_the_absent_are_not_counted_among_the_stopped() -> None:
    assert graph_of(("甲", "乙"), ("乙", "丙"), ("丙", "甲")).away("乙").stopped == {"甲": ("x",), "丙": ("x",)}


def test_everything_hangs_on_a_department_without_which_half_of_the_others_stop() -> None:
    graph = graph_of(("甲", "丁"), ("乙", "丁"), names="甲乙丙丁戊")
    (found,) = hinges(graph.needs)
    assert found.away == ("丁",)
    assert tuple(found.stopped) == ("甲", "乙")
    assert hinges(graph_of(("甲", "丁"), ("乙", "丁"), names="甲乙丙丁戊己").needs) == ()
    assert hinges(graph_of(("甲", "乙")).needs) == ()
