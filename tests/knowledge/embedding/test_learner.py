"""Training: the slopes are the loss's, what is true is never taken for wrong, and the same seed learns the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lepton_fed.knowledge.embedding.learner import Learner, Schedule, loss, slopes
from lepton_fed.knowledge.embedding.models import MODELS, model
from lepton_fed.knowledge.embedding.ranking import Exam, evaluate
from tests.knowledge.embedding.graphs import ring

EVERY = Schedule(batch=16, margin=3.0, learning_rate=0.05)
DRAWN = replace(EVERY, negatives=4)


def learner(name: str = "rotate", schedule: Schedule = EVERY, seed: int = 0) -> Learner:
    facts, kind = ring(), model(name)
    generator = torch.Generator().manual_seed(1)
    entities = kind.entities(len(facts.entities), 8, generator)
    return Learner(kind, schedule, facts.train, entities, kind.relations(len(facts.relations), 8, generator), seed)


def mrr(one: Learner) -> float:
    facts = ring()
    exam = Exam.of(facts.test, facts.parts, len(facts.entities), len(facts.relations))
    return evaluate(one.model, one.entities.detach(), one.relations.detach(), exam).mrr


@pytest.mark.parametrize("schedule", [EVERY, DRAWN], ids=["all candidates", "drawn candidates"])
@pytest.mark.parametrize("name", MODELS)
def test_the_slopes_are_those_of_the_loss(name: str, schedule: Schedule) -> None:
    one = learner(name, schedule)
    scored = one.scored(torch.arange(10), torch.Generator().manual_seed(2))
    scores = scored.scores.detach().requires_grad_()
    loss(replace(scored, scores=scores), schedule.margin).backward()
    torch.testing.assert_close(slopes(scored, schedule.margin), scores.grad)


@pytest.mark.parametrize("schedule", [EVERY, DRAWN], ids=["all candidates", "drawn candidates"])
def test_what_is_true_weighs_nothing_among_the_wrong_answers(schedule: Schedule) -> None:
    one = learner(schedule=schedule)
    scored = one.scored(torch.arange(10), torch.Generator().manual_seed(2))
    torch.testing.assert_close(scored.hardness.sum(1), torch.ones(10))
    assert scored.hardness.gather(1, scored.answers[:, None]).abs().max() == 0


def loss_of_all(one: Learner) -> float:
    every = torch.arange(2 * len(one.triples))
    return loss(one.scored(every, torch.Generator()), one.schedule.margin).item()


@pytest.mark.parametrize("schedule", [EVERY, DRAWN], ids=["all candidates", "drawn candidates"])
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_falls(name: str, schedule: Schedule) -> None:
    one = learner(name, schedule)
    before = loss_of_all(one)
    for epoch in range(20):
        one.train(epoch)
    assert loss_of_all(one) < 0.8 * before


def test_rotations_learn_a_ring() -> None:
    """Steps on a ring are rotations, and those that training left out follow from the others."""
    one = learner("rotate")
    for epoch in range(60):
        one.train(epoch)
    assert mrr(one) > 0.8


def test_the_same_seed_learns_the_same_bits_and_another_seed_does_not() -> None:
    one, again, other = learner(), learner(), learner(seed=1)
    for each in (one, again, other):
        each.train(1)
    assert torch.equal(one.entities, again.entities)
    assert not torch.equal(one.entities, other.entities)


def test_an_epoch_does_not_depend_on_those_before_it_being_drawn() -> None:
    """A run that goes on after a kill draws the same order without having kept any."""
    one, two = learner(), learner()
    one.train(5)
    two.train(4)
    two.entities.data.copy_(learner().entities)
    two.relations.data.copy_(learner().relations)
    two.forget()
    two.train(5)
    assert torch.equal(one.entities, two.entities)
