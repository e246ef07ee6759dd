"""What flows against what is permitted, needed and risked: where the four do not agree.

flow without permission       something flows on paper, and its owner permits nothing with it
permission without flow       a rule about something that never reaches those it permits
need without flow             somebody depends on something that nobody gives it
flow that nobody needs        no dependency asks for it, no department, no training
hinge                         one department away, and at least half of all others stop
expired                       edges whose last day has passed; they count for nothing above
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from lepton_fed.collaboration.absence import Absence, hinges
from lepton_fed.collaboration.attributes import Dependence
from lepton_fed.collaboration.sharing import Passage
from lepton_fed.config.spelling import nearest
from lepton_fed.policy import names
from lepton_fed.settings import EVERYONE, Grant

if TYPE_CHECKING:
    from lepton_fed.collaboration.graph import Graph


@dataclass(frozen=True)
class Unmet:
    """`who` needs `what`, from `giver` or (None) from anybody, and it does not flow."""

    who: str
    giver: str | None
    what: str
    alike: str | None
    """Something of nearly the same name that does flow there: probably what was meant."""


@dataclass(frozen=True)
class Idle:
    """A rule that permits something to departments that are not given it: `who`, or nobody at all where '*'."""

    grant: Grant
    who: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """Where flows, permissions and needs do not agree, and what hangs on one department."""

    unpermitted: tuple[Passage, ...]
    idle: tuple[Idle, ...]
    unmet: tuple[Unmet, ...]
    unneeded: tuple[Passage, ...]
    hinges: tuple[Absence, ...]
    expired: tuple[Dependence | Passage, ...]

    @property
    def sound(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.unpermitted or self.idle or self.unmet or self.unneeded or self.hinges or self.expired)


def balance(graph: Graph, day: date | None = None) -> Balance:
    """All of it; without a day nothing has expired."""
    held = graph if day is None else graph.on(day)
    flows = dict.fromkeys(_passages(held))
    edges: tuple[Dependence | Passage, ...] = (*graph.edges, *_passages(graph))
    return Balance(
        unpermitted=tuple(_unpermitted(held, flows)),
        idle=tuple(_idle(held, flows)),
        unmet=tuple(_unmet(held, flows)),
        unneeded=tuple(_unneeded(held, flows)),
        hinges=hinges(held.needs),
        expired=tuple(edge for edge in edges if edge.terms.expired(day)),
    )


Flows = Mapping[Passage, None]
"""Flows, to be found by giver, taker and what."""


def _passages(graph: Graph) -> tuple[Passage, ...]:
    return tuple(graph.sharing.passages()) if graph.sharing is not None else ()


def _unpermitted(graph: Graph, flows: Flows) -> Iterator[Passage]:
    """Flows with which nothing may be done. That '*' also covers departments without a part in training is no flow."""
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    for passage in flows:
        if permitted(passage.giver, passage.taker, passage.what):
            continue
        gives, takes = graph.node(passage.giver).roles, graph.node(passage.taker).roles
        trains = (gives is None or "source" in gives) and (takes is None or "target" in takes)
        if passage.named or trains:
            yield passage


def _idle(graph: Graph, flows: Flows) -> Iterator[Idle]:
    """Rules of which somebody who was named, or everybody, gets nothing."""
    for grant in graph.sharing.grants if graph.sharing is not None else ():
        reached = {p.taker for p in flows if p.what == grant.what and names(grant.owner, p.giver)}
        if grant.effect == "permit" and EVERYONE in grant.who and not reached:
            yield Idle(grant, grant.who)
        elif grant.effect == "permit" and EVERYONE not in grant.who and set(grant.who) - reached:
            yield Idle(grant, tuple(name for name in grant.who if name not in reached))


def _unmet(graph: Graph, flows: Flows) -> Iterator[Unmet]:
    reaching: dict[str, dict[str, None]] = {}
    for passage in flows:
        reaching.setdefault(passage.taker, {})[passage.what] = None
    for edge in graph.edges:
        if Passage(edge.on, edge.dependent, edge.what) not in flows:
            from_it = [p.what for p in flows if (p.giver, p.taker) == (edge.on, edge.dependent)]
            yield Unmet(edge.dependent, edge.on, edge.what, nearest(edge.what, from_it))
    for name in graph.departments:
        known = reaching.get(name, {})
        for what in graph.node(name).needs:
            if what not in known:
                yield Unmet(name, None, what, nearest(what, known))


def _unneeded(graph: Graph, flows: Flows) -> Iterator[Passage]:
    """Flows that nobody asks for. Those that training learns from are asked for by their target."""
    asked = {(edge.on, edge.dependent, edge.what) for edge in graph.edges}
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    taught = {target: frozenset(sources) for target, sources in graph.training().items()}
    for passage in flows:
        i, j, what = passage.giver, passage.taker, passage.what
        trained = i in taught.get(j, ()) and "train" in permitted(i, j, what)
        if not (trained or what in graph.node(j).needs or (i, j, what) in asked):
            yield passage
