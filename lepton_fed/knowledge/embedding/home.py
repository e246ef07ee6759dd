"""What a department keeps to itself while an embedding is learnt together: tables, relations, counts, and its choice.

    row_e  <-  row_e + β_e (anchor_e - row_e)        β_e = β / (1 + own_evidence · own share of the weight of e)

β = 1 overwrites (`average`). A department that the others would harm answers by its own tables, or by a mixture:
the scores of both, in the proportion that suits its validation triples best.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lepton_fed.knowledge.embedding.learner import Learner, Schedule
from lepton_fed.knowledge.embedding.models import Model, model
from lepton_fed.knowledge.embedding.ranking import Exam, Ranking, ranking, ranks, scores
from lepton_fed.knowledge.embedding.scheme import Anchor
from lepton_fed.knowledge.embedding.settings import EmbeddingSettings
from lepton_fed.knowledge.embedding.triples import Department
from lepton_fed.secagg.fixedpoint import Vector
from lepton_fed.seeds import derive

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Proportions of the federated scores in a mixture that a department tries on its validation triples."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Entities (m, ...) and relations (R, ...) that can be asked, in a department's own numbers."""

    model: Model
    entities: Tensor = field(repr=False)
    relations: Tensor = field(repr=False)

    def scores(self, test: Exam) -> Tensor:
        """Of all candidates for each question of a test."""
        return scores(self.model, self.entities, self.relations, test)

    def ranking(self, test: Exam) -> Ranking:
        """Filtered MRR and Hits@k."""
        return ranking(ranks(self.scores(test), test))


@dataclass(eq=False)
class Best:
    """The best tables of one training so far, by the department's own validation triples."""

    learner: Learner
    validation: Exam
    mrr: float = -1.0
    tables: Tables | None = None

    def look(self) -> None:
        """Keeps the tables as they are now if they are better than those kept."""
        now = Tables(self.learner.model, self.learner.entities.detach(), self.learner.relations.detach())
        mrr = now.ranking(self.validation).mrr
        if self.tables is None or mrr > self.mrr:
            self.mrr = mrr
            self.tables = Tables(now.model, now.entities.clone(), now.relations.clone())


@dataclass(frozen=True, eq=False)
class Mixture:
    """Scores of two tables added up: `share` of the federated one."""

    federated: Tables
    own: Tables | None
    share: float

    def scores(self, test: Exam) -> Tensor:
        """Of all candidates for each question of a test."""
        if self.own is None or self.share == 1.0:
            return self.federated.scores(test)
        if self.share == 0.0:
            return self.own.scores(test)
        return torch.lerp(self.own.scores(test), self.federated.scores(test), self.share)

    def ranking(self, test: Exam) -> Ranking:
        """Filtered MRR and Hits@k."""
        return ranking(ranks(self.scores(test), test))


class Home:
    """One department's facts and tables. `open` says which rows leave; until then it has trained nothing."""

    def __init__(self, department: Department, settings: EmbeddingSettings) -> None:
        self.department, self.settings = department, settings
        self.learner = learner(department, settings, "federated")
        self.validation = department.validation
        self.best = Best(self.learner, self.validation)
        self.alone = Best(learner(department, settings, "alone"), self.validation) if settings.coupling.mix else None
        self.rows = torch.zeros(0, dtype=torch.int64)
        """Of its own table: the rows that leave, (o,)."""
        self.places = torch.zeros(0, dtype=torch.int64)
        """Where they stand among all rows that leave, (o,)."""
        self.shared = 0

    # ---------------------------------------------------------------- what leaves, under masks

    def owned(self) -> Vector:
        """(E,): 1 for each entity that it knows."""
        return (self.department.evidence > 0).numpy().astype(np.float32)

    def open(self, shared: Tensor) -> None:
        """These entities' rows leave from now on, where the department knows them."""
        place = torch.full((len(self.department.facts.entities),), -1)
        place[shared] = torch.arange(len(shared))
        places = place[self.department.entities]
        self.rows = torch.nonzero(places >= 0).squeeze(1)
        self.places, self.shared = places[self.rows], len(shared)

    def weighted_rows(self) -> Vector:
        """(s · width + s,): its rows times their weights, then the weights; 0 for what it does not know."""
        weights = torch.zeros(self.shared)
        weights[self.places] = self.weights()
        rows = torch.zeros(self.shared, self.learner.entities.shape[1])
        rows[self.places] = self.learner.entities.detach()[self.rows] * weights[self.places, None]
        return torch.cat([rows.reshape(-1), weights]).numpy()

    def weights(self) -> Tensor:
        """How much its own rows count, (o,), at most 1: by its own facts of the entity, within the public band."""
        shared = self.settings.entities
        if not shared.weighted:
            return torch.ones(len(self.rows))
        low, high = shared.counts
        evidence = self.department.evidence[self.department.entities[self.rows]]
        return evidence.clamp(low, high).float() / high

    # ---------------------------------------------------------------- what happens here

    def train(self, round: int) -> None:
        """One epoch of the federated tables, and of its own where it keeps some."""
        self.learner.train(round)
        if self.alone is not None:
            self.alone.learner.train(round)

    @torch.no_grad()
    def couple(self, anchor: Anchor) -> None:
        """Moves its rows towards the anchor; an overwritten table is new to Adam."""
        coupling, table = self.settings.coupling, self.learner.entities
        if coupling.kind == "average":
            table[self.rows] = anchor.rows[self.places]
            self.learner.forget()
            return
        share = self.weights() / anchor.weights[self.places]
        beta = coupling.beta / (1 + coupling.own_evidence * share)
        table[self.rows] = table[self.rows].lerp(anchor.rows[self.places], beta[:, None])

    def look(self) -> None:
        """Keeps what is best so far on its validation triples."""
        self.best.look()
        if self.alone is not None:
            self.alone.look()

    def answers(self) -> Mixture:
        """What it answers by: the mixture that is best on its validation triples."""
        assert self.best.tables is not None
        if self.alone is None:
            return Mixture(self.best.tables, None, 1.0)
        own = self.alone.tables
        tried = [Mixture(self.best.tables, own, share) for share in SHARES]
        return max(tried, key=lambda mixture: mixture.ranking(self.validation).mrr)


def learner(department: Department, settings: EmbeddingSettings, use: str) -> Learner:
    """Tables drawn for the whole dictionary from the common seed, of which the department takes what it knows."""
    chosen, seed = settings.embedding, settings.federation.seed
    kind = model(chosen.model)
    entities = kind.entities(len(department.facts.entities), chosen.dimension, _generator(seed, "entities"))
    own = _generator(seed, "relations", department.name)
    relations = kind.relations(len(department.relations), chosen.dimension, own)
    order = derive(seed, use, department.name)
    triples = department.numbered(department.facts.train)
    return Learner(kind, schedule(settings), triples, entities[department.entities], relations, order)


def schedule(settings: EmbeddingSettings) -> Schedule:
    """How the file says to train."""
    chosen = settings.embedding
    return Schedule(
        batch=chosen.batch,
        learning_rate=chosen.learning_rate,
        margin=chosen.margin,
        temperature=chosen.temperature,
        negatives=chosen.negatives,
    )


def _generator(seed: int, *use: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, *use))
