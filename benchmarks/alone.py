"""Training alone, as well as it can be done: what a federation's gain is measured against.

    every optimiser of a grid  x  stratified folds of the training rows  ->  validation scores along the way
        retrained   the best (optimiser, number of updates) on the mean of the folds, then on all training rows
        stopped     the first fold's own best model, as plain early stopping gives it

Both have the federation's initial model and at most its number of updates. Test rows are looked at once, for
the two models that come out. A weak baseline would flatter the federation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lepton_fed.bench import Bench
from lepton_fed.data import Part, Prepared
from lepton_fed.order import SeededOrder
from lepton_fed.resident import Batch, place
from lepton_fed.settings import Optimiser, Settings
from lepton_fed.training.descent import descend
from lepton_fed.training.metrics import measure

CHECKS = 20
"""How often validation rows are looked at during one training."""

FOLD_SEED = 7
AfterRound = Callable[[int], None]


@dataclass(frozen=True)
class Alone:
    """One department's two baselines on its test rows, and what the folds chose."""

    retrained: float
    stopped: float
    optimiser: str
    updates: int


@dataclass(frozen=True, eq=False)
class Trial:
    """One training on one fold: validation scores by round, and the best model on the way."""

    scores: dict[int, float]
    best: Tensor


def tuned(
    settings: Settings, bench: Bench, name: str, prepared: Prepared, grid: Sequence[Optimiser], folds: int
) -> Alone:
    """The baselines of one department with the first of the report's metrics, larger being better."""
    trials = {
        optimiser: [_trial(settings, bench, name, optimiser, fit, held) for fit, held in cut(prepared.train, folds)]
        for optimiser in grid
    }
    optimiser, rounds = max(
        ((o, r) for o, parts in trials.items() for r in parts[0].scores),
        key=lambda choice: float(np.mean([part.scores[choice[1]] for part in trials[choice[0]]])),
    )
    fit_all(settings, bench, name, optimiser, rounds, prepared.train)
    retrained = score(settings, bench, prepared.test)
    bench.model.vector.copy_(max((parts[0] for parts in trials.values()), key=lambda t: max(t.scores.values())).best)
    stopped = score(settings, bench, prepared.test)
    said = f"{optimiser.name} {optimiser.learning_rate:g}"
    decay = f" decay {optimiser.weight_decay:g}" if optimiser.weight_decay else ""
    return Alone(retrained, stopped, said + decay, rounds * steps(settings))


def cut(rows: Part, folds: int) -> Iterator[tuple[Part, Part]]:
    """(what to train on, what to validate on) for each fold; stratified where every class reaches into each."""
    from sklearn.model_selection import KFold, StratifiedKFold

    labels = rows.y.astype(np.int64)
    _, counts = np.unique(labels, return_counts=True)
    stratified = counts.min() >= folds
    cutter = (StratifiedKFold if stratified else KFold)(folds, shuffle=True, random_state=FOLD_SEED)
    for fit, held in cutter.split(np.zeros(len(rows)), labels):
        yield Part(rows.x[fit], rows.y[fit]), Part(rows.x[held], rows.y[held])


def steps(settings: Settings) -> int:
    """Updates in a round; the examples all count in steps."""
    assert settings.training.steps is not None
    return settings.training.steps


def score(settings: Settings, bench: Bench, part: Part) -> float:
    """The first of the report's metrics of what is on the bench."""
    metric = settings.report.metrics[0]
    examples = place(torch.tensor(part.x), torch.tensor(part.y), bench.model.vector.device)
    return measure(bench.model.module, examples, bench.loss, (metric,), settings.data)[metric]


def _trial(settings: Settings, bench: Bench, name: str, optimiser: Optimiser, fit: Part, held: Part) -> Trial:
    scores: dict[int, float] = {}
    best, highest, every = bench.model.initial.clone(), -math.inf, max(1, settings.rounds.count // CHECKS)

    def look(number: int) -> None:
        nonlocal best, highest
        if number % every:
            return
        value = score(settings, bench, held)
        scores[number] = value if math.isfinite(value) else -math.inf
        if scores[number] > highest:
            highest, best = scores[number], bench.model.vector.clone()

    fit_all(settings, bench, name, optimiser, settings.rounds.count, fit, look)
    return Trial(scores, best)


def fit_all(
    settings: Settings,
    bench: Bench,
    name: str,
    optimiser: Optimiser,
    rounds: int,
    part: Part,
    after: AfterRound | None = None,
) -> None:
    """Trains the initial model on these rows without a break; what it comes to is on the bench."""
    model = bench.model
    model.vector.copy_(model.initial)
    examples = place(torch.tensor(part.x), torch.tensor(part.y), model.vector.device)
    order = SeededOrder(settings.training, settings.federation.seed, f"alone {name}")

    def batches() -> Iterator[Batch]:
        for number in range(1, rounds + 1):
            model.module.train()
            yield from examples.batches(order.runs(number, len(examples)))
            if after is not None:
                after(number)

    descend(model, bench.loss, optimiser, batches())
