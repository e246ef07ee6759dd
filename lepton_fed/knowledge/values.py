"""Values of a relation in order, and questions that then name those which they want instead of looking at all.

    { ?x r:重量 ?v FILTER(?v > 990) }   ──►   { VALUES ?v { 991 … 999 } ?x r:重量 ?v FILTER(?v > 990) }

The store finds the facts with a value at once, and has no order of values: for a FILTER it goes through every fact of
the relation. What is put in leaves every answer as it is: the filter stays, and among the values are all that it lets
through, and a few beside where numbers of different types are close. A question that is not understood stays as it is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lepton_fed.knowledge.filters import Key, Range, Token, key_of, ranges, tails, tokens_of

MOST = 1000
"""Values that are put into a question: each is looked for, and reading more takes longer than going through facts."""

SHARE = 0.5
"""Of a relation's values: to name more of them is no help."""

LARGEST = 100_000
"""Different values of a relation that are kept in order."""


@dataclass(frozen=True)
class Ordered:
    """The values of a relation that have an order, in it."""

    keys: tuple[Key, ...] = field(repr=False)
    terms: tuple[str, ...] = field(repr=False)
    """As SPARQL writes them."""

    @classmethod
    def of(cls, literals: Iterable[Any]) -> Ordered:
        """Of the store's literals, each once."""
        known = ((key_of(one.value, one.datatype.value), str(one)) for one in literals)
        some = sorted((key, term) for key, term in known if key is not None)
        return cls(tuple(key for key, _ in some), tuple(term for _, term in some))

    def within(self, wanted: Range) -> tuple[str, ...] | None:
        """The values that a filter may let through; None where naming them is not worth it."""
        low, high = bisect_left(self.keys, wanted.least), bisect_right(self.keys, wanted.most)
        return None if high - low > min(MOST, SHARE * len(self.keys)) else self.terms[low:high]


Known = Callable[[str, str], Ordered | None]
"""The values of a relation, from what a question declares before it asks, and the relation as it calls it."""


def naming_values(question: str, known: Known) -> str:
    """The question with the values named that its filters let through, where it is about few of them."""
    if "\\" in question:  # Of what is written in escapes another reader may make something else.
        return question
    tokens = tokens_of(question)
    words = [one[0].upper() for one in tokens if one.lastgroup == "word"]
    if "FILTER" not in words or "EXISTS" in words:
        return question
    before = question[: next((one.start() for one in tokens if one[0].upper() in _FORMS), 0)]
    named: list[tuple[int, str]] = []
    for place, token in enumerate(tokens):
        if token[0] == "{":
            named += [(token.end(), said) for said in _named(tokens[place + 1 :], before, known)]
    for end, said in reversed(named):
        question = f"{question[:end]} {said}{question[end:]}"
    return question


_FORMS = frozenset({"SELECT", "ASK", "CONSTRUCT", "DESCRIBE"})


def _named(tokens: list[Token], before: str, known: Known) -> Iterator[str]:
    """VALUES for the group of which these are the tokens, and what follows it."""
    wanted = ranges(tokens)
    for relation, variable in tails(tokens) if wanted else ():
        one = wanted.pop(variable, None)
        values = known(before, relation) if one is not None else None
        some = values.within(one) if values is not None and one is not None else None
        if some is not None:
            yield f"VALUES {variable} {{ {' '.join(some)} }} "
