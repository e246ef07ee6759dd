"""Scores of triples by TransE, DistMult, ComplEx and RotatE: a relation acts on one end, the result is compared.

    score(h, r, t)  =  compare(act(h, r), t)  =  compare(act(t, r⁻¹), h)

              act      r⁻¹         compare
    TransE    h + r    -r          -‖q - e‖       (Bordes et al. 2013)
    RotatE    h ∘ r    conj(r)     -‖q - e‖       r = exp(iθ)    (Sun et al. 2019)
    DistMult  h ∘ r    r           ⟨q, e⟩         (Yang et al. 2015)
    ComplEx   h ∘ r    conj(r)     Re⟨q, ē⟩       (Trouillon et al. 2016)

A *question* is one end of a triple and a relation or its inverse; the answer is the other end. One matrix product
scores a batch of questions against all entities: ‖q - e‖² = ‖q‖² - 2⟨q, e⟩ + ‖e‖². Norms are Euclidean, as PyKEEN's
are by default for RotatE. A complex vector of d coordinates is stored as 2d real numbers, so that ⟨q, e⟩ of what is
stored is Re⟨q, ē⟩.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from lepton_fed.errors import ConfigError

SMALLEST_SQUARE = 1e-12
"""Rounding may leave a squared distance below 0, and the root has no slope at 0."""


@dataclass(frozen=True)
class Model:
    """How one kind of embedding scores. `width`, `relation_width`: real numbers per coordinate."""

    name: str
    act: Callable[[Tensor, Tensor], Tensor]
    """Ends (b, w) and operators (b, w): questions (b, w)."""
    inverse: Callable[[Tensor], Tensor]
    by_distance: bool
    width: int
    relation_width: int

    def operators(self, relations: Tensor) -> Tensor:
        """What acts on ends, (2R, w): every relation of (R, ...), then every inverse."""
        forward = _unit(relations) if self.name == "rotate" else relations
        return torch.cat([forward, self.inverse(forward)])

    def scores(self, questions: Tensor, entities: Tensor) -> Tensor:
        """(b, w) questions against (n, w) entities: (b, n), higher is more plausible."""
        if not self.by_distance:
            return questions @ entities.T
        distances: Tensor = Distances.apply(questions, entities)  # type: ignore[no-untyped-call]
        return -distances

    def entities(self, count: int, dimension: int, generator: torch.Generator) -> Tensor:
        """Initial entities, (count, width · dimension), of length 1 or nearly so."""
        size = self.width * dimension
        return torch.randn(count, size, generator=generator) / math.sqrt(size)

    def relations(self, count: int, dimension: int, generator: torch.Generator) -> Tensor:
        """Initial relations, (count, relation_width · dimension); RotatE's are phases all round."""
        size = self.relation_width * dimension
        if self.name == "rotate":
            return (torch.rand(count, size, generator=generator) * 2 - 1) * math.pi
        drawn = torch.randn(count, size, generator=generator)
        return drawn / math.sqrt(size) if self.by_distance else drawn


class Distances(torch.autograd.Function):
    """‖q - e‖ of each of (b, w) and each of (n, w), by one matrix product forwards and two backwards."""

    @staticmethod
    def forward(context: FunctionCtx, questions: Tensor, entities: Tensor) -> Tensor:
        lengths = questions.square().sum(1, keepdim=True) + entities.square().sum(1)
        squares = torch.addmm(lengths, questions, entities.T, alpha=-2.0)
        distances = squares.clamp_min_(SMALLEST_SQUARE).sqrt_()
        context.save_for_backward(questions, entities, distances)
        return distances

    @staticmethod
    def backward(context: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """∂‖q - e‖/∂q = (q - e) / ‖q - e‖, summed without ever holding (b, n, w) numbers."""
        questions, entities, distances = context.saved_tensors  # type: ignore[attr-defined]
        slopes = gradients[0] / distances
        to_questions = torch.addmm(questions * slopes.sum(1, keepdim=True), slopes, entities, alpha=-1.0)
        to_entities = torch.addmm(entities * slopes.sum(0)[:, None], slopes.T, questions, alpha=-1.0)
        return to_questions, to_entities


def model(name: str) -> Model:
    """The model of that name; ConfigError if there is none."""
    if name not in MODELS:
        raise ConfigError(f"there is no embedding {name!r}; choose {', '.join(MODELS)}")
    return MODELS[name]


def _complex(real: Tensor) -> Tensor:
    """(n, 2d) real numbers as (n, d) complex ones; no copy."""
    return torch.view_as_complex(real.unflatten(1, (-1, 2)))


def _real(numbers: Tensor) -> Tensor:
    return torch.view_as_real(numbers).flatten(1)


def _times(ends: Tensor, operators: Tensor) -> Tensor:
    return _real(_complex(ends) * _complex(operators))


def _conjugate(operators: Tensor) -> Tensor:
    return _real(_complex(operators).conj().resolve_conj())


def _unit(phases: Tensor) -> Tensor:
    """(n, d) phases as (n, 2d): the complex numbers of length 1."""
    return torch.stack([phases.cos(), phases.sin()], dim=2).flatten(1)


MODELS = {
    "transe": Model("transe", torch.add, torch.neg, by_distance=True, width=1, relation_width=1),
    "rotate": Model("rotate", _times, _conjugate, by_distance=True, width=2, relation_width=1),
    "distmult": Model("distmult", torch.mul, torch.clone, by_distance=False, width=1, relation_width=1),
    "complex": Model("complex", _times, _conjugate, by_distance=False, width=2, relation_width=2),
}
