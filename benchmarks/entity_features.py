"""A department's model with and without vectors of the entities in its rows, and with the shuffled control.

    python -m benchmarks.entity_features --seeds 10       the table of docs/knowledge-embedding.md
    python -m benchmarks.entity_features --smoke          to see that it runs

Rows of one department: pairs of medical concepts (UMLS), labelled by whether the first *affects* the second; as many
pairs that do not, each a true one with an end replaced by any concept. The relation is in nobody's facts. Six
departments learn vectors from the other 45 relations (k = 3); the department takes its own tables of that run.
Its model sees both concepts as categories, and either nothing else, or their vectors, or vectors of other concepts.
Few rows to train on (--train), the rest to test; AUC; seed s draws pairs and split, and deals and trains the graph.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from benchmarks.arguments import begin, integer
from benchmarks.gains import half_widths
from benchmarks.knowledge_embedding import Job, settings_of
from benchmarks.machine import machine
from lepton_fed.examples.knowledge_graphs import whole
from lepton_fed.knowledge.embedding.features import EntityVectors, WithEntities
from lepton_fed.knowledge.embedding.federated import train_in_clear
from lepton_fed.knowledge.embedding.settings import EmbeddingCoupling
from lepton_fed.knowledge.embedding.triples import Facts, dealt
from lepton_fed.seeds import derive

LABEL = "affects"
ROWS = ("without", "shuffled", "with")
SIZE, HIDDEN, STEPS = 16, 32, 200


def vectors(graph: Facts, seed: int, rounds: int) -> EntityVectors:
    """What the department that knows most entities has after a run without the label's relation."""
    settings = settings_of(Job("umls", 6, "rotate", rounds), seed)
    settings = replace(settings, coupling=EmbeddingCoupling(mix=False))
    others = [k for k, name in enumerate(graph.relations) if name != LABEL]
    learnt = train_in_clear(dealt(graph.about(others), settings.names, seed), settings)
    widest = max(learnt, key=lambda one: len(one.department.entities))
    names = tuple(graph.entities[k] for k in widest.department.entities.tolist())
    return EntityVectors(names, widest.answers.federated.entities)


def rows(graph: Facts, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs (n, 2) of entities and labels (n,), in random order, half of each."""
    facts = torch.cat(graph.parts)
    true = facts[facts[:, 1] == graph.relations.index(LABEL)][:, [0, 2]]
    known = {(a, b) for a, b in true.tolist()}
    false: dict[tuple[int, int], None] = {}
    while len(false) < len(known):
        pair = true[int(torch.randint(len(true), (1,), generator=generator))].tolist()
        end = int(torch.randint(2, (1,), generator=generator))
        pair[end] = int(torch.randint(len(graph.entities), (1,), generator=generator))
        if tuple(pair) not in known:
            false[pair[0], pair[1]] = None
    pairs = torch.cat([true, torch.tensor(list(false))])
    labels = torch.cat([torch.ones(len(true)), torch.zeros(len(false))])
    order = torch.randperm(len(pairs), generator=generator)
    return pairs[order], labels[order]


def auc_of(columns: Sequence[EntityVectors], graph: Facts, pairs: Tensor, labels: Tensor, train: int) -> float:
    """Test AUC of the department's model, trained on the first rows."""
    from sklearn.metrics import roc_auc_score

    count = len(graph.entities)
    x = torch.cat([one_hot(pairs[:, k], count).float() for k in (0, 1)], dim=1)
    values = [[graph.entities[e] for e in pairs[:, k].tolist()] for k in (0, 1)]
    linked = [one.linked(column) for one, column in zip(columns, values, strict=False)]
    numbers = torch.stack(linked, dim=1) if linked else torch.zeros(len(pairs), 0, dtype=torch.int64)
    head = nn.Sequential(nn.Linear(x.shape[1] + SIZE * len(columns), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    one = WithEntities(head, columns, SIZE)
    optimiser = torch.optim.AdamW(one.parameters(), lr=0.01, weight_decay=0.01)
    for _ in range(STEPS):
        optimiser.zero_grad()
        answers = one(x[:train], numbers[:train]).squeeze(1)
        binary_cross_entropy_with_logits(answers, labels[:train]).backward()
        optimiser.step()
    with torch.no_grad():
        found = one(x[train:], numbers[train:]).squeeze(1)
    return float(roc_auc_score(labels[train:].numpy(), found.numpy()))


def outcome(seed: int, train: int, rounds: int) -> dict[str, float]:
    """AUC by row; the three start from the same seed."""
    graph = whole("umls")
    real = vectors(graph, seed, rounds)
    pairs, labels = rows(graph, torch.Generator().manual_seed(derive(seed, "pairs")))
    control = real.shuffled(seed)
    found = {}
    for row, columns in zip(ROWS, ((), (control, control), (real, real)), strict=True):
        torch.manual_seed(derive(seed, "model") % 2**32)
        found[row] = auc_of(columns, graph, pairs, labels, train)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=integer(1), default=10)
    parser.add_argument("--train", type=integer(1, 1900), default=100, help="rows to train on (default 100)")
    parser.add_argument("--rounds", type=integer(1), default=60, help="rounds of the embedding (default 60)")
    parser.add_argument("--smoke", action="store_true", help="one seed, two rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.smoke:
        options.seeds, options.rounds = 1, 2
    outcomes = [outcome(seed, options.train, options.rounds) for seed in range(options.seeds)]
    if options.json:
        print(json.dumps({"machine": machine(), "train": options.train, "outcomes": outcomes}, indent=1))
        return
    print(table(outcomes, options.train, options.rounds))
    print(", ".join(f"{key} {value}" for key, value in machine().items()))


def table(outcomes: Sequence[dict[str, float]], train: int, rounds: int) -> str:
    """Markdown: AUC with its spread over seeds, and paired differences."""
    lines = [
        f"{train} rows to train on, embedding of {rounds} rounds, {len(outcomes)} seeds",
        "",
        "| vectors | AUC | spread | − without (95 %) | − shuffled (95 %) |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        values = [one[row] for one in outcomes]
        spread = f"{stdev(values):.3f}" if len(values) > 1 else ""
        cells = []
        for than in ("without", "shuffled"):
            differences = [one[row] - one[than] for one in outcomes]
            half = half_widths(differences, 1, 1)[0]
            cells.append("" if row == than else f"{fmean(differences):+.3f} ± {half:.3f}")
        lines.append(f"| {row} | {fmean(values):.3f} | {spread} | {cells[0]} | {cells[1]} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    begin(main)
