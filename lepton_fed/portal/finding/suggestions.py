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
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Row, bindparam, func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.access import Access
from lepton_fed.portal.entries.tables import ENTRY, REPORT, USE, Entry, entry_of
from lepton_fed.portal.finding import keywords
from lepton_fed.portal.finding.keywords import NOTHING, Alike
from lepton_fed.portal.people.accounts import PERSON
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
    words: Alike
    tags: Alike
    helped: Mapping[int, int]


# Put together once: that takes longer than to ask them.
_seeds = bindparam("seeds", type_=BigInteger, expanding=True)
_openers = bindparam("openers", type_=BigInteger, expanding=True)
_of_these = bindparam("entries", type_=BigInteger, expanding=True)
_OPENERS = (
    select(USE.c.person)
    .where(USE.c.entry.in_(_seeds))
    .where(USE.c.person != bindparam("me"), USE.c.first < bindparam("before"))
    .group_by(USE.c.person)
    .order_by(func.max(USE.c.last).desc(), USE.c.person)
    .limit(PEOPLE)
)
_OPENED_LAST = (
    select(USE.c.entry)
    .where(USE.c.person.in_(_openers))
    .where(USE.c.entry.not_in(_seeds), USE.c.first < bindparam("before"))
    .order_by(USE.c.last.desc())
    .limit(OPENINGS)
    .subquery()
)
_TOGETHER = (
    select(_OPENED_LAST.c.entry, func.count().label("both"), ENTRY.c.opened)
    .join(ENTRY, ENTRY.c.id == _OPENED_LAST.c.entry)
    .group_by(_OPENED_LAST.c.entry, ENTRY.c.opened)
    .having(func.count() >= FLOOR)
)
_MEMBERS = (
    select(func.count())
    .where(PERSON.c.department == USE.c.department, PERSON.c.active, PERSON.c.id != bindparam("me"))
    .scalar_subquery()
)
_DEPARTMENT = (
    select(USE.c.department)
    .where(USE.c.entry == bindparam("entry"), USE.c.person.in_(_openers), USE.c.first < bindparam("before"))
    .where(_MEMBERS >= 2 * FLOOR)
    .group_by(USE.c.department)
    .having(func.count() >= FLOOR)
    .order_by(func.count().desc(), USE.c.department)
    .limit(1)
)
_HELPED = (
    select(USE.c.entry, func.count())
    .join(ENTRY, ENTRY.c.id == USE.c.entry)
    .where(USE.c.entry.in_(_of_these), USE.c.helped >= bindparam("since"), USE.c.department != ENTRY.c.department)
    .where(USE.c.person != bindparam("me"))
    .group_by(USE.c.entry)
    .having(func.count() >= FLOOR)
)
_PLACED = select(ENTRY.c.id, ENTRY.c.shelf, ENTRY.c.owner).where(ENTRY.c.published.is_not(None))
_OF_THESE = _PLACED.where(ENTRY.c.id.in_(_of_these))
_LAST = (
    _PLACED.join(USE, USE.c.entry == ENTRY.c.id)
    .where(USE.c.person == bindparam("me"))
    .order_by(USE.c.last.desc(), ENTRY.c.id.desc())
    .limit(4 * SEEDS)
)
_USEFUL = _PLACED.where(ENTRY.c.helped >= FLOOR).order_by(ENTRY.c.helped.desc(), ENTRY.c.id.desc()).limit(4 * USEFUL)
_OPENED = select(USE.c.entry).where(USE.c.person == bindparam("me"), USE.c.entry.in_(_of_these))
_REPORTED = select(REPORT.c.entry).where(REPORT.c.state == "open").distinct()
_CHOSEN = select(ENTRY).where(ENTRY.c.id.in_(_of_these))


def related(acting: Acting, found: Access) -> list[Suggestion]:
    """Entries that go with one that the person has seen."""
    return [] if found.entry.published is None else _best(acting, [found.entry.id], unread=False)


def unread(acting: Acting) -> list[Suggestion]:
    """Entries of others that the person has not opened: like those that they opened last, or that helped others."""
    last = acting.connection.execute(_LAST, {"me": acting.person.id}).all()
    return _best(acting, [one.id for one in _for(acting, last)][:SEEDS], unread=True)


def _best(acting: Acting, seeds: Sequence[int], *, unread: bool) -> list[Suggestion]:
    together = _together(acting, seeds) if seeds else {}
    words = keywords.alike(acting.connection, seeds) if seeds else NOTHING
    tags = keywords.tagged_alike(acting.connection, seeds) if seeds else NOTHING
    scores = _scores(together, words, tags)
    # Beside an entry stands what has to do with it, and not whatever helped.
    useful = _useful(acting) if unread else []
    candidates = {*_first(scores, CANDIDATES), *useful}.difference(seeds)
    entries = _readable(acting, candidates, unread=unread)
    # Help adds little to a score: it is counted for those alone whose place it may change.
    helped = _helped(acting, [*_first({n: scores[n] for n in entries}, COUNTED), *useful])
    for number in entries:
        count = helped.get(number, 0)
        scores[number] += HELPED * count / (count + SHRINKS)
    for number in _reported(acting, entries):
        scores[number] /= 2
    chosen = _first({number: scores[number] for number in entries if scores[number] >= LEAST}, SHOWN)
    shown = _entries(acting, chosen)
    parts = _Parts(together, words, tags, helped)
    return [Suggestion(shown[one], tuple(_reasons(acting, one, parts, unread=unread))[:2]) for one in chosen]


def _scores(together: Mapping[int, _Together], words: Alike, tags: Alike) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    shares = {entry: one.share for entry, one in together.items()}
    for weight, part in ((TOGETHER, shares), (WORDS, words.shares), (TAGS, tags.shares)):
        for entry, share in part.items():
            scores[entry] += weight * share
    return scores


def _first(scores: Mapping[int, float], count: int) -> list[int]:
    """Those with the highest scores, the newer before an older of the same."""
    return sorted(scores, key=lambda number: (-scores[number], -number))[:count]


def _together(acting: Acting, seeds: Sequence[int]) -> dict[int, _Together]:
    """Entries that enough others opened who opened a seed."""
    before = acting.now.replace(hour=0, minute=0, second=0, microsecond=0)
    of = {"seeds": seeds, "me": acting.person.id, "before": before}
    openers = tuple(acting.connection.execute(_OPENERS, of).scalars())
    if len(openers) < FLOOR:
        return {}
    counts = acting.connection.execute(_TOGETHER, {"openers": openers, "seeds": seeds, "before": before})
    return {
        row.entry: _Together(row.both / math.sqrt(len(openers) * max(row.both, row.opened)), row.both, openers, before)
        for row in counts
    }


def _department(acting: Acting, entry: int, one: _Together) -> str | None:
    """That of most of those who opened both, where they are enough of many: of three all are named with it."""
    of = {"entry": entry, "openers": one.openers, "before": one.before, "me": acting.person.id}
    return acting.connection.execute(_DEPARTMENT, of).scalar()


def _helped(acting: Acting, entries: Sequence[int]) -> dict[int, int]:
    """How many people of other departments these helped this quarter, where they are enough."""
    of = {"entries": entries, "since": Quarter.of(acting.now).since, "me": acting.person.id}
    return {row[0]: row[1] for row in acting.connection.execute(_HELPED, of)} if entries else {}


def _useful(acting: Acting) -> list[int]:
    """Entries for this person of those that helped most, whenever that was."""
    return [one.id for one in _for(acting, acting.connection.execute(_USEFUL).all())][:USEFUL]


def _reported(acting: Acting, entries: Iterable[int]) -> list[int]:
    """Those of them with an error that nobody has answered yet."""
    known = set(entries)
    return [entry for entry in acting.connection.execute(_REPORTED).scalars() if entry in known]


def _readable(acting: Acting, numbers: Collection[int], *, unread: bool) -> list[int]:
    """Those that this person may read; `unread`: without what they opened or own."""
    if not numbers:
        return []
    of = {"entries": list(numbers)}
    found = _for(acting, acting.connection.execute(_OF_THESE, of).all())
    if not unread:
        return [one.id for one in found]
    opened = set(acting.connection.execute(_OPENED, {**of, "me": acting.person.id}).scalars())
    return [one.id for one in found if one.id not in opened and one.owner != acting.person.id]


def _for(acting: Acting, placed: Sequence[Row[int, int, int]]) -> list[Row[int, int, int]]:
    """Those of these published entries that are for this person."""
    shelves = acting.shelves(one.shelf for one in placed)
    allowed = set(acting.rights.those(acting.person, "read", shelves))
    return [one for one in placed if one.shelf in allowed]


def _entries(acting: Acting, numbers: Sequence[int]) -> dict[int, Entry]:
    rows = acting.connection.execute(_CHOSEN, {"entries": numbers}).mappings() if numbers else ()
    return {row["id"]: entry_of(row) for row in rows}


def _reasons(acting: Acting, entry: int, parts: _Parts, *, unread: bool) -> Iterable[Reason]:
    """What speaks for it, people first."""
    suffix = "_unread" if unread else ""
    if (opened := parts.together.get(entry)) is not None:
        department = _department(acting, entry, opened)
        if department is None:
            yield Reason(f"people{suffix}")
        else:
            yield Reason(f"department{suffix}", (("department", department),))
    if shared := parts.tags.words(entry):
        yield Reason("tags", (("tags", ", ".join(shared[:3])),))
    if entry in parts.helped:
        yield Reason("helped", (("count", parts.helped[entry]),))
    if alike := parts.words.words(entry):
        yield Reason("words", (("words", ", ".join(_apart(alike))),))


def _apart(words: Iterable[str]) -> list[str]:
    """Up to three that have no character in common: pairs of Chinese characters overlap."""
    chosen: list[str] = []
    for word in words:
        if word.isascii() or not any(set(word) & set(other) for other in chosen):
            chosen.append(word)
        if len(chosen) == 3:
            break
    return chosen
