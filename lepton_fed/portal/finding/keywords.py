"""Keywords: the words that an entry uses most, and what two entries have in common of those that few others have.

    alike(a, b) = Σ idf of the words that both have / Σ idf of a's words        idf = ln(entries / those with the word)

Words that more than COMMON entries have tell nothing apart and are left out, so that a question looks at a bounded
number of rows, however many entries there are.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, Table, bindparam, delete, func, insert, literal, select

from lepton_fed.portal.entries.tables import ENTRY, TAG
from lepton_fed.portal.finding.index import Headed
from lepton_fed.portal.finding.words import tokens
from lepton_fed.storage.portal_keyword_tables import KeywordRow

KEYWORD = cast(Table, KeywordRow.__table__)
MOST = 24
"""Of an entry."""

ASKED, COMMON = 16, 100
"""The rarest words that are asked for, and how many entries have one at most."""

KEPT, MOST_KEPT = 300.0, 50_000
"""Seconds, and words, for which counts are kept."""

HEADING = 3
"""A word of the heading counts as so many of the text."""


@dataclass(frozen=True)
class Alike:
    """Entries that have words or tags in common with some others.

    `shares`: by entry, how much of what those others say it has, 0 to 1.
    """

    shares: Mapping[int, float]
    _words: Mapping[int, Sequence[str]]
    _weights: Mapping[str, float]

    def words(self, entry: int) -> tuple[str, ...]:
        """Those that it has, the rarest first."""
        return tuple(sorted(self._words.get(entry, ()), key=lambda word: (-self._weights[word], word)))


NOTHING = Alike({}, {}, {})


class _Column:
    """What is asked of a column of words, put together once: that takes longer than to ask it."""

    def __init__(self, entry: ColumnElement[int], word: ColumnElement[str]) -> None:
        of_seeds = entry.in_(bindparam("seeds", expanding=True))
        self.own = select(word).where(of_seeds).group_by(word).order_by(func.count().desc(), word).limit(MOST)
        some = select(literal(1)).where(word == bindparam("word")).limit(COMMON + 1).subquery()
        self.having = select(func.count()).select_from(some)
        self.sharing = select(entry, word).where(word.in_(bindparam("words", expanding=True)), ~of_seeds)


_COUNTED: WeakKeyDictionary[Engine, tuple[float, int, dict[tuple[_Column, str], int]]] = WeakKeyDictionary()
_KEYWORDS, _TAGS = _Column(KEYWORD.c.entry, KEYWORD.c.word), _Column(TAG.c.entry, TAG.c.tag)


def note(connection: Connection, entry: int, heading: str, body: str) -> None:
    """An entry's keywords, instead of those that were there. Of its heading the title; tags speak for themselves."""
    forget(connection, entry)
    title = heading.partition("\n")[0]
    counted = Counter(dict.fromkeys(_telling(title), HEADING)) + Counter(_telling(body))
    chosen = [word for word, _ in counted.most_common(MOST)]
    if chosen:
        connection.execute(insert(KEYWORD), [{"entry": entry, "word": word} for word in chosen])


def forget(connection: Connection, entry: int) -> None:
    """Forget an entry's."""
    connection.execute(delete(KEYWORD).where(KEYWORD.c.entry == entry))


def fill(connection: Connection, published: Callable[[], Iterable[Headed]]) -> None:
    """Have keywords of these, where there are none at all."""
    if connection.execute(select(KEYWORD.c.entry).limit(1)).first() is None:
        for entry, heading, body in published():
            note(connection, entry, heading, body)


def alike(connection: Connection, seeds: Sequence[int]) -> Alike:
    """Entries with keywords of these, which are left out themselves."""
    return _sharing(connection, _KEYWORDS, seeds)


def tagged_alike(connection: Connection, seeds: Sequence[int]) -> Alike:
    """The same of their tags."""
    return _sharing(connection, _TAGS, seeds)


def _sharing(connection: Connection, of: _Column, seeds: Sequence[int]) -> Alike:
    own = connection.execute(of.own, {"seeds": seeds}).scalars().all()
    weights = _weights(connection, of, own)
    whole = sum(weights.values())
    if not whole:
        return NOTHING
    found: dict[int, list[str]] = defaultdict(list)
    for entry, word in connection.execute(of.sharing, {"words": list(weights), "seeds": seeds}).all():
        found[entry].append(word)
    shares = {entry: sum([weights[word] for word in words]) / whole for entry, words in found.items()}
    return Alike(shares, found, weights)


def _weights(connection: Connection, of: _Column, words: Sequence[str]) -> dict[str, float]:
    """What each is worth; those that too many entries have are left out, and are counted no further than that."""
    if not words:
        return {}
    entries, known = _counted(connection)
    for word in words:
        if (of, word) not in known:
            known[of, word] = connection.execute(of.having, {"word": word}).scalar_one()
    rare = sorted((known[of, word], word) for word in words if 0 < known[of, word] <= COMMON)[:ASKED]
    return {word: math.log((entries + 1) / count) for count, word in rare}


def _counted(connection: Connection) -> tuple[int, dict[tuple[_Column, str], int]]:
    """How many entries there are, and how many have a word, as was found within the last minutes: what a word is worth
    does not hang on one.
    """
    then, entries, known = _COUNTED.get(connection.engine, (-math.inf, 0, {}))
    if time.monotonic() - then > KEPT or len(known) > MOST_KEPT:
        entries = connection.execute(select(func.count()).where(ENTRY.c.published.is_not(None))).scalar_one()
        known = {}
        _COUNTED[connection.engine] = time.monotonic(), entries, known
    return entries, known


def _telling(text: str) -> Iterable[str]:
    """Tokens that may say what a text is about: single characters and numbers do not."""
    return (token for token in tokens(text) if len(token) > 1 and not token.isdigit())
