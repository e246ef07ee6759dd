"""A graph and its data sharing as the tables of a federation file: departments, graph, sharing, access; and back.

    Graph.of(settings).settings(settings) == settings

What a federation file has no key for, resources and goals of departments and terms of edges, stays on the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from lepton_fed import cohorts
from lepton_fed.collaboration.attributes import Node
from lepton_fed.collaboration.graph import Graph
from lepton_fed.collaboration.sharing import DataSharing
from lepton_fed.settings import (
    ArrayShape,
    DataContract,
    DepartmentSettings,
    Dependency,
    Identity,
    Label,
    ModelSettings,
    Settings,
    Weights,
)
from lepton_fed.weighting import alphas


def graph_of(settings: Settings) -> Graph:
    """The graph that the settings describe; ConfigError for a name that is no department, and for double edges."""
    graph = Graph()
    for one in settings.departments:
        graph.add_node(one.name, roles=one.roles, description=one.description)
    for edge in settings.graph:
        graph.add_edge(edge.from_, edge.to, edge.needs)
    DataSharing.of(graph, settings)
    return graph


def settings_of(graph: Graph, base: Settings) -> Settings:
    """`base` with what the graph says; ConfigError for a cycle, since a federation has an order of work.

    Departments of `base` keep what only a file says (own files, labels, architectures). Roles that were not said
    follow from the flows that may be trained on: who teaches another is a source, who is taught is a target.
    """
    graph.order()
    return _settings(graph, base, _roles(graph))


def sources_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    """S_j by target j, by the one definition of E."""
    if not graph.departments:
        return {}
    return cohorts.sources(_settings(graph, _anything(), _roles(graph)))


@dataclass(frozen=True)
class Overweight:
    """`giver` would make up `alpha` of what `taker` learns, and an edge between them caps it at `cap`."""

    giver: str
    taker: str
    alpha: float
    cap: float


def overweight(graph: Graph, weights: Weights) -> tuple[Overweight, ...]:
    """Sources over the smallest cap of the dependencies on them and of their flows; in the order of E."""
    caps: dict[tuple[str, str], float] = {}
    capped = [(e.on, e.dependent, e.terms.weight_cap) for e in graph.edges]
    capped += [(p.giver, p.taker, p.terms.weight_cap) for p in (graph.sharing.passages() if graph.sharing else ())]
    for i, j, cap in capped:
        if cap is not None:
            caps[i, j] = min(cap, caps.get((i, j), cap))
    found = []
    for j, sources in sources_of(graph).items():
        alpha = alphas(weights, sources) or {}
        found += [Overweight(i, j, alpha[i], caps[i, j]) for i in alpha if alpha[i] > caps.get((i, j), 1.0)]
    return tuple(found)


Roles = dict[str, DepartmentSettings]
"""Each department with its name and its roles."""


def _settings(graph: Graph, base: Settings, roles: Roles) -> Settings:
    known = {d.name: d for d in base.departments}
    sharing = graph.sharing
    return replace(
        base,
        departments=tuple(_department(graph.node(n), roles[n], known.get(n)) for n in graph.departments),
        graph=tuple(Dependency(from_=e.dependent, to=e.on, needs=e.what) for e in graph.edges),
        sharing=() if sharing is None else tuple(flow for flow, _ in sharing.flows),
        access=() if sharing is None else sharing.grants,
    )


def _department(node: Node, roles: DepartmentSettings, known: DepartmentSettings | None) -> DepartmentSettings:
    return replace(known or roles, roles=roles.roles, description=node.description)


def _roles(graph: Graph) -> Roles:
    """Roles as they were said, else as the flows make them."""
    said = {n: graph.node(n).roles for n in graph.departments}
    everybody = {n: DepartmentSettings(name=n, roles=("source", "target") if r is None else r) for n, r in said.items()}
    if None not in said.values():
        return everybody
    taught = cohorts.sources(_settings(graph, _anything(), everybody))
    teachers = {i for j, listed in taught.items() for i in listed if i != j}
    made: Roles = {}
    for name, roles in said.items():
        found = {"source": name in teachers, "target": name in taught}
        kept = everybody[name].roles if roles is not None else tuple(r for r in everybody[name].roles if found[r])
        made[name] = replace(everybody[name], roles=kept)
    return made


@cache
def _anything() -> Settings:
    """Settings whose departments, flows and rules are replaced; the rest does not matter to E."""
    return Settings(
        federation=Identity(name="graph", purpose="graph"),
        departments=(DepartmentSettings(name="graph"),),
        data=DataContract(label=Label(meaning="anything"), array=ArrayShape(shape=(1,))),
        model=ModelSettings(name="linear"),
    )
