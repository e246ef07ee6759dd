"""Suggestions: entries that go with one, and those that somebody has not read, each with its reasons.

    score = 0.5 · opened together + 0.3 · words in common + 0.2 · tags in common + 0.1 · helped others
    half of it while a reported error is not answered
    opened together = Σ over the seeds s of  c(s, b) / √(n_s · n_b)  ·  c / (c + SHRINKS)

c(s, b): people who opened both, n: people who opened one (the cosine of two entries as sets of people; Sarwar et al.,
Item-based collaborative filtering, 2001), shrunk where it rests on few. Nobody is to learn from it who read what: fewer
than FLOOR people say nothing, whoever asks is none of them, and what was opened today counts tomorrow, so that nobody
can watch a reader turn up. Nothing is suggested, and nothing speaks for it, that the person may not read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import access
from lepton_fed.portal.entries.tables import ENTRY, REPORT, USE, Entry, entry_of
from lepton_fed.portal.finding import keywords
from lepton_fed.portal.finding.keywords import Alike
from lepton_fed.portal.reward.period import Quarter

FLOOR = 3
"""People; fewer could be named by who knows the others."""

SHRINKS = 5.0
SHOWN = 5
SEEDS = 8
"""Entries that somebody opened last, which say what they read."""

PEOPLE, OPENINGS = 64, 4_000
"""That are looked at: those who opened a seed last, and what they opened last."""

CANDIDATES = 400
LEAST = 0.04
TOGETHER, WORDS, TAGS, HELPED = 0.5, 0.3, 0.2, 0.1
REASONS = ("department", "people", "department_unread", "people_unread", "tags", "words", "helped")


@dataclass(frozen=True)
class Reason:
    """The key of a sentence, with its values."""

    kind: str
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Suggestion:
    """An entry that this person may read, and why."""

    entry: Entry
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class _Together:
    """How strongly, by how many people, and the department that has enough of them, if one has."""

    cosine: float
    people: int
    department: str | None


def related(acting: Acting, number: int) -> list[Suggestion]:
    """Entries that go with one that the person may see."""
    found = access.seen(acting, number)
    if found.entry.published is None:
        return []
    return _best(acting, [number], unread=False)


def unread(acting: Acting) -> list[Suggestion]:
    """Entries of others that the person has not opened: like those that they opened last, or that helped others."""
    last = (
        select(USE.c.entry)
        .join(ENTRY, ENTRY.c.id == USE.c.entry)
        .where(USE.c.person == acting.person.id, *_for(acting))
        .order_by(USE.c.last.desc(), USE.c.entry.desc())
        .limit(SEEDS)
    )
    return _best(acting, list(acting.connection.execute(last).scalars()), unread=True)


def _best(acting: Acting, seeds: Sequence[int], *, unread: bool) -> list[Suggestion]:
    together = _together(acting, seeds) if seeds else {}
    words = keywords.alike(acting.connection, seeds) if seeds else {}
    tags = keywords.tagged_alike(acting.connection, seeds) if seeds else {}
    # Beside an entry stands what has to do with it, and not whatever helped.
    helped = {n: count for n, count in _helped(acting).items() if unread or _goes(n, together, words, tags)}
    scores: dict[int, float] = defaultdict(float)
    for weight, part in (
        (TOGETHER, {entry: one.cosine for entry, one in together.items()}),
        (WORDS, {entry: one.share for entry, one in words.items()}),
        (TAGS, {entry: one.share for entry, one in tags.items()}),
        # Of use alone it is for who has not read it; beside an entry it has to do with it.
        (
            HELPED,
            {entry: n / (n + SHRINKS) for entry, n in helped.items() if unread or _goes(entry, together, words, tags)},
        ),
    ):
        for entry, share in part.items():
            scores[entry] += weight * min(1.0, share)
    for entry in _reported(acting, list(scores)):
        scores[entry] /= 2
    suffix = "_unread" if unread else ""
    chosen = _readable(acting, {n: s for n, s in scores.items() if s >= LEAST and n not in seeds}, unread=unread)
    return [
        Suggestion(one, tuple(_reasons(one.id, together, words, tags, helped, suffix))[:2]) for one in chosen[:SHOWN]
    ]


def _together(acting: Acting, seeds: Sequence[int]) -> dict[int, _Together]:
    """Entries that enough others opened who opened a seed."""
    before = acting.now.replace(hour=0, minute=0, second=0, microsecond=0)
    openers = _openers(acting, seeds, before)
    counts = _counts(acting, seeds)
    rows = acting.connection.execute(
        select(USE.c.entry, USE.c.person, USE.c.department)
        .where(USE.c.person.in_(list(openers)), USE.c.entry.not_in(seeds), USE.c.first < before)
        .order_by(USE.c.last.desc())
        .limit(OPENINGS)
    )
    by: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for entry, person, department in rows:
        by[entry].append((person, department))
    enough = {entry: people for entry, people in by.items() if len(people) >= FLOOR}
    opened = _counts(acting, list(enough))
    found = {}
    for entry, people in enough.items():
        pairs = sum(1 / math.sqrt(counts[seed]) for person, _ in people for seed in openers[person])
        cosine = pairs / math.sqrt(max(1, opened[entry])) / len(seeds)
        shrunk = len(people) / (len(people) + SHRINKS)
        found[entry] = _Together(cosine * shrunk, len(people), _department(people))
    return found


def _openers(acting: Acting, seeds: Sequence[int], before: datetime) -> Mapping[int, list[int]]:
    """Those others who opened one of the seeds last, each with the seeds that they opened."""
    rows = acting.connection.execute(
        select(USE.c.person, USE.c.entry)
        .where(USE.c.entry.in_(seeds), USE.c.person != acting.person.id, USE.c.first < before)
        .order_by(USE.c.last.desc(), USE.c.person)
        .limit(PEOPLE * SEEDS)
    )
    found: dict[int, list[int]] = {}
    for person, entry in rows:
        if person in found or len(found) < PEOPLE:
            found.setdefault(person, []).append(entry)
    return found


def _counts(acting: Acting, entries: Sequence[int]) -> dict[int, int]:
    wanted = select(ENTRY.c.id, ENTRY.c.opened).where(ENTRY.c.id.in_(entries))
    return {row.id: max(1, row.opened) for row in acting.connection.execute(wanted)}


def _department(people: Iterable[tuple[int, str]]) -> str | None:
    """That of most of them, where it has enough to be named."""
    counts: dict[str, int] = defaultdict(int)
    for _, department in people:
        counts[department] += 1
    most = max(counts, key=lambda name: (counts[name], name))
    return most if counts[most] >= FLOOR else None


def _helped(acting: Acting) -> dict[int, int]:
    """How many people of other departments entries helped this quarter, where they are enough."""
    since = Quarter.of(acting.now).since
    wanted = (
        select(USE.c.entry, func.count())
        .join(ENTRY, ENTRY.c.id == USE.c.entry)
        .where(USE.c.helped >= since, USE.c.department != ENTRY.c.department, USE.c.person != acting.person.id)
        .group_by(USE.c.entry)
        .having(func.count() >= FLOOR)
        .order_by(func.count().desc(), USE.c.entry.desc())
        .limit(CANDIDATES)
    )
    return {row[0]: row[1] for row in acting.connection.execute(wanted)}


def _reported(acting: Acting, entries: Sequence[int]) -> list[int]:
    """Those of them with an error that nobody has answered yet."""
    open_ones = select(REPORT.c.entry).where(REPORT.c.state == "open").distinct()
    known = set(entries)
    return [entry for entry in acting.connection.execute(open_ones).scalars() if entry in known]


def _readable(acting: Acting, scores: Mapping[int, float], *, unread: bool) -> list[Entry]:
    """Those of the best that this person may read, the best first; `unread`: without what they opened or own."""
    best = sorted(scores, key=lambda number: (-scores[number], -number))[:CANDIDATES]
    where = [ENTRY.c.id.in_(best), *_for(acting)]
    if unread:
        opened = select(USE.c.entry).where(USE.c.entry == ENTRY.c.id, USE.c.person == acting.person.id)
        where += [~opened.exists(), ENTRY.c.owner != acting.person.id]
    rows = {row["id"]: row for row in acting.connection.execute(select(ENTRY).where(*where)).mappings()}
    return [entry_of(rows[number]) for number in best if number in rows]


def _for(acting: Acting) -> list[ColumnElement[bool]]:
    """That an entry is published, and for this person."""
    shelves = acting.rights.permitted(acting.connection, acting.person, "read")
    return [ENTRY.c.published.is_not(None), ENTRY.c.shelf.in_(shelves)]


def _goes(entry: int, *parts: Mapping[int, object]) -> bool:
    return any(entry in part for part in parts)


def _reasons(
    entry: int,
    together: Mapping[int, _Together],
    words: Mapping[int, Alike],
    tags: Mapping[int, Alike],
    helped: Mapping[int, int],
    suffix: str,
) -> Iterable[Reason]:
    """What speaks for it, people first."""
    if (opened := together.get(entry)) is not None:
        named = opened.department is not None
        yield (
            Reason(f"department{suffix}", (("department", opened.department),)) if named else Reason(f"people{suffix}")
        )
    if (shared := tags.get(entry)) is not None:
        yield Reason("tags", (("tags", ", ".join(shared.words[:3])),))
    if entry in helped:
        yield Reason("helped", (("count", helped[entry]),))
    if (alike := words.get(entry)) is not None:
        yield Reason("words", (("words", ", ".join(_apart(alike.words))),))


def _apart(words: Iterable[str]) -> list[str]:
    """Up to three that have no character in common: pairs of Chinese characters overlap."""
    chosen: list[str] = []
    for word in words:
        if word.isascii() or not any(set(word) & set(other) for other in chosen):
            chosen.append(word)
        if len(chosen) == 3:
            break
    return chosen
