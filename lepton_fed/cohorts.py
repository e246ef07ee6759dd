"""E, the pairs i -> j in which j learns from i, and the hubs that carry it.

    i -> j  is in E  iff  i is a source, j a target, some [[sharing]] lets `what` flow i -> j,
                          and i's own rules permit j to train on that `what`;
    j -> j  is in E  for every target that is a source and learns from anybody else: its own data count too.

Targets with the same sources share one sum, so they share one hub (a cohort). Under `clusters` the hubs are
the m of the coupling, written to by choice and read by everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from lepton_fed.errors import ConfigError
from lepton_fed.policy import Decision, decide, names
from lepton_fed.settings import Flow, Settings
from lepton_fed.translation import sentence


@dataclass(frozen=True, order=True)
class Edge:
    """`target` learns from `source`."""

    source: str
    target: str


@dataclass(frozen=True)
class Denied:
    """A flow of the file that training may not use, and why."""

    source: str
    target: str
    what: str
    reason: str


@dataclass(frozen=True)
class HubPlan:
    """One model that is summed: who may write to it, who reads it. Names in the file's order."""

    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]

    @cached_property
    def may_write(self) -> frozenset[str]:
        return frozenset(self.writers)

    @cached_property
    def may_read(self) -> frozenset[str]:
        return frozenset(self.readers)


def sources(settings: Settings) -> dict[str, tuple[str, ...]]:
    """S_j by target j, in the file's order; targets that nobody may teach are left out."""
    blocks = [(frozenset(i), frozenset(j)) for i, j, _, decision in _blocks(settings) if decision.permitted]
    own = {d.name for d in settings.departments if d.is_source}
    unions: dict[tuple[int, ...], frozenset[str]] = {}
    ordered: dict[frozenset[str], tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for department in settings.departments:
        target = department.name
        key = tuple(k for k, (_, targets) in enumerate(blocks) if target in targets)
        teachers = unions.setdefault(key, frozenset().union(*(blocks[k][0] for k in key)))
        if not teachers - {target}:
            continue
        if target in own and target not in teachers:
            teachers |= {target}
        if teachers not in ordered:
            ordered[teachers] = tuple(n for n in settings.names if n in teachers)
        found[target] = ordered[teachers]
    return found


def edges(settings: Settings) -> tuple[Edge, ...]:
    """E, in the file's order of targets, then of sources."""
    return tuple(Edge(i, j) for j, teachers in sources(settings).items() for i in teachers)


def denied(settings: Settings) -> tuple[Denied, ...]:
    """Flows from a source to a target that no rule lets training use, and that no other flow replaces."""
    inside = {j: frozenset(teachers) for j, teachers in sources(settings).items()}
    return tuple(
        Denied(i, j, flow.what, decide(settings.access, owner=i, who=j, verb="train", what=flow.what).reason)
        for from_, to, flow, decision in _blocks(settings)
        if not decision.permitted
        for i in from_
        for j in to
        if i != j and i not in inside.get(j, ())
    )


def hubs(settings: Settings) -> tuple[HubPlan, ...]:
    """The models the coordinator keeps, by what they are made from; ConfigError if `clusters` has several crowds."""
    taught = sources(settings)
    if settings.coupling.kind == "clusters":
        teachers = frozenset().union(*taught.values())
        _require_one_crowd(taught, teachers)
        writers = tuple(n for n in settings.names if n in teachers)
        readers = tuple(n for n in settings.names if n in teachers or n in taught)
        return tuple(HubPlan(f"hub {r + 1}", writers, readers) for r in range(settings.coupling.hubs))
    by_sources: dict[tuple[str, ...], list[str]] = {}
    for target, teachers_of in taught.items():
        by_sources.setdefault(teachers_of, []).append(target)
    return tuple(HubPlan(_name(readers), sources, tuple(readers)) for sources, readers in by_sources.items())


def _require_one_crowd(taught: dict[str, tuple[str, ...]], teachers: frozenset[str]) -> None:
    """ConfigError unless every target may learn from every source, since everybody reads every hub."""
    for target, teachers_of in taught.items():
        barred = sorted(teachers.difference(teachers_of))
        if barred:
            raise ConfigError(
                sentence(
                    "coupling clusters: {target} may not learn from {barred}, but everybody reads every hub; let it, "
                    "or take another coupling",
                    target=target,
                    barred=barred[0],
                )
            )


def home(department: str, plans: Iterable[HubPlan]) -> HubPlan | None:
    """The hub whose model a department starts from: the one it reads, else the largest one it writes to."""
    for plan in plans:
        if department in plan.may_read:
            return plan
    written = [p for p in plans if department in p.may_write]
    return max(written, key=lambda p: len(p.writers), default=None)


def _name(readers: list[str]) -> str:
    return "、".join(readers) if len(readers) <= 3 else f"{readers[0]}…{readers[-1]} ({len(readers)})"


def _blocks(settings: Settings) -> Iterator[tuple[list[str], list[str], Flow, Decision]]:
    """Flows cut into (sources, targets) that the rules cannot tell apart, each with its one decision.

    A thousand departments under one rule are one block, not a million pairs.
    """
    for flow in settings.sharing:
        rules = [g for g in settings.access if g.what == flow.what]
        givers = _alike(
            [d.name for d in settings.departments if d.is_source and names(flow.from_, d.name)],
            [g.owner for g in rules],
        )
        takers = _alike(
            [d.name for d in settings.departments if d.is_target and names(flow.to, d.name)], [g.who for g in rules]
        )
        for some in givers:
            for others in takers:
                yield some, others, flow, decide(rules, owner=some[0], who=others[0], verb="train", what=flow.what)


def _alike(departments: list[str], lists: list[tuple[str, ...]]) -> list[list[str]]:
    """Departments grouped by which of the lists of names cover them."""
    groups: dict[tuple[bool, ...], list[str]] = {}
    for name in departments:
        groups.setdefault(tuple(names(listed, name) for listed in lists), []).append(name)
    return list(groups.values())
