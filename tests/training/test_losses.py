"""Losses by name: what `auto` means, and the values of torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lepton_fed.errors import ConfigError
from lepton_fed.settings import Column, DataContract, Label
from lepton_fed.training.losses import BUILT_IN, loss, natural


def contract(*classes: str) -> DataContract:
    return DataContract(label=Label(meaning="m", classes=classes), columns=(Column(name="x"),))


@pytest.mark.parametrize(
    ("classes", "name"),
    [((), "mse"), (("0", "1"), "binary_cross_entropy"), (("a", "b", "c"), "cross_entropy")],
)
def test_auto_is_the_labels_natural_loss(classes: tuple[str, ...], name: str) -> None:
    assert natural(contract(*classes)) == name
    assert loss("auto", contract(*classes)) is BUILT_IN[name]


def test_losses_take_outputs_as_models_give_them() -> None:
    output, label = torch.randn(5, 1), torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    flat = output[:, 0]
    assert torch.equal(BUILT_IN["binary_cross_entropy"](output, label), F.binary_cross_entropy_with_logits(flat, label))
    assert torch.equal(BUILT_IN["mse"](output, label), (flat - label).square().mean())
    assert torch.equal(BUILT_IN["huber"](output, label), F.huber_loss(flat, label))
    logits, classes = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    expected = -torch.log_softmax(logits, 1)[torch.arange(5), classes].mean()
    assert torch.allclose(BUILT_IN["cross_entropy"](logits, classes), expected)


def test_the_mean_squared_error_never_compares_every_row_with_every_other() -> None:
    """(n, 1) minus (n,) would broadcast to (n, n) and still give a number."""
    output, label = torch.zeros(3, 1), torch.tensor([1.0, 2.0, 3.0])
    assert float(BUILT_IN["mse"](output, label)) == pytest.approx(14 / 3)


def test_a_loss_of_ones_own_needs_the_departments_permission() -> None:
    name = f"{__name__}:squared"
    assert loss(name, contract(), (__name__,)) is squared
    with pytest.raises(ConfigError, match=r"training.loss: code of module .* is not allowed here"):
        loss(name, contract())


def squared(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return (output.reshape(-1) - label).square().sum()
