"""`proximal`: training is pulled towards the anchor with strength λβ; four published ways to use the pull.

method    starts from     is pulled to      uploads                 uses
mr-mtl    its own θ_j     anchor            θ_j                     θ_j          (Liu et al. 2022)
ditto     its own v_j     anchor            an update of the anchor v_j          (Li et al. 2021)
pfedme    the anchor      a moving copy w   w                       θ_j          (T. Dinh et al. 2020)
fedprox   the anchor      anchor            θ_j                     the anchor   (Li et al. 2020)
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from lepton_fed.couplings.part import Hubs, ParameterPart
from lepton_fed.messages import Addend, Work
from lepton_fed.resident import Batch
from lepton_fed.training.descent import Pull


class _Pulled(ParameterPart):
    """Shared by the four: the pull, and the personal model that three of them keep."""

    def pull_to(self, shared: Tensor) -> Pull:
        """Towards the parameters of a shared vector."""
        return Pull(self.at.model.parameters_of(shared), self.at.settings.coupling.lambda_ * self.at.beta)

    def read(self, hubs: Hubs) -> None:
        personal = self.at.kept.get("personal")
        self.at.load(personal if personal is not None else self.home(hubs))

    def keep_personal(self) -> Tensor:
        """Takes the personal model from the bench."""
        self.at.kept["personal"] = self.at.model.shared.clone()
        self.at.keep_private()
        return self.at.kept["personal"]


class MrMtl(_Pulled):
    """Mean-regularised multi-task learning: everybody keeps its own model near the mean."""

    def train(self, work: Work) -> dict[str, Addend]:
        self.at.descend(work.round, pull=self.pull_to(self.home(work.hubs)))
        return self.upload(work, self.keep_personal())


class Ditto(_Pulled):
    """A federated model trained as by `average`, and a personal one that is pulled towards it."""

    def train(self, work: Work) -> dict[str, Addend]:
        self.at.descend(work.round, pull=self.pull_to(self.home(work.hubs)))
        personal = self.keep_personal()
        addends = self._train_federated(work)
        self._remember(work.round, personal - self.home(work.hubs))
        return addends

    def _train_federated(self, work: Work) -> dict[str, Addend]:
        """The anchor trained on, with private parts of its own so that the personal ones stay as they are."""
        at = self.at
        at.load(self.home(work.hubs))
        if at.model.private.numel():
            at.model.private.copy_(at.kept.get("federated private", at.model.initial_private))
        at.descend(work.round, use="federated")
        if at.model.private.numel():
            at.kept["federated private"] = at.model.private.clone()
        return self.upload(work, at.model.shared)


class PFedMe(_Pulled):
    """K proximal steps on each batch towards w, then w moves towards what they found: w <- w - ηλ(w - θ)."""

    def train(self, work: Work) -> dict[str, Addend]:
        at = self.at
        w = self.home(work.hubs).clone()
        at.load(w)
        pull = self.pull_to(w)
        at.descend(work.round, pull=pull, batches=self._inner(work.round, pull))
        w[: w.numel() - pull.anchor.numel()] = at.model.shared[: w.numel() - pull.anchor.numel()]
        addends = self.upload(work, w)
        self._remember(work.round, self.keep_personal() - self.home(work.hubs))
        return addends

    def _inner(self, round: int, pull: Pull) -> Iterator[Batch]:
        """Each batch K times; the anchor moves when the K steps on it are done."""
        coupling = self.at.settings.coupling
        mixing = min(1.0, self.at.settings.training.optimiser.learning_rate * pull.strength)
        for batch in self.at.batches(round):
            for _ in range(coupling.inner_steps):
                yield batch
            pull.anchor.lerp_(self.at.model.pulled, mixing)


class FedProx(_Pulled):
    """FedAvg whose local training is held near where it started."""

    def read(self, hubs: Hubs) -> None:
        self.at.load(self.home(hubs))

    def train(self, work: Work) -> dict[str, Addend]:
        self.at.descend(work.round, pull=self.pull_to(self.home(work.hubs)))
        self.at.keep_private()
        return self.upload(work, self.at.model.shared)
