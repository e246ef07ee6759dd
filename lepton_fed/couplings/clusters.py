"""`clusters`: m hubs; a department writes to one, declared in public, and reads any mixture of them at home.

φ_r = softmax over r of -f_i(hub_r) / τ       soft reading
φ   = the hub with the smallest f_i           hard reading: IFCA (Ghosh et al. 2020)
"""

from __future__ import annotations

import torch
from torch import Tensor

from lepton_fed.couplings.part import Hubs, ParameterPart
from lepton_fed.messages import Addend, Work
from lepton_fed.training.descent import Pull
from lepton_fed.training.metrics import mean_loss


class Clusters(ParameterPart):
    """One department among m hubs."""

    def declare(self, hubs: Hubs) -> str:
        losses = self._losses(hubs)
        return min(losses, key=lambda name: losses[name])

    def read(self, hubs: Hubs) -> None:
        personal = self.at.kept.get("personal")
        keeps_own = not self.at.settings.coupling.reset and personal is not None
        self.at.load(personal if keeps_own and personal is not None else self.mixture(hubs))

    def train(self, work: Work) -> dict[str, Addend]:
        at, pull = self.at, None
        if not at.settings.coupling.reset:
            anchor = at.model.parameters_of(self.mixture(work.hubs))
            pull = Pull(anchor, at.settings.coupling.lambda_ * at.beta)
            self.read(work.hubs)
        at.descend(work.round, pull=pull)
        at.keep_private()
        if not at.settings.coupling.reset:
            at.kept["personal"] = at.model.shared.clone()
        return self.upload(work, at.model.shared)

    def row(self, work: Work) -> float | None:
        """None: j runs over hubs here, so the coordinator has every row from the sums."""
        return None

    def mixture(self, hubs: Hubs) -> Tensor:
        """Σ_r φ_r hub_r, (shared size,)."""
        shares = self._shares(hubs)
        total = torch.zeros_like(self.at.model.shared)
        for name, share in shares.items():
            if share:
                total.add_(self.at.receive(hubs[name].model), alpha=share)
        return total

    def _shares(self, hubs: Hubs) -> dict[str, float]:
        """φ by hub. A department without rows reads every hub by the weight behind it."""
        if self.at.examples is None:
            masses = {n: h.release.mass if h.release else 0.0 for n, h in hubs.items()}
            total = sum(masses.values())
            return {n: m / total if total else 1.0 / len(hubs) for n, m in masses.items()}
        losses = self._losses(hubs)
        if self.at.settings.coupling.read == "hard":
            best = min(losses, key=lambda name: losses[name])
            return {name: float(name == best) for name in losses}
        values = torch.tensor(list(losses.values()), dtype=torch.float64)
        shares = torch.softmax(-values / self.at.settings.coupling.temperature, 0)
        return dict(zip(losses, shares.tolist(), strict=True))

    def _losses(self, hubs: Hubs) -> dict[str, float]:
        """f_i of each hub on its own training rows."""
        assert self.at.examples is not None
        losses = {}
        for name, hub in hubs.items():
            self.at.load(self.at.receive(hub.model))
            losses[name] = mean_loss(self.at.model.module, self.at.examples, self.at.loss)
        return losses
