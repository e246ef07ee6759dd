"""Letters composed as Unicode says (NFC, NFKC), in time that grows with the text: the rest is refused.

Composing puts the marks of one letter in order, and takes a time that grows with the square of their number: forty
thousand marks on one letter keep a whole process busy for seconds. People write a few.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import groupby
from typing import Literal

MOST_MARKS = 30
"""In a row; more than any language has, and as many as Unicode's stream-safe format lets through."""

Form = Literal["NFC", "NFKC"]


def composed(form: Form, text: str, most: int) -> str:
    """The text composed; ValueError where that could not have `most` characters, or has too many marks in a row."""
    if len(text) > 4 * most or has_long_run_of_marks(text):
        raise ValueError("not to be composed")
    return unicodedata.normalize(form, text)


def has_long_run_of_marks(text: str) -> bool:
    """Whether more than `MOST_MARKS` follow each other."""
    if text.isascii():
        return False
    return any(marks and sum(1 for _ in run) > MOST_MARKS for marks, run in groupby(text, _is_mark))


@lru_cache(maxsize=10_000)
def _is_mark(letter: str) -> bool:
    """Whether it becomes one: U+FF9E, which is none by itself, is one in NFKC."""
    return unicodedata.combining(unicodedata.normalize("NFKD", letter)[0]) > 0
