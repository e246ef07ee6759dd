"""One simulation under way: what its phases hand on to each other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lepton_fed.assembly import Own
from lepton_fed.config import Federation
from lepton_fed.coordinator import State
from lepton_fed.department import Department
from lepton_fed.history import Measurement
from lepton_fed.progress import Progress
from lepton_fed.record import Recorder
from lepton_fed.secagg.client import Party
from lepton_fed.statistics import Findings
from lepton_fed.tracking import Tracker

if TYPE_CHECKING:
    from lepton_fed.audit.key_folder import KeyFolder


@dataclass(eq=False)
class Run:
    """Of the engine in one process, or of the departments that Flower's engine drives."""

    federation: Federation
    owns: dict[str, Own]
    departments: dict[str, Department]
    state: State
    progress: Progress
    parties: Mapping[str, Party]
    recorder: Recorder | None = None
    keys: KeyFolder | None = None
    """Of the audit log."""
    trackers: list[Tracker] = field(default_factory=list)
    history: list[Measurement] = field(default_factory=list)
    timing: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    warnings: dict[str, None] = field(default_factory=dict)
    findings: Findings | None = None

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Adds the time spent within to a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timing[phase] += time.perf_counter() - started
