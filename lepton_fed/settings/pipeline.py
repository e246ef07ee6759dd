"""`[[pipeline]]`: steps and their gates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lepton_fed.settings.basis import EVERYONE, Strict, negative, require, require_words, too_small
from lepton_fed.translation import sentence


@dataclass(frozen=True, kw_only=True)
class Gate(Strict):
    """`[pipeline.gate]`: what must be measured, and where, before work goes on."""

    metric: Literal[
        "loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss", "mse", "mae", "r2"
    ]
    at_least: float | None = None
    at_most: float | None = None
    """For what is better when it is smaller."""
    at: tuple[str, ...] = (EVERYONE,)
    """At which departments; default: at all that have rows."""

    def __post_init__(self) -> None:
        require(
            (self.at_least is None) != (self.at_most is None),
            sentence("pipeline.gate: give at_least or at_most, one of them"),
        )
        require(bool(self.at), sentence("pipeline.gate: at is empty; name a department, or leave it out for all"))

    @property
    def bound(self) -> str:
        """What is asked, in words."""
        if self.at_least is not None:
            return sentence("at least {value:g}", value=self.at_least)
        return sentence("at most {value:g}", value=self.at_most)

    def missed(self, values: dict[str, float]) -> tuple[str, ...]:
        """Departments, of those measured (by name), whose value does not pass; NaN passes nothing."""
        least = -math.inf if self.at_least is None else self.at_least
        most = math.inf if self.at_most is None else self.at_most
        return tuple(name for name, value in values.items() if not least <= value <= most)


@dataclass(frozen=True, kw_only=True)
class PipelineStep(Strict):
    """`[[pipeline]]`: one step at each of its departments (docs/pipelines.md)."""

    department: tuple[str, ...]
    step: str
    """In a few words; some mean work of ours, such as 完成模型开发 or `train`."""
    work: Literal["train", "validate", "iterate", "publish", "manual"] | None = None
    """Default: what the words mean, else a person's work."""
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """Steps by their words; default: those of the entry before, unless needs or makes says otherwise."""
    rounds: int | None = None
    """`train`: how many, default `rounds.count`; `iterate`: how many more in one pass."""
    budget: int = 1
    """`iterate` only: how many passes at most until the gate passes."""
    gate: Gate | None = None
    """`validate` and `iterate` only."""
    approve: str | None = None
    """The role that must approve it before it begins; never who began the run."""
    retries: int = 2
    timeout: int | None = None
    """Seconds that one try may take."""
    to: str | None = None
    """`publish` only: the folder, relative to where the command is given; default: in the pipeline's run folder."""

    def __post_init__(self) -> None:
        require_words("pipeline: step", self.step)
        require(
            bool(self.department), sentence("pipeline: {step!r} needs at least one name in department", step=self.step)
        )
        for key in ("rounds", "timeout"):
            number = getattr(self, key)
            require(number is None or number >= 1, too_small(f"pipeline: {key}", number))
        require(self.budget >= 1, too_small("pipeline: budget", self.budget))
        require(self.retries >= 0, negative("pipeline: retries", self.retries))
        require(
            self.budget == 1 or self.gate is not None,
            sentence("pipeline: {step!r} has a budget and no gate to pass", step=self.step),
        )
        if self.approve is not None:
            require_words("pipeline: approve", self.approve)
