"""Which step comes after which, and why; and how long what is left takes at least: the critical path.

    said        `after`, and what one step makes and another needs
    inserted    a step that says neither, and has no work of its own, follows the one that was added before it
    the graph   a step with work that says neither waits for those of the departments that its own depends on

What is said beats what follows from the graph: an edge of the graph that contradicts it is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import networkx as nx

from lepton_fed.collaboration import precedence
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline.step import Step
from lepton_fed.translation import joined, sentence

if TYPE_CHECKING:
    from lepton_fed.collaboration import CriticalPath, Graph


@dataclass(frozen=True)
class Link:
    """`step` comes after `after`, because of `why`."""

    step: str
    after: str
    why: str


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they were added, and the links between them. Made by `planned`."""

    steps: tuple[Step, ...]
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        cycle = _cycle(self._graph)
        if cycle:
            whys = {(link.step, link.after): link.why for link in self.links}
            around = joined(
                "; ",
                (sentence("{step} comes after {before} ({why})", step=a, before=b, why=whys[a, b]) for a, b in cycle),
            )
            raise ConfigError(
                sentence("the pipeline has a cycle, so no step of it can be first: {around}", around=around)
            )

    def step(self, name: str) -> Step:
        """The step of that name."""
        return self._by_name[name]

    @cached_property
    def places(self) -> dict[str, int]:
        """In which place each step was added."""
        return {step.name: k for k, step in enumerate(self.steps)}

    @cached_property
    def before(self) -> dict[str, tuple[Link, ...]]:
        """The links to what each step comes after."""
        found: dict[str, list[Link]] = {step.name: [] for step in self.steps}
        for link in self.links:
            found[link.step].append(link)
        return {name: tuple(links) for name, links in found.items()}

    @cached_property
    def followers(self) -> dict[str, tuple[str, ...]]:
        """What comes right after each step."""
        found: dict[str, list[str]] = {step.name: [] for step in self.steps}
        for link in self.links:
            found[link.after].append(link.step)
        return {name: tuple(sorted(names, key=self.places.__getitem__)) for name, names in found.items()}

    @cached_property
    def critical(self) -> CriticalPath:
        """The longest chain, and each step's rank: its own time and the longest that waits for it."""
        return precedence.critical_path(self._graph, {step.name: step.duration for step in self.steps})

    @cached_property
    def departments(self) -> tuple[str, ...]:
        """Those that have steps, in order of appearance."""
        return tuple(dict.fromkeys(step.department for step in self.steps))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what defines the pipeline; a run goes on with the same one only."""
        whole = [[step.definition for step in self.steps], sorted((one.step, one.after) for one in self.links)]
        return hashlib.sha256(json.dumps(whole, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def ancestors(self, name: str) -> tuple[str, ...]:
        """All that a step comes after, directly or through others, the nearest last."""
        return tuple(sorted(nx.descendants(self._graph, name), key=self._rank_places.__getitem__))

    @cached_property
    def _by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    @cached_property
    def _graph(self) -> nx.MultiDiGraph[str]:
        joined: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        joined.add_nodes_from(step.name for step in self.steps)
        joined.add_edges_from((link.step, link.after) for link in self.links)
        return joined

    @cached_property
    def _rank_places(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(precedence.order(self._graph))}


def planned(steps: Sequence[Step], graph: Graph) -> Plan:
    """The plan of these steps in this graph; ConfigError, one sentence, where they cannot be brought into order."""
    _check_names(steps, graph)
    links: dict[tuple[str, str], Link] = {}
    for link in (*_said(steps), *_made(steps, graph), *_inserted(steps)):
        if link.step != link.after:
            links.setdefault((link.step, link.after), link)
    Plan(tuple(steps), tuple(links.values()))  # What is said may hold no cycle.
    for link in _of_the_graph(steps, graph, links):
        links[link.step, link.after] = link
    return Plan(tuple(steps), tuple(links.values()))


def named(steps: Sequence[Step], name: str) -> tuple[Step, ...]:
    """Steps that a name means: one by its whole name, or all with that description."""
    return tuple(step for step in steps if name in (step.name, step.description))


def _check_names(steps: Sequence[Step], graph: Graph) -> None:
    seen: set[str] = set()
    for step in steps:
        graph.require(step.department, everyone=False)
        if step.name in seen:
            raise ConfigError(f"{step.department} already has a step {step.description!r}; give each its own words")
        seen.add(step.name)


def _said(steps: Sequence[Step]) -> Iterator[Link]:
    for step in steps:
        for name in step.after:
            found = [one for one in named(steps, name) if one is not step]
            if not found:
                hint = did_you_mean(name, [one.name for one in steps] + [one.description for one in steps])
                raise ConfigError(f"{step.name} comes after {name!r}, which is no other step of the pipeline{hint}")
            for one in found:
                yield Link(step.name, one.name, sentence("it says so"))


def _made(steps: Sequence[Step], graph: Graph) -> Iterator[Link]:
    makers: dict[str, list[Step]] = {}
    for step in steps:
        for what in step.makes:
            makers.setdefault(what, []).append(step)
    shared = {one.what for one in graph.sharing.data_sets} if graph.sharing is not None else set()
    for step in steps:
        for what in step.needs:
            found = [one for one in makers.get(what, ()) if one is not step]
            if not found and what not in shared:
                hint = did_you_mean(what, [*makers, *shared]) or "; name what a step makes or a department shares"
                raise ConfigError(f"{step.name} needs {what!r}, which nobody makes or shares{hint}")
            for one in found:
                yield Link(step.name, one.name, sentence("it needs {what}, which that makes", what=what))


def _inserted(steps: Sequence[Step]) -> Iterator[Link]:
    """A step of ours that says nothing follows the one before it; one with a function of its own goes by the graph."""
    for before, step in pairwise(steps):
        if step.unbound and step.kind != "work":
            yield Link(step.name, before.name, sentence("which was added before it"))


def _of_the_graph(steps: Sequence[Step], graph: Graph, links: dict[tuple[str, str], Link]) -> Iterator[Link]:
    joined: nx.DiGraph[str] = nx.DiGraph()
    joined.add_nodes_from(step.name for step in steps)
    joined.add_edges_from(links)
    edges = {(edge.dependent, edge.on): edge.what for edge in reversed(graph.edges)}
    for step in steps:
        if not (step.unbound and step.kind == "work"):
            continue
        for one in steps:
            what = edges.get((step.department, one.department))
            if what is None or nx.has_path(joined, one.name, step.name):
                continue
            joined.add_edge(step.name, one.name)
            why = sentence(
                "{department} depends on {on} for {what}", department=step.department, on=one.department, what=what
            )
            yield Link(step.name, one.name, why)


def _cycle(joined: nx.MultiDiGraph[str]) -> list[tuple[str, str]]:
    try:
        return [(a, b) for a, b, *_ in nx.find_cycle(joined)]
    except nx.NetworkXNoCycle:
        return []
