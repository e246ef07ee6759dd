"""What a federated embedding is set beside: each department alone, and all facts pooled as if nothing were private.

Both are trained as the federation trains, for as many epochs as it has rounds, and keep the tables that are best on a
department's own validation triples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch

from lepton_fed.knowledge.embedding.home import Best, Tables, learner
from lepton_fed.knowledge.embedding.ranking import Ranking
from lepton_fed.knowledge.embedding.settings import EmbeddingSettings
from lepton_fed.knowledge.embedding.triples import Department, pooled


def alone(department: Department, settings: EmbeddingSettings) -> Ranking:
    """The department by itself."""
    one = learner(department, settings, "alone")
    best = Best(one, department.validation)
    for round in range(1, settings.rounds.count + 1):
        one.train(round)
        if round % settings.rounds.evaluate_every == 0 or round == settings.rounds.count:
            best.look()
    assert best.tables is not None
    return best.tables.ranking(department.test)


def together(departments: Sequence[Department], settings: EmbeddingSettings) -> tuple[Ranking, ...]:
    """All facts in one place: each department's result on its own test triples among its own entities."""
    everything = Department("pooled", pooled(departments))
    one = learner(everything, settings, "pooled")
    firsts = accumulate((len(d.relations) for d in departments[:-1]), initial=0)
    places = [torch.searchsorted(everything.entities, d.entities) for d in departments]
    parts = [
        (d, place, slice(first, first + len(d.relations)))
        for d, place, first in zip(departments, places, firsts, strict=True)
    ]
    best: dict[str, tuple[float, Ranking]] = {}
    for round in range(1, settings.rounds.count + 1):
        one.train(round)
        if round % settings.rounds.evaluate_every and round != settings.rounds.count:
            continue
        for department, place, own in parts:
            tables = Tables(one.model, one.entities.detach()[place], one.relations.detach()[own])
            mrr = tables.ranking(department.validation).mrr
            if department.name not in best or mrr > best[department.name][0]:
                best[department.name] = mrr, tables.ranking(department.test)
    return tuple(best[d.name][1] for d in departments)
