"""A text that remembers how it was put together. See the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from string import Formatter
from typing import Any


class Sentence(str):
    """An English text, with the template and the values that it was made from.

    Pickled or changed it is a text like any other, without them.
    """

    template: str
    values: Mapping[str, object]

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


class Row(Sentence):
    """Sentences one after another, `template` between them."""

    parts: tuple[str, ...]


class Term(Sentence):
    """A single word of the federation's own language, such as `train`."""


class Spelt(Sentence):
    """A sentence that is spelt otherwise than it was put together: on one line, say."""

    said: Sentence
    spell: Callable[[str], str]


class Verbatim(Sentence):
    """A name, or what a person wrote: the same in every language."""


def sentence(template: str, /, **values: object) -> Sentence:
    """`template` with `values` filled in, some of which may be sentences. `{n:round|rounds}` is a count with its word.

    The template is written out where this is called: a test reads it there and looks for it in each language.
    """
    made = Sentence(formatted(template, values))
    made.template, made.values = template, values
    return made


def joined(between: str, parts: Iterable[str]) -> Row:
    """`between.join(parts)`, in which each part can be said in another language."""
    listed = tuple(parts)
    made = Row(between.join(listed))
    made.template, made.values, made.parts = between, {}, listed
    return made


def term(word: str) -> Term:
    """A word that another language may have its own for; there it is looked up among the terms."""
    made = Term(word)
    made.template, made.values = word, {}
    return made


def verbatim(text: str) -> Verbatim:
    """A text that nobody would put in another language."""
    made = Verbatim(text)
    made.template, made.values = text, {}
    return made


def spelt(text: str, spell: Callable[[str], str]) -> str:
    """`spell(text)`, which can be said in another language as far as `text` can, and is spelt likewise there."""
    if not isinstance(text, Sentence):
        return spell(text)
    made = Spelt(spell(text))
    made.template, made.values, made.said, made.spell = text.template, text.values, text, spell
    return made


def said_by(error: Exception) -> str:
    """What an error says, as it was put together where it was raised."""
    said = error.args[0] if error.args else ""
    return said if isinstance(said, Sentence) and said == str(error) else str(error)


def formatted(template: str, values: Mapping[str, object]) -> str:
    """As `str.format`, where `{count:entry|entries}` is a count with its word: of one, of all others."""
    return _COUNTING.vformat(template, (), values) if "|" in template else template.format(**values)


def counted(count: int, one: str, others: str) -> str:
    """A count with its word, in English."""
    return f"{count:,} {one if count == 1 else others}"


class _Counting(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        one, split, others = format_spec.partition("|")
        if split and isinstance(value, int):
            return counted(value, one, others)
        return str(super().format_field(value, format_spec))


_COUNTING = _Counting()
