"""Finding: published entries that hold every part of a query, those first that are about it, new, and helped others.

    score = 2 · (share of the query's parts in the title or a tag) + freshness + usefulness
            - 0.5 while a reported error is not answered
    freshness = 1 / (1 + days since publication / 180)        usefulness = helped / (helped + 5)

The database filters, counts, orders and cuts; what somebody may see is among the filters, as the shelves that policies
permit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.tables import ENTRY, REPORT, REVISION, TAG
from lepton_fed.portal.entries.writing import heading
from lepton_fed.portal.finding.index import Headed
from lepton_fed.portal.finding.words import Term, spans, terms
from lepton_fed.portal.people.accounts import PERSON
from lepton_fed.portal.people.rights import stands_on

PAGE = 20
MOST_PAGES = 500
LONGEST = 200
"""Characters of a query that count."""

AROUND = 60
"""Characters of a snippet before what was found, and twice as many after it."""

ABOUT, FADES, HELPS, REPORTED = 2.0, 180.0, 5.0, 0.5

_SIGNS = re.compile(r"(?<!\*)\*\*(?!\*)|`+|\||^ {0,3}(?:#{1,6} +|> ?)", re.MULTILINE)
"""Of Markdown, which say nothing in a snippet. Four stars are a mask, and stay."""

_EPOCH = date(1970, 1, 1).toordinal()


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
    where = _where(acting, asked, wanted)
    page = min(max(1, asked.page), MOST_PAGES)
    best = _best(acting, where, wanted).limit(PAGE).offset((page - 1) * PAGE)
    rows = acting.connection.execute(best).all()
    order = [number for number, _ in rows]
    total = rows[0][1] if rows else _count(acting, where)
    return Found(total, page, tuple(_hits(acting, order, asked.text)))


def published(connection: Connection) -> list[Headed]:
    """Everything that readers can find, for an index to be filled with."""
    rows = connection.execute(
        select(REVISION.c.entry, REVISION.c.title, REVISION.c.tags, REVISION.c.body).join(
            ENTRY, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published)
        )
    )
    return [(entry, heading(title, tuple(json.loads(tags))), body) for entry, title, tags, body in rows]


def _where(acting: Acting, asked: Asked, wanted: Sequence[Term]) -> list[ColumnElement[bool]]:
    readable = acting.rights.permitted(acting.connection, acting.person, "read")
    where: list[ColumnElement[bool]] = [ENTRY.c.published.is_not(None), stands_on(ENTRY.c.shelf, readable)]
    where += [ENTRY.c.id.in_(acting.words.holding(term)) for term in wanted]
    if asked.department:
        where.append(ENTRY.c.department == asked.department)
    if asked.kind:
        where.append(ENTRY.c.kind == asked.kind)
    if asked.tag:
        where.append(ENTRY.c.id.in_(select(TAG.c.entry).where(TAG.c.tag == asked.tag)))
    return where


def _count(acting: Acting, where: Sequence[ColumnElement[bool]]) -> int:
    """How many there are, for a page beyond the last."""
    return int(acting.connection.execute(select(func.count()).select_from(ENTRY).where(*where)).scalar_one())


def _best(acting: Acting, where: Sequence[ColumnElement[bool]], wanted: Sequence[Term]) -> Select[int, int]:
    """The numbers of what was found, the best first, each with how many there are in all: found once, not twice."""
    today = acting.now.date().toordinal() - _EPOCH
    freshness = 1.0 / (1.0 + (today - ENTRY.c.day) / FADES)
    usefulness = ENTRY.c.helped / (ENTRY.c.helped + HELPS)
    about = [
        case((ENTRY.c.id.in_(acting.words.holding(term, heading=True)), ABOUT / len(wanted)), else_=0.0)
        for term in wanted
    ]
    reported = case((ENTRY.c.id.in_(select(REPORT.c.entry).where(REPORT.c.state == "open")), REPORTED), else_=0.0)
    score = sum(about, freshness + usefulness - reported)
    return select(ENTRY.c.id, func.count().over()).where(*where).order_by(score.desc(), ENTRY.c.id.desc())


def _hits(acting: Acting, order: Sequence[int], query: str) -> Iterator[Hit]:
    wanted = (
        select(ENTRY, PERSON.c.shown, REVISION.c.body)
        .join(PERSON, PERSON.c.id == ENTRY.c.owner)
        .join(REVISION, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
        .where(ENTRY.c.id.in_(order))
    )
    rows = {row["id"]: row for row in acting.connection.execute(wanted).mappings()}
    for number in order:
        row = rows[number]
        yield Hit(
            entry=number,
            title=_marked(row["title"], query),
            kind=row["kind"],
            department=row["department"],
            owner=row["shown"],
            published=date.fromordinal(_EPOCH + row["day"]),
            helped=row["helped"],
            text=_snippet(row["body"], query),
        )


def _snippet(body: str, query: str) -> tuple[Snippet, ...]:
    """What is around the first place that was found; the beginning where none is."""
    text = " ".join(_SIGNS.sub("", body).split())
    found = spans(text, query)
    start = max(0, (found[0][0] if found else 0) - AROUND)
    shown = text[start : start + 3 * AROUND]
    before, after = "… " * (start > 0), " …" * (start + 3 * AROUND < len(text))
    return _marked(f"{before}{shown}{after}", query)


def _marked(text: str, query: str) -> tuple[Snippet, ...]:
    parts, last = [], 0
    for start, end in spans(text, query):
        parts += [Snippet(text[last:start], False), Snippet(text[start:end], True)]
        last = end
    return tuple(part for part in (*parts, Snippet(text[last:], False)) if part.text)
