"""What [[sharing]] lets flow that training does not use: permitted for something else or refused, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lepton_fed.policy import Decision, decide, names
from lepton_fed.settings import EVERYONE, DepartmentSettings, Flow, Grant, Settings

OTHER_ACTIONS = ("read", "evaluate", "aggregate", "publish")
Group = list[DepartmentSettings]
"""Departments that the rules about one flow cannot tell apart, so that one decision holds for all of them."""


@dataclass(frozen=True)
class Unused:
    """A flow outside E. `actions` are what the owner permits besides training; none of them means refused."""

    source: str
    target: str
    what: str
    actions: tuple[str, ...]
    reason: str
    """Why training does not use it."""


def unused(settings: Settings) -> Iterator[Unused]:
    """Every flow between two departments that is not in E."""
    for flow in settings.sharing:
        rules = [grant for grant in settings.access if grant.what == flow.what]
        givers = _alike((d for d in settings.departments if names(flow.from_, d.name)), [g.owner for g in rules])
        takers = _alike((d for d in settings.departments if names(flow.to, d.name)), [g.who for g in rules])
        for some in givers:
            for others in takers:
                yield from _outside(rules, some, others, flow)


def _alike(departments: Iterable[DepartmentSettings], lists: list[tuple[str, ...]]) -> list[Group]:
    groups: dict[tuple[bool, ...], Group] = {}
    for one in departments:
        covered = (names(listed, one.name) for listed in lists)
        groups.setdefault((one.is_source, one.is_target, *covered), []).append(one)
    return list(groups.values())


def _outside(rules: list[Grant], givers: Group, takers: Group, flow: Flow) -> Iterator[Unused]:
    def decision(action: str, i: DepartmentSettings, j: DepartmentSettings) -> Decision:
        return decide(rules, owner=i.name, who=j.name, verb=action, what=flow.what)

    giver, taker = givers[0], takers[0]
    permitted, teaches = decision("train", giver, taker).permitted, giver.is_source and taker.is_target
    if permitted and teaches:
        return
    actions = tuple(action for action in OTHER_ACTIONS if decision(action, giver, taker).permitted)
    # '*' means the departments that can take part; that it also covers the others is no refusal.
    if not teaches and not actions and EVERYONE in (*flow.from_, *flow.to):
        return
    for i in givers:
        for j in takers:
            if i is not j:
                reason = _unfit(i, j, flow.what) if permitted else decision("train", i, j).reason
                yield Unused(i.name, j.name, flow.what, actions, reason)


def _unfit(i: DepartmentSettings, j: DepartmentSettings, what: str) -> str:
    who = f"{j.name} is no target" if i.is_source else f"{i.name} is no source"
    return f"{who}, so training cannot use {what!r}"
