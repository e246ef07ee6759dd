"""Mermaid and SVG: every department and edge is there, any name can be drawn, and the drawing parses."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lepton_fed.collaboration import DataSharing, Graph
from lepton_fed.collaboration.picture import MOST_DRAWN, _places
from lepton_fed.report.drawing import WORSE
from tests.collaboration.graphs import SUPPLY, WORKSHOP, graph_of, graphs, plant
from tests.thoroughness import at_most

SVG = "{http://www.w3.org/2000/svg}"
MERMAID = """\
flowchart LR
    d0["研发部门"]
    d1["生产车间"]
    d2["供应链部门"]
    d0 -->|"生产线数据"| d1
    d0 -->|"物料管理"| d2
    d1 -. "生产线数据" .-> d0
    d2 -. "物料管理" .-> d0
    d1 -. "生产线数据" .-x d2
"""


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_mermaid_tells_dependencies_flows_and_flows_without_permission_apart() -> None:
    graph, sharing = plant()
    sharing.add_edge(WORKSHOP, SUPPLY, "生产线数据")
    assert graph.mermaid() == MERMAID


@given(st.text('ab"`|#&<>[](){};%-研', min_size=1, max_size=8).map(str.strip).filter(bool))
def test_no_name_can_leave_its_quotes_in_mermaid(name: str) -> None:
    graph = Graph()
    graph.add_node(name)
    (line,) = graph.mermaid().splitlines()[1:]
    inside = re.fullmatch(r'    d0\["([^"\[\]`|<>(){}&]*)"\]', line)
    assert inside is not None
    assert re.sub(r"#(\d+);", lambda m: chr(int(m[1])), inside[1]) == name


def test_mermaid_is_given_no_more_edges_than_it_draws() -> None:
    graph = Graph()
    for k in range(30):
        graph.add_node(f"科{k}")
    sharing = DataSharing(graph)
    for k in range(30):
        sharing.add_node(f"科{k}", "x")
    sharing.add_edge("*", "*", "x")
    lines = graph.mermaid().splitlines()
    assert len(lines) == 1 + 30 + 500 + 1
    assert lines[-1] == "    %% 370 more flows"


def test_the_svg_says_who_depends_on_whom_in_text_and_title() -> None:
    graph, sharing = plant()
    svg = graph.svg()
    assert set(texts(svg)) == {"研发部门", "生产车间", "供应链部门", "生产线数据", "物料管理"}
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    title = root.find(f"{SVG}title")
    assert title is not None
    assert "研发部门 depends on 生产车间 for 生产线数据" in (title.text or "")
    assert WORSE not in svg
    sharing.add_edge(WORKSHOP, SUPPLY, "生产线数据")
    assert WORSE in graph.svg()


def test_nothing_to_draw_is_no_drawing() -> None:
    assert Graph().svg() == ""
    assert Graph().mermaid() == "flowchart LR\n"


@given(graphs())
def test_departments_stand_apart_and_above_those_they_depend_on(graph: Graph) -> None:
    place, height = _places(graph, graph.departments)
    assert set(place) == set(graph.departments)
    spots = sorted(place.values())
    assert len(set(spots)) == len(spots)
    assert all(0 < x < 400 and 0 < y < height for x, y in spots)
    for edge in graph.edges:
        mutual = edge.dependent in graph.dependencies(edge.on, transitive=True)
        assert mutual or place[edge.dependent][1] > place[edge.on][1]


@examples(max_examples=at_most(10))
@given(st.lists(st.text("ab$^_<&\"'研发部门αβ", min_size=1, max_size=40).map(str.strip), min_size=2, max_size=2))
def test_any_name_can_be_drawn(names: list[str]) -> None:
    one, other = names[0] + "甲", names[1] + "乙"
    graph = Graph()
    graph.add_node(one)
    graph.add_node(other)
    graph.add_edge(one, other, names[0] or "x")
    assert len(texts(graph.svg())) == 3


def test_of_many_departments_the_best_connected_are_drawn() -> None:
    graph = Graph()
    for k in range(50):
        graph.add_node(f"科{k}")
    graph.add_edge("科49", "科48", "x")
    shown = texts(graph.svg())
    assert len(shown) == MOST_DRAWN + 1
    assert {"科48", "科49", "科0"} <= set(shown)
    assert "30 of them drawn" in graph.svg()


def test_a_cycle_shares_a_row() -> None:
    graph = graph_of(("甲", "乙"), ("乙", "甲"), ("丙", "甲"))
    place, _ = _places(graph, graph.departments)
    assert place["甲"][1] == place["乙"][1] < place["丙"][1]
