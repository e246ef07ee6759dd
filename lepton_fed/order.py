"""In which order a department goes through its examples: a function of (seed, department, epoch), nothing kept.

Counted in epochs, round r shuffles anew for each of its epochs. Counted in steps, the shuffles go on across
rounds: round r takes steps r·s .. (r+1)·s - 1 of an endless sequence of epochs, cut where an epoch ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from lepton_fed.resident import Run
from lepton_fed.seeds import derive
from lepton_fed.settings import Training


class Order(Protocol):
    """Gives the batches of one round."""

    def runs(self, round: int, examples: int) -> Iterator[Run]: ...


class SeededOrder:
    """The order of one department under one seed."""

    def __init__(self, training: Training, seed: int, department: str) -> None:
        self.epochs = training.epochs if training.epochs is not None or training.steps is not None else 1
        self.steps = training.steps
        self.batch = training.batch
        self._use = (seed, "order", department)

    def runs(self, round: int, examples: int) -> Iterator[Run]:
        """Batches of round `round` (from 1) over `examples` rows; the last batch of an epoch may be smaller."""
        if self.steps is None:
            assert self.epochs is not None
            first = (round - 1) * self.epochs
            for epoch in range(first, first + self.epochs):
                yield Run(self._permutation(epoch, examples), self.batch)
        else:
            yield from self._steps((round - 1) * self.steps, self.steps, examples)

    def _steps(self, start: int, count: int, examples: int) -> Iterator[Run]:
        per_epoch = -(-examples // self.batch)
        step, end = start, start + count
        while step < end:
            epoch, within = divmod(step, per_epoch)
            taken = min(per_epoch - within, end - step)
            order = self._permutation(epoch, examples)
            yield Run(order[within * self.batch : (within + taken) * self.batch], self.batch)
            step += taken

    def _permutation(self, epoch: int, examples: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive(*self._use, epoch))
        return torch.randperm(examples, generator=generator)
