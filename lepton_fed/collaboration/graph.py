"""G(V, E), the collaboration graph: departments, and edges a -> b that say what a depends on b for.

    graph = Graph()
    graph.add_node("研发部门", people=4, skills=["PyTorch"])
    graph.add_node("生产车间", devices=1, hours="Mon-Fri 08:00-18:00")
    graph.add_edge("研发部门", "生产车间", "生产线数据", expires="2026-12-31")
    graph.order()           # ("生产车间", "研发部门")

Work runs against the arrows. What flows and what is permitted is said by `DataSharing(graph)`; a cycle may be drawn,
and is refused where an order is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import networkx as nx

from lepton_fed.collaboration import precedence
from lepton_fed.collaboration.absence import Absence, absence
from lepton_fed.collaboration.attributes import Dependence, Node, Terms, checked
from lepton_fed.collaboration.precedence import CriticalPath, Cycle, Implied
from lepton_fed.config.spelling import did_you_mean, folded
from lepton_fed.errors import ConfigError
from lepton_fed.settings import EVERYONE, Settings, Weights

if TYPE_CHECKING:
    from lepton_fed.collaboration.balance import Balance
    from lepton_fed.collaboration.federation_tables import Overweight
    from lepton_fed.collaboration.precedence import Needs
    from lepton_fed.collaboration.sharing import DataSharing
    from lepton_fed.config import Federation


class Graph:
    """Departments and their dependencies, and the data sharing that was made for them."""

    def __init__(self) -> None:
        self.sharing: DataSharing | None = None
        """Set by DataSharing(graph)."""
        self.federation: Federation | None = None
        """Set by Graph.of(federation): where a pipeline finds the work that it knows how to do."""
        self._needs: Needs = nx.MultiDiGraph()
        self._edges: list[Dependence] = []
        self._folded: dict[str, str] = {}

    # ------------------------------------------------------------ saying it

    def add_node(self, name: str, **resources: Any) -> None:
        """A department, with what is known of it: devices, memory (GiB), cores, hours, people, skills, goals, needs."""
        node: Node = checked(Node, repr(name), {"name": name, **resources})
        first = self._folded.setdefault(folded(name), name)
        if name in self._needs:
            raise ConfigError(f"{name!r} is in the graph already; say everything about it in one add_node")
        if first != name:
            raise ConfigError(f"{first!r} and {name!r} differ only in width or case; give each its own name")
        self._needs.add_node(name, node=node)

    def add_edge(self, a: str, b: str, label: str, **terms: Any) -> None:
        """`a` depends on `b` for `label`. Terms: purpose, artefacts, weight_cap, expires."""
        self.require(a, b, everyone=False)
        if a == b:
            raise ConfigError(f"{a!r} depends on itself; an edge joins two departments")
        about = f"{a!r} → {b!r}"
        try:
            edge = Dependence(a, b, label, checked(Terms, about, terms))
        except (ValueError, AttributeError):
            raise ConfigError(f"{about}: say what for in one line of text, not {label!r}") from None
        if self._needs.has_edge(a, b, label):
            raise ConfigError(f"{about} for {label!r} is in the graph already; say everything about it in one add_edge")
        self._append(edge)

    def require(self, *names: str, everyone: bool = True) -> None:
        """ConfigError for the first name that is no department; '*' passes where it may stand."""
        for name in names:
            if name not in self._needs and not (everyone and name == EVERYONE):
                hint = did_you_mean(str(name), self._needs)
                raise ConfigError(f"{name!r} is no department of the graph{hint or '; add_node makes it one'}")

    # ------------------------------------------------------------ who depends on whom

    @property
    def departments(self) -> tuple[str, ...]:
        """V, in the order in which they were added."""
        return tuple(self._needs)

    @property
    def edges(self) -> tuple[Dependence, ...]:
        """E, in the order in which they were added."""
        return tuple(self._edges)

    @property
    def needs(self) -> Needs:
        """The dependencies as networkx knows them, read only: edges keyed by label, with their value as `edge`."""
        frozen: Needs = nx.freeze(self._needs.copy())
        return frozen

    def node(self, name: str) -> Node:
        """What is known of a department."""
        self.require(name, everyone=False)
        node: Node = self._needs.nodes[name]["node"]
        return node

    def dependencies(self, name: str, *, transitive: bool = False) -> tuple[str, ...]:
        """On whom a department depends, directly, or also through others."""
        self.require(name, everyone=False)
        return self._sorted(nx.descendants(self._needs, name) if transitive else self._needs.successors(name))

    def dependents(self, name: str, *, transitive: bool = False) -> tuple[str, ...]:
        """Who depends on a department, directly, or also through others."""
        self.require(name, everyone=False)
        return self._sorted(nx.ancestors(self._needs, name) if transitive else self._needs.predecessors(name))

    def between(self, a: str, b: str) -> tuple[Dependence, ...]:
        """All that `a` depends on `b` for."""
        self.require(a, b, everyone=False)
        return precedence.between(self._needs, a, b)

    def implied(self) -> tuple[Implied, ...]:
        """Dependencies that others imply: what the transitive reduction leaves out."""
        return precedence.implied(self._needs)

    def cycles(self, most: int = precedence.MOST_CYCLES) -> tuple[Cycle, ...]:
        """Cycles, the shortest first, each edge by edge."""
        return precedence.cycles(self._needs, most)

    def away(self, *names: str) -> Absence:
        """What stops if these departments are away."""
        self.require(*names, everyone=False)
        return absence(self._needs, names)

    # ------------------------------------------------------------ what a scheduler asks

    def order(self) -> tuple[str, ...]:
        """Every department after all it depends on; ConfigError where a cycle leaves no order."""
        return precedence.order(self._needs)

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Departments that can work at the same time, stage by stage."""
        return precedence.stages(self._needs)

    def critical_path(self, durations: Mapping[str, float] | None = None) -> CriticalPath:
        """The longest chain of work, with everybody's start, slack and rank; without durations each counts one."""
        return precedence.critical_path(self._needs, durations)

    # ------------------------------------------------------------ flows, permissions, needs and risks

    def on(self, day: date) -> Graph:
        """The graph as it holds on that day: without the dependencies and flows that have expired by then."""
        from lepton_fed.collaboration.sharing import DataSharing

        held = Graph()
        held.federation = self.federation
        for name in self.departments:
            held._needs.add_node(name, node=self.node(name))
            held._folded[folded(name)] = name
        for edge in self.edges:
            if not edge.terms.expired(day):
                held._append(edge)
        if self.sharing is not None:
            DataSharing.on(held, self.sharing, day)
        return held

    def balance(self, day: date | None = None) -> Balance:
        """What flows against what is permitted, needed and risked; edges that have expired on `day` are told apart."""
        from lepton_fed.collaboration.balance import balance

        return balance(self, day)

    def report(
        self, durations: Mapping[str, float] | None = None, day: date | None = None, language: str = "en"
    ) -> str:
        """All answers as text for a terminal; `language`: en, zh."""
        from lepton_fed.collaboration.account import account

        return account(self, durations, day, language)

    def mermaid(self) -> str:
        """The graph as Mermaid text."""
        from lepton_fed.collaboration.mermaid import mermaid

        return mermaid(self)

    def svg(self) -> str:
        """The graph as an SVG drawing."""
        from lepton_fed.collaboration.picture import picture

        return picture(self)

    # ------------------------------------------------------------ from a federation, and back

    @classmethod
    def of(cls, federation: Federation | Settings) -> Graph:
        """The graph that a federation file describes, with its data sharing."""
        from lepton_fed.collaboration.federation_tables import graph_of

        if isinstance(federation, Settings):
            return graph_of(federation)
        graph = graph_of(federation.settings)
        graph.federation = federation
        return graph

    def settings(self, base: Settings) -> Settings:
        """`base` with this graph's departments, dependencies, flows and rules; ConfigError where there is a cycle."""
        from lepton_fed.collaboration.federation_tables import settings_of

        return settings_of(self, base)

    def training(self) -> dict[str, tuple[str, ...]]:
        """E of the training mathematics: from whom each department that learns from anybody learns."""
        from lepton_fed.collaboration.federation_tables import sources_of

        return sources_of(self)

    def overweight(self, weights: Weights) -> tuple[Overweight, ...]:
        """Where these weights give a department more than an edge's cap; secret example counts cannot be asked."""
        from lepton_fed.collaboration.federation_tables import overweight

        return overweight(self, weights)

    def _append(self, edge: Dependence) -> None:
        self._needs.add_edge(edge.dependent, edge.on, edge.what, edge=edge)
        self._edges.append(edge)

    def _sorted(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(set(names), key=precedence.places(self._needs).__getitem__))
