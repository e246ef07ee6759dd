"""Finding: published entries that hold every part of a query, those first that are about it, new, and helped others.

    score = 2 · (share of the query's parts in the title or a tag) + freshness + usefulness
            - 0.5 while a reported error is not answered
    freshness = 1 / (1 + days since publication / 180)        usefulness = helped / (helped + 5)

The database filters, counts, orders and cuts; what somebody may see is among the filters, as the shelves that policies
permit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, Select, bindparam, case, func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.tables import ENTRY, REPORT, REVISION, TAG
from lepton_fed.portal.entries.writing import heading
from lepton_fed.portal.finding.index import Headed, WordIndex
from lepton_fed.portal.finding.plain import piece
from lepton_fed.portal.finding.words import spans, terms
from lepton_fed.portal.people.accounts import PERSON

PAGE = 20
MOST_PAGES = 500
LONGEST = 200
"""Characters of a query that count."""

AROUND = 60
"""Characters of a snippet before what was found, and twice as many after it."""

ABOUT, FADES, HELPS, REPORTED = 2.0, 180.0, 5.0, 0.5

_EPOCH = date(1970, 1, 1).toordinal()

# Put together once: that takes longer than to ask it.
_HITS = (
    select(*(ENTRY.c[name] for name in ("id", "title", "kind", "department", "day", "helped")))
    .add_columns(PERSON.c.shown, REVISION.c.body)
    .join(PERSON, PERSON.c.id == ENTRY.c.owner)
    .join(REVISION, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
    .where(ENTRY.c.id.in_(bindparam("entries", type_=BigInteger, expanding=True)))
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody looks for; an empty field asks for nothing. `page` counts from 1."""

    text: str = ""
    department: str = ""
    kind: str = ""
    tag: str = ""
    page: int = 1


@dataclass(frozen=True)
class Snippet:
    """Some of a text, and whether it is what was looked for."""

    text: str
    marked: bool


@dataclass(frozen=True)
class Hit:
    """An entry that was found."""

    entry: int
    title: tuple[Snippet, ...]
    kind: str
    department: str
    owner: str
    published: date
    helped: int
    text: tuple[Snippet, ...]


@dataclass(frozen=True)
class Found:
    """How many there are in all, and those of one page."""

    total: int
    page: int
    hits: tuple[Hit, ...]

    @property
    def pages(self) -> int:
        return min(MOST_PAGES, -(-self.total // PAGE))


def find(acting: Acting, asked: Asked) -> Found:
    """What this person may read of what they ask for."""
    wanted = terms(asked.text[:LONGEST])
    if asked.text.strip() and not wanted:
        return Found(0, 1, ())  # Only signs: no text is told apart by them.
    if any("\0" in one for one in (asked.department, asked.kind, asked.tag)):
        return Found(0, 1, ())  # No database of ours keeps one.
    filters = {name: given for name in ("department", "kind", "tag") if (given := getattr(asked, name))}
    best, count = _statements(acting.words, len(wanted), tuple(filters))
    values: dict[str, object] = {"shelves": acting.readable, **filters}
    for k, term in enumerate(wanted):
        values |= {f"term{k}": acting.words.asked(term), f"heading{k}": acting.words.asked(term, heading=True)}
    page = min(max(1, asked.page), MOST_PAGES)
    today = acting.now.date().toordinal() - _EPOCH
    of_page = {"today": today, "most": PAGE, "after": (page - 1) * PAGE}
    rows = acting.connection.execute(best, {**values, **of_page}).all()
    order = [number for number, _ in rows]
    # For a page beyond the last.
    total = rows[0][1] if rows else acting.connection.execute(count, values).scalar_one()
    return Found(total, page, tuple(_hits(acting, order, asked.text)))


def published(connection: Connection) -> list[Headed]:
    """Everything that readers can find, for an index to be filled with."""
    rows = connection.execute(
        select(REVISION.c.entry, REVISION.c.title, REVISION.c.tags, REVISION.c.body).join(
            ENTRY, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published)
        )
    )
    return [(entry, heading(title, tuple(json.loads(tags))), body) for entry, title, tags, body in rows]


@lru_cache(maxsize=256)
def _statements(words: WordIndex, terms: int, filters: tuple[str, ...]) -> tuple[Select[int, int], Select[int]]:
    """The numbers of what is found, the best first, each with how many there are in all: found once, not twice. Beside
    it how many there are, alone. Both are put together once for all queries of so many terms and with such filters.
    """
    where: list[ColumnElement[bool]] = [ENTRY.c.published.is_not(None)]
    where += [ENTRY.c.shelf.in_(bindparam("shelves", type_=BigInteger, expanding=True))]
    where += [ENTRY.c.id.in_(words.holding(f"term{k}")) for k in range(terms)]
    where += [ENTRY.c[name] == bindparam(name) for name in filters if name != "tag"]
    if "tag" in filters:
        where.append(ENTRY.c.id.in_(select(TAG.c.entry).where(TAG.c.tag == bindparam("tag"))))
    freshness = 1.0 / (1.0 + (bindparam("today", type_=Integer) - ENTRY.c.day) / FADES)
    usefulness = ENTRY.c.helped / (ENTRY.c.helped + HELPS)
    about = [
        case((ENTRY.c.id.in_(words.holding(f"heading{k}", heading=True)), ABOUT / terms), else_=0.0)
        for k in range(terms)
    ]
    reported = case((ENTRY.c.id.in_(select(REPORT.c.entry).where(REPORT.c.state == "open")), REPORTED), else_=0.0)
    score = sum(about, freshness + usefulness - reported)
    best = select(ENTRY.c.id, func.count().over()).where(*where).order_by(score.desc(), ENTRY.c.id.desc())
    of_page = best.limit(bindparam("most")).offset(bindparam("after"))
    return of_page, select(func.count()).select_from(ENTRY).where(*where)


def _hits(acting: Acting, order: Sequence[int], query: str) -> Iterator[Hit]:
    rows = {row.id: row for row in acting.connection.execute(_HITS, {"entries": order})} if order else {}
    for number in order:
        row = rows[number]
        yield Hit(
            entry=number,
            title=_marked(row.title, query),
            kind=row.kind,
            department=row.department,
            owner=row.shown,
            published=date.fromordinal(_EPOCH + row.day),
            helped=row.helped,
            text=_snippet(row.body, query),
        )


def _snippet(body: str, query: str) -> tuple[Snippet, ...]:
    """What is around the first place that was found; the beginning where none is."""
    # Of a long text only what is around it: all of it would take longer than to find it.
    cut = max(0, _first(body, query) - 4 * AROUND)
    end = cut + 16 * AROUND
    text = " ".join(piece(body, cut, end).split())
    start = max(0, _first(text, query) - AROUND)
    shown = text[start : start + 3 * AROUND]
    before, after = "… " * (cut + start > 0), " …" * (start + 3 * AROUND < len(text) or end < len(body))
    return _marked(f"{before}{shown}{after}", query)


def _first(text: str, query: str) -> int:
    """Where the first place begins; 0 where there is none."""
    return next(spans(text, query), (0, 0))[0]


def _marked(text: str, query: str) -> tuple[Snippet, ...]:
    parts, last = [], 0
    for start, end in spans(text, query):
        parts += [Snippet(text[last:start], False), Snippet(text[start:end], True)]
        last = end
    return tuple(part for part in (*parts, Snippet(text[last:], False)) if part.text)
