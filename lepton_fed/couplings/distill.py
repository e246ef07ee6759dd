"""`distill`: departments agree on predictions over a common unlabelled set, so architectures may differ.

    forward   Σ_i α_i KL(p_i ‖ q) = Σ_i α_i Σ p_i log p_i  -  p̄ · log q         p̄ = Σ α_i p_i
    reverse   Σ_i α_i KL(q ‖ p_i) = Σ q log q  -  q · Σ_i α_i log p_i

(means over the set). One sum of predictions is all that anybody needs of the others (Bregman mean property:
Banerjee et al. 2005). A hub's "model" is that mean, (N * classes,).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from lepton_fed.couplings.part import Hubs, Part, on_host
from lepton_fed.messages import Addend, HubState, Work
from lepton_fed.seeds import derive
from lepton_fed.training.descent import Extra
from lepton_fed.training.metrics import PART

LEAST = math.log(1e-6)
"""Log-probabilities are clipped here: one confident department must not outvote all others."""


class Distill(Part):
    """One department with an architecture of its own."""

    def read(self, hubs: Hubs) -> None:
        at = self.at
        at.model.vector.copy_(at.kept.get("personal", at.model.initial))
        at.load_private()

    def train(self, work: Work) -> dict[str, Addend]:
        at = self.at
        at.descend(work.round, extra=self._lesson(work))
        at.kept["personal"] = at.model.vector.clone()
        at.keep_private()
        logs = self._log_probabilities()
        said = logs if self._reverse else logs.exp()
        # Reverse needs no spread; 0 · Σ is 0 unless a prediction is not finite, which the department then refuses.
        entropy = (
            float(0.0 * logs.sum()) if self._reverse else float((logs.exp().double() * logs.double()).sum(1).mean())
        )
        self._remember(work.round, logs.reshape(-1))
        return {name: Addend(on_host(said.reshape(-1)), at.weight, entropy) for name in work.write}

    def row(self, work: Work) -> float | None:
        hub = work.hubs.get(self.at.home or "")
        own = self._own_of(work.round - 1)
        if hub is None or hub.release is None or own is None or not self.at.is_target:
            return None
        assert self.at.common is not None
        mean, logs = self.at.receive(hub.release.mean).double(), own.double()
        many = len(self.at.common)
        if self._reverse:
            return self.at.beta * float((logs.exp() * (logs - mean)).sum()) / many
        return self.at.beta * (hub.release.spread - float((mean * logs).sum()) / many)

    @property
    def _reverse(self) -> bool:
        return self.at.settings.coupling.direction == "reverse"

    def _log_softmax(self, output: Tensor) -> Tensor:
        """(n, classes) clipped log-probabilities at the coupling's temperature; one logit counts as two classes."""
        if output.shape[-1] == 1:
            output = torch.cat([torch.zeros_like(output), output], dim=-1)
        return F.log_softmax(output / self.at.settings.coupling.temperature, dim=-1).clamp_min(LEAST)

    def _log_probabilities(self) -> Tensor:
        assert self.at.common is not None
        self.at.model.module.eval()
        with torch.no_grad():
            return torch.cat([self._log_softmax(self.at.model.module(x)) for x in self.at.common.split(PART)])

    def _lesson(self, work: Work) -> Extra | None:
        """λβ KL on the next batch of the common set, towards what the hub says; None before anybody spoke."""
        at = self.at
        hub: HubState | None = work.hubs.get(at.home or "")
        if hub is None or hub.release is None:
            return None
        assert at.common is not None
        taught = at.receive(hub.model).view(len(at.common), -1)
        if self._reverse:
            taught = taught.log_softmax(-1)
        coupling = at.settings.coupling
        strength = coupling.lambda_ * at.beta * coupling.temperature**2
        places = self._places(work.round, len(at.common))

        def extra() -> Tensor:
            assert at.common is not None
            here = next(places).to(at.device)
            logs, theirs = self._log_softmax(at.model.module(at.common[here])), taught[here]
            terms = logs.exp() * (logs - theirs) if self._reverse else -theirs * logs
            return strength * terms.sum(1).mean()

        return extra

    def _places(self, round: int, many: int) -> Iterator[Tensor]:
        """Endless batches of indices into the common set."""
        at, turn = self.at, 0
        while True:
            use = derive(at.settings.federation.seed, "common", at.name, round, turn)
            order = torch.randperm(many, generator=torch.Generator().manual_seed(use))
            yield from order.split(at.settings.training.batch)
            turn += 1
