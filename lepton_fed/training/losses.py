"""Losses by name. All take the model's raw output first, labels second, and return a mean over the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from lepton_fed.code import load_callable
from lepton_fed.settings import DataContract

Loss = Callable[[Tensor, Tensor], Tensor]


def binary_cross_entropy(output: Tensor, label: Tensor) -> Tensor:
    """output (n, 1) logits, label (n,) 0.0 or 1.0."""
    return F.binary_cross_entropy_with_logits(output.reshape(-1), label)


def cross_entropy(output: Tensor, label: Tensor) -> Tensor:
    """output (n, classes) logits, label (n,) int64."""
    return F.cross_entropy(output, label)


def mse(output: Tensor, label: Tensor) -> Tensor:
    """output (n, 1), label (n,)."""
    return F.mse_loss(output.reshape(-1), label)


def huber(output: Tensor, label: Tensor) -> Tensor:
    """output (n, 1), label (n,); quadratic up to 1."""
    return F.huber_loss(output.reshape(-1), label)


BUILT_IN: dict[str, Loss] = {f.__name__: f for f in (binary_cross_entropy, cross_entropy, mse, huber)}


def natural(contract: DataContract) -> str:
    """The loss that `auto` means for this label."""
    if not contract.label.classes:
        return "mse"
    return "binary_cross_entropy" if contract.outputs == 1 else "cross_entropy"


def loss(name: str, contract: DataContract, allowed: tuple[str, ...] = ()) -> Loss:
    """A loss by its name in the federation file; `allowed`: modules whose code this department runs."""
    name = natural(contract) if name == "auto" else name
    return BUILT_IN[name] if name in BUILT_IN else load_callable(name, "training.loss", BUILT_IN, allowed)
