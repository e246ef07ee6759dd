"""Whether a sentence of the federation is said in Chinese as a whole, and no English word is left over."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lepton_fed.translation import speaks, translated

KEYS = frozenset(
    {
        *("aggregation.clip", "aggregation.colluders", "aggregation.crowd", "aggregation.crowd_soft"),
        *("aggregation.coordinator_sees", "aggregation.noise", "aggregation.secure", "coordinator_sees"),
        *("across_rounds", "alpha", "clip", "clusters", "counts", "crowd", "crowd_soft", "false", "nothing", "scale"),
        *("target", "terms", "uniform", "weights.alpha", "weights.counts"),
    }
)
"""What is written in files stays as it is written there."""

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
