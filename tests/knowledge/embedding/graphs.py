"""A small graph of numbers that embeddings can learn, and federations of it."""

from __future__ import annotations

from typing import Any

from lepton_fed.knowledge.embedding.settings import (
    Embedding,
    EmbeddingCoupling,
    EmbeddingRounds,
    EmbeddingSettings,
    KnowledgeDepartment,
    SharedEntities,
)
from lepton_fed.knowledge.embedding.triples import Department, Facts, Triple, dealt
from lepton_fed.settings import Identity

PLACES = 12
NAMES = ("研发部门", "生产车间", "供应链")


def ring(places: int = PLACES, steps: int = 6) -> Facts:
    """Places on a ring; relation k leads k places on. Every seventh fact is for validation, every ninth for test."""
    every: list[Triple] = [
        (f"p{a:02d}", f"step {k}", f"p{(a + k) % places:02d}") for k in range(1, steps + 1) for a in range(places)
    ]
    validation, test = every[::7], [t for t in every[::9] if t not in every[::7]]
    left = {*validation, *test}
    return Facts.of([t for t in every if t not in left], validation, test)


def departments(names: tuple[str, ...] = NAMES) -> tuple[Department, ...]:
    """The ring dealt out by relation."""
    return dealt(ring(), names, seed=1)


def settings(names: tuple[str, ...] = NAMES, **tables: Any) -> EmbeddingSettings:
    """A short run."""
    return EmbeddingSettings(
        federation=Identity(name="ring", purpose="测试"),
        departments=tuple(KnowledgeDepartment(name=name) for name in names),
        embedding=tables.pop("embedding", Embedding(dimension=8, batch=16)),
        rounds=tables.pop("rounds", EmbeddingRounds(count=4, evaluate_every=2)),
        coupling=tables.pop("coupling", EmbeddingCoupling()),
        entities=tables.pop("entities", SharedEntities()),
    )
