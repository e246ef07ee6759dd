"""Which sort each fact is of: whose it is, its relation, and the types of the entities at its ends.

    研发: 华东钢铁 供应 齿轮箱   ──►   Sort("研发", "供应", {"供应商", "零件"})

Policies decide per sort; facts of one sort are readable together, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lepton_fed.knowledge.facts import TYPE, UNTYPED, Fact, Literal


@dataclass(frozen=True)
class Sort:
    """Facts that policies treat alike. An entity that no fact gives a type is an `entity`."""

    owner: str
    relation: str
    types: frozenset[str]


@dataclass(frozen=True)
class Sorting:
    """The types of one department's entities, by its own facts: what others call an entity does not open it."""

    owner: str
    types: dict[str, frozenset[str]] = field(repr=False)
    _known: dict[tuple[str, frozenset[str]], Sort] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, owner: str, facts: Iterable[Fact]) -> Sorting:
        """As the department's facts have it; those of other relations than `rdf:type` are passed over."""
        found: dict[str, set[str]] = {}
        for fact in facts:
            if fact.relation == TYPE and isinstance(fact.tail, str):
                found.setdefault(fact.head, set()).add(fact.tail)
        # Few sets of types, many entities: equal ones are one object.
        alike: dict[frozenset[str], frozenset[str]] = {}
        return cls(owner, {name: alike.setdefault(one := frozenset(some), one) for name, some in found.items()})

    def types_of(self, entity: str) -> frozenset[str]:
        """What the entity is."""
        return self.types.get(entity, _UNTYPED)

    def sort(self, fact: Fact) -> Sort:
        """The sort of one of the department's facts. That `X rdf:type T` is about X alone: T is no entity."""
        types = self.types_of(fact.head)
        if fact.relation != TYPE and not isinstance(fact.tail, Literal):
            end = self.types_of(fact.tail)
            types = types if end is types else types | end
        key = (fact.relation, types)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Sort(self.owner, *key)
        return known

    def named(self) -> Iterator[str]:
        """Every type there is, sorted."""
        yield from sorted({name for some in self.types.values() for name in some})


_UNTYPED = frozenset({UNTYPED})
