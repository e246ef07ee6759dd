"""How gains are summed up, and that training alone is chosen from what the folds saw."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.alone import Alone, cut, tuned
from benchmarks.gains import EXAMPLES, Outcome, half_widths, rows
from lepton_fed.bench import bench
from lepton_fed.data import Part, Prepared, Scaling
from lepton_fed.settings import (
    Column,
    DataContract,
    DepartmentSettings,
    Identity,
    Label,
    ModelSettings,
    Optimiser,
    Report,
    Rounds,
    Settings,
    Training,
)


def outcome(split: int, retrained: float, stopped: float, federated: float) -> Outcome:
    alone = {"a": Alone(retrained, stopped, "sgd 1", 100)}
    return Outcome(split, {"a": (70, 30)}, alone, {"file": {"a": federated}}, {})


def test_the_better_form_of_training_alone_is_what_gains_are_measured_against() -> None:
    outcomes = [outcome(0, 0.8, 0.7, 0.9), outcome(1, 0.6, 0.6, 0.6)]
    (row,) = rows(outcomes, "file")
    assert row.form == "retrained"
    assert (row.alone, row.federated) == (pytest.approx(0.7), pytest.approx(0.75))
    assert row.difference == pytest.approx(0.05)
    assert row.wins == 1


def test_the_interval_is_students_and_the_corrected_one_is_wider() -> None:
    half, corrected = half_widths([0.0, 0.1, 0.2], train=70, test=30)
    assert half == pytest.approx(4.30265 * 0.1 / math.sqrt(3), rel=1e-4)
    assert corrected == pytest.approx(4.30265 * 0.1 * math.sqrt(1 / 3 + 3 / 7), rel=1e-4)
    assert math.isnan(half_widths([0.1], 70, 30)[0])


def test_every_shipped_learning_rate_is_open_to_training_alone() -> None:
    """A federation that may use what a lone department may not would be flattered."""
    from benchmarks.gains import CONFIGS
    from lepton_fed import Federation

    for name, tuning in EXAMPLES.items():
        shipped = Federation.load(CONFIGS / f"{name}.toml").settings.training.optimiser
        found = [(o.name, o.learning_rate, o.weight_decay) for o in tuning.grid]
        assert (shipped.name, shipped.learning_rate, shipped.weight_decay) in found


def some_rows(count: int, seed: int) -> Part:
    x = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    return Part(x, (x[:, 0] > 0).astype(np.float32))


def test_folds_share_no_row_and_leave_none_out() -> None:
    part = some_rows(31, 0)
    held = np.concatenate([h.x for _, h in cut(part, 3)])
    assert len(held) == 31
    assert len(np.unique(held, axis=0)) == 31
    for fit, out in cut(part, 3):
        assert not set(map(tuple, fit.x)) & set(map(tuple, out.x))


def small() -> Settings:
    return Settings(
        federation=Identity(name="small", purpose="a test", seed=3),
        departments=(DepartmentSettings(name="a"),),
        data=DataContract(
            label=Label(meaning="a sign", classes=("0", "1")), columns=(Column(name="x"), Column(name="y"))
        ),
        model=ModelSettings(name="linear"),
        training=Training(steps=5, batch=8),
        rounds=Rounds(count=20),
        report=Report(metrics=("auc",)),
    )


def test_training_alone_takes_the_optimiser_that_learns_and_repeats_itself() -> None:
    torch.set_num_threads(1)
    settings = small()
    data = Prepared(some_rows(60, 1), some_rows(0, 2), some_rows(200, 3), Scaling(None, None))
    # The first would have to learn from steps of nearly nothing.
    grid = (Optimiser(learning_rate=1e-9), Optimiser(learning_rate=1.0))
    first, again = (tuned(settings, bench(settings), "a", data, grid, folds=3) for _ in range(2))
    assert first == again
    assert first.optimiser == "sgd 1"
    assert 5 <= first.updates <= 100
    assert min(first.retrained, first.stopped) > 0.97
