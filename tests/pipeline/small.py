"""Small pipelines to test with: a graph of departments, steps that note that they were done, time that stands still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from lepton_fed import Graph
from lepton_fed.pipeline import Plan, SimulatedClock, Step, planned
from lepton_fed.pipeline.permission import Answer
from lepton_fed.pipeline.room import Room, rooms
from lepton_fed.pipeline.step import Call, Result, Work

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
NAMES = ("研发部门", "生产车间", "供应链部门")


def graph(*names: str, **hours: str) -> Graph:
    """Departments without edges; the seed's three if none are named."""
    made = Graph()
    for name in names or NAMES:
        made.add_node(name, **({"hours": hours[name]} if name in hours else {}))
    return made


def nothing(call: Call) -> Result:
    """Work that is done at once."""
    return call.step


def step(department: str, description: str, work: Work | None = nothing, **more: object) -> Step:
    """A step with work of its own."""
    return Step(department=department, description=description, kind="work", work=work, **more)  # type: ignore[arg-type]


def plan_of(steps: Sequence[Step], of: Graph | None = None) -> tuple[Plan, dict[str, Room]]:
    """The plan in the seed's departments, or in those of a graph, with their rooms."""
    made = of or graph()
    return planned(steps, made), dict(rooms(made, steps))


def yes(_: Step) -> tuple[tuple[Answer, ...], str | None]:
    """Nobody objects."""
    return (), None


def clock() -> SimulatedClock:
    """Monday morning, until somebody sleeps."""
    return SimulatedClock(MONDAY)


Lines = list[str]


def silent() -> tuple[Lines, Callable[[str], None]]:
    """Lines as they are said, kept instead of printed."""
    lines: Lines = []
    return lines, lines.append
