"""Whether a sentence of the federation is said in Chinese as a whole, and no English word is left over."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lepton_fed.translation import said_by, speaks, translated

KEYS = frozenset(
    {
        *("aggregation.clip", "aggregation.colluders", "aggregation.crowd", "aggregation.crowd_soft"),
        *("aggregation.coordinator_sees", "aggregation.noise", "aggregation.secure", "coordinator_sees"),
        *("across_rounds", "alpha", "clip", "clusters", "counts", "crowd", "crowd_soft", "false", "nothing", "scale"),
        *("target", "terms", "uniform", "weights.alpha", "weights.counts"),
    }
)
"""What is written in files stays as it is written there."""

ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b")
"""Three words in a row."""

_WORD = re.compile(r"(?<![A-Za-z0-9_.])[A-Za-z][A-Za-z0-9_.]+")


def in_chinese(text: str, names: Iterable[str] = ()) -> str:
    """What is said; AssertionError where a part of it stays in English. `names` are what they are."""
    assert speaks(text, "zh"), text
    said = left = translated(text, "zh")
    for name in sorted(names, key=len, reverse=True):
        left = left.replace(name, "")
    assert set(_WORD.findall(left)) <= KEYS, said
    assert "{" not in said, said
    assert "\n" not in said
    return said


def told_in_chinese(error: Exception, *quoted: str) -> str:
    """What an error says; AssertionError where a sentence in it stays in English that is not `quoted`."""
    text = said_by(error)
    assert speaks(text, "zh"), text
    said = left = translated(text, "zh")
    for words in quoted:
        left = left.replace(words, "")
    assert not ENGLISH.search(left), said
    assert re.search(r"[\u4e00-\u9fff]", left), said
    assert "\n" not in said
    return said
