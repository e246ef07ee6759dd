"""Where a run of a pipeline is, as frozen values: its steps, and every move so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lepton_fed.pipeline.states import GOES_ON, OVER, State
from lepton_fed.pipeline.step import Result


@dataclass(frozen=True, kw_only=True)
class StepStatus:
    """One step. `turns`: finished passes of its loop; `begun`: how often a worker took it up."""

    name: str
    department: str
    description: str
    state: State
    turns: int
    failures: int
    begun: int
    worker: str
    reason: str
    result: Result
    started: datetime | None
    ended: datetime | None
    not_before: datetime | None
    lease: datetime | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """A move of a step. `turn`, `attempt`: of which pass and try; `begun`: how often it had been taken up."""

    step: str
    at: datetime
    move: str
    before: State
    after: State
    turn: int
    attempt: int
    begun: int
    worker: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """A run: `state` is running, finished, failed or cancelled. A failed one goes on when it is run again."""

    pipeline: str
    number: int
    definition: str
    state: str
    requester: str
    started: datetime
    finished: datetime | None
    steps: tuple[StepStatus, ...]

    @property
    def run(self) -> str:
        """How the run is referred to."""
        return f"{self.pipeline}#{self.number}"

    def step(self, name: str) -> StepStatus:
        """One step by its name; KeyError if there is none."""
        return {one.name: one for one in self.steps}[name]

    def in_state(self, *states: State) -> tuple[StepStatus, ...]:
        """Steps in any of these states, in order."""
        return tuple(one for one in self.steps if one.state in states)

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to do."""
        return all(one.state in OVER for one in self.steps)

    @property
    def succeeded(self) -> bool:
        """Whether all of it is done, skipped, or for people to do."""
        return all(one.state in GOES_ON for one in self.steps)
