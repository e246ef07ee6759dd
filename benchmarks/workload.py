"""The workload that lepton-fed and every peer run, so that a ratio of two times means something.

    MNIST-shaped pictures drawn from a seed -> one local epoch of plain SGD each -> mean by count

Every random draw (data, first weights, cohorts, batches) is fixed: systems that do the same arithmetic end
at the same accuracy, and a system that skips work gives itself away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

MODELS = ("mlp", "cnn")
TEST_DEPARTMENT = 10_000
"""A department that never trains; its pictures measure the accuracy."""


@dataclass(frozen=True)
class Workload:
    """Sizes of one run. The variables named in `from_environment` set them."""

    departments: int = 10
    per_round: int = 10
    rounds: int = 20
    examples: int = 500
    batch: int = 32
    learning_rate: float = 0.1
    model: str = "mlp"
    threads: int = 1
    seed: int = 7

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model is {self.model!r}; the workload knows {', '.join(MODELS)}")
        if not 1 <= self.per_round <= self.departments:
            raise ValueError(f"{self.per_round} departments a round, of {self.departments}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Workload:
        """DEPTS, PER_ROUND (all, if absent), ROUNDS, EXAMPLES (per department), BATCH, MODEL, THREADS."""

        def number(name: str, default: int) -> int:
            return int(environment.get(name, default))

        departments = number("DEPTS", cls.departments)
        return cls(
            departments=departments,
            per_round=number("PER_ROUND", departments),
            rounds=number("ROUNDS", cls.rounds),
            examples=number("EXAMPLES", cls.examples),
            batch=number("BATCH", cls.batch),
            model=environment.get("MODEL", cls.model),
            threads=number("THREADS", cls.threads),
        )

    def network(self) -> nn.Sequential:
        """A fresh network with the first weights; seeds torch's generator, which then draws the batches."""
        torch.manual_seed(self.seed)
        if self.model == "mlp":
            return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        return nn.Sequential(
            *(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(32 * 49, 10)),
        )

    def department(self, number: int) -> tuple[Tensor, Tensor]:
        """Pictures (examples, 1, 28, 28) float32 and digits (examples,) int64 of one department.

        A picture is a faint class centre, the same for everybody, under noise of the department's own.
        """
        centres = np.random.default_rng(self.seed).normal(size=(10, 784)).astype("float32")
        own = np.random.default_rng([self.seed, number])
        digits = own.integers(0, 10, self.examples)
        pictures = 0.12 * centres[digits] + 1.0 * own.normal(size=(self.examples, 784)).astype("float32")
        return torch.from_numpy(pictures.reshape(-1, 1, 28, 28).astype("float32")), torch.from_numpy(digits)

    def cohorts(self) -> Iterator[npt.NDArray[np.int64]]:
        """The departments of each round, without end."""
        draw = np.random.default_rng(0)
        while True:
            yield draw.choice(self.departments, self.per_round, replace=False)

    @torch.no_grad()
    def accuracy(self, network: nn.Module) -> float:
        """The share of unseen pictures that `network` reads rightly."""
        pictures, digits = self.department(TEST_DEPARTMENT)
        return float((network(pictures).argmax(1) == digits).float().mean())
