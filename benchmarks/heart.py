"""The heart example held against FLamby's published results: the published setting, the shipped one, its choice.

    python -m benchmarks.heart yardstick    our rounds under the published setting, seed by seed
    python -m benchmarks.heart choose       the cross-validation that chose the shipped settings; reads no test row
    python -m benchmarks.heart default      configs/healthcare.toml on the published split

Accuracy throughout: its mean over the four hospitals, and that of the common model (the one that 心脏中心
receives) on all test rows together, scaled by all training rows.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.heart_yardstick import METHODS, SEEDS, ours, published
from benchmarks.machine import machine
from lepton_fed import Federation, simulate
from lepton_fed.assembly import Own, build_departments, read_own
from lepton_fed.coordinator import begin, join, play
from lepton_fed.data import DepartmentFile, Part, Prepared, Scaling
from lepton_fed.settings import Aggregation, Coupling, Optimiser, Settings
from lepton_fed.transport import InProcess, drive

CONFIG = Path(__file__).parent.parent / "configs" / "healthcare.toml"
CENTRE = "心脏中心"
PUBLISHED = {
    "published: best federated (FedYogi, FedAdagrad)": (0.7314, 0.7787),
    "published: pooled training": (0.7353, 0.7953),
}
FOLDS, REPEATS = 5, 4


@dataclass(frozen=True)
class Candidate:
    """One way to train that cross-validation may choose."""

    coupling: str
    strength: float = 0.0
    decay: float = 0.0
    decay_biases: bool = False
    rate: float = 0.1
    batch: int = 32
    steps: int = 10
    rounds: int = 30

    def apply(self, settings: Settings) -> Settings:
        """The shipped settings changed to this."""
        if self.coupling == "average":
            coupling = Coupling(kind="average")
        else:
            method: Any = self.coupling
            coupling = Coupling(kind="proximal", method=method, lambda_=self.strength)
        optimiser = Optimiser(learning_rate=self.rate, weight_decay=self.decay, decay_biases=self.decay_biases)
        training = replace(settings.training, steps=self.steps, batch=self.batch, optimiser=optimiser)
        rounds = replace(settings.rounds, count=self.rounds)
        return replace(settings, coupling=coupling, training=training, rounds=rounds)

    def __str__(self) -> str:
        pull = f" λ {self.strength:g}" if self.coupling != "average" else ""
        biases = ", biases too" if self.decay_biases else ""
        return (
            f"{self.coupling}{pull}, decay {self.decay:g}{biases}, "
            f"SGD {self.rate:g} batch {self.batch}, {self.steps} x {self.rounds}"
        )


def candidates() -> list[Candidate]:
    """The grid. Every value of the chosen one lies inside it, none at an edge that could be moved."""
    found = [Candidate("average", rate=0.01, batch=4, steps=100, rounds=15, decay=d) for d in (0.0, 0.1)]
    found += [Candidate("average", decay=d) for d in (0.0, 0.1, 0.3, 0.5)]
    found += [
        Candidate("mr-mtl", strength, decay)
        for strength in (0.0, 0.01, 0.03, 0.1, 0.3)
        for decay in (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
    ]
    found += [Candidate("mr-mtl", s, d, decay_biases=True) for s in (0.01, 0.1) for d in (0.1, 0.2, 0.5)]
    found += [Candidate("ditto", s, d) for s in (0.03, 0.1, 0.3) for d in (0.3, 0.5, 1.0)]
    return found


# ---------------------------------------------------------------- choosing, inside the training parts


@dataclass(frozen=True, eq=False)
class Fold:
    """What is trained on, and validated on, in one fold; the pooled rows are scaled together."""

    owns: dict[str, Own]
    pooled: Part


def folds() -> Iterator[Fold]:
    """Each hospital's training rows cut anew. The test parts are dropped before anything is done."""
    federation = Federation.load(CONFIG)
    raw = {name: _raw_training(read_own(federation, name)) for name in hospitals(federation)}
    for repeat in range(REPEATS):
        cuts = {name: list(_cuts(part.y, repeat)) for name, part in raw.items()}
        for k in range(FOLDS):
            yield _fold({name: (part, *cuts[name][k]) for name, part in raw.items()})


def hospitals(federation: Federation) -> list[str]:
    """Departments with rows."""
    return [d.name for d in federation.settings.departments if d.is_source]


def _raw_training(own: Own) -> Part:
    assert own.prepared is not None
    return Part(own.prepared.scaling.undo(own.prepared.train.x), own.prepared.train.y)


def _cuts(labels: np.ndarray, repeat: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    stratified = np.bincount(labels.astype(np.int64), minlength=2).min() >= FOLDS
    cutter = (StratifiedKFold if stratified else KFold)(FOLDS, shuffle=True, random_state=repeat)
    yield from cutter.split(np.zeros(len(labels)), labels)


def _fold(parts: Mapping[str, tuple[Part, np.ndarray, np.ndarray]]) -> Fold:
    owns, everybody = {}, [(part.x[fit], part.x[held], part.y[held]) for part, fit, held in parts.values()]
    for name, (part, fit, held) in parts.items():
        scale = standardised(part.x[fit])
        train, test = Part(scale(part.x[fit]), part.y[fit]), Part(scale(part.x[held]), part.y[held])
        owns[name] = Own(DepartmentFile(), Prepared(train, _none(train), test, Scaling(None, None)))
    scale = standardised(np.concatenate([fit for fit, _, _ in everybody]))
    x, y = np.concatenate([held for _, held, _ in everybody]), np.concatenate([y for _, _, y in everybody])
    return Fold(owns, Part(scale(x), y))


def _none(part: Part) -> Part:
    return Part(part.x[:0], part.y[:0])


def standardised(train: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Scales by mean and unbiased deviation of `train` (n, width); a constant column is only centred."""
    mean, std = train.mean(axis=0), train.std(axis=0, ddof=1)
    divisor = np.where(std > 1e-8, std + 1e-9, 1.0)
    return lambda x: ((x - mean) / divisor).astype(np.float32)


def trained(federation: Federation, owns: Mapping[str, Own]) -> dict[str, Mapping[str, Tensor]]:
    """Each target's model after all rounds, with rows that come from no file.

    Sums are plain here: hundreds of runs, and secure sums differ from them by less than 1e-6.
    """
    settings = replace(federation.settings, aggregation=Aggregation(secure=False))
    federation = replace(federation, settings=settings)
    everybody = {name: owns.get(name, Own(DepartmentFile(), None)) for name in settings.names}
    departments = build_departments(federation, everybody)
    transport, state = InProcess(departments), begin(settings, fingerprint=federation.fingerprint)
    state = drive(join(settings, state), transport)
    for _ in range(settings.rounds.count):
        state, _ = drive(play(settings, state), transport)
    return {name: department.export(state.visible) for name, department in departments.items()}


def accuracy(model: Mapping[str, Tensor], part: Part) -> float:
    """Of a linear model."""
    logits = torch.from_numpy(part.x) @ model["weight"].T + model["bias"]
    return float(((logits.reshape(-1) > 0).numpy() == part.y.astype(bool)).mean())


@dataclass(frozen=True)
class Scores:
    """Means over folds or seeds. `deviation`: of `clients` over them."""

    hospitals: tuple[float, ...]
    clients: float
    deviation: float
    pooled: float


def summed_up(found: Sequence[tuple[list[float], float]]) -> Scores:
    """From (accuracy by hospital, pooled accuracy) of each fold or seed."""
    clients = [fmean(own) for own, _ in found]
    own = tuple(fmean(values) for values in zip(*(own for own, _ in found), strict=True))
    deviation = stdev(clients) if len(clients) > 1 else 0.0
    return Scores(own, fmean(clients), deviation, fmean(pooled for _, pooled in found))


def validated(
    federation: Federation, all_folds: Sequence[Fold], candidate: Candidate
) -> list[tuple[list[float], float]]:
    """Cross-validation of one candidate: (accuracy by hospital, pooled accuracy) of each fold."""
    settings = candidate.apply(federation.settings)
    found = []
    for k, fold in enumerate(all_folds):
        seeded = replace(settings, federation=replace(settings.federation, seed=k))
        models = trained(replace(federation, settings=seeded), fold.owns)
        own = [accuracy(models[n], o.prepared.test) for n, o in fold.owns.items() if o.prepared is not None]
        found.append((own, accuracy(models[CENTRE], fold.pooled)))
    return found


def choose(smoke: bool) -> list[dict[str, Any]]:
    """Every candidate's scores, best first by the sum of the two accuracies; one of them is chosen.

    The rule: the best of those in which hospitals learn from one another. Hospitals alone (λ = 0) are shown beside.
    """
    federation, all_folds = Federation.load(CONFIG), list(folds())
    grid = candidates()
    if smoke:
        all_folds, grid = all_folds[:2], [replace(c, rounds=2) for c in grid[2:4]]
    found = {}
    for number, candidate in enumerate(grid, 1):
        found[candidate] = validated(federation, all_folds, candidate)
        print(f"{number} of {len(grid)}: {candidate}", file=sys.stderr, flush=True)
    sums = {candidate: [fmean(own) + pooled for own, pooled in of] for candidate, of in found.items()}
    ordered = sorted(found, key=lambda c: fmean(sums[c]), reverse=True)
    marks = {chosen(sums): "chosen", shipped_candidate(federation.settings): "shipped"}
    if len(marks) == 1:
        marks = dict.fromkeys(marks, "chosen, shipped")
    return [
        {"candidate": str(c), "": marks.get(c, "")} | asdict(summed_up(found[c])) | _behind(sums[ordered[0]], sums[c])
        for c in ordered
    ]


def chosen(sums: Mapping[Candidate, Sequence[float]]) -> Candidate:
    """The best in which anybody learns from anybody."""
    together = [c for c in sums if c.coupling == "average" or c.strength > 0]
    return max(together, key=lambda c: fmean(sums[c]))


def standard_error(values: Sequence[float]) -> float:
    """Of the mean over the folds, as if they were independent (they share rows, so it is a little more)."""
    return stdev(values) / math.sqrt(len(values))


def _behind(best: Sequence[float], own: Sequence[float]) -> dict[str, float]:
    """The sum of both accuracies, its standard error, and how far it is behind the best one's."""
    return {"sum": fmean(own), "standard error": standard_error(own), "behind": fmean(best) - fmean(own)}


def shipped_candidate(settings: Settings) -> Candidate:
    """The shipped file as one of the candidates."""
    training, coupling = settings.training, settings.coupling
    assert training.steps is not None
    optimiser = training.optimiser
    return Candidate(
        coupling.method if coupling.kind == "proximal" else coupling.kind,
        coupling.lambda_,
        optimiser.weight_decay,
        optimiser.decay_biases,
        optimiser.learning_rate,
        training.batch,
        training.steps,
        settings.rounds.count,
    )


# ---------------------------------------------------------------- the shipped file on the published split


def default(smoke: bool) -> list[dict[str, Any]]:
    """The shipped file, and each hospital alone with everything else equal, over the published seeds."""
    federation = Federation.load(CONFIG)
    settings = replace(federation.settings, report=replace(federation.settings.report, baselines=()))
    rounds = replace(settings.rounds, count=2) if smoke else settings.rounds
    settings = replace(settings, rounds=replace(rounds, evaluate_every=rounds.count))
    alone = replace(settings, coupling=Coupling(kind="proximal", method="mr-mtl", lambda_=0.0))
    pooled = pooled_test(federation)
    rows = []
    for name, chosen in {
        "shipped file": settings,
        "each hospital alone, all else equal; pooled: the mean of their models": alone,
    }.items():
        found = [_tested(replace(federation, settings=chosen), seed, pooled) for seed in SEEDS]
        rows.append({"row": name} | asdict(summed_up(found)) | {"by seed": found})
    rows += [{"row": name, "clients": c, "pooled": p} for name, (c, p) in PUBLISHED.items()]
    return rows


def _tested(federation: Federation, seed: int, pooled: Part) -> tuple[list[float], float]:
    settings = federation.settings
    seeded = replace(settings, federation=replace(settings.federation, seed=seed))
    result = simulate(replace(federation, settings=seeded))
    own = [c.federated for c in result.comparison if c.metric == "accuracy" and c.federated is not None]
    return own, accuracy(result.models[CENTRE], pooled)


def pooled_test(federation: Federation) -> Part:
    """All test rows, scaled by the statistics of all training rows."""
    owns = [read_own(federation, name).prepared for name in hospitals(federation)]
    prepared = [p for p in owns if p is not None]
    scale = standardised(np.concatenate([p.scaling.undo(p.train.x) for p in prepared]))
    x = np.concatenate([p.scaling.undo(p.test.x) for p in prepared])
    return Part(scale(x), np.concatenate([p.test.y for p in prepared]))


# ---------------------------------------------------------------- the published setting


def yardstick(smoke: bool) -> list[dict[str, Any]]:
    """Every published method and seed beside ours."""
    rows = []
    for method in ["FedAvg"] if smoke else METHODS:
        seeds = SEEDS[:1] if smoke else SEEDS
        pairs = [(published(method, seed), ours(method, seed)) for seed in seeds]
        means = {}
        for side, name in enumerate(("published", "ours")):
            means[f"{name}, hospitals"] = fmean(fmean(pair[side][:4]) for pair in pairs)
            means[f"{name}, pooled"] = fmean(pair[side][4] for pair in pairs)
        worst = max(abs(a - b) for theirs, own in pairs for a, b in zip(theirs, own, strict=True))
        rows.append({"method": method, "seeds": len(seeds)} | means | {"largest difference": worst})
    return rows


# ---------------------------------------------------------------- printing


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    keys = [k for k in rows[0] if k != "by seed"]
    lines = ["| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
    lines += ["| " + " | ".join(_cell(row.get(k, "")) for k in keys) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(f"{v:.4f}" for v in value)
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < value < 1e-4 else f"{value:.4f}"
    return str(value)


def main() -> None:
    """Parses the options, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heart", description=__doc__.splitlines()[0])
    commands = {"yardstick": yardstick, "choose": choose, "default": default}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--smoke", action="store_true", help="a little of everything, to see that it runs")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = commands[options.command](options.smoke)
    if options.json:
        print(json.dumps({"machine": machine(), options.command: rows}, ensure_ascii=False))
        return
    print("  ".join(f"{k}: {v}" for k, v in machine().items()))
    print("\n" + _table(rows))


if __name__ == "__main__":
    main()
