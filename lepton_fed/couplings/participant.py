"""What a coupling works with at one department: the model on the bench, the examples, and what is kept at home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lepton_fed.messages import Vector
from lepton_fed.order import Order
from lepton_fed.parameters import FlatModel
from lepton_fed.resident import Batch, Examples
from lepton_fed.seeds import derive
from lepton_fed.settings import Settings
from lepton_fed.training.descent import Extra, Pull, descend
from lepton_fed.training.losses import Loss
from lepton_fed.training.noise import may_draw, seeded
from lepton_fed.training.optimisers import Memory

Kept = dict[str, Tensor]


@dataclass(eq=False)
class Participant:
    """One department's bench and memory.

    `model` may be shared with other departments of the process: whoever works loads its own state first.
    `kept` is all that lasts from one message to the next, by name: it goes into checkpoints as it is.
    """

    name: str
    settings: Settings
    model: FlatModel
    loss: Loss
    examples: Examples | None
    weight: float
    """w_i, its raw α; 0 for a department that is no source."""
    beta: float
    order: Order
    home: str | None
    """The hub it starts from, except under `clusters`."""
    common: Tensor | None = None
    """The unlabelled set of `distill`, (N, *features) on the device."""
    kept: Kept = field(default_factory=dict)
    draws: bool = field(init=False)
    """Whether training may draw from torch's generators."""

    def __post_init__(self) -> None:
        self.draws = may_draw(self.model.module)

    @property
    def device(self) -> torch.device:
        return self.model.vector.device

    @property
    def is_source(self) -> bool:
        return self.settings.department(self.name).is_source

    @property
    def is_target(self) -> bool:
        return self.settings.department(self.name).is_target

    def will_report(self, round: int) -> bool:
        """Whether the joint loss of this round will be asked for."""
        rounds = self.settings.rounds
        return round % rounds.evaluate_every == 0 or round >= rounds.count

    def receive(self, vector: Vector) -> Tensor:
        """A received vector on the device."""
        return torch.from_numpy(vector).to(self.device, self.model.vector.dtype)

    def batches(self, round: int) -> Iterator[Batch]:
        """This round's batches of its own examples."""
        assert self.examples is not None
        return self.examples.batches(self.order.runs(round, len(self.examples)))

    def descend(
        self,
        round: int,
        *,
        pull: Pull | None = None,
        drift: Tensor | None = None,
        extra: Extra | None = None,
        batches: Iterator[Batch] | None = None,
        use: str = "own",
    ) -> int:
        """One round of local training of what is on the bench; returns the steps taken.

        `batches` replaces the round's own batches. `use`: which of several trainings of a round this is; each
        has an optimiser of its own.

        Dropout and the like draw from torch's global generator, so it is seeded here and given back afterwards.
        """
        if not self.model.module.training:
            self.model.module.train()
        optimiser = self.settings.training.optimiser
        chosen = self.batches(round) if batches is None else batches
        memory = self._memory(use) if optimiser.keep else {}
        with self._noise(round):
            steps = descend(
                self.model, self.loss, optimiser, chosen, pull=pull, drift=drift, extra=extra, memory=memory
            )
        if optimiser.keep:
            self.kept |= {f"optimiser {use} {name}": value for name, value in memory.items()}
        return steps

    def _noise(self, round: int) -> AbstractContextManager[None]:
        """Seeds torch's generators where the model may draw from them."""
        if not self.draws:
            return nullcontext()
        return seeded(derive(self.settings.federation.seed, "noise", self.name, round), self.device)

    def _memory(self, use: str) -> Memory:
        """A copy of what the optimiser of one use remembers of earlier rounds.

        A copy, because the optimiser changes it in place, and a round that is refused must leave `kept` as it was.
        """
        prefix = f"optimiser {use} "
        return {n.removeprefix(prefix): value.clone() for n, value in self.kept.items() if n.startswith(prefix)}

    def load_private(self) -> None:
        """Puts this department's private parts on the bench: its own, or the initial ones the first time."""
        if self.model.private.numel():
            self.model.private.copy_(self.kept.get("private", self.model.initial_private))
        for name, buffer in self.model.buffers.items():
            buffer.copy_(self.kept.get(f"buffer {name}", self.model.initial_buffers[name]))

    def keep_private(self) -> None:
        """Takes the private parts from the bench."""
        if self.model.private.numel():
            self.kept["private"] = self.model.private.clone()
        for name, buffer in self.model.buffers.items():
            self.kept[f"buffer {name}"] = buffer.clone()

    def load(self, shared: Tensor) -> None:
        """Puts a whole model on the bench: these shared parts beside its own private ones."""
        self.model.shared.copy_(shared)
        self.load_private()
