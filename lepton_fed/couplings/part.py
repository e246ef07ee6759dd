"""A department's part in a coupling, and what the parts over parameter vectors have in common.

The joint loss of a target is known from three sums over its sources and what it holds itself:

    row_j = β_j ( ½ Σα‖Δ_i‖²  -  Δ_j · Σα Δ_i  +  ½ ‖Δ_j‖² )  =  β_j Σ_i α_i ½‖θ_i - θ_j‖²

with every Δ relative to the same hub model, and Σα = 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from lepton_fed.couplings.participant import Participant
from lepton_fed.messages import Addend, HubState, Vector, Work

Hubs = Mapping[str, HubState]

BLOCK = 1 << 20
"""Entries that are worked on at once, where more room would be needed than a vector has."""


class Part(ABC):
    """One department's side of a coupling. A message is handled as read, row, train, in this order."""

    def __init__(self, participant: Participant) -> None:
        self.at = participant

    @abstractmethod
    def read(self, hubs: Hubs) -> None:
        """Puts the model that this department uses now on the bench."""

    @abstractmethod
    def train(self, work: Work) -> dict[str, Addend]:
        """One round from what `read` left on the bench; returns what goes into each hub's sum."""

    def row(self, work: Work) -> float | None:
        """This target's row of the joint loss of the round before; None where it has none."""
        hub = work.hubs.get(self.at.home or "")
        if hub is None or hub.release is None or not self.at.is_target:
            return None
        if not self.at.is_source:
            return 0.5 * self.at.beta * hub.release.spread
        own = self._own_of(work.round - 1)
        return (
            None
            if own is None
            else self.at.beta * _half_distance(own, self.at.receive(hub.release.mean), hub.release.spread)
        )

    def declare(self, hubs: Hubs) -> str:
        """The hub to write to; `clusters` alone asks."""
        raise NotImplementedError

    def _remember(self, round: int, own: Tensor) -> None:
        """Keeps Δ_j of this round for the row that the next message asks for, if it will."""
        self.at.kept.pop("own", None)
        if not self.at.will_report(round):
            return
        self.at.kept["own"], self.at.kept["own round"] = own, torch.tensor(round)

    def _own_of(self, round: int) -> Tensor | None:
        when = self.at.kept.get("own round")
        return self.at.kept["own"] if when is not None and int(when) == round else None


class ParameterPart(Part):
    """What the couplings over parameter vectors share: a home hub, and updates relative to a hub's model."""

    def home(self, hubs: Hubs) -> Tensor:
        """The home hub's model on the device."""
        assert self.at.home is not None
        return self.at.receive(hubs[self.at.home].model)

    def upload(self, work: Work, trained: Tensor) -> dict[str, Addend]:
        """What `trained` (shared size,) adds to each hub it is written to; remembers its own Δ for the next row."""
        updates = {name: trained - self.at.receive(work.hubs[name].model) for name in work.write}
        own = updates.get(self.at.home or "")
        self._remember(work.round, own if own is not None else trained - self.home(work.hubs))
        exact = self.at.will_report(work.round)
        return {name: addend(update, self.at.weight, exact) for name, update in updates.items()}


def addend(update: Tensor, weight: float, exact: bool = True) -> Addend:
    """An update with its squared norm: in float64 where the joint loss needs it, else good enough to see that
    the update is finite (float32 is five times as quick).
    """
    return Addend(on_host(update), weight, squared_norm(update, exact))


def squared_norm(update: Tensor, exact: bool) -> float:
    """‖Δ‖², in float64 where `exact`, else in float32."""
    return float(torch.linalg.vector_norm(update, dtype=torch.float64)) ** 2 if exact else float(update @ update)


def on_host(vector: Tensor) -> Vector:
    """A float32 NumPy view or copy on the host: the one crossing of a round."""
    return vector.detach().to("cpu", torch.float32).numpy()


def _half_distance(own: Tensor, mean: Tensor, spread: float) -> float:
    """½ Σα‖Δ_i - Δ_j‖² from the sums, in float64, block by block: whole vectors in float64 are twice as large."""
    inner = squared = 0.0
    for mine, its in zip(own.split(BLOCK), mean[: own.numel()].split(BLOCK), strict=True):
        mine, its = mine.double(), its.double()
        inner += float(mine @ its)
        squared += float(mine @ mine)
    return 0.5 * spread - inner + 0.5 * squared
