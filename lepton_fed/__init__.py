"""lepton-fed: the departments of one enterprise train together without showing each other their data.

    from lepton_fed import Federation, simulate
    result = simulate(Federation.load("configs/manufacturing.toml"))
    result.last("auc")

Names are imported when they are first used: importing the package does no work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_fed.collaboration import DataSharing, Graph
    from lepton_fed.config import Federation
    from lepton_fed.department import Department
    from lepton_fed.errors import LeptonError
    from lepton_fed.history import Measurement
    from lepton_fed.knowledge import KnowledgeGraph
    from lepton_fed.pipeline import AutoPipeline
    from lepton_fed.result import RunResult
    from lepton_fed.settings import Settings
    from lepton_fed.simulation import simulate

_HOMES = {
    "AutoPipeline": "pipeline",
    "DataSharing": "collaboration",
    "Department": "department",
    "Federation": "config",
    "Graph": "collaboration",
    "KnowledgeGraph": "knowledge",
    "LeptonError": "errors",
    "Measurement": "history",
    "RunResult": "result",
    "Settings": "settings",
    "simulate": "simulation",
}

__version__ = "0.1.0"

__all__ = [
    "AutoPipeline",
    "DataSharing",
    "Department",
    "Federation",
    "Graph",
    "KnowledgeGraph",
    "LeptonError",
    "Measurement",
    "RunResult",
    "Settings",
    "__version__",
    "simulate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
