"""Keywords: the words that an entry uses most, and what two entries have in common of those that few others have.

    alike(a, b) = Σ idf of the words that both have / Σ idf of a's words        idf = ln(entries / those with the word)

Words that more than COMMON entries have tell nothing apart and are left out, so that a question looks at a bounded
number of rows, however many entries there are.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, bindparam, delete, func, insert, literal, select

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

_COUNTED: WeakKeyDictionary[Engine, tuple[float, dict[tuple[str, str], int]]] = WeakKeyDictionary()

HEADING = 3
"""A word of the heading counts as so many of the text."""


@dataclass(frozen=True)
class Alike:
    """How much of what is asked about an entry has, 0 to 1, and the words or tags that say so, the rarest first."""

    share: float
    words: tuple[str, ...]


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


def alike(connection: Connection, seeds: Sequence[int]) -> dict[int, Alike]:
    """By entry: what it shares of the keywords of these entries, which are left out themselves."""
    return _sharing(connection, KEYWORD, "word", seeds)


def tagged_alike(connection: Connection, seeds: Sequence[int]) -> dict[int, Alike]:
    """The same of their tags."""
    return _sharing(connection, TAG, "tag", seeds)


def _sharing(connection: Connection, table: Table, column: str, seeds: Sequence[int]) -> dict[int, Alike]:
    of = table.c[column]
    own = select(of).where(table.c.entry.in_(seeds)).group_by(of).order_by(func.count().desc(), of).limit(MOST)
    weights = _weights(connection, table, column, list(connection.execute(own).scalars()))
    whole = sum(weights.values())
    if not whole:
        return {}
    found: dict[int, list[str]] = defaultdict(list)
    wanted = select(table.c.entry, of).where(of.in_(list(weights)), table.c.entry.not_in(seeds))
    for entry, word in connection.execute(wanted):
        found[entry].append(word)
    return {
        entry: Alike(
            sum(weights[word] for word in words) / whole,
            tuple(sorted(words, key=lambda word: (-weights[word], word))),
        )
        for entry, words in found.items()
    }


def _weights(connection: Connection, table: Table, column: str, words: Sequence[str]) -> dict[str, float]:
    """What each is worth; those that too many entries have are left out, and are counted no further than that."""
    if not words:
        return {}
    known = _counted(connection)
    # One statement that stays the same: putting a longer one together takes longer than asking it.
    some = select(literal(1)).where(table.c[column] == bindparam("word")).limit(COMMON + 1).subquery()
    having = select(func.count()).select_from(some)
    for word in words:
        if (column, word) not in known:
            known[column, word] = connection.execute(having, {"word": word}).scalar_one()
    rare = sorted((known[column, word], word) for word in words if 0 < known[column, word] <= COMMON)[:ASKED]
    return {word: math.log((known["", ""] + 1) / count) for count, word in rare}


def _counted(connection: Connection) -> dict[tuple[str, str], int]:
    """How many entries have a word, as was found within the last minutes: what a word is worth does not hang on one."""
    then, known = _COUNTED.get(connection.engine, (-math.inf, {}))
    if time.monotonic() - then > KEPT or len(known) > MOST_KEPT:
        entries = connection.execute(select(func.count()).where(ENTRY.c.published.is_not(None))).scalar_one()
        known = {("", ""): entries}
        _COUNTED[connection.engine] = time.monotonic(), known
    return known


def _telling(text: str) -> Iterable[str]:
    """Tokens that may say what a text is about: single characters and numbers do not."""
    return (token for token in tokens(text) if len(token) > 1 and not token.isdigit())
