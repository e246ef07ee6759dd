"""What is told of a run: `[report]`, `[audit]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lepton_fed.settings.basis import Strict, require
from lepton_fed.translation import sentence

METRICS = ("loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss", "mse", "mae", "r2")


@dataclass(frozen=True, kw_only=True)
class Report(Strict):
    """`[report]`: what is measured, and what a department's own result is set beside."""

    metrics: tuple[
        Literal[
            "loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss", "mse", "mae", "r2"
        ],
        ...,
    ] = ("loss",)
    """The first is the one that bars and tables compare by."""
    baselines: tuple[Literal["alone", "pooled"], ...] = ("alone", "pooled")
    alone_learning_rates: tuple[float, ...] = ()
    """Learning rates tried for training alone, chosen on a validation part; default: the federation's."""

    def __post_init__(self) -> None:
        require(bool(self.metrics), sentence("report: metrics is empty; name at least one"))
        require(len(set(self.metrics)) == len(self.metrics), sentence("report: a metric is listed twice"))
        require(len(set(self.baselines)) == len(self.baselines), sentence("report: a baseline is listed twice"))
        rates = self.alone_learning_rates
        require(
            all(rate > 0 for rate in rates),
            sentence("report: alone_learning_rates must be positive: {rates}", rates=list(rates)),
        )


@dataclass(frozen=True, kw_only=True)
class Audit(Strict):
    """`[audit]`: how the log of what was decided is kept."""

    every: int = 10
    """Rounds after which departments countersign the log again; they do at the end of a run anyway."""

    def __post_init__(self) -> None:
        require(self.every >= 1, sentence("audit: every must be at least 1 round, not {every}", every=self.every))
