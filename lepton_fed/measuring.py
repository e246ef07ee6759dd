"""Models measured on a department's own rows, by each metric of the federation file.

{"test/auc": 0.81, "validation/auc": 0.79} ──► {"sum of auc": 0.81 n, "weight of auc": n}    what enters a total
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lepton_fed.bench import Bench
from lepton_fed.messages import PARTS
from lepton_fed.resident import Examples
from lepton_fed.settings import Settings
from lepton_fed.training.metrics import measure


@dataclass(frozen=True, eq=False)
class Rows:
    """A department's examples by use; None where it has none."""

    train: Examples | None = None
    validation: Examples | None = None
    test: Examples | None = None


@dataclass(frozen=True, eq=False)
class Gauge:
    """Measures what is on a bench on one department's rows."""

    settings: Settings
    bench: Bench
    rows: Rows

    def parts(self) -> dict[str, Examples]:
        """The rows to measure on, by what they are called; without those that it does not have."""
        parts = zip(PARTS, (self.rows.test, self.rows.validation), strict=True)
        return {name: examples for name, examples in parts if examples is not None and len(examples)}

    def measured(self, examples: Examples) -> dict[str, float]:
        """Each metric on these rows."""
        metrics = self.settings.report.metrics
        return measure(self.bench.model.module, examples, self.bench.loss, metrics, self.settings.data)

    def all_measured(self) -> dict[str, float]:
        """Each metric on all parts, as "part/metric"."""
        own: dict[str, float] = {}
        for name, examples in self.parts().items():
            own |= {f"{name}/{metric}": value for metric, value in self.measured(examples).items()}
        return own

    def scores(self, own: Mapping[str, float]) -> dict[str, float]:
        """What of this enters the federation's totals."""
        return totals(own, len(self.rows.test) if self.rows.test is not None else 0)


def totals(own: Mapping[str, float], examples: int) -> dict[str, float]:
    """Addends of the federation's mean of each test metric: "metric·n" and "n of metric", where it exists."""
    scores: dict[str, float] = {}
    for key, value in own.items():
        part_name, metric = key.split("/")
        if part_name == "test" and np.isfinite(value):
            scores[f"sum of {metric}"], scores[f"weight of {metric}"] = value * examples, float(examples)
    return scores
