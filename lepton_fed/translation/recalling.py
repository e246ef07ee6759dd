"""An English text that was stored, taken apart into the sentence that it was, by the templates that there are.

    recalled("质检部门 refused: no rule of 质检部门 permits it (tried 2 times)")

        ──►  "{reason} (tried {times} times)"  of  "{department} refused: {reason}"  of  "no rule of {owner} permits it"

Several sentences may be read in one text. The one with the most letters of its own is taken, unless a part of it would
stay English all the same; then none is. So what others wrote stays as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import Formatter

from lepton_fed.translation.catalogue import templates, terms, translations
from lepton_fed.translation.sentence import Sentence, joined, term

LONGEST = 2000
"""Characters that are looked at."""
DEEPEST = 6
"""Sentences in sentences."""

_WORDS = frozenset({"flaw", "kind", "label", "message", "needs", "reason", "shown", "state", "verb", "why"})
"""Fields that may be filled with a single word that has a word of its own elsewhere."""
_TALK = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b|; ")
"""What no name or number is: words in a row."""
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""


@dataclass(frozen=True)
class _Form:
    """A template as it is read. `anchor`: its longest piece between fields; `quoted`: fields that show their quotes."""

    template: str
    source: str
    anchor: str
    weight: int
    quoted: frozenset[str]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled for those few whose anchor is in a text."""
        return re.compile(self.source, re.DOTALL)


class _Shown:
    """A value as it was shown, whatever format the template of another language has for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __format__(self, spec: str) -> str:
        return self.text


@lru_cache(maxsize=256)
def recalled(text: str) -> str:
    """The sentence of another language's catalogue that is this text; the text itself where there is none."""
    if isinstance(text, Sentence) or len(text) > LONGEST:
        return text
    return _read(text, 0) or text


def _read(text: str, depth: int) -> Sentence | None:
    if depth > DEEPEST:
        return None
    for form in _forms():
        match = form.pattern.fullmatch(text) if form.anchor in text else None
        values = None if match is None else _values(form, match.groupdict(), depth)
        if values is not None:
            made = Sentence(text)
            made.template, made.values = form.template, values
            return made
    parts = [_read(part, depth + 1) for part in text.split("; ")] if "; " in text else [None]
    return None if None in parts else joined("; ", [part for part in parts if part is not None])


def _values(form: _Form, found: Mapping[str, str], depth: int) -> dict[str, object] | None:
    """What stands in the fields; None where something there is neither a name nor a sentence that can be read."""
    values: dict[str, object] = {}
    for name, shown in found.items():
        if name in form.quoted:
            values[name] = ast.literal_eval(shown)
        elif name in _WORDS and shown in terms():
            values[name] = term(shown)
        else:
            inner = _read(shown, depth + 1)
            if inner is None and _TALK.search(shown):
                return None
            values[name] = _Shown(shown) if inner is None else inner
    told = form.weight or any(isinstance(value, Sentence) for value in values.values())
    return values if told else None


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
        counting = any(spec and "|" in spec for _, _, spec, _ in pieces)
        if counting or not _telling(template):
            continue
        pattern, seen, quoted = "", set[str](), set[str]()
        for literal, name, spec, conversion in pieces:
            pattern += re.escape(literal)
            if name is None:
                continue
            inside = _QUOTED if conversion == "r" else r"\S+?" if spec else ".+?"
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{inside})"
            seen.add(name)
            quoted |= {name} if conversion == "r" else set()
        yield _Form(
            template,
            pattern,
            max((literal for literal, *_ in pieces), key=len),
            _letters(template),
            frozenset(quoted),
        )


def _telling(template: str) -> bool:
    """Whether a text in its form is hardly anything else: "{names} in {to}" might be anything, "{name}: {problem}" says
    nothing of its own in any language, and a name in quotes tells as much as words.
    """
    least = 4 if "!r}" in template else 6
    return _letters(template) >= least or not any(map(_letters, (template, *translations(template))))
