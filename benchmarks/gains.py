"""What taking part brings each department of an example, over many splits, against training alone.

    python -m benchmarks.gains manufacturing --splits 20          the tables of docs/benchmarks.md
    python -m benchmarks.gains thyroid --splits 10 --coupling file --coupling average
    python -m benchmarks.gains --smoke                            a few rounds, to see that it runs

Split s cuts every department's rows with seed s and starts the federation from seed s; both sides are tested on
the same rows, so differences are paired. Training alone is tuned as benchmarks.alone says; of its two forms,
the one with the better mean over the splits (known only with the test rows, so in favour of training alone) is
what the federation is held against. Settings of the examples are those of the shipped files.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median, stdev
from time import perf_counter

import torch

from benchmarks.alone import Alone, tuned
from benchmarks.arguments import begin, integer
from benchmarks.machine import machine
from lepton_fed import Federation, simulate
from lepton_fed.assembly import read_own
from lepton_fed.bench import bench
from lepton_fed.settings import Coupling, Optimiser, Settings

CONFIGS = Path(__file__).parent.parent / "configs"
AS_SHIPPED = "file"


def adam(*rates: float) -> tuple[Optimiser, ...]:
    """Adam at these learning rates."""
    return tuple(Optimiser(name="adam", learning_rate=rate) for rate in rates)


def sgd(*rates: float, decays: Sequence[float] = (0.0,)) -> tuple[Optimiser, ...]:
    """Plain SGD at these learning rates and weight decays (not of biases)."""
    return tuple(
        Optimiser(name="sgd", learning_rate=rate, weight_decay=decay, decay_biases=False)
        for rate in rates
        for decay in decays
    )


@dataclass(frozen=True)
class Tuning:
    """What training alone may choose from, and by how many folds."""

    grid: tuple[Optimiser, ...]
    folds: int


EXAMPLES = {
    "manufacturing": Tuning(adam(0.003, 0.01, 0.03) + sgd(0.3, 1.0), folds=3),
    "thyroid": Tuning(adam(0.003, 0.01, 0.03, 0.1) + sgd(0.1, 0.3, 1.0), folds=4),
    "thyroid-mlp": Tuning(adam(0.001, 0.003, 0.01, 0.03) + sgd(0.1, 0.2, 0.4, 0.8), folds=4),
    "images": Tuning(adam(0.003) + sgd(0.05, 0.1, 0.2), folds=3),
    "healthcare": Tuning(sgd(0.03, 0.1, 0.3, decays=(0.0, 0.1, 0.3, 0.5, 1.0)), folds=4),
}


@dataclass(frozen=True)
class Job:
    """One split of one example."""

    example: str
    split: int
    couplings: tuple[str, ...]
    smoke: bool = False


@dataclass(frozen=True)
class Outcome:
    """One split's results by department: alone, and federated under each coupling."""

    split: int
    examples: dict[str, tuple[int, int]]
    """Rows of training and test."""
    alone: dict[str, Alone]
    federated: dict[str, dict[str, float]]
    seconds: dict[str, float]
    """By coupling, and "alone"."""


@dataclass(frozen=True)
class Row:
    """One department over all splits."""

    department: str
    train: int
    test: int
    alone: float
    form: str
    """`retrained` or `stopped`: which form of training alone that is."""
    federated: float
    difference: float
    half_width: float
    """Of the 95 % interval (Student) over the splits."""
    corrected: float
    """The same, widened for splits that overlap (Nadeau and Bengio 2003): what a new split may bring."""
    wins: int
    splits: int
    chosen: str
    """What training alone chose most often, and its median number of updates."""


# ---------------------------------------------------------------- one split


def run(job: Job) -> Outcome:
    """Trains the federation under each coupling, and every department alone."""
    torch.set_num_threads(1)
    federation = Federation.load(CONFIGS / f"{job.example}.toml")
    federation = replace(federation, settings=for_split(federation.settings, job))
    seconds: dict[str, float] = {}
    federated: dict[str, dict[str, float]] = {}
    for coupling in job.couplings:
        started = perf_counter()
        federated[coupling] = _federated(replace(federation, settings=coupled(federation.settings, coupling)))
        seconds[coupling] = perf_counter() - started
    started = perf_counter()
    alone, sizes = _alone(federation, EXAMPLES[job.example], job.smoke)
    seconds["alone"] = perf_counter() - started
    return Outcome(job.split, sizes, alone, federated, seconds)


def for_split(settings: Settings, job: Job) -> Settings:
    """The shipped settings with this split's seeds; only what is compared is measured."""
    rounds = replace(settings.rounds, count=2) if job.smoke else settings.rounds
    return replace(
        settings,
        federation=replace(settings.federation, seed=job.split),
        data=replace(settings.data, split=replace(settings.data.split, seed=job.split)),
        rounds=replace(rounds, evaluate_every=rounds.count),
        report=replace(settings.report, metrics=settings.report.metrics[:1], baselines=()),
    )


def coupled(settings: Settings, coupling: str) -> Settings:
    """As shipped, or all starting from the mean."""
    return settings if coupling == AS_SHIPPED else replace(settings, coupling=Coupling(kind="average"))


def _federated(federation: Federation) -> dict[str, float]:
    found = {c.department: c.federated for c in simulate(federation).comparison}
    return {name: value for name, value in found.items() if value is not None}


def _alone(federation: Federation, tuning: Tuning, smoke: bool) -> tuple[dict[str, Alone], dict[str, tuple[int, int]]]:
    settings = federation.settings
    owns = {name: read_own(federation, name) for name in settings.names}
    one = bench(settings)
    alone, sizes = {}, {}
    for name, own in owns.items():
        if own.prepared is not None and len(own.prepared.test):
            grid, folds = (tuning.grid[:1], 2) if smoke else (tuning.grid, tuning.folds)
            alone[name] = tuned(settings, one, name, own.prepared, grid, folds)
            sizes[name] = len(own.prepared.train), len(own.prepared.test)
    return alone, sizes


# ---------------------------------------------------------------- all splits


def rows(outcomes: Sequence[Outcome], coupling: str) -> list[Row]:
    """One row a department."""
    return [_row(outcomes, coupling, name) for name in outcomes[0].alone]


def _row(outcomes: Sequence[Outcome], coupling: str, name: str) -> Row:
    forms = {
        "retrained": [o.alone[name].retrained for o in outcomes],
        "stopped": [o.alone[name].stopped for o in outcomes],
    }
    form = max(forms, key=lambda f: fmean(forms[f]))
    federated = [o.federated[coupling][name] for o in outcomes]
    differences = [f - a for f, a in zip(federated, forms[form], strict=True)]
    train, test = outcomes[0].examples[name]
    half, corrected = half_widths(differences, train, test)
    return Row(
        department=name,
        train=train,
        test=test,
        alone=fmean(forms[form]),
        form=form,
        federated=fmean(federated),
        difference=fmean(differences),
        half_width=half,
        corrected=corrected,
        wins=sum(d > 0 for d in differences),
        splits=len(outcomes),
        chosen=_chosen([o.alone[name] for o in outcomes]),
    )


def half_widths(differences: Sequence[float], train: int, test: int) -> tuple[float, float]:
    """Of the 95 % interval of the mean: Student's, and Nadeau and Bengio's for resampled splits."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return math.nan, math.nan
    width = float(t.ppf(0.975, n - 1)) * stdev(differences)
    return width / math.sqrt(n), width * math.sqrt(1 / n + test / train)


def _chosen(alone: Sequence[Alone]) -> str:
    favourite, _ = Counter(a.optimiser for a in alone).most_common(1)[0]
    return f"{favourite}, {median(a.updates for a in alone):.0f} updates"


# ---------------------------------------------------------------- printing


def table(found: Sequence[Row], metric: str) -> str:
    """Markdown, one row a department."""
    head = (
        f"| department | rows | {metric} alone | federated | difference, 95 % interval | for a new split | wins |\n"
        "|---|---|---|---|---|---|---|"
    )
    lines = [
        f"| {r.department} | {r.train} / {r.test} | {r.alone:.4f} ({r.form}) | {r.federated:.4f} "
        f"| {r.difference:+.4f} ± {r.half_width:.4f} | ± {r.corrected:.4f} | {r.wins} of {r.splits} |"
        for r in found
    ]
    return "\n".join([head, *lines])


def report(options: argparse.Namespace, outcomes: Sequence[Outcome]) -> None:
    """The tables, or with --json one object with everything in it."""
    federation = Federation.load(CONFIGS / f"{options.example}.toml")
    metric = federation.settings.report.metrics[0]
    found = {coupling: rows(outcomes, coupling) for coupling in options.coupling}
    if options.json:
        tables = {coupling: [asdict(r) for r in of] for coupling, of in found.items()}
        document = {"example": options.example, "metric": metric, "fingerprint": federation.fingerprint}
        print(
            json.dumps(
                document | {"machine": machine(), "tables": tables, "outcomes": [asdict(o) for o in outcomes]},
                ensure_ascii=False,
            )
        )
        return
    print("  ".join(f"{k}: {v}" for k, v in machine().items()))
    for coupling, of in found.items():
        seconds = fmean(o.seconds[coupling] for o in outcomes)
        print(f"\n{options.example}, coupling: {coupling} ({seconds:.1f} s a run)\n\n{table(of, metric)}")
        print("\nalone chose: " + "; ".join(f"{r.department} {r.chosen}" for r in of))


def main() -> None:
    """Parses the options, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gains", description=__doc__.splitlines()[0])
    parser.add_argument("example", nargs="?", choices=EXAMPLES, default="manufacturing")
    parser.add_argument("--splits", type=integer(1), help="how many (default 10)")
    parser.add_argument("--coupling", action="append", choices=[AS_SHIPPED, "average"], help="default: file")
    parser.add_argument("--processes", type=int, choices=[1, 2], default=1, help="splits at once (default 1)")
    parser.add_argument("--smoke", action="store_true", help="two splits, two rounds, hardly any tuning")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    options = parser.parse_args()
    options.coupling = list(dict.fromkeys(options.coupling or [AS_SHIPPED]))
    splits = options.splits or (2 if options.smoke else 10)
    jobs = [Job(options.example, s, tuple(options.coupling), options.smoke) for s in range(splits)]
    outcomes = []
    with get_context("spawn").Pool(options.processes) as pool:
        for outcome in pool.imap(run, jobs):
            outcomes.append(outcome)
            print(f"split {outcome.split + 1} of {splits}", file=sys.stderr, flush=True)
    report(options, outcomes)


if __name__ == "__main__":
    begin(main)
