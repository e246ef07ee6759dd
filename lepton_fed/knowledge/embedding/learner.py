"""One department's training: batches of triples against all other entities, self-adversarially weighted, by Adam.

For a triple with score s and wrong answers with scores s_k (Sun et al. 2019, equation 5):

    loss = - log σ(γ + s) - Σ_k p_k log σ(-γ - s_k),     p = softmax(a · s_k), taken as constants

Both the tail and the head of every triple are asked for. The candidates of a batch are shared by its questions, so
that one matrix product scores them: all the department's entities, or the batch's own answers and a sample; what is
true by the department's training triples is not taken for wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import embedding, logsigmoid

from lepton_fed.knowledge.embedding.models import Model
from lepton_fed.knowledge.embedding.questions import Known, questions
from lepton_fed.seeds import derive


@dataclass(frozen=True)
class Schedule:
    """How to train. Settings are chosen on validation triples; benchmarks.knowledge_embedding says how."""

    dimension: int = 64
    batch: int = 512
    """Questions a step."""
    learning_rate: float = 0.01
    margin: float = 3.0
    """γ: the distance up to which a triple counts as plausible. 0 for the models that score by products."""
    temperature: float = 1.0
    """a: how much harder wrong answers weigh than easy ones."""
    negatives: int = 0
    """Candidates drawn for each batch, beside its own answers; 0: all entities that the department knows."""


LARGEST_TABLE = 1 << 28
"""Entries of the table of true answers; of larger graphs true answers are rare among wrong ones that were drawn."""


NEVER = -1e9
"""As a score: weighs nothing beside others, and leaves weights finite where every candidate is true."""


@dataclass(eq=False)
class Learner:
    """Tables that are being trained and what Adam remembers; `train` changes them in place.

    All in a department's own numbers: `triples` (n, 3) of `entities` (m, width · dimension) and of `relations`.
    """

    model: Model
    schedule: Schedule
    triples: Tensor = field(repr=False)
    entities: Tensor = field(repr=False)
    relations: Tensor = field(repr=False)
    seed: int
    adam: torch.optim.Adam = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.entities = self.entities.clone().requires_grad_()
        self.relations = self.relations.clone().requires_grad_()
        self._asked = questions(self.triples, len(self.relations))
        self._never = self._true_answers()
        self.forget()

    def _true_answers(self) -> tuple[Tensor, Tensor] | None:
        """Which answers are true, as a table to add to scores: NEVER where they are; and each question's row of it.

        None where the table would be too large. (Adding is an eighth of the time of filling by a mask.)
        """
        if len(self._asked) * len(self.entities) > LARGEST_TABLE:
            return None
        known = Known.of(self._asked, len(self.entities))
        return known.true * NEVER, known.rows(self._asked)

    def forget(self) -> None:
        """Adam begins anew: its moments are about tables that have been overwritten."""
        self.adam = torch.optim.Adam([self.entities, self.relations], lr=self.schedule.learning_rate, fused=True)

    def train(self, epoch: int) -> None:
        """Every triple once, from both sides, in an order that is a function of the seed and the epoch."""
        generator = torch.Generator().manual_seed(derive(self.seed, "order", epoch))
        for batch in torch.randperm(len(self._asked), generator=generator).split(self.schedule.batch):
            self.adam.zero_grad()
            scored = self.scored(batch, generator)
            scored.scores.backward(slopes(scored, self.schedule.margin))
            self.adam.step()

    def scored(self, batch: Tensor, generator: torch.Generator) -> Scored:
        """The questions of these indices (b,) with the scores of their candidates."""
        ends, operators, answers = self._asked[batch].unbind(1)
        acting = embedding(operators, self.model.operators(self.relations))
        asked = self.model.act(embedding(ends, self.entities), acting)
        never = None if self._never is None else self._never[0].index_select(0, self._never[1][batch])
        if not 0 < self.schedule.negatives < len(self.entities):
            return self._weighed(self.model.scores(asked, self.entities), answers, never)
        drawn = torch.randint(len(self.entities), (self.schedule.negatives,), generator=generator)
        candidates, places = torch.cat([answers, drawn]).unique(return_inverse=True)
        scores = self.model.scores(asked, embedding(candidates, self.entities))
        return self._weighed(scores, places[: len(batch)], None if never is None else never[:, candidates])

    def _weighed(self, scores: Tensor, answers: Tensor, never: Tensor | None) -> Scored:
        hardness = scores.detach() * self.schedule.temperature
        hardness = hardness.scatter(1, answers[:, None], NEVER) if never is None else hardness.add_(never)
        return Scored(scores, answers, hardness.softmax(1))


@dataclass(frozen=True, eq=False)
class Scored:
    """A batch: `scores` (b, n) of candidates, where the `answers` (b,) stand among them, and p, `hardness` (b, n)."""

    scores: Tensor
    answers: Tensor
    hardness: Tensor


def loss(scored: Scored, margin: float) -> Tensor:
    """The mean loss as it is written above; training needs its `slopes` only."""
    right = scored.scores.gather(1, scored.answers[:, None]).squeeze(1)
    wrong = (scored.hardness * logsigmoid(-margin - scored.scores)).sum(1)
    return -(logsigmoid(margin + right) + wrong).mean()


def slopes(scored: Scored, margin: float) -> Tensor:
    """∂loss/∂scores (b, n): p_k σ(γ + s_k) of wrong answers, σ(γ + s) - 1 of right ones, over b."""
    plausible = (scored.scores.detach() + margin).sigmoid_()
    place = scored.answers[:, None]
    right = plausible.gather(1, place) - 1
    return plausible.mul_(scored.hardness).scatter_(1, place, right).div_(len(place))
