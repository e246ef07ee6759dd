"""What the filters of a question leave of its variables, where they compare them with numbers or days.

    { ?x r:重量 ?v ; r:供应 ?y FILTER(?v > 990 && ?v < 995) }   ──►   tails: (r:重量, ?v), (r:供应, ?y)
                                                                       ranges: ?v from 990 to 995

Read off the question's words: what is not understood is passed over, and whoever asks for more facts than a filter lets
through has the filter still.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lepton_fed.knowledge.iris import XSD

Token = re.Match[str]

_INTEGERS = "integer int long short byte nonNegativeInteger positiveInteger nonPositiveInteger negativeInteger"
_UNSIGNED = "unsignedInt unsignedLong unsignedShort unsignedByte"
_NUMBERS = frozenset(f"{XSD}{one}" for one in f"{_INTEGERS} {_UNSIGNED} decimal double float".split())
_TIMES = frozenset(f"{XSD}{one}" for one in ("date", "dateTime", "gYear"))
_DAY = re.compile(r"(-?\d{4,})(?:-(\d\d)-(\d\d))?")

_TWO_DAYS = 8.0
"""At most, as `key_of` counts: after February three days are left out."""

Key = tuple[str, float]
"""What orders a value: of numbers, and of days, which are no numbers to a filter."""


def key_of(text: str, datatype: str) -> Key | None:
    """Where a value stands among those of its kind; None for what no filter compares with a number or a day."""
    if datatype in _NUMBERS:
        try:
            number = float(text)
        except ValueError:
            return None
        return None if math.isnan(number) else ("number", number)
    day = _DAY.match(text) if datatype in _TIMES else None
    if day is None:
        return None
    year, month, date = (int(part or 1) for part in day.groups())
    return "day", 372.0 * year + 31 * month + date


@dataclass(frozen=True)
class Range:
    """What filters of a group leave of a variable: numbers or days from `low` to `high`, both among them."""

    kind: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def least(self) -> Key:
        return self.kind, self.low - self._near(self.low)

    @property
    def most(self) -> Key:
        return self.kind, self.high + self._near(self.high)

    def _near(self, end: float) -> float:
        """How far apart values may be that a filter takes for equal: a float has 24 bits, a time zone has hours."""
        if math.isinf(end):
            return 0.0
        return abs(end) / 1e6 + 1e-30 if self.kind == "number" else _TWO_DAYS

    def narrowed(self, sign: str, at: float) -> Range:
        """With one comparison more; a `?v > at` and `?v >= at` are one here."""
        low = max(self.low, at) if sign in (">", ">=", "=") else self.low
        high = min(self.high, at) if sign in ("<", "<=", "=") else self.high
        return replace(self, low=low, high=high)


def tokens_of(question: str) -> list[Token]:
    """The words, names and marks of a question, without its comments."""
    return [one for one in _TOKENS.finditer(question) if one.lastgroup != "comment"]


_TOKENS = re.compile(
    r"""
      (?P<quoted>\"\"\"(?:"{0,2}(?:[^"\\]|\\.))*\"\"\"|'''(?:'{0,2}(?:[^'\\]|\\.))*'''
                |"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    | (?P<address><[^<>"{}|^`\\\x00-\x20]*>)
    | (?P<comment>\#[^\n\r]*)
    | (?P<variable>[?$]\w+)
    | (?P<name>(?:[^\W\d][\w.-]*)?:(?:(?:[\w:%-]|\\.)(?:\.*(?:[\w:%-]|\\.))*)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<sign><=|>=|!=|=|<|>|&&)
    | (?P<mark>\^\^|@[A-Za-z-]+|[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
"""Anything else is a mark of one letter, so that nothing is passed over."""

_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "=": "="}


def tails(tokens: list[Token]) -> Iterator[tuple[str, str]]:
    """(relation, variable) of the group's first facts `?x relation ?variable`, up to what is no plain fact or filter.

    What follows the first facts of a group takes away from them or adds to them, one by one: values that no filter
    lets through may be gone before.
    """
    place, verb, subject = 0, "", None
    while place < len(tokens):
        kind, text = tokens[place].lastgroup, tokens[place][0]
        if kind == "word" and text.upper() == "FILTER" and not verb:
            place, subject = _behind_brackets(tokens, place + 1), None
        elif text == "." and not verb:
            place, subject = place + 1, None
        elif text == ";" and subject is not None and not verb:
            place += 1
        elif subject is None and kind in ("variable", "address", "name"):
            place, subject = place + 1, tokens[place]
        elif subject is not None and not verb and (kind in ("variable", "address", "name") or text == "a"):
            place, verb = place + 1, text
        elif subject is not None and verb and kind in ("variable", "address", "name", "number", "quoted"):
            after = _behind_term(tokens, place)
            plain = verb[0] not in "?$" and verb != "a" and kind == "variable"
            if plain and subject.lastgroup == "variable" and text != subject[0]:
                yield verb, text
            listed = after < len(tokens) and tokens[after][0] == ","
            place, verb = (after + 1, verb) if listed else (after, "")
        else:
            return


def _behind_term(tokens: list[Token], place: int) -> int:
    """The place after a term, and after the type or language of a literal."""
    after = tokens[place + 1][0] if place + 1 < len(tokens) else ""
    if tokens[place].lastgroup == "quoted" and after == "^^":
        return place + 3
    return place + 2 if tokens[place].lastgroup == "quoted" and after.startswith("@") else place + 1


def _behind_brackets(tokens: list[Token], place: int) -> int:
    """The place after what is in brackets from here on, a name before them included; the end where it is none."""
    if place < len(tokens) and tokens[place][0] != "(":
        place += 1
    depth = 0
    for k in range(place, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[k][0], 0)
        if depth <= 0:
            return k + 1
    return len(tokens)


def ranges(tokens: list[Token]) -> dict[str, Range]:
    """By variable, what the group's own filters leave of it: those that are comparisons with numbers or days."""
    found: dict[str, Range] = {}
    depth = 0
    for place, token in enumerate(tokens):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth < 0:
            break
        if depth == 0 and token.lastgroup == "word" and token[0].upper() == "FILTER":
            inside = tokens[place + 1 : _behind_brackets(tokens, place + 1)]
            for variable, sign, (kind, at) in _comparisons(inside):
                before = found.get(variable, Range(kind))
                if before.kind == kind:
                    found[variable] = before.narrowed(sign, at)
    return found


def _comparisons(tokens: list[Token]) -> list[tuple[str, str, Key]]:
    """Those of `(?v > 1 && 2 >= ?v)`; none where there is anything else between the brackets."""
    if len(tokens) < 5 or tokens[0][0] != "(" or tokens[-1][0] != ")":
        return []
    found, rest = [], tokens[1:-1]
    while True:
        one, size = _comparison(rest)
        if one is None:
            return []
        found.append(one)
        if size == len(rest):
            return found
        if rest[size][0] != "&&":
            return []
        rest = rest[size + 1 :]


def _comparison(tokens: list[Token]) -> tuple[tuple[str, str, Key] | None, int]:
    """A comparison that comes first, and how many tokens it has."""
    if not tokens:
        return None, 0
    if tokens[0].lastgroup == "variable" and len(tokens) > 2:
        value, size = _constant(tokens[2:])
        variable, sign, whole = tokens[0], tokens[1][0], 2 + size
    else:
        value, size = _constant(tokens)
        if len(tokens) < size + 2:
            return None, 0
        variable, sign, whole = tokens[size + 1], _TURNED.get(tokens[size][0], ""), size + 2
    if value is None or sign not in _TURNED or variable.lastgroup != "variable":
        return None, 0
    return (variable[0], sign, value), whole


def _constant(tokens: list[Token]) -> tuple[Key | None, int]:
    """A number, or a literal of a type that has an order, that comes first, and how many tokens it has."""
    kind, text = tokens[0].lastgroup, tokens[0][0]
    if kind == "number":
        return key_of(text, f"{XSD}double"), 1
    if kind != "quoted" or len(tokens) < 3 or tokens[1][0] != "^^":
        return None, 1
    datatype = tokens[2][0].replace("xsd:", XSD, 1).strip("<>")
    return key_of(text.strip("\"'"), datatype), 3
