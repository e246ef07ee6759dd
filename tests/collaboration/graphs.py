"""Graphs for tests: the plant of the README, hypothesis strategies for any graph, and its sharing."""

from __future__ import annotations

from hypothesis import strategies as st

from lepton_fed.collaboration import DataSharing, Graph

RESEARCH, WORKSHOP, SUPPLY = "研发部门", "生产车间", "供应链部门"
LETTERS = "甲乙丙丁戊己"


def plant() -> tuple[Graph, DataSharing]:
    """Research depends on the workshop and on supply; both give it what it depends on them for, and let it read."""
    graph = Graph()
    for name in (RESEARCH, WORKSHOP, SUPPLY):
        graph.add_node(name)
    graph.add_edge(RESEARCH, WORKSHOP, "生产线数据")
    graph.add_edge(RESEARCH, SUPPLY, "物料管理")
    sharing = DataSharing(graph)
    sharing.add_node(WORKSHOP, "生产线数据")
    sharing.add_node(SUPPLY, "物料管理")
    sharing.add_edge(WORKSHOP, RESEARCH, "生产线数据")
    sharing.add_edge(SUPPLY, RESEARCH, "物料管理")
    sharing.add_access_control("生产线数据", RESEARCH, "读取")
    sharing.add_access_control("物料管理", RESEARCH, "读取")
    return graph, sharing


def graph_of(*edges: tuple[str, str] | tuple[str, str, str], names: str = "") -> Graph:
    """Departments of one letter each, in the order in which they are first mentioned; without a label, `x`."""
    graph = Graph()
    for name in dict.fromkeys([*names, *(end for edge in edges for end in edge[:2])]):
        graph.add_node(name)
    for edge in edges:
        graph.add_edge(edge[0], edge[1], edge[2] if len(edge) == 3 else "x")
    return graph


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool = False, labels: str = "xy") -> Graph:
    """Up to six departments, edges with one of the labels; acyclic ones depend on later letters only."""
    names = LETTERS[: draw(st.integers(1, len(LETTERS)))]
    pairs = [(a, b) for a in names for b in names if (a < b if acyclic else a != b)]
    triples = [(a, b, what) for a, b in pairs for what in labels]
    edges = draw(st.lists(st.sampled_from(triples), unique=True, max_size=12)) if triples else []
    return graph_of(*edges, names="".join(draw(st.permutations(names))))


@st.composite
def shared(draw: st.DrawFn) -> Graph:
    """An acyclic graph with data sets, flows pair by pair, and rules of all kinds; roles said or not."""
    graph = Graph()
    names = LETTERS[: draw(st.integers(2, 4))]
    roles = st.sampled_from([None, (), ("source",), ("target",), ("source", "target")])
    for name in names:
        graph.add_node(name, roles=draw(roles))
    for a, b in draw(st.lists(st.sampled_from([(a, b) for a in names for b in names if a < b]), unique=True)):
        graph.add_edge(a, b, draw(st.sampled_from("xy")))
    sharing = DataSharing(graph)
    for owner, what in [(owner, what) for owner in names for what in "xy"]:
        sharing.add_node(owner, what)
    triples = [(i, j, what) for i in names for j in names for what in "xy" if i != j]
    for i, j, what in draw(st.lists(st.sampled_from(triples), unique=True, max_size=8)):
        sharing.add_edge(i, j, what)
    people = st.sampled_from([*names, "*"])
    rules = st.tuples(
        st.sampled_from("xy"),
        people,
        st.sampled_from(["train", "read", "evaluate"]),
        people,
        st.sampled_from(["permit", "permit", "forbid"]),
    )
    for what, who, action, owner, effect in draw(st.lists(rules, unique=True, max_size=6)):
        sharing.add_access_control(what, who, action, owner=owner, effect=effect)  # type: ignore[arg-type]
    return graph
