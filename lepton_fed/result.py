"""What a run came to: its history, one model per target, and how each department compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lepton_fed.coordinator import State
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.models import build
from lepton_fed.settings import Settings
from lepton_fed.statistics import Findings

if TYPE_CHECKING:
    from lepton_fed.vector_gains import VectorGain


@dataclass(frozen=True)
class Compared:
    """One metric on one department's test part: alone, federated, pooled; None where not measured."""

    department: str
    metric: str
    alone: float | None
    federated: float | None
    pooled: float | None
    examples: int


@dataclass(frozen=True, eq=False)
class RunResult:
    """The outcome of `simulate`.

    `models`: target -> tensors by name (private parts and buffers included). `folder`: where it was written.
    """

    settings: Settings
    run: str
    state: State
    history: Sequence[Measurement]
    models: Mapping[str, Mapping[str, Tensor]]
    comparison: Sequence[Compared]
    timing: Mapping[str, float]
    seconds: float
    folder: Path | None
    code: tuple[str, ...] = ()
    findings: Findings | None = None
    """Statistics from before the first round, where the file asks for them."""
    vector_gains: Sequence[VectorGain] = ()
    """What entity vectors brought, where the file joins some and asks for the control."""

    def last(self, metric: str, department: str = FEDERATION, part: str = "test") -> float:
        """The metric's last measurement, a department's on its `part`; KeyError if there is none."""
        for one in reversed(self.history):
            of_part = department == FEDERATION or one.part == part
            if one.metric == metric and one.department == department and of_part:
                return one.value
        raise KeyError(metric)

    def module(self, target: str) -> nn.Module:
        """A target's model, ready to predict, on the CPU."""
        own = self.settings.department(target).model or self.settings.model
        module = build(own, self.settings.data, 0, self.code)
        module.load_state_dict(dict(self.models[target]))
        return module.eval()
