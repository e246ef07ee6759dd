"""Link prediction by departments that learn an embedding together, beside each alone and all facts pooled.

    python -m benchmarks.knowledge_embedding umls                 six departments, k = 3: the headline
    python -m benchmarks.knowledge_embedding umls --departments 3 an insecure reproduction, k = 1
    python -m benchmarks.knowledge_embedding kinships --models rotate --departments 3
    python -m benchmarks.knowledge_embedding umls --models transe --choose   its settings, by validation triples
    python -m benchmarks.knowledge_embedding speed                triples a second, beside PyKEEN's in the same run
    python -m benchmarks.knowledge_embedding --smoke              a few rounds, to see that it runs

A published graph is dealt out to departments by relation. Filtered MRR and Hits@k by PyKEEN's rules, both sides,
candidates being a department's own entities; the mean over departments, weighted by test triples. Seed s deals the
relations, draws the tables and orders the batches; all rows of a seed share them, so differences are paired. Each row
keeps, for each department, the tables that are best on its validation triples.

    alone       each department by itself
    averaged    plain federated averaging of entity rows (FedE): every owner counts alike, overwrite, Adam begins anew
    pulled      ours without the mixture: rows are pulled to the weighted mean, Adam goes on
    ours        pulled, and answers mixed with the department's own tables as its validation triples say
    pooled      all facts in one place

Each seed is a line of JSON on stderr when it is done; --read FILE prints the tables of such lines. Sums are made in the
clear (`train_in_clear`), which equals secure sums to the step of their fixed point; --secure makes them in earnest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks.arguments import begin, existing, integer
from benchmarks.gains import half_widths
from benchmarks.machine import machine
from lepton_fed.examples.knowledge_graphs import GRAPHS, whole
from lepton_fed.knowledge.embedding import baselines
from lepton_fed.knowledge.embedding.federated import Learnt, train, train_in_clear
from lepton_fed.knowledge.embedding.models import MODELS
from lepton_fed.knowledge.embedding.ranking import Ranking, weighted
from lepton_fed.knowledge.embedding.settings import (
    Embedding,
    EmbeddingCoupling,
    EmbeddingRounds,
    EmbeddingSettings,
    KnowledgeDepartment,
    SharedEntities,
)
from lepton_fed.knowledge.embedding.triples import Department, dealt
from lepton_fed.settings import Identity

ROWS = ("alone", "averaged", "pulled", "ours", "pooled")
PUBLISHED = {
    ("umls", "transe"): {"alone": "0.648", "averaged": "0.685", "pooled": "0.707"},
    ("umls", "rotate"): {"alone": "0.70", "averaged": "0.78", "pooled": "0.80"},
    ("kinships", "rotate"): {"alone": "0.53", "averaged": "0.43 to 0.47", "pooled": "0.60"},
}
"""Yardsticks of another implementation: three departments, dimension 64, 240 rounds."""


CHOSEN: dict[str, dict[str, float]] = {
    "transe": {"margin": 1.0, "learning_rate": 0.003, "beta": 0.1},
    "rotate": {"margin": 6.0, "learning_rate": 0.02, "beta": 0.3},
}
"""By `--choose`, of UMLS over six departments; other models have RotatE's, which are the file's defaults."""


@dataclass(frozen=True)
class Job:
    """One graph, one number of departments, one model."""

    graph: str
    departments: int
    model: str
    rounds: int
    secure: bool = False


@dataclass(frozen=True)
class Outcome:
    """One seed's results: filtered MRR and Hits@10 by row, MRR by row and department."""

    seed: int
    mrr: dict[str, float]
    hits_10: dict[str, float]
    each: dict[str, tuple[float, ...]]
    triples: tuple[int, ...]
    """Test triples of each department."""
    dropped: int
    shares: tuple[float, ...]
    """Of the federated scores in each department's mixture."""
    seconds: float


# ---------------------------------------------------------------- one seed


def settings_of(job: Job, seed: int) -> EmbeddingSettings:
    """Settings that were chosen on validation triples; three departments need k = 1."""
    few, chosen = job.departments < 6, CHOSEN.get(job.model, CHOSEN["rotate"])
    return EmbeddingSettings(
        federation=Identity(name=job.graph, purpose="yardstick", seed=seed),
        departments=tuple(KnowledgeDepartment(name=f"department {k + 1}") for k in range(job.departments)),
        embedding=Embedding(
            model=job.model,  # type: ignore[arg-type]
            margin=chosen["margin"],
            learning_rate=chosen["learning_rate"],
        ),
        coupling=EmbeddingCoupling(beta=chosen["beta"]),
        rounds=EmbeddingRounds(count=job.rounds),
        entities=SharedEntities(owners=1 if few else 3, insecure_reproduction=few),
    )


def averaging(settings: EmbeddingSettings) -> EmbeddingSettings:
    """Plain federated averaging."""
    return replace(
        settings,
        coupling=EmbeddingCoupling(kind="average", mix=False),
        entities=replace(settings.entities, weighted=False),
    )


def outcome(job: Job, seed: int) -> Outcome:
    """All rows of one seed."""
    started = time.perf_counter()
    settings = settings_of(job, seed)
    departments = dealt(whole(job.graph), settings.names, seed)
    together: Callable[[Sequence[Department], EmbeddingSettings], tuple[Learnt, ...]]
    together = train if job.secure else train_in_clear
    ours = together(departments, settings)
    averaged = together(departments, averaging(settings))
    rankings: dict[str, list[Ranking]] = {
        "alone": [_own(one) for one in ours],
        "averaged": [one.test for one in averaged],
        "pulled": [one.answers.federated.ranking(one.department.test) for one in ours],
        "ours": [one.test for one in ours],
        "pooled": list(baselines.together(departments, settings)),
    }
    totals = {row: weighted(found) for row, found in rankings.items()}
    return Outcome(
        seed,
        {row: total.mrr for row, total in totals.items()},
        {row: total.hits_10 for row, total in totals.items()},
        {row: tuple(r.mrr for r in found) for row, found in rankings.items()},
        tuple(len(d.facts.test) for d in departments),
        sum(d.dropped for d in departments),
        tuple(one.answers.share for one in ours),
        time.perf_counter() - started,
    )


def _own(learnt: Learnt) -> Ranking:
    """A department alone: the tables of its own that it trains beside the federated ones are exactly those."""
    assert learnt.answers.own is not None
    return learnt.answers.own.ranking(learnt.department.test)


# ---------------------------------------------------------------- how settings were chosen

MARGINS, LEARNING_RATES, BETAS = (1.0, 3.0, 6.0), (0.003, 0.01, 0.02), (0.1, 0.3)


def choice(job: Job, seed: int) -> list[dict[str, float]]:
    """MRR on validation triples by margin and learning rate (at the file's β), and with the best two by β, in order."""
    tried = [_tried(job, seed, margin, rate, 0.3) for margin in MARGINS for rate in LEARNING_RATES]
    best = max(tried, key=_on_average)
    others = [_tried(job, seed + 1, best["margin"], best["learning_rate"], beta) for beta in BETAS]
    return [*sorted(tried, key=_on_average, reverse=True), *sorted(others, key=lambda one: one["ours"], reverse=True)]


def _on_average(tried: dict[str, float]) -> float:
    """Of training alone, plain averaging and ours, so that no row has settings that suit another."""
    return fmean(tried[row] for row in ("alone", "averaged", "ours"))


def _tried(job: Job, seed: int, margin: float, rate: float, beta: float) -> dict[str, float]:
    settings = settings_of(job, seed)
    embedding = replace(settings.embedding, margin=margin, learning_rate=rate)
    settings = replace(settings, embedding=embedding, coupling=replace(settings.coupling, beta=beta))
    departments = dealt(whole(job.graph), settings.names, seed)
    ours, averaged = (train_in_clear(departments, one) for one in (settings, averaging(settings)))
    found = {"seed": seed, "margin": margin, "learning_rate": rate, "beta": beta}
    for row, learnt in (("ours", ours), ("averaged", averaged)):
        found[row] = weighted([one.answers.ranking(one.department.validation) for one in learnt]).mrr
    own = [(one.answers.own, one.department.validation) for one in ours]
    found["alone"] = weighted([tables.ranking(validation) for tables, validation in own if tables is not None]).mrr
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


# ---------------------------------------------------------------- all seeds


def interval(outcomes: Sequence[Outcome], row: str, than: str) -> tuple[float, float]:
    """Mean paired difference of MRR and half the width of its 95 % interval (Student) over the seeds."""
    differences = [one.mrr[row] - one.mrr[than] for one in outcomes]
    return fmean(differences), half_widths(differences, 1, 1)[0]


def table(job: Job, outcomes: Sequence[Outcome]) -> str:
    """Markdown: a row each, with its difference to each alone and to plain averaging."""
    safety = "k = 3" if job.departments >= 6 else "k = 1, INSECURE REPRODUCTION"
    published = PUBLISHED.get((job.graph, job.model), {})
    lines = [
        f"### {job.graph}, {job.model}, {job.departments} departments, {safety}, {job.rounds} rounds, "
        f"{len(outcomes)} seeds",
        "",
        "| row | MRR | Hits@10 | − alone (95 %) | − averaged (95 %) | published, 3 departments |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        mrr, hits = (fmean(getattr(one, of)[row] for one in outcomes) for of in ("mrr", "hits_10"))
        against = [
            "" if row == than else "{:+.3f} ± {:.3f}".format(*interval(outcomes, row, than))
            for than in ("alone", "averaged")
        ]
        lines.append(f"| {row} | {mrr:.3f} | {hits:.3f} | {against[0]} | {against[1]} | {published.get(row, '')} |")
    return "\n".join([*lines, "", harm(outcomes)])


def harm(outcomes: Sequence[Outcome]) -> str:
    """How the departments fared against training alone, over all seeds."""
    sentences = []
    for row in ("averaged", "ours"):
        gains = [a - b for one in outcomes for a, b in zip(one.each[row], one.each["alone"], strict=True)]
        worse = sum(gain < 0 for gain in gains)
        most = max(0.0, -min(gains))
        sentences.append(f"{row}: {worse} of {len(gains)} department runs below alone, the worst by {most:.3f}")
    return "; ".join(sentences) + "."


# ---------------------------------------------------------------- speed


def speed(epochs: int) -> dict[str, float]:
    """Triples a second of RotatE at dimension 64 on UMLS: ours, and PyKEEN's by negative sampling and by 1-N scores."""
    facts = whole("umls")
    settings = settings_of(Job("umls", 6, "rotate", epochs), 0)
    from lepton_fed.knowledge.embedding.home import learner

    ours = learner(Department("everything", facts), settings, "speed")
    ours.train(0)
    started = time.perf_counter()
    for epoch in range(1, epochs + 1):
        ours.train(epoch)
    found = {"ours": epochs * len(facts.train) / (time.perf_counter() - started)}
    return found | {f"pykeen {kind}": _pykeen_speed(kind, epochs) for kind in ("slcwa", "lcwa")}


def _pykeen_speed(kind: str, epochs: int) -> float:
    """PyKEEN's own training loop with its self-adversarial loss (sLCWA, 32 negatives) or its 1-N scores (LCWA)."""
    import logging
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        os.environ["PYSTOW_HOME"] = home
        logging.disable(logging.WARNING)
        from pykeen.models import RotatE
        from pykeen.training import LCWATrainingLoop, SLCWATrainingLoop
        from pykeen.triples import CoreTriplesFactory

        facts = whole("umls")
        factory = CoreTriplesFactory(facts.train, len(facts.entities), len(facts.relations))
        kin = RotatE(
            triples_factory=factory, embedding_dim=64, random_seed=0, loss="nssa" if kind == "slcwa" else "crossentropy"
        )
        optimiser = torch.optim.Adam(kin.parameters(), lr=0.01)
        if kind == "slcwa":
            negatives = {"num_negs_per_pos": 32}
            loop: Any = SLCWATrainingLoop(
                model=kin, triples_factory=factory, optimizer=optimiser, negative_sampler_kwargs=negatives
            )
        else:
            loop = LCWATrainingLoop(model=kin, triples_factory=factory, optimizer=optimiser)
        loop.train(factory, num_epochs=1, batch_size=256, use_tqdm=False)
        started = time.perf_counter()
        loop.train(factory, num_epochs=epochs, batch_size=256, use_tqdm=False)
        return epochs * len(facts.train) / (time.perf_counter() - started)


# ---------------------------------------------------------------- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=(*GRAPHS, "speed"), default="umls", help="graph, or speed")
    parser.add_argument("--models", nargs="+", default=["transe", "rotate"], choices=tuple(MODELS), metavar="MODEL")
    parser.add_argument(
        "--departments", type=integer(3, 100), default=6, help="3 is an insecure reproduction (default 6)"
    )
    parser.add_argument("--seeds", type=integer(1), default=5, help="how many (default 5)")
    parser.add_argument("--first", type=integer(0), default=0, help="the first of them (default 0)")
    parser.add_argument("--rounds", type=integer(1), default=240, help="one epoch each (default 240)")
    parser.add_argument("--read", type=existing, nargs="+", metavar="FILE", help="print what was measured before")
    parser.add_argument("--choose", action="store_true", help="settings by validation triples of two seeds")
    parser.add_argument("--secure", action="store_true", help="make the secure sums in earnest")
    parser.add_argument("--smoke", action="store_true", help="two rounds of one seed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.smoke:
        options.seeds, options.rounds, options.models = 1, 2, options.models[:1]
    if options.read:
        print("\n\n".join(table(job, outcomes) for job, outcomes in measured(options.read).items()))
        return
    found: dict[str, object] = {"machine": machine()}
    if options.what == "speed":
        found["triples a second"] = speed(2 if options.smoke else 5)
        print(json.dumps(found, indent=1) if options.json else speeds(found["triples a second"]))  # type: ignore[arg-type]
        return
    for name in options.models:
        job = Job(options.what, options.departments, name, options.rounds, options.secure)
        if options.choose:
            print("\n".join(json.dumps(one) for one in choice(job, options.first)))
            continue
        outcomes = []
        for seed in range(options.first, options.first + options.seeds):
            outcomes.append(outcome(job, seed))
            print(json.dumps({"job": asdict(job), **asdict(outcomes[-1])}), file=sys.stderr, flush=True)
        found[name] = {"job": asdict(job), "outcomes": [asdict(one) for one in outcomes]}
        if not options.json:
            print(table(job, outcomes), end="\n\n")
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(", ".join(f"{key} {value}" for key, value in machine().items()))


def measured(files: Sequence[Path]) -> dict[Job, list[Outcome]]:
    """Outcomes by job from files of JSON lines."""
    found: dict[Job, list[Outcome]] = {}
    for line in (line for file in files for line in file.read_text("utf-8").splitlines() if line.startswith("{")):
        values = json.loads(line)
        found.setdefault(Job(**values.pop("job")), []).append(Outcome(**values))
    return found


def speeds(found: dict[str, float]) -> str:
    """One line a trainer."""
    return "\n".join(f"{name:<14}{rate:>10,.0f} triples a second" for name, rate in found.items())


if __name__ == "__main__":
    begin(main)
