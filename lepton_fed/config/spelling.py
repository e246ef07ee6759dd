"""What somebody may have meant: the nearest of the words that would have been right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from lepton_fed.translation import joined, sentence


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None if none is alike; width and case of letters do not count."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(word, list(known), scorer=fuzz.ratio, processor=folded, score_cutoff=60)
    return None if found is None else found[0]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` to put behind a sentence, or nothing."""
    near = nearest(word, known)
    return "" if near is None else f"; did you mean '{near}'?"


def hinted(said: str, word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`said`, and which of the known words may have been meant; what to do `otherwise`, if there is a word for that."""
    near = nearest(word, known)
    if near is not None:
        return sentence("{said}; did you mean '{near}'?", said=said, near=near)
    return joined("; ", (said, otherwise)) if otherwise else said


def folded(word: str) -> str:
    """A name without what the eye does not tell apart: width, case, composed letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())


def one_line(text: str) -> str:
    """Text that is safe to print: white space as single blanks, nothing that steers a terminal."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())
