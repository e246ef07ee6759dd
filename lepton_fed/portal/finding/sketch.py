"""Which published texts are nearly the same: sketches that alike texts share some of, then the texts themselves.

    shingles    pairs of tokens that follow each other: three Chinese characters, two Latin words
    likeness    |A ∩ B| / |A ∪ B| of two texts' shingles
    sketch      BANDS numbers, each of ROWS smallest hashes of the shingles (MinHash)

Two texts of likeness s share a number with probability 1 - (1 - s^ROWS)^BANDS: 0.99 at 0.7, 0.09 at 0.2. So a handful
of entries is compared, out of ten thousand, by one look into an index.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import cast

import numpy as np
from sqlalchemy import Connection, Table, delete, func, insert, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.tables import ENTRY, REVISION
from lepton_fed.portal.finding import words
from lepton_fed.portal.people.rights import stands_on
from lepton_fed.storage.portal_trust_tables import SketchRow

SKETCH = cast(Table, SketchRow.__table__)
BANDS, ROWS = 12, 3
VERSION = words.VERSION
"""Of what this file makes of a text: when it changes, sketches are made again."""

ALIKE = 0.7
FEWEST = 8
"""Shingles; with fewer, texts are alike by chance."""

MOST_COMPARED = 8


def _odd(what: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Odd numbers that stay the same for good: sketches are kept."""
    drawn = (sha256(f"portal sketch {what} {k}".encode()).digest()[:8] for k in range(count))
    return np.array([int.from_bytes(one) | 1 for one in drawn], dtype=np.uint64)


_FACTORS, _MIXED = _odd("factor", BANDS * ROWS), _odd("mixed", ROWS)


@dataclass(frozen=True)
class Alike:
    """A published entry whose text is nearly that one."""

    entry: int
    title: str
    likeness: float


def put(connection: Connection, entry: int, title: str, body: str) -> None:
    """Keep the sketch of what readers see of an entry now."""
    remove(connection, entry)
    rows = [
        {"entry": entry, "place": place, "value": value, "version": VERSION}
        for place, value in enumerate(_sketch(shingles(title, body)))
    ]
    connection.execute(insert(SKETCH), rows)


def remove(connection: Connection, entry: int) -> None:
    """Readers see it no longer."""
    connection.execute(delete(SKETCH).where(SKETCH.c.entry == entry))


def fill(connection: Connection) -> None:
    """Make the sketches that are missing: of what was published before there were any, or with others."""
    known = select(SKETCH.c.entry).where(SKETCH.c.entry == ENTRY.c.id, SKETCH.c.version == VERSION)
    wanted = (
        select(REVISION.c.entry, REVISION.c.title, REVISION.c.body)
        .join(ENTRY, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
        .where(~known.exists())
    )
    for entry, title, body in connection.execute(wanted).all():
        put(connection, entry, title, body)


def alike(acting: Acting, entry: int, title: str, body: str) -> tuple[Alike, ...]:
    """Other published entries with nearly this text that the person may read, the most alike first."""
    own = shingles(title, body)
    if len(own) < FEWEST:
        return ()
    found = ((one, other, likeness(own, shingles(other, text))) for one, other, text in _candidates(acting, entry, own))
    near = (Alike(one, other, share) for one, other, share in found if share >= ALIKE)
    return tuple(sorted(near, key=lambda one: (-one.likeness, one.entry)))


def likeness(one: set[int], other: set[int]) -> float:
    """The share of all their shingles that both have; 0 where neither has any."""
    return len(one & other) / len(one | other) if one or other else 0.0


def shingles(title: str, body: str) -> set[int]:
    """The hashes of a text's pairs of tokens."""
    return {zlib.crc32(" ".join(pair).encode()) for pair in pairwise(words.tokens(f"{title}\n{body}"))}


def _candidates(acting: Acting, entry: int, own: set[int]) -> Sequence[tuple[int, str, str]]:
    """Those that share most of the sketch."""
    readable = acting.readable
    shared = (
        select(SKETCH.c.entry, func.count().label("count"))
        .where(SKETCH.c.value.in_(list(_sketch(own))), SKETCH.c.entry != entry)
        .group_by(SKETCH.c.entry)
        .subquery()
    )
    wanted = (
        select(REVISION.c.entry, REVISION.c.title, REVISION.c.body)
        .join(shared, shared.c.entry == REVISION.c.entry)
        .join(ENTRY, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
        .where(stands_on(ENTRY.c.shelf, readable))
        .order_by(shared.c.count.desc(), REVISION.c.entry)
        .limit(MOST_COMPARED)
    )
    return [(row.entry, row.title, row.body) for row in acting.connection.execute(wanted)]


def _sketch(found: set[int]) -> Iterator[int]:
    """Its numbers, of 63 bits; a text without shingles has one of its own."""
    hashes = np.fromiter(found or {0}, dtype=np.uint64, count=max(1, len(found)))
    least = np.array([((hashes + np.uint64(1)) * factor >> np.uint64(16)).min() for factor in _FACTORS])
    for band, values in enumerate(least.reshape(BANDS, ROWS)):
        mixed = int(np.bitwise_xor.reduce((values + np.uint64(band + 1)) * _MIXED))
        yield mixed >> 1
