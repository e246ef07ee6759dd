"""Scores are those of the papers, and both sides of a triple score alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lepton_fed.errors import ConfigError
from lepton_fed.knowledge.embedding.models import MODELS, Distances, Model, model

every_model = pytest.mark.parametrize("name", MODELS)
D = 5


def drawn(kind: Model, count: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    h, t = (kind.entities(count, D, generator).double() for _ in range(2))
    return h, kind.relations(count, D, generator).double(), t


def by_hand(name: str, h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """The papers' formulas, in complex arithmetic where they have it."""
    if name == "transe":
        return -(h + r - t).norm(dim=1)
    if name == "distmult":
        return (h * r * t).sum(1)
    a, b = (torch.complex(x[:, 0::2], x[:, 1::2]) for x in (h, t))
    if name == "rotate":
        return -(a * torch.polar(torch.ones_like(r), r) - b).abs().square().sum(1).sqrt()
    return (a * torch.complex(r[:, 0::2], r[:, 1::2]) * b.conj()).sum(1).real


@every_model
def test_a_score_is_the_papers(name: str) -> None:
    kind = model(name)
    h, r, t = drawn(kind)
    operators = kind.operators(r)
    found = kind.scores(kind.act(h, operators[:7]), t).diagonal()
    torch.testing.assert_close(found, by_hand(name, h, r, t))


@every_model
def test_asking_for_the_head_scores_a_triple_as_asking_for_the_tail(name: str) -> None:
    kind = model(name)
    h, r, t = drawn(kind)
    operators = kind.operators(r)
    tails = kind.scores(kind.act(h, operators[:7]), t).diagonal()
    heads = kind.scores(kind.act(t, operators[7:]), h).diagonal()
    torch.testing.assert_close(tails, heads)


def test_distances_have_the_slopes_that_calculus_gives() -> None:
    generator = torch.Generator().manual_seed(4)
    q, e = (torch.randn(n, 3, generator=generator, dtype=torch.float64, requires_grad=True) for n in (4, 6))
    assert torch.autograd.gradcheck(Distances.apply, (q, e))


def test_a_question_that_is_its_own_answer_has_a_distance_and_finite_slopes() -> None:
    q = torch.ones(1, 3, requires_grad=True)
    Distances.apply(q, torch.ones(2, 3)).sum().backward()
    assert q.grad is not None
    assert q.grad.isfinite().all()


def test_a_model_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no embedding 'hole'; choose transe, rotate, distmult, complex"):
        model("hole")
