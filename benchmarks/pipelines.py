"""How long random pipelines take by the order in which steps are taken up, and what a step of the durable engine costs.

    python -m benchmarks.pipelines            60 graphs of 300 steps over 12 departments; the engine on SQLite
    python -m benchmarks.pipelines --smoke    3 graphs of 60 steps

Each department does one step at a time. Makespans are in simulated time and are divided by the lower bound: the
longest chain, or the work of the busiest department. `estimates off`: ranks from durations that are off by a factor
e^{0.7z}, as the means of earlier runs are.
"""

from __future__ import annotations

import argparse
import heapq
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from benchmarks.machine import machine
from lepton_fed import Graph
from lepton_fed.pipeline import Call, Plan, SimulatedClock, Step, planned
from lepton_fed.pipeline.claiming import Claim
from lepton_fed.pipeline.room import rooms
from lepton_fed.pipeline.states import Move
from lepton_fed.pipeline.step import Result
from lepton_fed.pipeline.store import PipelineStore
from lepton_fed.pipeline.timetable import lower_bound, timetable

Priority = Callable[[Plan, random.Random], Mapping[str, float]]


def nothing(call: Call) -> Result:
    """Work of a step whose time is simulated."""


def graph_of(departments: int) -> Graph:
    """Departments without edges: here steps say themselves what they come after."""
    graph = Graph()
    for k in range(departments):
        graph.add_node(f"部门{k}")
    return graph


def random_plan(steps: int, departments: int, chance: random.Random) -> Plan:
    """Each step is anybody's, comes after none to three of the twenty before it and takes 1 to 10 seconds."""
    made = []
    for k in range(steps):
        before = chance.sample(range(max(0, k - 20), k), min(k, chance.randrange(4)))
        made.append(
            Step(
                department=f"部门{chance.randrange(departments)}",
                description=f"步{k}",
                kind="work",
                work=nothing,
                after=tuple(f"步{j}" for j in sorted(before)),
                duration=chance.uniform(1.0, 10.0),
            )
        )
    return planned(made, graph_of(departments))


def critical(plan: Plan, chance: random.Random) -> Mapping[str, float]:
    """Upward rank."""
    return plan.critical.rank


def estimated(plan: Plan, chance: random.Random) -> Mapping[str, float]:
    """Upward rank by durations that are off."""
    steps = (replace(step, duration=step.duration * chance.lognormvariate(0.0, 0.7)) for step in plan.steps)
    return Plan(tuple(steps), plan.links).critical.rank


def ready_first(plan: Plan, chance: random.Random) -> Mapping[str, float]:
    """All alike: in the order of insertion."""
    return dict.fromkeys(plan.places, 0.0)


def at_random(plan: Plan, chance: random.Random) -> Mapping[str, float]:
    """Whatever comes."""
    return {name: chance.random() for name in plan.places}


ORDERS: dict[str, Priority] = {
    "critical path first": critical,
    "the same, estimates off": estimated,
    "first in, first out": ready_first,
    "random": at_random,
}


def makespans(graphs: int, steps: int, departments: int, seed: int = 1) -> dict[str, float]:
    """Mean makespan over the lower bound, for each order."""
    found: dict[str, list[float]] = {name: [] for name in ORDERS}
    for k in range(graphs):
        chance = random.Random(f"{seed}/{k}")
        plan = random_plan(steps, departments, chance)
        durations = {step.name: step.duration for step in plan.steps}
        least = lower_bound(plan, durations)
        for name, priority in ORDERS.items():
            found[name].append(timetable(plan, durations, priority(plan, chance)).makespan / least)
    return {name: mean(ratios) for name, ratios in found.items()}


def rehearsed(plan: Plan, graph: Graph, database: Path) -> tuple[float, float, float]:
    """The plan through the engine under a simulated clock: makespan there; real and processor seconds a step."""
    clock = SimulatedClock(datetime(2026, 1, 5, tzinfo=UTC))
    start, room = clock.now(), rooms(graph, plan.steps)
    with PipelineStore(database, "benchmark", clock, lease=1e6) as store:
        began, worked = time.perf_counter(), time.process_time()
        run = store.begin(plan, "benchmark")
        running: list[tuple[datetime, int, Claim]] = []
        while True:
            while (taken := store.claim(run, plan, "worker", room, lambda step: ((), None))) is not None:
                assert taken.claim is not None
                ends = clock.now().timestamp() + taken.step.duration
                heapq.heappush(
                    running, (datetime.fromtimestamp(ends, UTC), len(plan.steps) - len(running), taken.claim)
                )
            if not running:
                break
            ends_at, _, claim = heapq.heappop(running)
            clock.sleep((ends_at - clock.now()).total_seconds())
            store.end(claim, plan, Move.FINISHED)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        status = store.status()
        assert status is not None
        assert status.succeeded
    return (clock.now() - start).total_seconds(), seconds / len(plan.steps), worked / len(plan.steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="few and small graphs")
    smoke = parser.parse_args().smoke
    graphs, steps, departments = (3, 60, 6) if smoke else (60, 300, 12)
    print(f"{graphs} random graphs of {steps} steps over {departments} departments, simulated time")
    print("makespan / lower bound, mean")
    for name, ratio in makespans(graphs, steps, departments).items():
        print(f"  {name:<26}{ratio:.3f}")
    plan = random_plan(steps, departments, random.Random("1/0"))
    with tempfile.TemporaryDirectory() as folder:
        made, seconds, worked = rehearsed(plan, graph_of(departments), Path(folder) / "pipelines.sqlite")
    durations = {step.name: step.duration for step in plan.steps}
    least = lower_bound(plan, durations)
    print(f"the first of them through the engine on SQLite: {made / least:.3f}")
    print(f"  a step: {1000 * seconds:.1f} ms, of which {1000 * worked:.1f} ms of the processor")
    print(", ".join(f"{key} {value}" for key, value in machine().items()))


if __name__ == "__main__":
    main()
