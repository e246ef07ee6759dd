"""Link prediction measured: filtered mean reciprocal rank and Hits@k, by PyKEEN's rules.

For each test triple both its tail and its head are asked for. All candidates are ranked by score; other answers that
are true in training, validation or test are left out (*filtered*: Bordes et al. 2013). Among equal scores the rank is
the mean of the best and the worst place (*realistic*: Berrendorf et al. 2020), so that a model which scores everything
alike gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lepton_fed.knowledge.embedding.models import Model
from lepton_fed.knowledge.embedding.questions import Known, questions


@dataclass(frozen=True)
class Ranking:
    """Results over `triples` triples, both sides of each. Of no triples everything is 0."""

    mrr: float
    hits_1: float
    hits_3: float
    hits_10: float
    triples: int


@dataclass(frozen=True, eq=False)
class Exam:
    """Triples to rank, with everything that can be prepared once. All numbers are the department's own.

    `asked`: (2n, 3) questions; `others`: (2n, m) bool, candidates that count: not true, or asked for.
    """

    asked: Tensor = field(repr=False)
    others: Tensor = field(repr=False)

    @classmethod
    def of(cls, triples: Tensor, true: Sequence[Tensor], entities: int, relations: int) -> Exam:
        """`true`: all triples that are known to hold; the candidates are all of the `entities`."""
        asked = questions(triples, relations)
        known = Known.of(questions(torch.cat([triples, *true]), relations), entities)
        others = ~known.true[known.rows(asked)]
        others[torch.arange(len(asked)), asked[:, 2]] = True
        return cls(asked, others)


@torch.no_grad()
def scores(model: Model, entities: Tensor, relations: Tensor, test: Exam) -> Tensor:
    """Scores of all candidates for each question of a test, (2n, m)."""
    asked = model.act(entities[test.asked[:, 0]], model.operators(relations)[test.asked[:, 1]])
    return model.scores(asked, entities)


def ranks(scores: Tensor, test: Exam) -> Tensor:
    """Realistic ranks, (2n,) float64, of the right answers among candidates scored (2n, m)."""
    right = scores.gather(1, test.asked[:, 2:])
    above = ((scores > right) & test.others).sum(1)
    equal = ((scores == right) & test.others).sum(1)  # The right answer itself is among them.
    return above.double() + (equal.double() + 1) / 2


def ranking(ranks: Tensor) -> Ranking:
    """What ranks, (2n,), come to."""
    if not len(ranks):
        return Ranking(0.0, 0.0, 0.0, 0.0, 0)
    ranks = ranks.double()
    hits_1, hits_3, hits_10 = (float((ranks <= k).double().mean()) for k in (1, 3, 10))
    return Ranking(float(ranks.reciprocal().mean()), hits_1, hits_3, hits_10, len(ranks) // 2)


def evaluate(model: Model, entities: Tensor, relations: Tensor, test: Exam) -> Ranking:
    """Filtered MRR and Hits@k of one department's embedding."""
    return ranking(ranks(scores(model, entities, relations, test), test))


def weighted(rankings: Sequence[Ranking]) -> Ranking:
    """The mean over departments, each weighted by its test triples."""
    total = sum(r.triples for r in rankings)
    if not total:
        return ranking(torch.zeros(0))

    def mean(values: Iterable[float]) -> float:
        return sum(value * r.triples for value, r in zip(values, rankings, strict=True)) / total

    return Ranking(
        mean(r.mrr for r in rankings),
        mean(r.hits_1 for r in rankings),
        mean(r.hits_3 for r in rankings),
        mean(r.hits_10 for r in rankings),
        total,
    )
