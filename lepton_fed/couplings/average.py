"""`average`: start from the anchor, train, upload. β is infinite: a reset, no penalty (McMahan et al. 2017).

With private parts it is FedPer or FedBN; with `correction = "scaffold"` each gradient is corrected by c - c_i
(Karimireddy et al. 2020, Algorithm 1, option II), where c = Σ α_i c_i.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lepton_fed.couplings.part import Hubs, ParameterPart, on_host
from lepton_fed.messages import Addend, Work


class Average(ParameterPart):
    """FedAvg's department."""

    def read(self, hubs: Hubs) -> None:
        self.at.load(self.home(hubs))

    def train(self, work: Work) -> dict[str, Addend]:
        at = self.at
        if at.settings.training.correction == "scaffold":
            return self._train_corrected(work)
        at.descend(work.round)
        at.keep_private()
        return self.upload(work, at.model.shared)

    def _train_corrected(self, work: Work) -> dict[str, Addend]:
        at, home = self.at, self.at.home
        assert home is not None
        received = work.hubs[home].control
        c = at.receive(received) if received is not None else torch.zeros_like(at.model.pulled)
        c_i = at.kept.get("control", torch.zeros_like(c))
        steps = at.descend(work.round, drift=c - c_i)
        at.keep_private()
        moved = at.model.parameters_of(at.model.shared - self.home(work.hubs))
        change = -c - moved / (steps * at.settings.training.optimiser.learning_rate)
        at.kept["control"] = c_i + change
        return {name: _with_control(plain, change) for name, plain in self.upload(work, at.model.shared).items()}


def _with_control(plain: Addend, change: Tensor) -> Addend:
    """[Δ | Δc_i] as one vector; the spread is that of Δ alone."""
    return Addend(np.concatenate([plain.vector, on_host(change)]), plain.weight, plain.spread)
