"""What a file about a federated embedding says, as frozen values that check themselves: one class per table.

    [federation]  [[departments]]  [embedding]  [rounds]  [coupling]  [entities]

`configs/knowledge.toml` is one; docs/knowledge-embedding.md describes every key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from lepton_fed.settings import Identity


class _Strict:
    """Read by pydantic when it validates a dataclass: unknown keys are errors."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class KnowledgeDepartment(_Strict):
    """`[[departments]]`: its name; its facts are named in its own file, which stays with it."""

    name: str
    description: str = ""

    def __post_init__(self) -> None:
        _require(self.name.strip() != "" and self.name.isprintable(), "departments: name may not be blank")


@dataclass(frozen=True, kw_only=True)
class Embedding(_Strict):
    """`[embedding]`: the model, and how a department trains it."""

    model: Literal["transe", "rotate", "distmult", "complex"] = "rotate"
    dimension: int = 64
    """Coordinates of an entity; complex ones under `rotate` and `complex`."""
    batch: int = 512
    """Questions a step: each triple asks for its tail and for its head."""
    learning_rate: float = 0.02
    margin: float = 6.0
    """γ: the distance up to which a triple counts as plausible."""
    temperature: float = 1.0
    """a: how much more wrong answers that score well weigh than others."""
    negatives: int = 0
    """Candidates drawn for each batch, beside its own answers; 0: all entities that the department knows."""

    def __post_init__(self) -> None:
        _require(self.dimension >= 1, f"embedding: dimension must be at least 1, not {self.dimension}")
        _require(self.batch >= 1, f"embedding: batch must be at least 1, not {self.batch}")
        _require(self.learning_rate > 0, f"embedding: learning_rate must be positive, not {self.learning_rate}")
        _require(self.temperature >= 0, f"embedding: temperature may not be negative: {self.temperature}")
        _require(self.negatives >= 0, f"embedding: negatives may not be negative: {self.negatives}")


@dataclass(frozen=True, kw_only=True)
class EmbeddingRounds(_Strict):
    """`[rounds]`: one epoch at every department, then one secure sum. Short runs reverse rankings of methods."""

    count: int = 240
    evaluate_every: int = 10
    """Rounds between looks at a department's own validation triples; it keeps its best tables."""

    def __post_init__(self) -> None:
        _require(self.count >= 1, f"rounds: count must be at least 1, not {self.count}")
        _require(self.evaluate_every >= 1, f"rounds: evaluate_every must be at least 1, not {self.evaluate_every}")


@dataclass(frozen=True, kw_only=True)
class EmbeddingCoupling(_Strict):
    """`[coupling]`: what a department does with the anchor of an entity, the weighted mean of its owners' rows.

    average     its row becomes the anchor (FedE), and Adam begins anew
    proximal    its row moves a part of the way to the anchor each round; Adam goes on
    """

    kind: Literal["average", "proximal"] = "proximal"
    beta: float = 0.3
    """β: the part of the way, λβ / (1 + λβ) in the terms of docs/mathematics.md; 0 is training alone."""
    own_evidence: float = 0.0
    """A row of which the department has many facts of its own moves less: β / (1 + own_evidence · own share)."""
    mix: bool = True
    """A department also trains alone, and answers by the mixture of both that suits its validation triples best."""

    def __post_init__(self) -> None:
        _require(0 <= self.beta <= 1, f"coupling: beta must be between 0 and 1, not {self.beta}")
        _require(self.own_evidence >= 0, f"coupling: own_evidence may not be negative: {self.own_evidence}")


@dataclass(frozen=True, kw_only=True)
class SharedEntities(_Strict):
    """`[entities]`: which rows leave, and how much each owner's counts."""

    owners: int = 3
    """k: a row leaves only if at least so many departments own the entity."""
    insecure_reproduction: bool = False
    """Allows fewer than 3 owners: of two, each learns the other's row."""
    counts: tuple[int, int] = (4, 32)
    """A department's own number of facts of an entity is its row's weight, brought into this band."""
    weighted: bool = True
    """Off: every owner counts alike."""
    clip: float = 16.0
    """No coordinate counts for more than this; those cut off are counted and reported."""

    def __post_init__(self) -> None:
        low, high = self.counts
        _require(self.owners >= 1, f"entities: owners must be at least 1, not {self.owners}")
        _require(
            self.owners >= 3 or self.insecure_reproduction,
            f"entities: with owners = {self.owners} a department may learn another's rows; ask for 3 or more, or say "
            "insecure_reproduction = true in an experiment with public data",
        )
        _require(1 <= low <= high, f"entities: counts are a band from at least 1 up, not {list(self.counts)}")
        _require(0 < self.clip <= 2.0**20, f"entities: clip must be positive and at most 2^20, not {self.clip}")


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings(_Strict):
    """A whole file."""

    federation: Identity
    departments: tuple[KnowledgeDepartment, ...]
    embedding: Embedding = field(default_factory=Embedding)
    rounds: EmbeddingRounds = field(default_factory=EmbeddingRounds)
    coupling: EmbeddingCoupling = field(default_factory=EmbeddingCoupling)
    entities: SharedEntities = field(default_factory=SharedEntities)

    def __post_init__(self) -> None:
        names = self.names
        _require(len(set(names)) == len(names), "departments: two have one name")
        _require(len(names) >= 3, f"departments: secure sums need at least 3 of them, not {len(names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """In the file's order."""
        return tuple(d.name for d in self.departments)
