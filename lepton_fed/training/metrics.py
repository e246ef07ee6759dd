"""Measures a model on a department's examples: the loss, and scikit-learn's metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lepton_fed.resident import Examples
from lepton_fed.settings import DataContract
from lepton_fed.training.losses import Loss

PART = 4096
"""Examples predicted at once."""


def measure(
    module: nn.Module, examples: Examples, loss: Loss, names: Sequence[str], contract: DataContract
) -> dict[str, float]:
    """Metric by name; NaN where a metric does not exist (AUC of one class only)."""
    if not len(examples) or not names:
        return {}
    total, outputs, labels = _predict(module, examples, loss)
    found = {"loss": total} if "loss" in names else {}
    rest = [n for n in names if n != "loss"]
    if rest:
        y, scores = np.concatenate(labels), np.concatenate(outputs)
        found |= {name: _metric(name, y, scores, contract) for name in rest}
    return {name: found[name] for name in names}


def mean_loss(module: nn.Module, examples: Examples, loss: Loss) -> float:
    """Mean loss over all examples."""
    return _predict(module, examples, loss)[0]


def _predict(module: nn.Module, examples: Examples, loss: Loss) -> tuple[float, list[Any], list[Any]]:
    module.eval()
    total, outputs, labels = 0.0, [], []
    with torch.no_grad():
        for x, y in examples.parts(PART):
            output = module(x)
            total += float(loss(output, y)) * len(y)
            outputs.append(output.float().cpu().numpy())
            labels.append(y.cpu().numpy())
    return total / len(examples), outputs, labels


def _metric(name: str, y: Any, output: Any, contract: DataContract) -> float:
    if not np.isfinite(output).all():
        return math.nan
    if not contract.label.classes:
        return _of_numbers(name, y, output.reshape(-1))
    if contract.outputs == 1:
        return _of_two_classes(name, y, output.reshape(-1))
    return _of_classes(name, y, output)


def _of_numbers(name: str, y: Any, predicted: Any) -> float:
    from sklearn import metrics

    functions = {"mse": metrics.mean_squared_error, "mae": metrics.mean_absolute_error, "r2": metrics.r2_score}
    return float(functions[name](y, predicted)) if name != "r2" or len(y) > 1 else math.nan


def _of_two_classes(name: str, y: Any, logit: Any) -> float:
    from sklearn import metrics

    if name in ("auc", "average_precision") and len(np.unique(y)) < 2:
        return math.nan
    if name == "auc":
        return float(metrics.roc_auc_score(y, logit))
    if name == "average_precision":
        return float(metrics.average_precision_score(y, logit))
    if name == "log_loss":
        return float(np.mean(np.logaddexp(0.0, logit.astype(np.float64)) - y * logit))
    return _of_predicted(name, y, (logit > 0).astype(y.dtype), average="binary")


def _of_classes(name: str, y: Any, logits: Any) -> float:
    from scipy.special import softmax
    from sklearn import metrics

    classes = np.arange(logits.shape[1])
    if name == "log_loss":
        return float(metrics.log_loss(y, softmax(logits.astype(np.float64), axis=1), labels=classes))
    if name in ("auc", "average_precision"):
        return _one_versus_rest(name, y, softmax(logits.astype(np.float64), axis=1))
    return _of_predicted(name, y, logits.argmax(axis=1), average="macro")


def _one_versus_rest(name: str, y: Any, probabilities: Any) -> float:
    """Mean over the classes that this department has both with and without."""
    from sklearn import metrics

    function = metrics.roc_auc_score if name == "auc" else metrics.average_precision_score
    here = [c for c in range(probabilities.shape[1]) if 0 < int((y == c).sum()) < len(y)]
    return float(np.mean([function(y == c, probabilities[:, c]) for c in here])) if here else math.nan


def _of_predicted(name: str, y: Any, predicted: Any, average: str) -> float:
    from sklearn import metrics

    if name == "accuracy":
        return float(metrics.accuracy_score(y, predicted))
    if name == "balanced_accuracy":
        return float(np.mean([(predicted[y == c] == c).mean() for c in np.unique(y)]))
    return float(metrics.f1_score(y, predicted, average=average, zero_division=0.0))
