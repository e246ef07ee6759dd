"""Metrics equal their definitions, over parts of any size, and are NaN where they do not exist."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lepton_fed.resident import Resident
from lepton_fed.settings import Column, DataContract, Label
from lepton_fed.training import metrics
from lepton_fed.training.losses import loss
from lepton_fed.training.metrics import mean_loss, measure


def contract(*classes: str) -> DataContract:
    return DataContract(label=Label(meaning="m", classes=classes), columns=(Column(name="x"),))


NUMBER, TWO, THREE = contract(), contract("0", "1"), contract("a", "b", "c")


def found(outputs: Any, labels: Any, names: tuple[str, ...], of: DataContract) -> dict[str, float]:
    """The examples are the outputs and the model passes them on."""
    examples = Resident(torch.tensor(outputs), torch.tensor(labels))
    return measure(nn.Identity(), examples, loss("auto", of), names, of)


def test_of_two_classes_by_hand() -> None:
    logits, labels = [[2.0], [-1.0], [0.5], [-3.0], [1.0]], [1.0, 1.0, 0.0, 0.0, 1.0]
    names = ("accuracy", "balanced_accuracy", "f1", "auc", "log_loss", "loss", "average_precision")
    result = found(logits, labels, names, TWO)
    assert tuple(result) == names
    assert result["accuracy"] == pytest.approx(3 / 5)
    assert result["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result["f1"] == pytest.approx(2 / 3)
    assert result["auc"] == pytest.approx(5 / 6)
    p = 1 / (1 + np.exp(-np.array(logits)[:, 0]))
    expected = -np.mean(np.where(np.array(labels) == 1, np.log(p), np.log(1 - p)))
    assert result["log_loss"] == pytest.approx(expected)
    assert result["loss"] == pytest.approx(expected, rel=1e-6)
    assert result["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_of_more_classes_by_hand() -> None:
    logits = [[3.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [1.0, 0.0, 0.0]]
    labels = [0, 1, 1, 2]
    result = found(logits, labels, ("accuracy", "balanced_accuracy", "f1", "auc", "log_loss"), THREE)
    assert result["accuracy"] == pytest.approx(2 / 4)
    assert result["balanced_accuracy"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert result["f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    soft = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert result["log_loss"] == pytest.approx(-np.log(soft[range(4), labels]).mean())
    assert 0 <= result["auc"] <= 1


def test_of_numbers_by_hand() -> None:
    result = found([[1.0], [2.0], [4.0]], [1.0, 3.0, 2.0], ("mse", "mae", "r2"), NUMBER)
    assert result["mse"] == pytest.approx(5 / 3)
    assert result["mae"] == pytest.approx(1.0)
    assert result["r2"] == pytest.approx(1 - 5 / 2)


def test_what_does_not_exist_is_nan_and_not_an_error() -> None:
    one_class = found([[1.0], [2.0]], [1.0, 1.0], ("auc", "average_precision", "accuracy", "balanced_accuracy"), TWO)
    assert math.isnan(one_class["auc"])
    assert math.isnan(one_class["average_precision"])
    assert one_class["accuracy"] == one_class["balanced_accuracy"] == 1.0
    assert math.isnan(found([[1.0]], [1.0], ("r2",), NUMBER)["r2"])
    lost = found([[math.nan], [1.0]], [1.0, 0.0], ("accuracy", "auc", "loss"), TWO)
    assert all(math.isnan(v) for v in lost.values())
    missing = found([[3.0, 0.0, 0.0], [0.0, 2.0, 1.0]], [0, 1], ("auc", "average_precision", "log_loss"), THREE)
    assert missing["auc"] == 1.0
    assert math.isfinite(missing["log_loss"])


def test_no_examples_or_no_names_measure_nothing() -> None:
    assert found(np.zeros((0, 1), np.float32), np.zeros(0, np.float32), ("loss",), TWO) == {}
    assert found([[1.0]], [1.0], (), TWO) == {}


def test_evaluation_is_without_dropout_and_leaves_the_model_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "PART", 3)
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.9), nn.Linear(2, 1)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x: Tensor = torch.randn(10, 2)
    examples = Resident(x, torch.randint(0, 2, (10,)).float())
    function = loss("auto", TWO)
    first, second = mean_loss(model, examples, function), mean_loss(model, examples, function)
    with torch.no_grad():
        whole = float(function(model.eval()(x), examples.y))
    assert first == second == pytest.approx(whole, rel=1e-6)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
