"""One tokenizer for both databases: Latin words and numbers whole, Chinese as overlapping pairs of characters.

    "Lepton 联邦学习"  ──►  lepton 联邦 邦学 学习 习

A run of Chinese ends with its last character alone, so that each character begins some token: a single character is
found as the beginning of one. A query's tokens follow each other in a text where the text contains the query; so
nothing that is there is missed, at any length, and no dictionary is needed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

VERSION = 1
"""Of what this file makes of a text: when it changes, indexes are made again."""

_CHINESE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U0003134f"
_RUN = re.compile(rf"[{_CHINESE}]+|[^\W_{_CHINESE}]+")
_IS_CHINESE = re.compile(rf"[{_CHINESE}]")
LONGEST = 64
"""Characters of a Latin word that count."""

MOST_TERMS, MOST_TOKENS = 12, 48
"""Of a query, and of one of its terms."""


@dataclass(frozen=True)
class Term:
    """Tokens that must follow each other in a text; `open`: the last may go on (a single Chinese character)."""

    tokens: tuple[str, ...]
    open: bool = False


def tokens(text: str) -> Iterator[str]:
    """The tokens of a text, in its order."""
    for run in _RUN.findall(_normal(text)):
        if _IS_CHINESE.match(run):
            yield from (run[k : k + 2] for k in range(len(run)))
        else:
            yield run[:LONGEST]


def terms(query: str) -> tuple[Term, ...]:
    """What a text must contain, each of it, to answer a query: its parts between blanks, or between quotation marks."""
    parts = re.findall(r'"([^"]+)"|(\S+)', _normal(query))
    found = (_term(quoted or bare) for quoted, bare in parts)
    return tuple(dict.fromkeys(term for term in found if term.tokens))[:MOST_TERMS]


def spans(text: str, query: str) -> Iterator[tuple[int, int]]:
    """Where in the text the query's parts are, for marking them: [start, end) in the text as it is, not overlapping."""
    parts = _parts(query)
    if parts is None:
        return
    plain = text.casefold()
    if len(plain) != len(text):  # "ß" has two letters then, and places would be others.
        plain = text.lower() if len(text.lower()) == len(text) else text
    yield from (match.span() for match in parts.finditer(plain))


@lru_cache(maxsize=64)
def _parts(query: str) -> re.Pattern[str] | None:
    """Any of the query's parts; None for a query without any."""
    runs = [re.escape(run) for run in dict.fromkeys(_RUN.findall(_normal(query)))]
    return re.compile("|".join(sorted(runs, key=len, reverse=True))) if runs else None


def _term(part: str) -> Term:
    """A run of Chinese in a query leaves out its last character alone: in the text, another may follow."""
    found: list[str] = []
    runs = _RUN.findall(part)
    for number, run in enumerate(runs):
        chinese = bool(_IS_CHINESE.match(run))
        own = [run[k : k + 2] for k in range(len(run))] if chinese else [run[:LONGEST]]
        last = number == len(runs) - 1
        found += own[:-1] if chinese and last and len(own) > 1 else own
    single = len(runs[-1]) == 1 and bool(_IS_CHINESE.match(runs[-1])) if runs else False
    return Term(tuple(found[:MOST_TOKENS]), open=single and len(found) <= MOST_TOKENS)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
