"""Order, cycles, implied dependencies and the critical path, against networkx's own answers and by hand."""

from __future__ import annotations

import contextlib
import io
import itertools
import subprocess
import sys

import networkx as nx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lepton_fed.collaboration import Graph
from lepton_fed.collaboration.precedence import pairs
from lepton_fed.errors import ConfigError
from tests.collaboration.graphs import RESEARCH, SUPPLY, WORKSHOP, graph_of, graphs, plant

TIMES = st.lists(st.integers(0, 9), min_size=6, max_size=6)


# ---------------------------------------------------------------- order


@given(graphs(acyclic=True))
def test_everybody_comes_after_all_they_depend_on(graph: Graph) -> None:
    line = graph.order()
    assert sorted(line) == sorted(graph.departments)
    assert all(line.index(e.on) < line.index(e.dependent) for e in graph.edges)
    stage = {name: k for k, names in enumerate(graph.stages()) for name in names}
    assert all(stage[e.on] < stage[e.dependent] for e in graph.edges)
    for name, k in stage.items():
        assert k == 1 + max((stage[b] for b in graph.dependencies(name)), default=-1)


def test_of_those_that_could_be_next_the_first_added_comes_first() -> None:
    assert graph_of(("丙", "甲"), names="丁丙乙甲").order() == ("丁", "乙", "甲", "丙")
    assert graph_of(names="丁丙乙").order() == ("丁", "丙", "乙")


@given(graphs())
def test_a_cycle_leaves_no_order(graph: Graph) -> None:
    if nx.is_directed_acyclic_graph(graph.needs):
        assert graph.cycles() == ()
        graph.order()
        return
    for ask in (graph.order, graph.stages, graph.critical_path):
        with pytest.raises(ConfigError, match="the graph has a cycle, so there is no order of work"):
            ask()


# ---------------------------------------------------------------- cycles


@given(graphs())
def test_cycles_are_networkx_s_each_edge_by_edge_the_shortest_first(graph: Graph) -> None:
    found = graph.cycles()
    expected = {frozenset(zip(c, [*c[1:], c[0]], strict=True)) for c in nx.simple_cycles(pairs(graph.needs))}
    assume(len(expected) < 100)
    assert {frozenset((e.dependent, e.on) for e in cycle.edges) for cycle in found} == expected
    assert len(found) == len(expected)
    assert [len(c.departments) for c in found] == sorted(len(c.departments) for c in found)
    for cycle in found:
        assert cycle.departments[0] == min(cycle.departments, key=graph.departments.index)
        hops = zip(cycle.departments, [*cycle.departments[1:], cycle.departments[0]], strict=True)
        assert cycle.edges == tuple(edge for a, b in hops for edge in graph.between(a, b))


def test_a_cycle_is_told_edge_by_edge_with_what_for() -> None:
    graph, _ = plant()
    graph.add_edge(WORKSHOP, RESEARCH, "故障模型")
    sentence = (
        "the graph has a cycle, so there is no order of work: 研发部门 depends on 生产车间 for 生产线数据, "
        "生产车间 depends on 研发部门 for 故障模型; take one of these edges out"
    )
    with pytest.raises(ConfigError) as told:
        graph.order()
    assert str(told.value) == sentence


def test_of_several_cycles_the_edge_that_most_of_them_hold_is_named() -> None:
    graph = graph_of(("甲", "乙"), ("乙", "甲"), ("乙", "丙"), ("丙", "甲"))
    with pytest.raises(
        ConfigError, match="one of 2 cycles, and 2 of them hold 甲 depends on 乙 for x, so take that edge out first"
    ):
        graph.order()


def test_of_cycles_without_number_a_hundred_are_listed() -> None:
    names = [f"科{k}" for k in range(40)]
    graph = Graph()
    for name in names:
        graph.add_node(name)
    for a, b in itertools.permutations(names, 2):
        graph.add_edge(a, b, "x")
    assert len(graph.cycles()) == 100
    assert len(graph.cycles(most=3)) == 3
    with pytest.raises(ConfigError, match="one of 100 or more cycles"):
        graph.order()


def test_answers_are_the_same_in_every_process() -> None:
    program = (
        "from tests.collaboration.graphs import graph_of\n"
        "names = [chr(0x4e00 + 7 * k) for k in range(9)]\n"
        "edges = [(a, b) for k, a in enumerate(names) for b in (names[(k + 1) % 9], names[(k + 4) % 9])]\n"
        "graph = graph_of(*edges)\n"
        "print(graph.cycles(most=5), graph.svg(), graph.mermaid(), graph.implied(), graph.report(), sep='')\n"
    )

    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True, env=environment
    )
    with contextlib.redirect_stdout(io.StringIO()) as here:
        exec(program, {})
    assert done.stdout == here.getvalue()


# ---------------------------------------------------------------- what says nothing new


def reach(graph: Graph, edges: set[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """Who depends on whom through these edges."""
    joined: nx.DiGraph[str] = nx.DiGraph()
    joined.add_nodes_from(graph.departments)
    joined.add_edges_from((a, b) for a, b, _ in edges)
    return {(a, b) for a in joined for b in nx.descendants(joined, a)}


@given(graphs(acyclic=True))
def test_without_cycles_the_rest_is_networkx_s_transitive_reduction(graph: Graph) -> None:
    implied = {(one.edge.dependent, one.edge.on) for one in graph.implied() if not one.same}
    same = {(one.edge.dependent, one.edge.on) for one in graph.implied() if one.same}
    left = {(e.dependent, e.on) for e in graph.edges} - implied - same
    assert left == set(nx.transitive_reduction(pairs(graph.needs)).edges)


@given(graphs(labels="xyz"))
def test_taking_all_implied_edges_out_changes_nobody_s_waiting_cycles_or_not(graph: Graph) -> None:
    edges = {(e.dependent, e.on, e.what) for e in graph.edges}
    out = {(one.edge.dependent, one.edge.on, one.edge.what) for one in graph.implied()}
    assert reach(graph, edges - out) == reach(graph, edges)
    same = {(one.edge.dependent, one.edge.on, one.edge.what) for one in graph.implied() if one.same}
    for what in "xyz":
        alike = {edge for edge in edges if edge[2] == what}
        assert reach(graph, alike - same) == reach(graph, alike)


@given(graphs(labels="xy"))
def test_an_implied_edge_has_a_way_around_it(graph: Graph) -> None:
    for one in graph.implied():
        way = (one.edge.dependent, *one.through, one.edge.on)
        assert one.through
        for a, b in itertools.pairwise(way):
            assert {e.what for e in graph.between(a, b)} >= ({one.edge.what} if one.same else set())
            assert graph.between(a, b)


def test_a_label_of_its_own_says_something_even_where_the_order_is_implied() -> None:
    alike = graph_of(("甲", "乙"), ("乙", "丙"), ("甲", "丙"))
    (one,) = alike.implied()
    assert (str(one.edge), one.through, one.same) == ("甲 depends on 丙 for x", ("乙",), True)
    other = graph_of(("甲", "乙"), ("乙", "丙"), ("甲", "丙", "y"))
    assert [one.same for one in other.implied()] == [False]


def test_inside_a_cycle_nothing_is_called_superfluous() -> None:
    assert graph_of(("甲", "乙"), ("乙", "丙"), ("丙", "甲"), ("甲", "丙")).implied() == ()


# ---------------------------------------------------------------- critical path


@given(graphs(acyclic=True), TIMES)
def test_the_critical_path_is_the_longest_of_all_chains(graph: Graph, times: list[int]) -> None:
    durations = dict(zip(graph.departments, map(float, times), strict=False))
    found = graph.critical_path(durations)
    weighted: nx.DiGraph[str] = nx.DiGraph()
    for name in graph.departments:
        weighted.add_edge("begin", name, weight=0.0)
        weighted.add_edge(name, "end", weight=durations[name])
    weighted.add_weighted_edges_from((e.on, e.dependent, durations[e.on]) for e in graph.edges)
    assert found.length == nx.dag_longest_path_length(weighted)
    assert sum(durations[name] for name in found.path) == found.length
    assert all(graph.between(after, before) for before, after in itertools.pairwise(found.path))
    assert all(found.slack[name] == 0 for name in found.path)


@given(graphs(acyclic=True), TIMES, st.data())
def test_slack_is_how_much_a_department_may_be_late(graph: Graph, times: list[int], data: st.DataObject) -> None:
    durations = dict(zip(graph.departments, map(float, times), strict=False))
    found = graph.critical_path(durations)
    for e in graph.edges:
        assert found.start[e.dependent] >= found.start[e.on] + durations[e.on]
        assert found.rank[e.on] >= durations[e.on] + found.rank[e.dependent]
    name = data.draw(st.sampled_from(graph.departments))
    slower = {**durations, name: durations[name] + found.slack[name]}
    assert graph.critical_path(slower).length == found.length
    slower[name] += 1
    assert graph.critical_path(slower).length == found.length + 1


def test_without_durations_everybody_counts_one() -> None:
    graph, _ = plant()
    found = graph.critical_path()
    assert (found.path, found.length) == ((WORKSHOP, RESEARCH), 2.0)
    assert Graph().critical_path().path == ()


@pytest.mark.parametrize(
    ("durations", "sentence"),
    [
        ({RESEARCH: 1, WORKSHOP: 1}, "durations leaves out '供应链部门'; give it a number, 0 if"),
        ({RESEARCH: 1, WORKSHOP: 1, SUPPLY: -1}, "the duration of '供应链部门' is -1; give a number"),
        ({RESEARCH: 1, WORKSHOP: 1, SUPPLY: float("inf")}, "the duration of '供应链部门' is inf"),
        ({"供应部门": 1}, "durations names '供应部门', which is no department of the graph; did you mean"),
    ],
)  # fmt: skip
def test_durations_that_do_not_fit_are_refused(durations: dict[str, float], sentence: str) -> None:
    graph, _ = plant()
    with pytest.raises(ConfigError) as told:
        graph.critical_path(durations)
    assert sentence in str(told.value)
