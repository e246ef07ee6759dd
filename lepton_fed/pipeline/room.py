"""What a department has room for: which of its steps may run at the same time, and when they may begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lepton_fed.errors import ConfigError
from lepton_fed.pipeline.step import Step, Takes

if TYPE_CHECKING:
    from lepton_fed.collaboration import Graph, Hours, Node

_AMOUNTS = ("devices", "cores", "memory")


@dataclass(frozen=True)
class Room:
    """A department's resources, where None limits nothing, and its opening hours."""

    devices: float | None = None
    cores: float | None = None
    memory: float | None = None
    """GiB."""
    hours: Hours | None = None

    @classmethod
    def of(cls, node: Node) -> Room:
        """That of a department of the graph."""
        return cls(node.devices, node.cores, node.memory, node.opening)

    def holds(self, takes: Takes | None, running: Iterable[Takes | None] = ()) -> bool:
        """Whether a step that takes this fits beside those that run; one that does not say takes the whole room."""
        beside = list(running)
        if beside and (takes is None or None in beside):
            return False
        wanted = [one for one in (takes, *beside) if one is not None]
        return all(self._within(key, sum(getattr(one, key) for one in wanted)) for key in _AMOUNTS)

    def opens(self, moment: datetime) -> datetime:
        """The moment itself where work may begin then, else the next one at which it may."""
        return moment if self.hours is None else self.hours.next_opening(moment)

    def _within(self, key: str, amount: float) -> bool:
        limit: float | None = getattr(self, key)
        return limit is None or amount <= limit


def rooms(graph: Graph, steps: Iterable[Step]) -> Mapping[str, Room]:
    """The room of each department with a step; ConfigError for a step that would never fit."""
    found: dict[str, Room] = {}
    for step in steps:
        room = found.setdefault(step.department, Room.of(graph.node(step.department)))
        if not room.holds(step.takes):
            raise ConfigError(
                f"{step.name} takes more than {step.department} has; give it less, or the department more"
            )
    return found
