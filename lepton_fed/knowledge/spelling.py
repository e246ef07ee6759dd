"""What a name comes to when only its letters count: width, case, script, punctuation and spaces aside.

    ＡＢＣ（北京）有限公司  ─┐
    abc 北京有限公司        ─┼──►  abc北京有限公司
    ABC(北京)有限公司       ─┘
    華東鋼鐵 ──► 华东钢铁                          traditional as simplified, by OpenCC's tables

Names that come to the same may be one entity: that is proposed, and a person decides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Protocol

from lepton_fed.knowledge.addresses import is_address
from lepton_fed.knowledge.joining import Pair
from lepton_fed.knowledge.library import conversion

MOST = 16
"""Pairs of one spelling; names that many entities share tell nobody which is which."""


class _Converter(Protocol):
    def convert(self, text: str) -> str: ...


@cache
def _simplified() -> _Converter:
    converter: _Converter = conversion().OpenCC("t2s")
    return converter


def folded(name: str) -> str:
    """What is left of a name; an address stays as it is, since every letter of it counts."""
    if is_address(name):
        return name
    # A few letters take two steps (薴 苧 苎), and two sides must not stop at different ones.
    for _ in range(_STEPS):
        before, name = name, _step(name)
        if name == before:
            break
    return name


_STEPS = 4


def _step(name: str) -> str:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(letter for letter in plain if unicodedata.category(letter)[0] in "LNM")
    # A name of nothing but signs is told apart by them.
    return (kept if kept.isascii() else _simplified().convert(kept)) or plain


def by_spelling(entities: Iterable[str]) -> dict[str, list[str]]:
    """Entities by what their names come to; nodes without a name are left out."""
    found: dict[str, list[str]] = {}
    for name in sorted(set(entities)):
        if not name.startswith("_:"):
            found.setdefault(folded(name), []).append(name)
    return found


def alike(
    department: str, entities: Mapping[str, list[str]], other: str, others: Mapping[str, list[str]]
) -> list[Pair]:
    """Pairs whose names come to the same and are not the same already, sorted."""
    pairs = []
    for spelling in entities.keys() & others.keys():
        left, right = entities[spelling], others[spelling]
        if len(left) * len(right) <= MOST:
            pairs += [Pair.of(department, a, other, b) for a in left for b in right if a != b]
    return sorted(pairs)
