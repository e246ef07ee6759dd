"""An English text that was stored, taken apart into the sentence that it was, by the templates that there are.

    recalled("质检部门 refused: no rule of 质检部门 permits it (tried 2 times)")

        ──►  "{reason} (tried {times} times)"  of  "{department} refused: {reason}"  of  "no rule of {owner} permits it"

Several sentences may be read in one text. The one with the most letters of its own is taken, unless a part of it would
stay English all the same; then none is. So what others wrote stays as it is. Departments have a say in these texts, so
that reading one takes a bounded number of steps whatever it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

from lepton_fed.translation.catalogue import templates, terms, translations
from lepton_fed.translation.sentence import Sentence, joined, term

LONGEST = 2000
"""Characters that are looked at."""
DEEPEST = 6
"""Sentences in sentences."""
MOST = 100
"""Parts of a text that are looked at."""

_WORDS = frozenset({"flaw", "kind", "label", "message", "needs", "reason", "shown", "state", "verb", "why"})
"""Fields that may be filled with a single word that has a word of its own elsewhere."""
_TALK = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b|; ")
"""What no name or number is: words in a row."""
_QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")


@dataclass(frozen=True)
class _Field:
    """What is filled in, and what stands behind it in the template."""

    name: str
    behind: str
    quoted: bool
    formatted: bool


@dataclass(frozen=True)
class _Form:
    """A template as it is read. `anchor`: its longest piece between fields; `weight`: the letters of its own."""

    template: str
    before: str
    fields: tuple[_Field, ...]
    anchor: str
    weight: int

    def read(self, text: str) -> dict[str, str] | None:
        """What stands in its fields, each ending where it first can; None for a text of another form."""
        if self.anchor not in text or not text.startswith(self.before):
            return None
        if not self.fields:
            return {} if text == self.before else None
        found: dict[str, str] = {}
        start = len(self.before)
        for field in self.fields:
            end = _end(text, start, field, last=field is self.fields[-1])
            value = text[start:end] if end is not None else ""
            if end is None or not value or found.setdefault(field.name, value) != value:
                return None
            start = end + len(field.behind)
        return found


def _end(text: str, start: int, field: _Field, *, last: bool) -> int | None:
    """Where the value of a field ends that starts there, and what stands behind it begins."""
    if last:
        end = len(text) - len(field.behind) if text.endswith(field.behind) else -1
    elif field.quoted:
        match = _QUOTED.match(text, start)
        end = match.end() if match is not None and text.startswith(field.behind, match.end()) else -1
    else:
        end = text.find(field.behind, start)
    if end < start or (field.formatted and any(map(str.isspace, text[start:end]))):
        return None
    return end


class _Shown:
    """A value as it was shown, whatever format the template of another language has for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __format__(self, spec: str) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


@lru_cache(maxsize=256, typed=True)  # A sentence equals its text.
def recalled(text: str) -> str:
    """The sentence of another language's catalogue that is this text; the text itself where there is none."""
    if isinstance(text, Sentence) or len(text) > LONGEST:
        return text
    return Reading().sentence(text, 0) or text


class Reading:
    """Of one text: its parts as far as they have been read."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], Sentence | None] = {}

    def sentence(self, text: str, depth: int) -> Sentence | None:
        """The sentence that a part is; None where there is none, or where it would take too long to see."""
        key = text, depth
        if key not in self.known:
            if depth > DEEPEST or len(self.known) >= MOST:
                return None
            self.known[key] = None
            self.known[key] = self._made(text, depth)
        return self.known[key]

    def _made(self, text: str, depth: int) -> Sentence | None:
        for form in _forms():
            found = form.read(text)
            values = None if found is None else self._values(form, found, depth)
            if values is not None:
                made = Sentence(text)
                made.template, made.values = form.template, values
                return made
        parts = [self.sentence(part, depth + 1) for part in text.split("; ")] if "; " in text else [None]
        return None if None in parts else joined("; ", [part for part in parts if part is not None])

    def _values(self, form: _Form, found: dict[str, str], depth: int) -> dict[str, object] | None:
        """What stands in the fields; None where something there is neither a name nor a sentence that can be read."""
        values: dict[str, object] = {}
        for field in form.fields:
            value = self._value(field, found[field.name], depth)
            if value is None:
                return None
            values[field.name] = value
        told = form.weight or any(isinstance(value, Sentence) for value in values.values())
        return values if told else None

    def _value(self, field: _Field, shown: str, depth: int) -> object:
        if field.quoted:
            return _unquoted(shown)
        if field.formatted:  # A number or a time, which its format would not take as a sentence.
            return _Shown(shown)
        if field.name in _WORDS and shown in terms():
            return term(shown)
        inner = self.sentence(shown, depth + 1)
        if inner is None and _TALK.search(shown):
            return None
        return _Shown(shown) if inner is None else inner


def _unquoted(shown: str) -> str | None:
    """The text that Python shows so; None for what it would not show."""
    if _QUOTED.fullmatch(shown) is None:
        return None
    try:
        text = ast.literal_eval(shown)
    except (SyntaxError, ValueError):  # An escape that there is not, or a letter that no text has.
        return None
    return str(text) if repr(text) == shown else None


def _letters(template: str) -> int:
    """How many stand between its fields."""
    return sum(letter.isalpha() for literal, *_ in Formatter().parse(template) for letter in literal)


@lru_cache(maxsize=1)
def _forms() -> tuple[_Form, ...]:
    """All that can be read, first those with the most letters of their own."""
    return tuple(sorted(_readable(templates()), key=lambda form: -form.weight))


def _readable(known: Iterable[str]) -> Iterator[_Form]:
    for template in known:
        pieces = list(Formatter().parse(template))
        literals = [literal for literal, *_ in pieces] + ["" if pieces[-1][1] is not None else pieces[-1][0]]
        fields = [
            _Field(name, behind, conversion == "r", bool(spec))
            for (_, name, spec, conversion), behind in zip(pieces, literals[1:], strict=True)
            if name is not None
        ]
        counting = any("|" in (spec or "") for _, _, spec, _ in pieces)
        touching = not all(field.behind for field in fields[:-1])
        if not (counting or touching or "{{" in template or "}}" in template) and _telling(template):
            before = literals[0] if fields else template
            yield _Form(template, before, tuple(fields), max(literals, key=len), _letters(template))


def _telling(template: str) -> bool:
    """Whether a text in its form is hardly anything else: "{names} in {to}" might be anything, "{name}: {problem}" says
    nothing of its own in any language, and a name in quotes tells as much as words.
    """
    least = 4 if "!r}" in template else 6
    return _letters(template) >= least or not any(map(_letters, (template, *translations(template))))
