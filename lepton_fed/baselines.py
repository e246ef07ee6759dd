"""What the federation is set beside: each department alone, and everybody's rows in one place.

Both start from the federation's initial model and get its number of updates (where departments are drawn by lot,
those of a department that is drawn every time; pooled are the sources' rows). When to stop, and which learning
rate to use, is chosen on a stratified fifth of the own training rows (or the validation part, where the file
asks for one); then the model is trained anew on all training rows for the chosen number of rounds. A weak
baseline would flatter the federation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lepton_fed.bench import Bench
from lepton_fed.data import Part, Prepared
from lepton_fed.order import SeededOrder
from lepton_fed.resident import Batch, place
from lepton_fed.seeds import derive
from lepton_fed.settings import Settings
from lepton_fed.training.descent import descend
from lepton_fed.training.metrics import measure
from lepton_fed.training.noise import seeded

HELD_OUT = 0.2
"""Share of the training rows that decides when to stop."""

LOWER_IS_BETTER = frozenset({"loss", "log_loss", "mse", "mae"})
AfterRound = Callable[[int], None]


@dataclass(frozen=True)
class Choice:
    """What the held-out rows chose: a learning rate and after how many rounds to stop."""

    learning_rate: float
    rounds: int
    score: float


def alone(settings: Settings, bench: Bench, name: str, prepared: Prepared) -> Tensor:
    """The whole parameter vector of a department that trained without anybody. (layout.size,)"""
    return _tuned(settings, bench, f"alone {name}", prepared.train, prepared.validation)


def pooled(settings: Settings, bench: Bench, everybody: Mapping[str, Prepared]) -> tuple[Tensor, dict[str, Part]]:
    """The parameter vector trained on all rows at once, and each test part prepared as those rows were.

    Rows are scaled together, as one data set would be; each round makes as many updates as all departments do.
    """
    sources = {d.name for d in settings.departments if d.is_source}
    raw = {name: _raw(p.train, p) for name, p in everybody.items() if len(p.train) and name in sources}
    x = np.concatenate(list(raw.values()))
    mean, std = _scaling(settings, x)
    train = Part(((x - mean) / std).astype(np.float32), np.concatenate([everybody[n].train.y for n in raw]))
    validation = _joined([Part(_scaled(p.validation, p, mean, std), p.validation.y) for p in everybody.values()])
    tests = {n: Part(_scaled(p.test, p, mean, std), p.test.y) for n, p in everybody.items() if len(p.test)}
    if settings.training.steps is not None:
        training = replace(settings.training, steps=settings.training.steps * len(raw))
        settings = replace(settings, training=training)
    return _tuned(settings, bench, "pooled", train, validation), tests


def score(settings: Settings, bench: Bench, part: Part) -> dict[str, float]:
    """The report's metrics of what is on the bench."""
    examples = place(torch.tensor(part.x), torch.tensor(part.y), bench.model.vector.device)
    return measure(bench.model.module, examples, bench.loss, settings.report.metrics, settings.data)


# ---------------------------------------------------------------- choosing, then training on everything


def _tuned(settings: Settings, bench: Bench, name: str, train: Part, validation: Part) -> Tensor:
    fit, held = (train, validation) if len(validation) else _hold_out(settings, train, name)
    rates = settings.report.alone_learning_rates or (settings.training.optimiser.learning_rate,)
    best = max((_try(settings, bench, name, rate, fit, held) for rate in rates), key=lambda c: c.score)
    return _fit(settings, bench, name, best.learning_rate, best.rounds, train)


def _try(settings: Settings, bench: Bench, name: str, rate: float, fit: Part, held: Part) -> Choice:
    best = Choice(rate, settings.rounds.count, -math.inf)

    def after(number: int) -> None:
        nonlocal best
        value = _value(settings, bench, held)
        # Of equals the later: accuracy on few held-out rows ties often, and the first would stop too early.
        if value >= best.score:
            best = Choice(rate, number, value)

    _fit(settings, bench, name, rate, settings.rounds.count, fit, after)
    return best


def _value(settings: Settings, bench: Bench, held: Part) -> float:
    """Larger is better; the loss decides where the first metric does not exist on the held-out rows."""
    first = settings.report.metrics[0]
    both = tuple(dict.fromkeys((first, "loss")))
    found = score(replace(settings, report=replace(settings.report, metrics=both)), bench, held)
    value = found[first]
    if math.isnan(value):
        return -found["loss"] if math.isfinite(found["loss"]) else -math.inf
    return -value if first in LOWER_IS_BETTER else value


def _fit(
    settings: Settings, bench: Bench, name: str, rate: float, rounds: int, part: Part, after: AfterRound | None = None
) -> Tensor:
    """One uninterrupted training; the optimiser's state lasts all of it."""
    model, seed = bench.model, settings.federation.seed
    model.vector.copy_(model.initial)
    for buffer, tensor in model.buffers.items():
        tensor.copy_(model.initial_buffers[buffer])
    optimiser = replace(settings.training.optimiser, learning_rate=rate)
    examples = place(torch.tensor(part.x), torch.tensor(part.y), model.vector.device)
    order = SeededOrder(settings.training, seed, name)

    def batches() -> Iterator[Batch]:
        for number in range(1, rounds + 1):
            model.module.train()
            yield from examples.batches(order.runs(number, len(examples)))
            if after is not None:
                after(number)

    with seeded(derive(seed, "noise", name), model.vector.device):
        descend(model, bench.loss, optimiser, batches())
    return model.vector.clone()


def _hold_out(settings: Settings, train: Part, name: str) -> tuple[Part, Part]:
    """A stratified fifth of the training rows; everything where there are too few to cut."""
    from lepton_fed.data.split import split_rows

    split = replace(settings.data.split, test=HELD_OUT, validation=0.0, seed=None)
    classes = train.y if settings.data.label.classes else None
    if len(train) < 10:
        return train, train
    parts = split_rows(split, len(train), classes, derive(settings.federation.seed, "held out", name), name)
    return Part(train.x[parts.train], train.y[parts.train]), Part(train.x[parts.test], train.y[parts.test])


# ---------------------------------------------------------------- pooling


def _raw(part: Part, prepared: Prepared) -> np.ndarray:
    raw: np.ndarray = prepared.scaling.undo(part.x)
    return raw


def _scaled(part: Part, prepared: Prepared, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = ((_raw(part, prepared) - mean) / std).astype(np.float32)
    return scaled


def _scaling(settings: Settings, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and divisor of the pooled rows, as a department would compute them of its own."""
    if settings.data.scale == "none":
        return np.zeros(()), np.ones(())
    axis = 0 if settings.data.array is None else None
    mean, std = x.mean(axis=axis), x.std(axis=axis, ddof=1)
    return mean, np.where(std > 1e-12 * np.maximum(1.0, np.abs(mean)), std + 1e-9, 1.0)


def _joined(parts: list[Part]) -> Part:
    return Part(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]))
