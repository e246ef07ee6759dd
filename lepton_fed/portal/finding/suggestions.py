"""Suggestions: entries that go with one, and those that somebody has not read, each with its reasons.

    score = 0.5 · opened together + 0.3 · words in common + 0.2 · tags in common + 0.1 · helped others
    half of it while a reported error is not answered
    opened together = c(S, b) / √(|S| · n_b)  ·  c / (c + SHRINKS)

S: the people who opened the entry, or what somebody read, last; n_b: how many opened b, c: how many of them are in S
(the cosine of two entries as sets of people; Sarwar et al., Item-based collaborative filtering, 2001), shrunk where it
rests on few. Nobody is to learn from it who read what: fewer than FLOOR people say nothing, whoever asks is none of
them, a department is named where at least twice as many belong to it, and what was opened today counts tomorrow, so
that nobody can watch a reader turn up. Nothing that the person may not read is suggested or speaks for anything.
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
from lepton_fed.portal.people.accounts import PERSON
from lepton_fed.portal.people.rights import stands_on
from lepton_fed.portal.reward.period import Quarter

FLOOR = 3
"""People; fewer could be named by who knows the others."""

SHRINKS = 5.0
SHOWN = 5
SEEDS = 5
"""Entries that somebody opened last, which say what they read."""

PEOPLE, OPENINGS = 48, 2_000
"""That are looked at: those who opened a seed last, and what they opened last."""

CANDIDATES, USEFUL, COUNTED = 50, 20, 20
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
    """How alike (the cosine), and by how many people (`both`) of those who opened a seed before a day began."""

    cosine: float
    both: int
    openers: tuple[int, ...]
    before: datetime

    @property
    def share(self) -> float:
        """Shrunk where it rests on few."""
        return min(1.0, self.cosine * self.both / (self.both + SHRINKS))


@dataclass(frozen=True)
class _Parts:
    """What speaks for entries, by their numbers."""

    together: Mapping[int, _Together]
    words: Mapping[int, Alike]
    tags: Mapping[int, Alike]
    helped: Mapping[int, int]


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
    scores = _scores(together, words, tags)
    # Beside an entry stands what has to do with it, and not whatever helped.
    useful = _useful(acting) if unread else []
    entries = _readable(acting, [*_first(scores, CANDIDATES), *useful], seeds, unread=unread)
    # Help adds little to a score: it is counted for those alone whose place it may change.
    helped = _helped(acting, [*_first({n: scores[n] for n in entries}, COUNTED), *useful])
    for number in entries:
        count = helped.get(number, 0)
        scores[number] += HELPED * count / (count + SHRINKS)
    for number in _reported(acting, entries):
        scores[number] /= 2
    chosen = _first({number: scores[number] for number in entries if scores[number] >= LEAST}, SHOWN)
    parts = _Parts(together, words, tags, helped)
    return [Suggestion(entries[one], tuple(_reasons(acting, one, parts, unread=unread))[:2]) for one in chosen]


def _scores(
    together: Mapping[int, _Together], words: Mapping[int, Alike], tags: Mapping[int, Alike]
) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    for weight, part in ((TOGETHER, together), (WORDS, words), (TAGS, tags)):
        for entry, one in part.items():
            scores[entry] += weight * one.share
    return scores


def _first(scores: Mapping[int, float], count: int) -> list[int]:
    """Those with the highest scores, the newer before an older of the same."""
    return sorted(scores, key=lambda number: (-scores[number], -number))[:count]


def _together(acting: Acting, seeds: Sequence[int]) -> dict[int, _Together]:
    """Entries that enough others opened who opened a seed."""
    before = acting.now.replace(hour=0, minute=0, second=0, microsecond=0)
    openers = _openers(acting, seeds, before)
    last = (
        select(USE.c.entry)
        .where(USE.c.person.in_(openers), USE.c.entry.not_in(seeds), USE.c.first < before)
        .order_by(USE.c.last.desc())
        .limit(OPENINGS)
        .subquery()
    )
    counts = (
        select(last.c.entry, func.count().label("both"), ENTRY.c.opened)
        .join(ENTRY, ENTRY.c.id == last.c.entry)
        .group_by(last.c.entry, ENTRY.c.opened)
        .having(func.count() >= FLOOR)
    )
    return {
        row.entry: _Together(row.both / math.sqrt(len(openers) * max(row.both, row.opened)), row.both, openers, before)
        for row in acting.connection.execute(counts)
    }


def _openers(acting: Acting, seeds: Sequence[int], before: datetime) -> tuple[int, ...]:
    """Those others who opened one of the seeds last."""
    last = (
        select(USE.c.person)
        .where(USE.c.entry.in_(seeds), USE.c.person != acting.person.id, USE.c.first < before)
        .group_by(USE.c.person)
        .order_by(func.max(USE.c.last).desc(), USE.c.person)
        .limit(PEOPLE)
    )
    return tuple(acting.connection.execute(last).scalars())


def _department(acting: Acting, entry: int, one: _Together) -> str | None:
    """That of most of those who opened both, where they are enough of many: of three all are named with it."""
    there = (
        select(func.count())
        .where(PERSON.c.department == USE.c.department, PERSON.c.active, PERSON.c.id != acting.person.id)
        .scalar_subquery()
    )
    wanted = (
        select(USE.c.department)
        .where(USE.c.entry == entry, USE.c.person.in_(one.openers), USE.c.first < one.before, there >= 2 * FLOOR)
        .group_by(USE.c.department)
        .having(func.count() >= FLOOR)
        .order_by(func.count().desc(), USE.c.department)
        .limit(1)
    )
    return acting.connection.execute(wanted).scalar()


def _helped(acting: Acting, entries: Sequence[int]) -> dict[int, int]:
    """How many people of other departments these helped this quarter, where they are enough."""
    since = Quarter.of(acting.now).since
    wanted = (
        select(USE.c.entry, func.count())
        .join(ENTRY, ENTRY.c.id == USE.c.entry)
        .where(USE.c.entry.in_(entries), USE.c.helped >= since, USE.c.department != ENTRY.c.department)
        .where(USE.c.person != acting.person.id)
        .group_by(USE.c.entry)
        .having(func.count() >= FLOOR)
    )
    return {row[0]: row[1] for row in acting.connection.execute(wanted)}


def _useful(acting: Acting) -> list[int]:
    """Entries for this person that helped most, whenever that was."""
    best = select(ENTRY.c.id).where(ENTRY.c.helped >= FLOOR, *_for(acting))
    order = best.order_by(ENTRY.c.helped.desc(), ENTRY.c.id.desc()).limit(USEFUL)
    return list(acting.connection.execute(order).scalars())


def _reported(acting: Acting, entries: Iterable[int]) -> list[int]:
    """Those of them with an error that nobody has answered yet."""
    open_ones = select(REPORT.c.entry).where(REPORT.c.state == "open").distinct()
    known = set(entries)
    return [entry for entry in acting.connection.execute(open_ones).scalars() if entry in known]


def _readable(acting: Acting, numbers: Sequence[int], seeds: Sequence[int], *, unread: bool) -> dict[int, Entry]:
    """Those that this person may read, but for the seeds; `unread`: without what they opened or own."""
    where = [ENTRY.c.id.in_(numbers), ENTRY.c.id.not_in(seeds), *_for(acting)]
    if unread:
        opened = select(USE.c.entry).where(USE.c.entry == ENTRY.c.id, USE.c.person == acting.person.id)
        where += [~opened.exists(), ENTRY.c.owner != acting.person.id]
    return {row["id"]: entry_of(row) for row in acting.connection.execute(select(ENTRY).where(*where)).mappings()}


def _for(acting: Acting) -> list[ColumnElement[bool]]:
    """That an entry is published, and for this person."""
    shelves = acting.rights.permitted(acting.connection, acting.person, "read")
    return [ENTRY.c.published.is_not(None), stands_on(ENTRY.c.shelf, shelves)]


def _reasons(acting: Acting, entry: int, parts: _Parts, *, unread: bool) -> Iterable[Reason]:
    """What speaks for it, people first."""
    suffix = "_unread" if unread else ""
    if (opened := parts.together.get(entry)) is not None:
        department = _department(acting, entry, opened)
        if department is None:
            yield Reason(f"people{suffix}")
        else:
            yield Reason(f"department{suffix}", (("department", department),))
    if (shared := parts.tags.get(entry)) is not None:
        yield Reason("tags", (("tags", ", ".join(shared.words[:3])),))
    if entry in parts.helped:
        yield Reason("helped", (("count", parts.helped[entry]),))
    if (alike := parts.words.get(entry)) is not None:
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
