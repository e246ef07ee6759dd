"""The account of a run: what was measured in it, how long it took, which sentences its report repeats."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from lepton_fed.coordinator import News
from lepton_fed.history import Measurement
from lepton_fed.messages import PHASES
from lepton_fed.record import Recorder

from .watcher import Watcher


@dataclass(eq=False)
class RunAccount:
    """Kept from round to round, and by `recorder` for a coordinator that comes after."""

    recorder: Recorder
    watcher: Watcher
    history: list[Measurement] = field(default_factory=list)
    timing: dict[str, float] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    earlier: float = 0.0
    """Seconds that earlier processes of the coordinator have spent on the run."""
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """That the run has taken, in this process of the coordinator and in earlier ones."""
        return self.earlier + time.monotonic() - self._started

    def take(self, number: int, seconds: float, news: News, *, closing: bool = False) -> None:
        """What was measured about round `number`, and who was missing."""
        self.history += news.measurements
        self.recorder.keep_round(number, seconds, news.measurements, news.accounts, closing=closing)
        self.watcher.measured(number, news.measurements)
        for department, phases in news.seconds.items():
            # What else a department calls a phase, or how long it says that it took, is its own affair.
            for phase, value in ((one, phases[one]) for one in PHASES if 0 <= phases.get(one, -1) < math.inf):
                self.timing[f"{phase} ({department})"] = self.timing.get(f"{phase} ({department})", 0.0) + value
        missing = (f"{name} took no part in a round: {why}" for name, why in news.refusals.items())
        for line in (*news.warnings, *missing):
            self.warn(line)

    def warn(self, line: str) -> None:
        """Once to whoever looks on, and in the report."""
        if line not in self.warnings:
            self.watcher.said(line)
        self.warnings[line] = None
