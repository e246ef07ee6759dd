"""The order that dependencies impose: stages, cycles, the critical path, and dependencies that say nothing new.

All functions take the graph of dependencies, a -> b where a depends on b, edges keyed by what for. Work runs
against the arrows: b before a.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import networkx as nx

from lepton_fed.collaboration.attributes import Dependence
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.errors import ConfigError
from lepton_fed.translation import Sentence, joined, sentence

if TYPE_CHECKING:
    Needs = nx.MultiDiGraph[str]
    Pairs = nx.DiGraph[str]

MOST_CYCLES = 100
"""A graph may have more cycles than can be counted; nobody reads more than these."""


@dataclass(frozen=True)
class Cycle:
    """Departments that all wait for each other; `edges` leads from each to the next, and from the last to the first."""

    departments: tuple[str, ...]
    edges: tuple[Dependence, ...]

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> Sentence:
        """Who waits for whom, all the way round."""
        return joined(", ", (edge.sentence for edge in self.edges))


@dataclass(frozen=True)
class Implied:
    """A dependency that others imply, by way of `through`.

    Where `same`, each step on that way is for the same thing, so that it says nothing new at all. Otherwise it adds
    nothing to the order of work, and still says what is needed.
    """

    edge: Dependence
    through: tuple[str, ...]
    same: bool


@dataclass(frozen=True)
class CriticalPath:
    """The chain of work that decides how long all of it takes; times in the unit of the durations.

    `start`: the earliest time at which a department can begin. `slack`: how much later it may begin without
    delaying the end. `rank`: its own time and the longest that waits for it, the priority of a scheduler.
    """

    path: tuple[str, ...]
    length: float
    start: Mapping[str, float]
    slack: Mapping[str, float]
    rank: Mapping[str, float]


# ---------------------------------------------------------------- order


def stages(needs: Needs) -> tuple[tuple[str, ...], ...]:
    """Departments that can work at the same time, first those that depend on nobody; ConfigError for a cycle."""
    require_acyclic(needs)
    place = places(needs)
    generations = nx.topological_generations(needs.reverse(copy=False))
    return tuple(tuple(sorted(stage, key=place.__getitem__)) for stage in generations)


def order(needs: Needs) -> tuple[str, ...]:
    """Every department after all it depends on; of those that could be next, the one that was added first."""
    require_acyclic(needs)
    return tuple(nx.lexicographical_topological_sort(needs.reverse(copy=False), key=places(needs).__getitem__))


def places(needs: Needs) -> dict[str, int]:
    """In which place each department was added."""
    return {name: k for k, name in enumerate(needs)}


def require_acyclic(needs: Needs) -> None:
    """ConfigError with a cycle, edge by edge, and the edge to begin with."""
    if nx.is_directed_acyclic_graph(needs):
        return
    found = cycles(needs)
    common, times = Counter(edge for cycle in found for edge in cycle.edges).most_common(1)[0]
    hint = sentence("take one of these edges out")
    if len(found) > 1:
        count = sentence("{most} or more", most=MOST_CYCLES) if len(found) == MOST_CYCLES else str(len(found))
        hint = sentence(
            "this is one of {count} cycles, and {times} of them hold {edge}, so take that edge out first",
            count=count,
            times=times,
            edge=common.sentence,
        )
    raise ConfigError(
        sentence(
            "the graph has a cycle, so there is no order of work: {cycle}; {hint}", cycle=found[0].sentence, hint=hint
        )
    )


def cycles(needs: Needs, most: int = MOST_CYCLES) -> tuple[Cycle, ...]:
    """Every cycle without a repeated department, the shortest first; at most `most` of them."""
    names = list(needs)
    # Numbers instead of names: sets of text have another order in every process.
    place = places(needs)
    numbered: nx.DiGraph[int] = nx.DiGraph()
    numbered.add_edges_from((place[a], place[b]) for a, b in needs.edges())
    rounds = [_from_the_first(found) for found in islice(nx.simple_cycles(numbered), most)]
    return tuple(_cycle(needs, [names[k] for k in one]) for one in sorted(rounds, key=lambda r: (len(r), r)))


def _from_the_first(found: list[int]) -> list[int]:
    first = found.index(min(found))
    return found[first:] + found[:first]


def _cycle(needs: Needs, around: list[str]) -> Cycle:
    hops = zip(around, [*around[1:], around[0]], strict=True)
    return Cycle(tuple(around), tuple(edge for a, b in hops for edge in between(needs, a, b)))


def between(needs: Needs, dependent: str, on: str) -> tuple[Dependence, ...]:
    """The dependencies of one department on another, in the order in which they were added."""
    if not needs.has_edge(dependent, on):
        return ()
    return tuple(needs.edges[dependent, on, what]["edge"] for what in needs[dependent][on])


# ---------------------------------------------------------------- what says nothing new


def implied(needs: Needs) -> tuple[Implied, ...]:
    """Dependencies that can be taken out, all at once, and everybody still waits for the same departments.

    That is the transitive reduction. Between departments of one cycle it is not unique, so nothing is called
    superfluous there; cycles come first. Taking out those that are `same` leaves everybody waiting for the same
    departments for the same things.
    """
    found: dict[Dependence, Implied] = {}
    for what in dict.fromkeys(one.what for one in dependences(needs)):
        alike = nx.DiGraph((e.dependent, e.on) for e in dependences(needs) if e.what == what)
        for a, b in _superfluous(alike):
            same: Dependence = needs.edges[a, b, what]["edge"]
            found[same] = Implied(same, _way_around(alike, a, b), same=True)
    joined = pairs(needs)
    for a, b in _superfluous(joined):
        for edge in between(needs, a, b):
            found.setdefault(edge, Implied(edge, _way_around(joined, a, b), same=False))
    return tuple(found[edge] for edge in dependences(needs) if edge in found)


def dependences(needs: Needs) -> Iterator[Dependence]:
    """All edges, department by department."""
    return (attributes["edge"] for _, _, attributes in needs.edges(data=True))


def pairs(needs: Needs) -> Pairs:
    """Who depends on whom, for whatever it is."""
    joined: Pairs = nx.DiGraph()
    joined.add_nodes_from(needs)
    joined.add_edges_from(needs.edges())
    return joined


def _superfluous(joined: Pairs) -> list[tuple[str, str]]:
    """Edges between strongly connected components that the reduction of the components leaves out."""
    components = nx.condensation(joined)
    within: Mapping[str, int] = components.graph["mapping"]
    kept = nx.transitive_reduction(components)
    outside = ((a, b) for a, b in joined.edges if within[a] != within[b])
    return [(a, b) for a, b in outside if not kept.has_edge(within[a], within[b])]


def _way_around(joined: Pairs, a: str, b: str) -> tuple[str, ...]:
    """Who lies on the shortest other way from a to b."""
    return tuple(nx.shortest_path(nx.restricted_view(joined, [], [(a, b)]), a, b)[1:-1])


# ---------------------------------------------------------------- critical path


def critical_path(needs: Needs, durations: Mapping[str, float] | None = None) -> CriticalPath:
    """The longest chain of work; without durations every department counts one.

    ConfigError for a department without a duration, a duration of nobody or below zero, and for a cycle.
    """
    times = dict.fromkeys(needs, 1.0) if durations is None else _durations(needs, durations)
    if not times:
        return CriticalPath((), 0.0, {}, {}, {})
    line = order(needs)
    start: dict[str, float] = {}
    for name in line:
        start[name] = max((start[b] + times[b] for b in needs.successors(name)), default=0.0)
    rank: dict[str, float] = {}
    for name in reversed(line):
        rank[name] = times[name] + max((rank[a] for a in needs.predecessors(name)), default=0.0)
    length = max(rank.values())
    slack = {name: max(0.0, length - rank[name] - start[name]) for name in line}
    return CriticalPath(_chain(needs, rank, line), length, start, slack, rank)


def _chain(needs: Needs, rank: Mapping[str, float], line: tuple[str, ...]) -> tuple[str, ...]:
    """From the department of the highest rank to that dependent of it with the highest, until nobody waits."""
    place = {name: k for k, name in enumerate(line)}
    path: list[str] = []
    ready = list(line)
    while ready:
        path.append(max(ready, key=lambda name: (rank[name], -place[name])))
        ready = list(needs.predecessors(path[-1]))
    return tuple(path)


def _durations(needs: Needs, given: Mapping[str, float]) -> dict[str, float]:
    for name, time in given.items():
        if name not in needs:
            raise ConfigError(
                f"durations names {name!r}, which is no department of the graph{did_you_mean(name, needs)}"
            )
        if not (math.isfinite(time) and time >= 0):
            raise ConfigError(f"the duration of {name!r} is {time}; give a number that is not negative")
    missing = next((name for name in needs if name not in given), None)
    if missing is not None:
        raise ConfigError(f"durations leaves out {missing!r}; give it a number, 0 if its work takes no time")
    return {name: float(given[name]) for name in needs}
