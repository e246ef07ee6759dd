"""From a federation file to a graph and back: the same settings, the same E, cohorts and order of work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed import cohorts
from lepton_fed.collaboration import DataSharing, Graph
from lepton_fed.collaboration.federation_tables import Overweight
from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError
from lepton_fed.settings import Dependency, Settings, Weights
from tests.collaboration.graphs import RESEARCH, WORKSHOP, graph_of, plant, shared
from tests.config.strategies import files
from tests.couplings.small import settings
from tests.test_cohorts import federations

MANUFACTURING = Path(__file__).parents[2] / "configs" / "manufacturing.toml"


@given(files())
def test_any_federation_file_comes_back_word_for_word(tree: dict[str, Any]) -> None:
    chosen = Federation.parse(tomli_w.dumps(tree), Path("federation.toml"))
    graph = Graph.of(chosen)
    assert graph.settings(chosen.settings) == chosen.settings
    line = graph.order()
    assert all(line.index(edge.to) < line.index(edge.from_) for edge in chosen.settings.graph)
    assert Graph.of(graph.settings(chosen.settings)).order() == line


@given(federations)
def test_any_flows_and_rules_come_back_with_the_same_e_and_cohorts(chosen: Settings) -> None:
    graph = Graph.of(chosen)
    again = graph.settings(settings())
    assert cohorts.edges(again) == cohorts.edges(chosen)
    assert cohorts.hubs(again) == cohorts.hubs(chosen)
    assert graph.training() == cohorts.sources(chosen)
    assert Graph.of(again).settings(chosen) == chosen


@given(shared())
def test_a_graph_that_was_said_call_by_call_has_the_e_of_its_definition(graph: Graph) -> None:
    """E by pairs: i teaches j where something flows from i to j and i permits j to train on it."""
    assert graph.sharing is not None
    sharing = graph.sharing

    def part(name: str, role: str) -> bool:
        said = graph.node(name).roles
        return said is None or role in said

    made = graph.settings(settings())
    roles = {d.name: d for d in made.departments}
    for name in graph.departments:
        said = graph.node(name).roles
        assert said is None or roles[name].roles == said
    pairs = {
        (p.giver, p.taker)
        for p in sharing.passages()
        if "train" in sharing.permitted(p.giver, p.taker, p.what)
        and part(p.giver, "source")
        and part(p.taker, "target")
    }
    assert {(e.source, e.target) for e in cohorts.edges(made) if e.source != e.target} == pairs
    taught = {j for _, j in pairs}
    own = {(e.source, e.target) for e in cohorts.edges(made) if e.source == e.target}
    assert own == {(j, j) for j in taught if roles[j].is_source}
    assert {j: set(i) for j, i in graph.training().items()} == {
        j: {i for i, k in pairs | own if k == j} for j in taught
    }


@given(shared())
def test_turned_into_settings_and_read_again_it_is_the_same_graph(graph: Graph) -> None:
    made = graph.settings(settings())
    again = Graph.of(made)
    assert again.settings(settings()) == made
    assert (again.order(), again.stages(), again.edges) == (graph.order(), graph.stages(), graph.edges)
    assert again.training() == graph.training()
    assert graph.sharing is not None
    assert again.sharing is not None
    assert set(again.sharing.passages()) == set(graph.sharing.passages())


def test_roles_that_nobody_said_follow_from_what_may_be_trained_on() -> None:
    graph = graph_of(names="甲乙丙")
    sharing = DataSharing(graph)
    sharing.add_node("甲", "x")
    sharing.add_edge("甲", "乙", "x")
    sharing.add_access_control("x", "乙", "训练")
    made = graph.settings(settings())
    assert [d.roles for d in made.departments] == [("source",), ("target",), ()]
    assert graph.training() == {"乙": ("甲",)}


def test_the_example_of_a_manufacturer_comes_back_and_keeps_what_only_its_file_says() -> None:
    chosen = Federation.load(MANUFACTURING)
    graph = Graph.of(chosen)
    assert graph.settings(chosen.settings) == chosen.settings
    assert graph.balance().sound
    assert graph.stages()[-1] == (RESEARCH,)
    assert graph.away("供应链部门").stopped == {RESEARCH: ("物料管理",)}
    assert graph.away("生产车间-H").weakened == (RESEARCH,)


def test_a_graph_with_a_cycle_is_no_federation() -> None:
    graph, _ = plant()
    graph.add_edge(WORKSHOP, RESEARCH, "模型")
    with pytest.raises(ConfigError, match="the graph has a cycle, so there is no order of work"):
        graph.settings(settings())
    assert graph.training() == {}


def test_a_file_whose_graph_names_nobody_known_is_refused_with_a_suggestion() -> None:
    wrong = settings(graph=(Dependency(from_="内科室", to="外科", needs="x"),))
    with pytest.raises(ConfigError, match="'内科室' is no department of the graph; did you mean '内科'"):
        Graph.of(wrong)


def test_an_empty_graph_teaches_nobody() -> None:
    assert Graph().training() == {}


def test_weights_beyond_the_cap_of_an_edge_are_told() -> None:
    graph = graph_of(names="甲乙丙")
    sharing = DataSharing(graph)
    for owner in "甲乙":
        sharing.add_node(owner, "x")
    sharing.add_edge("甲", "丙", "x", weight_cap=0.6)
    sharing.add_edge("乙", "丙", "x", weight_cap=0.6)
    sharing.add_access_control("x", "丙", "训练")
    heavy = Weights(alpha={"甲": 3.0, "乙": 1.0})
    assert graph.overweight(heavy) == (Overweight("甲", "丙", 0.75, 0.6),)
    assert graph.overweight(Weights(alpha="uniform")) == ()
    assert graph.overweight(Weights(alpha="examples")) == ()
    graph.add_edge("丙", "乙", "x", weight_cap=0.2)
    assert graph.overweight(heavy)[1] == Overweight("乙", "丙", 0.25, 0.2)


@given(st.permutations("甲乙丙丁"))
def test_the_order_of_the_file_is_the_order_in_which_departments_were_added(names: list[str]) -> None:
    graph = graph_of(names="".join(names))
    assert graph.settings(settings()).names == tuple(names)
