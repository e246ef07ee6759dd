"""Drawing a graph and asking it: attributes, who depends on whom, and bad input in one clear sentence."""

from __future__ import annotations

from datetime import date
from typing import Any

import networkx as nx
import pytest
from hypothesis import given

from lepton_fed.collaboration import Graph, Node, Terms
from lepton_fed.errors import ConfigError
from tests.collaboration.graphs import RESEARCH, SUPPLY, WORKSHOP, graph_of, graphs, plant


def test_what_is_known_of_a_department_is_a_value() -> None:
    graph = Graph()
    graph.add_node(
        WORKSHOP,
        devices=2,
        memory=64,
        cores=16,
        hours="周一-周五 08:00-18:00",
        people=5,
        skills=["PyTorch", "质检"],
        goals=("少停机",),
        needs=["故障模型"],
    )
    node = graph.node(WORKSHOP)
    assert node == Node(
        name=WORKSHOP,
        devices=2,
        memory=64.0,
        cores=16,
        hours="周一-周五 08:00-18:00",
        people=5,
        skills=("PyTorch", "质检"),
        goals=("少停机",),
        needs=("故障模型",),
    )
    assert node.opening is not None
    assert len(node.opening.spans) == 5
    graph.add_node(SUPPLY)
    assert graph.node(SUPPLY).opening is None


def test_an_edge_carries_its_terms_in_either_language() -> None:
    graph, _ = plant()
    graph.add_edge(
        SUPPLY, WORKSHOP, "产量", purpose="排产", artefacts=["表", "model"], weight_cap=0.5, expires=date(2026, 12, 31)
    )
    (edge,) = graph.between(SUPPLY, WORKSHOP)
    assert edge.terms == Terms(purpose="排产", artefacts=("表", "model"), weight_cap=0.5, expires="2026-12-31")
    assert edge.terms.carries == ("table", "model")
    assert not edge.terms.expired(date(2026, 12, 31))
    assert edge.terms.expired(date(2027, 1, 1))
    assert not edge.terms.expired(None)


def test_a_department_may_depend_on_another_for_several_things() -> None:
    graph = graph_of(("甲", "乙", "x"), ("甲", "乙", "y"))
    assert [edge.what for edge in graph.between("甲", "乙")] == ["x", "y"]
    assert graph.between("乙", "甲") == ()
    assert graph.dependencies("甲") == ("乙",)


@given(graphs())
def test_who_depends_on_whom_is_what_networkx_says(graph: Graph) -> None:
    for name in graph.departments:
        assert set(graph.dependencies(name)) == set(graph.needs.successors(name))
        assert set(graph.dependents(name)) == set(graph.needs.predecessors(name))
        assert set(graph.dependencies(name, transitive=True)) == nx.descendants(graph.needs, name)
        assert set(graph.dependents(name, transitive=True)) == nx.ancestors(graph.needs, name)


def test_what_networkx_is_given_cannot_be_changed() -> None:
    graph, _ = plant()
    with pytest.raises(nx.NetworkXError, match="rozen"):
        graph.needs.add_node("别的")
    assert graph.needs.edges[RESEARCH, WORKSHOP, "生产线数据"]["edge"] == graph.edges[0]


def test_on_a_day_only_what_holds_then_is_left() -> None:
    graph, sharing = plant()
    graph.add_edge(SUPPLY, WORKSHOP, "产量", expires="2026-01-31")
    sharing.add_node(WORKSHOP, "产量")
    sharing.add_edge(WORKSHOP, SUPPLY, "产量", expires="2026-03-31")
    after = graph.on(date(2026, 2, 1))
    assert after.edges == graph.edges[:2]
    assert after.departments == graph.departments
    assert after.sharing is not None
    assert len(list(after.sharing.passages())) == 3
    assert after.sharing.grants == sharing.grants
    assert len(list(graph.on(date(2026, 4, 1)).sharing.passages())) == 2  # type: ignore[union-attr]
    assert graph.on(date(2026, 1, 31)).edges == graph.edges


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "attributes", "sentence"),
    [
        (WORKSHOP, {}, "'生产车间' is in the graph already; say everything about it in one add_node"),
        ("ＡＢ", {}, "'ab' and 'ＡＢ' differ only in width or case; give each its own name"),
        ("x", {"memroy": 3}, "'x': unknown key `memroy`; did you mean `memory`?"),
        ("x", {"cores": 1.5}, "'x': `cores` is 1.5, and must be a whole number"),
        ("x", {"cores": 0}, "'x': cores must be at least 1, not 0"),
        ("x", {"devices": -1}, "'x': devices must be at least 0, not -1"),
        ("x", {"devices": True}, "'x': `devices` is true, and must be a whole number"),
        ("x", {"memory": float("nan")}, "'x': `memory` is NaN, and must be a number"),
        ("x", {"memory": 0}, "'x': memory is in GiB and must be positive, not 0.0"),
        ("x", {"people": ["张三"]}, "'x': `people` is a list, and must be a whole number"),
        ("x", {"skills": "PyTorch"}, "'x': `skills` is \"PyTorch\", and must be a list of texts"),
        ("x", {"skills": ["a", "a"]}, "'x': skills lists 'a' twice; once is enough"),
        ("x", {"needs": [" "]}, "'x': needs may hold no blank word"),
        ("x", {"goals": {1, 2}}, "'x': attributes must be texts, numbers, days, or lists of them"),
        ("x", {"roles": ["sorce"]}, "did you mean 'source'?"),
        ("x", {"roles": ["source", "source"]}, "x: a role is listed twice"),
        ("x", {"hours": "9-5"}, "'x': hours is '9-5', which cannot be read; write them as"),
        ("*", {}, "a department may not be called '*'"),
        ("", {}, "a department's name may not be blank"),
        (3, {}, "3: `name` is 3, and must be text"),
    ],
)
def test_a_department_that_cannot_be_is_one_sentence_and_changes_nothing(
    name: Any, attributes: dict[str, Any], sentence: str
) -> None:
    graph, _ = plant()
    graph.add_node("ab")
    with pytest.raises(ConfigError) as told:
        graph.add_node(name, **attributes)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)
    assert graph.departments == (RESEARCH, WORKSHOP, SUPPLY, "ab")


@pytest.mark.parametrize(
    ("a", "b", "label", "terms", "sentence"),
    [
        ("研发部", WORKSHOP, "x", {}, "'研发部' is no department of the graph; did you mean '研发部门'?"),
        (RESEARCH, "Q", "x", {}, "'Q' is no department of the graph; add_node makes it one"),
        (RESEARCH, "*", "x", {}, "'*' is no department of the graph"),
        (RESEARCH, RESEARCH, "x", {}, "'研发部门' depends on itself; an edge joins two departments"),
        (RESEARCH, WORKSHOP, "生产线数据", {}, "for '生产线数据' is in the graph already; say everything"),
        (RESEARCH, WORKSHOP, " ", {}, "'研发部门' → '生产车间': say what for in one line of text, not ' '"),
        (RESEARCH, WORKSHOP, 3, {}, "say what for in one line of text, not 3"),
        (RESEARCH, WORKSHOP, "x", {"expire": "2026-01-01"}, "unknown key `expire`; did you mean `expires`?"),
        (RESEARCH, WORKSHOP, "x", {"expires": "1.2.2026"}, "expires is '1.2.2026', which is no day; write it as"),
        (RESEARCH, WORKSHOP, "x", {"artefacts": ["modle"]}, "did you mean 'model'?"),
        (RESEARCH, WORKSHOP, "x", {"artefacts": ["表", "table"]}, "artefacts lists 'table' twice"),
        (RESEARCH, WORKSHOP, "x", {"weight_cap": 0}, "weight_cap must be above 0 and at most 1, not 0"),
        (RESEARCH, WORKSHOP, "x", {"weight_cap": 1.5}, "weight_cap must be above 0 and at most 1, not 1.5"),
        (RESEARCH, WORKSHOP, "x", {"purpose": "a\nb"}, "purpose must be one line"),
    ],
)  # fmt: skip
def test_an_edge_that_cannot_be_is_one_sentence_and_changes_nothing(
    a: str, b: str, label: Any, terms: dict[str, Any], sentence: str
) -> None:
    graph, _ = plant()
    with pytest.raises(ConfigError) as told:
        graph.add_edge(a, b, label, **terms)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)
    assert len(graph.edges) == len(graph.needs.edges) == 2


def test_who_is_no_department_cannot_be_asked_about() -> None:
    graph, _ = plant()
    for ask in (graph.node, graph.dependencies, graph.dependents, graph.away):
        with pytest.raises(ConfigError, match="did you mean '生产车间'"):
            ask("生产車间")  # type: ignore[operator]
