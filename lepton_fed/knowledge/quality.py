"""How good a department's facts are: what breaks the rules, what is missing, and two scores of it all.

    accuracy      = 1 - facts that something is wrong with / facts
    completeness  = what the rules expect and is there / what they expect        1 where they expect nothing

Wrong: a head or tail of another type than the rules say, a literal of another type, more values than there can be
(they contradict each other), an entity of types that exclude each other, a fact said twice in other letters. Missing:
what every entity of a type should have, and the other way round of what has an inverse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lepton_fed.knowledge.facts import TYPE, Fact, Literal
from lepton_fed.knowledge.rules import RelationRule, Rules
from lepton_fed.knowledge.sorts import Sorting
from lepton_fed.knowledge.spelling import folded

WRONG = ("domain", "range", "datatype", "too many", "contradiction", "duplicate")
MISSING = ("missing", "missing inverse")

EXAMPLES = 5
"""Findings of a kind that are kept as sentences; all are counted."""


@dataclass(frozen=True)
class Report:
    """What was found out about a department's facts."""

    department: str
    facts: int
    wrong: int
    """Facts with something wrong about them."""
    expected: int
    present: int
    found: dict[str, int]
    """How many findings of each kind; `WRONG` and `MISSING` have the kinds."""
    examples: dict[str, list[str]]

    @property
    def accuracy(self) -> float:
        return 1.0 if self.facts == 0 else 1 - self.wrong / self.facts

    @property
    def completeness(self) -> float:
        return 1.0 if self.expected == 0 else self.present / self.expected

    @property
    def score(self) -> float:
        """Both as one number, their harmonic mean: what a department makes as large as it can."""
        both = self.accuracy + self.completeness
        return 0.0 if both == 0 else 2 * self.accuracy * self.completeness / both


def check(department: str, facts: Callable[[], Iterable[Fact]], rules: Rules) -> Report:
    """Check the facts, which are gone through twice: for what entities are, then for the rest."""
    sorting = Sorting.of(department, facts())
    found = _Findings()
    look = _Look(sorting, rules, found)
    count = -1
    for count, fact in enumerate(facts()):
        look.at(count, fact)
    expected, present = look.end()
    return Report(department, count + 1, len(found.wrong), expected, present, dict(found.counts), found.examples)


@dataclass
class _Findings:
    """What was found so far. `wrong`: places of the facts that something is wrong with, each once."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    wrong: set[int] = field(default_factory=set)

    def add(self, kind: str, says: str, places: Iterable[int] = ()) -> None:
        self.counts[kind] += 1
        self.wrong.update(places)
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(says)


class _Look:
    """One pass over the facts: what can be said of each alone is said, the rest is noted for the end."""

    def __init__(self, sorting: Sorting, rules: Rules, found: _Findings) -> None:
        self._sorting, self._rules, self._found = sorting, rules, found
        self._of: dict[str, list[RelationRule]] = {}
        for rule in rules.relation:
            self._of.setdefault(rule.name, []).append(rule)
        turned = {other for rule in rules.relation for other in (rule.inverse, rule.name) if _turns(rule) and other}
        self._turned = turned
        self._pairs: dict[str, set[tuple[str, str]]] = {name: set() for name in turned}
        self._values: dict[tuple[str, str], list[int]] = {}
        self._seen: dict[bytes, bytes] = {}
        self._typed: dict[str, list[int]] = {}

    def at(self, place: int, fact: Fact) -> None:
        """Look at one fact."""
        self._spelled(place, fact)
        if fact.relation == TYPE:
            self._typed.setdefault(fact.head, []).append(place)
        rules = self._of.get(fact.relation, ())
        for rule in rules:
            self._against(place, fact, rule)
        if rules:
            self._values.setdefault((fact.head, fact.relation), []).append(place)
        if fact.relation in self._turned and isinstance(fact.tail, str):
            self._pairs[fact.relation].add((fact.head, fact.tail))

    def end(self) -> tuple[int, int]:
        """Look at what takes all facts together; how much was expected and how much of it is there."""
        self._excluding()
        expected, present = 0, 0
        for rule in self._rules.relation:
            self._too_many(rule)
            for count, there in (self._lacking(rule), self._one_way(rule)):
                expected, present = expected + count, present + there
        return expected, present

    def _spelled(self, place: int, fact: Fact) -> None:
        """A fact in other letters than one before it."""
        tail = fact.tail if isinstance(fact.tail, Literal) else folded(fact.tail)
        spelled = Fact(folded(fact.head), fact.relation, tail).key
        key = fact.key
        if self._seen.setdefault(spelled, key) != key:
            self._found.add("duplicate", f"{_said(fact)}: said before in other letters", [place])

    def _against(self, place: int, fact: Fact, rule: RelationRule) -> None:
        types = self._sorting.types_of(fact.head)
        if rule.only_for and types.isdisjoint(rule.only_for):
            return
        if rule.domain and types.isdisjoint(rule.domain):
            self._found.add("domain", f"{_said(fact)}: {fact.head} is no {_either(rule.domain)}", [place])
        if isinstance(fact.tail, Literal):
            if rule.range:
                self._found.add("range", f"{_said(fact)}: an entity is expected, not a literal", [place])
            elif rule.datatype not in (None, fact.tail.datatype):
                self._found.add("datatype", f"{_said(fact)}: {rule.datatype} is expected", [place])
        elif rule.datatype is not None:
            self._found.add("datatype", f"{_said(fact)}: a literal is expected, {rule.datatype}", [place])
        elif rule.range and self._sorting.types_of(fact.tail).isdisjoint(rule.range):
            self._found.add("range", f"{_said(fact)}: {fact.tail} is no {_either(rule.range)}", [place])

    def _excluding(self) -> None:
        """Entities of types that exclude each other."""
        for entity, places in self._typed.items():
            types = self._sorting.types_of(entity)
            for group in self._rules.disjoint:
                both = sorted(types.intersection(group))
                if len(both) > 1:
                    self._found.add("contradiction", f"{entity} is {' and '.join(both)}", places)

    def _too_many(self, rule: RelationRule) -> None:
        if rule.maximum is None:
            return
        for (entity, relation), places in self._values.items():
            if relation == rule.name and len(places) > rule.maximum and self._concerns(rule, entity):
                says = f"{entity} {relation}: {len(places)} values, at most {rule.maximum} can be true"
                self._found.add("too many", says, places)

    def _lacking(self, rule: RelationRule) -> tuple[int, int]:
        """What each entity of a type should have."""
        expected = present = 0
        for entity, types in self._sorting.types.items() if rule.minimum else ():
            if types.isdisjoint(rule.expected_of):
                continue
            there = min(rule.minimum, len(self._values.get((entity, rule.name), ())))
            expected, present = expected + rule.minimum, present + there
            if there < rule.minimum:
                self._found.add("missing", f"{entity} has {there} of {rule.minimum} {rule.name}")
        return expected, present

    def _one_way(self, rule: RelationRule) -> tuple[int, int]:
        """Facts of which the other way round is not said, in both directions of an inverse."""
        if not _turns(rule):
            return 0, 0
        other = rule.name if rule.symmetric else rule.inverse
        assert other is not None
        ways = [(rule.name, other)] if rule.symmetric else [(rule.name, other), (other, rule.name)]
        expected = present = 0
        for there, back in ways:
            for head, tail in sorted(self._pairs[there]):
                expected += 1
                if (tail, head) in self._pairs[back]:
                    present += 1
                else:
                    self._found.add("missing inverse", f"{head} {there} {tail}, and not {tail} {back} {head}")
        return expected, present

    def _concerns(self, rule: RelationRule, entity: str) -> bool:
        return not rule.only_for or not self._sorting.types_of(entity).isdisjoint(rule.only_for)


def _turns(rule: RelationRule) -> bool:
    return rule.symmetric or rule.inverse is not None


def _said(fact: Fact) -> str:
    tail = fact.tail.text if isinstance(fact.tail, Literal) else fact.tail
    return f"{fact.head} {fact.relation} {tail[:40]}"


def _either(types: tuple[str, ...]) -> str:
    return " or ".join(types)


def table(reports: Iterable[Report]) -> Iterator[str]:
    """Lines for a person: a department a line, its scores, and a bar of the one to be made larger."""
    from rich.cells import cell_len

    reports = list(reports)
    width = max((cell_len(one.department) for one in reports), default=0)
    for one in reports:
        name = one.department + " " * (width - cell_len(one.department))
        bar = "█" * round(20 * one.score) + "░" * (20 - round(20 * one.score))
        yield (
            f"{name}  {one.facts:>9,} facts  accuracy {one.accuracy:6.1%}  completeness {one.completeness:6.1%}  "
            f"{bar} {one.score:.3f}"
        )
        for kind in (*WRONG, *MISSING):
            if one.found.get(kind):
                yield f"  {one.found[kind]:>9,} {kind}"
                yield from (f"            {says}" for says in one.examples[kind])
