"""When each step of a plan would run, given how long each takes: a list scheduler in simulated time.

    makespan = when the last one ends  ≥  lower bound = max(critical path, work of the busiest department)

The step that goes first, of those that could, is the one of the highest priority; with upward ranks (a step's own time
and the longest that waits for it, Topcuoglu et al. 2002) that is the critical path's. Departments do one at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from lepton_fed.pipeline.plan import Plan


@dataclass(frozen=True)
class Timetable:
    """Seconds after the beginning at which each step begins and ends."""

    begins: Mapping[str, float]
    ends: Mapping[str, float]

    @property
    def makespan(self) -> float:
        """Seconds until all is over."""
        return max(self.ends.values(), default=0.0)


def timetable(plan: Plan, durations: Mapping[str, float], priority: Mapping[str, float]) -> Timetable:
    """Steps as early as their department is free, the highest priority first, then in the order of insertion."""
    missing = {name: len(links) for name, links in plan.before.items()}
    followers: dict[str, list[str]] = {step.name: [] for step in plan.steps}
    for link in plan.links:
        followers[link.after].append(link.step)
    ready: dict[str, list[tuple[float, int, str]]] = {name: [] for name in plan.departments}
    begins: dict[str, float] = {}
    ends: dict[str, float] = {}
    running: list[tuple[float, int, str]] = []
    idle = set(plan.departments)

    def offer(name: str) -> None:
        heapq.heappush(ready[plan.step(name).department], (-priority[name], plan.places[name], name))

    def start(now: float) -> None:
        for department in sorted(idle, key=plan.departments.index):
            if ready[department]:
                _, place, name = heapq.heappop(ready[department])
                begins[name], ends[name] = now, now + durations[name]
                heapq.heappush(running, (ends[name], place, name))
                idle.discard(department)

    for step in plan.steps:
        if not missing[step.name]:
            offer(step.name)
    start(0.0)
    while running:
        now, _, name = heapq.heappop(running)
        idle.add(plan.step(name).department)
        for follower in followers[name]:
            missing[follower] -= 1
            if not missing[follower]:
                offer(follower)
        if not running or running[0][0] > now:
            start(now)
    return Timetable(begins, ends)


def lower_bound(plan: Plan, durations: Mapping[str, float]) -> float:
    """No schedule is shorter: the longest chain, or all that one department has to do, one after the other."""
    rank: dict[str, float] = {}
    followers: dict[str, list[str]] = {step.name: [] for step in plan.steps}
    for link in plan.links:
        followers[link.after].append(link.step)
    for name in sorted(plan.critical.start, key=plan.critical.start.__getitem__, reverse=True):
        rank[name] = durations[name] + max((rank[one] for one in followers[name]), default=0.0)
    work: dict[str, float] = dict.fromkeys(plan.departments, 0.0)
    for step in plan.steps:
        work[step.department] += durations[step.name]
    return max((*rank.values(), *work.values()), default=0.0)
