"""Pipelines: the departments' work in the right order, at the same time where it can be, and through any crash.

    AutoPipeline   steps of the departments of a graph; run, status, approve, cancel     (auto)
    Step           one of them, with its needs, tries, loop, approval                     (step)
    planned        what comes after what, and why; ranks and the critical path            (plan)
    PipelineStore  runs in a database: leases, moves, audit, all in one transaction       (store)
    Worker         does what is next, in threads                                          (worker)

Every name is imported when it is first used, so that a plan is made without a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_fed.pipeline.auto import AutoPipeline
    from lepton_fed.pipeline.clock import Clock, SimulatedClock, SystemClock
    from lepton_fed.pipeline.plan import Link, Plan, planned
    from lepton_fed.pipeline.states import State
    from lepton_fed.pipeline.status import Event, Status, StepStatus
    from lepton_fed.pipeline.step import Call, GiveUp, Recorded, Retries, Step, Takes
    from lepton_fed.pipeline.store import PipelineStore
    from lepton_fed.pipeline.worker import Worker

_HOMES = {
    "AutoPipeline": "auto",
    "Call": "step",
    "Clock": "clock",
    "Event": "status",
    "GiveUp": "step",
    "Link": "plan",
    "PipelineStore": "store",
    "Plan": "plan",
    "Recorded": "step",
    "Retries": "step",
    "SimulatedClock": "clock",
    "State": "states",
    "Status": "status",
    "Step": "step",
    "StepStatus": "status",
    "SystemClock": "clock",
    "Takes": "step",
    "Worker": "worker",
    "planned": "plan",
}

__all__ = [
    "AutoPipeline",
    "Call",
    "Clock",
    "Event",
    "GiveUp",
    "Link",
    "PipelineStore",
    "Plan",
    "Recorded",
    "Retries",
    "SimulatedClock",
    "State",
    "Status",
    "Step",
    "StepStatus",
    "SystemClock",
    "Takes",
    "Worker",
    "planned",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
