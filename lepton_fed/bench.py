"""A bench: a model on a device, with its loss. Departments of one process with the same architecture share one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lepton_fed.models import build
from lepton_fed.parameters import FlatModel
from lepton_fed.seeds import derive
from lepton_fed.settings import ModelSettings, Settings
from lepton_fed.training.losses import Loss, loss


@dataclass(frozen=True, eq=False)
class Bench:
    """Each department loads its own state onto it."""

    model: FlatModel
    loss: Loss


def bench(
    settings: Settings, own: ModelSettings | None = None, device: torch.device | str = "cpu", code: tuple[str, ...] = ()
) -> Bench:
    """The federation's model (or a department's own) on a device. `code`: modules whose callables may be run."""
    chosen = own or settings.model
    module = build(chosen, settings.data, derive(settings.federation.seed, "model"), code).to(device)
    return Bench(FlatModel(module, chosen.shared, chosen.private), loss(settings.training.loss, settings.data, code))
