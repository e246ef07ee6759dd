"""Triples (head, relation, tail) as numbers: what a department knows, dealt out of a graph by relation or its own.

    Facts           train, validation and test triples over dictionaries of names     (n, 3) int64 each
    Department      one department's facts; the entities that it knows; how often it mentions each

The dictionary of entities is common: it was joined before (by exact id, by name, or privately), and a row of the
entity table means the same entity everywhere. Relations are a department's own, names and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from lepton_fed.errors import DataError
from lepton_fed.knowledge.embedding.ranking import Exam
from lepton_fed.seeds import derive

Triple = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Facts:
    """Triples of numbers, `(n, 3) int64` each: head, relation, tail. All three parts are about the same names."""

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    train: Tensor = field(repr=False)
    validation: Tensor = field(repr=False)
    test: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.dtype != torch.int64 or part.dim() != 2 or part.shape[1] != 3:
                raise DataError(f"triples are (n, 3) int64, not {tuple(part.shape)} {part.dtype}")
            if len(part) and (part.min() < 0 or part[:, 1].max() >= len(self.relations)):
                raise DataError("a triple names a relation that is not in the dictionary")
            if len(part) and part[:, [0, 2]].max() >= len(self.entities):
                raise DataError("a triple names an entity that is not in the dictionary")

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.train, self.validation, self.test

    @classmethod
    def of(
        cls,
        train: Sequence[Triple],
        validation: Sequence[Triple] = (),
        test: Sequence[Triple] = (),
        *,
        entities: Sequence[str] | None = None,
        relations: Sequence[str] | None = None,
    ) -> Facts:
        """Entities numbered in the order of their names, or as in a common dictionary.

        Relations are numbered as they appear, or as given: what they are called must not show in anything that leaves,
        not even by their order.
        """
        every = (*train, *validation, *test)
        names = tuple(entities) if entities is not None else tuple(sorted({n for h, _, t in every for n in (h, t)}))
        own = tuple(relations) if relations is not None else tuple(dict.fromkeys(r for _, r, _ in every))
        number = {name: k for k, name in enumerate(names)}
        which = {name: k for k, name in enumerate(own)}

        def numbered(triples: Sequence[Triple]) -> Tensor:
            unknown = next((n for h, _, t in triples for n in (h, t) if n not in number), None)
            if unknown is not None:
                raise DataError(f"the entity {unknown!r} is not in the common dictionary; join the departments first")
            rows = [(number[h], which[r], number[t]) for h, r, t in triples]
            return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)

        return cls(names, own, numbered(train), numbered(validation), numbered(test))

    def about(self, relations: Sequence[int]) -> Facts:
        """The facts of these relations, renumbered in this order."""
        number = torch.full((len(self.relations),), -1)
        number[torch.tensor(relations, dtype=torch.int64)] = torch.arange(len(relations))

        def chosen(part: Tensor) -> Tensor:
            renamed = torch.stack([part[:, 0], number[part[:, 1]], part[:, 2]], dim=1)
            return renamed[renamed[:, 1] >= 0]

        names = tuple(self.relations[k] for k in relations)
        return Facts(self.entities, names, *map(chosen, self.parts))


@dataclass(frozen=True, eq=False)
class Department:
    """One department's facts over the common dictionary of entities. `dropped`: triples that nobody could rank.

    Validation and test triples about an entity that its training triples do not mention are left out, as standard
    evaluators do.
    """

    name: str
    facts: Facts = field(repr=False)
    dropped: int = 0

    @classmethod
    def of(cls, name: str, facts: Facts) -> Department:
        """The department, without triples about entities that it never met."""
        known = facts.train[:, [0, 2]].unique()
        parts = (facts.validation, facts.test)
        kept = [part[torch.isin(part[:, [0, 2]], known).all(dim=1)] for part in parts]
        dropped = sum(map(len, parts)) - sum(map(len, kept))
        return cls(name, replace(facts, validation=kept[0], test=kept[1]), dropped)

    @cached_property
    def entities(self) -> Tensor:
        """The entities that it knows: those of its training triples, ascending, `(m,) int64`."""
        known: Tensor = self.facts.train[:, [0, 2]].unique()
        return known

    @property
    def relations(self) -> tuple[str, ...]:
        """Its own relations: their names and embeddings never leave."""
        return self.facts.relations

    @cached_property
    def evidence(self) -> Tensor:
        """How often its training triples mention each entity of the dictionary, `(E,) int64`: its own secret."""
        return torch.bincount(self.facts.train[:, [0, 2]].reshape(-1), minlength=len(self.facts.entities))

    def numbered(self, triples: Tensor) -> Tensor:
        """Triples in its own numbers: entities by their place among those that it knows."""
        place = torch.full((len(self.facts.entities),), -1)
        place[self.entities] = torch.arange(len(self.entities))
        return torch.stack([place[triples[:, 0]], triples[:, 1], place[triples[:, 2]]], dim=1)

    @cached_property
    def validation(self) -> Exam:
        """Its validation triples, to be ranked among its own entities."""
        return self._test(self.facts.validation)

    @cached_property
    def test(self) -> Exam:
        """Its test triples, to be ranked among its own entities."""
        return self._test(self.facts.test)

    def _test(self, triples: Tensor) -> Exam:
        true = tuple(map(self.numbered, self.facts.parts))
        return Exam.of(self.numbered(triples), true, len(self.entities), len(self.relations))


def dealt(facts: Facts, names: Sequence[str], seed: int) -> tuple[Department, ...]:
    """The graph dealt out by relation, shuffled by the seed: every department gets as many relations, to one."""
    generator = torch.Generator().manual_seed(derive(seed, "deal"))
    shuffled = torch.randperm(len(facts.relations), generator=generator).tolist()
    return tuple(Department.of(name, facts.about(sorted(shuffled[k :: len(names)]))) for k, name in enumerate(names))


def pooled(departments: Sequence[Department]) -> Facts:
    """Everybody's facts as one graph, relations one department after the other: as if nothing were private."""
    parts: list[list[Tensor]] = [[], [], []]
    first = 0
    for one in departments:
        for part, own in zip(parts, one.facts.parts, strict=True):
            part.append(own + torch.tensor([0, first, 0]))
        first += len(one.relations)
    relations = tuple(name for one in departments for name in one.relations)
    return Facts(departments[0].facts.entities, relations, *map(torch.cat, parts))
