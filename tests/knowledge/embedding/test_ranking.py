"""Ranks, filtered and realistic, by hand and beside PyKEEN."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lepton_fed.knowledge.embedding.models import model
from lepton_fed.knowledge.embedding.ranking import Exam, Ranking, evaluate, ranking, ranks, weighted
from tests.knowledge.embedding.graphs import ring

ONE = torch.tensor([[0, 0, 1]])


def exam(true: list[list[int]]) -> Exam:
    return Exam.of(ONE, (torch.tensor(true, dtype=torch.int64).reshape(-1, 3),), entities=4, relations=1)


def test_the_rank_is_the_place_among_all_candidates() -> None:
    scores = torch.tensor([[4.0, 2.0, 3.0, 1.0], [1.0, 4.0, 3.0, 2.0]])
    assert ranks(scores, exam([])).tolist() == [3.0, 4.0]


def test_other_true_answers_are_left_out() -> None:
    scores = torch.tensor([[4.0, 2.0, 3.0, 1.0], [1.0, 4.0, 3.0, 2.0]])
    # Tails: 2 is true as well. Heads: 3 is.
    assert ranks(scores, exam([[0, 0, 2], [3, 0, 1]])).tolist() == [2.0, 3.0]


def test_scoring_everything_alike_gives_the_rank_in_the_middle() -> None:
    assert ranks(torch.zeros(2, 4), exam([])).tolist() == [2.5, 2.5]


def test_metrics_by_hand() -> None:
    assert ranking(torch.tensor([1.0, 2.0, 4.0, 20.0])) == Ranking((1 + 0.5 + 0.25 + 0.05) / 4, 0.25, 0.5, 0.75, 2)
    assert ranking(torch.zeros(0)) == Ranking(0.0, 0.0, 0.0, 0.0, 0)


def test_departments_are_averaged_by_their_test_triples() -> None:
    found = weighted([Ranking(1.0, 1.0, 1.0, 1.0, 3), Ranking(0.5, 0.0, 0.0, 1.0, 1)])
    assert found == Ranking(0.875, 0.75, 0.75, 1.0, 4)
    assert weighted([]).triples == 0


def tables(name: str, entities: int, relations: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    kind = model(name)
    return kind.entities(entities, 6, generator), kind.relations(relations, 6, generator)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("pykeen") is None, reason="pykeen is not installed (extra `yardsticks`)")
@pytest.mark.parametrize("name", ["transe", "rotate", "distmult", "complex"])
def test_metrics_are_pykeens(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PYSTOW_HOME", str(tmp_path))
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models import ERModel
    from pykeen.nn import Embedding
    from pykeen.nn.modules import ComplExInteraction, DistMultInteraction, RotatEInteraction, TransEInteraction
    from pykeen.triples import CoreTriplesFactory

    facts = ring()
    entities, relations = tables(name, len(facts.entities), len(facts.relations))
    found = evaluate(
        model(name),
        entities,
        relations,
        Exam.of(facts.test, facts.parts, len(facts.entities), len(facts.relations)),
    )

    acting = model(name).operators(relations)[: len(facts.relations)]
    as_stored = {"rotate": acting, "complex": relations}.get(name, relations)
    complexes = name in ("rotate", "complex")
    interaction = {
        "transe": lambda: TransEInteraction(p=2),
        "rotate": RotatEInteraction,
        "distmult": DistMultInteraction,
        "complex": ComplExInteraction,
    }[name]()

    def representation(table: Tensor) -> Embedding:
        size = table.shape[1] // 2 if complexes else table.shape[1]
        return Embedding(len(table), shape=(size,), dtype=torch.complex64 if complexes else torch.float32)

    factory = CoreTriplesFactory(facts.train, len(facts.entities), len(facts.relations))
    theirs = ERModel(
        triples_factory=factory,
        interaction=interaction,
        entity_representations=representation(entities),
        relation_representations=representation(as_stored),
    )
    with torch.no_grad():  # Only now: a model draws its parameters when it is made.
        theirs.entity_representations[0]._embeddings.weight.copy_(entities)
        theirs.relation_representations[0]._embeddings.weight.copy_(as_stored)
    result = RankBasedEvaluator().evaluate(
        theirs, facts.test, additional_filter_triples=[facts.train, facts.validation], use_tqdm=False, batch_size=8
    )
    metrics = {"mrr": "inverse_harmonic_mean_rank", "hits_1": "hits_at_1", "hits_3": "hits_at_3"}
    for ours, name_there in metrics.items():
        assert getattr(found, ours) == pytest.approx(result.get_metric(f"both.realistic.{name_there}"), abs=1e-6)
    assert found.hits_10 == pytest.approx(result.get_metric("both.realistic.hits_at_10"), abs=1e-6)
