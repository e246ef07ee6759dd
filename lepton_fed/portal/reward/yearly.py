"""What somebody contributed in some quarters, as a table for a yearly review: for themselves, and for whoever may ask.

    quarter, entry, title, kind, department, published, opened by, thanked by, points

A row for each quarter and entry of the person's that was published, opened or helped in it. Points are those of the
published rule, quarter by quarter, as the leaderboards have them. A title that whoever asks may not read stays out.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import RowMapping, func, or_, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.tables import ENTRY, MOVE, REVISION, USE
from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.federation.rights import Member
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import stands_on
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.rule import points_by_entry
from lepton_fed.portal.reward.standing import helps
from lepton_fed.portal.wording import Wording

MOST_QUARTERS = 8
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a program for tables takes for the beginning of a formula."""


@dataclass(frozen=True)
class Contribution:
    """What became of an entry in a quarter. `title`: None where whoever asks may not read it."""

    quarter: Quarter
    entry: int
    title: str | None
    kind: str
    department: str
    published: date | None
    opened: int
    thanks: int
    points: int


@dataclass(frozen=True)
class Contributions:
    """Of a person in the quarters from `since` to `until`."""

    person: Person
    since: Quarter
    until: Quarter
    rows: tuple[Contribution, ...]

    @property
    def points(self) -> int:
        return sum(one.points for one in self.rows)


def subjects(acting: Acting) -> list[Person]:
    """Whose contributions the person may ask for: their own first, then those of departments that they may appraise."""
    within = frozenset(name for name in departments(acting.connection) if _may_appraise(acting, name))
    others = accounts.people(acting.connection, within) if within else []
    return [acting.person, *(one for one in others if one.id != acting.person.id and one.department in within)]


def contributions(acting: Acting, name: str, since: Quarter, until: Quarter) -> Contributions:
    """What the person of that name to sign in with contributed; NotThere for whoever may not ask."""
    person = accounts.named(acting.connection, name) if name != acting.person.name else acting.person
    if person.id != acting.person.id and not _may_appraise(acting, person.department):
        raise NotThere
    quarters = [since]
    while quarters[-1] < until and len(quarters) <= MOST_QUARTERS:
        quarters.append(quarters[-1].next)
    if quarters[-1] != until or len(quarters) > MOST_QUARTERS:
        raise Unacceptable("quarters", most=MOST_QUARTERS)
    rows = tuple(row for quarter in quarters for row in _of_quarter(acting, person, quarter))
    return Contributions(person, since, until, rows)


def as_csv(found: Contributions, t: Wording) -> bytes:
    """UTF-8 with a mark, by which spreadsheets know it, and no cell that they would take for a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    columns = ("quarter", "entry", "kind", "department", "published", "opened", "thanks", "points")
    headings = [t(f"yearly.{column}") for column in columns]
    writer.writerow([*headings[:2], t("entry.title"), *headings[2:]])
    writer.writerows(_cells(one, t) for one in found.rows)
    writer.writerow([t("yearly.total"), _safe(found.person.shown), *[""] * 6, found.points])
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def _may_appraise(acting: Acting, department: str) -> bool:
    return acting.rights.may(acting.person, "appraise", Member(department))


def _of_quarter(acting: Acting, person: Person, quarter: Quarter) -> Iterator[Contribution]:
    marks = helps(acting, quarter)
    points = points_by_entry(marks, person.id)
    opened, published = _opened(acting, person, quarter), _published(acting, person, quarter)
    thanks = Counter(one.entry for one in marks if one.owner == person.id != one.person)
    for row in _entries(acting, {*thanks, *opened, *published}):
        entry = row["id"]
        yield Contribution(
            quarter=quarter,
            entry=entry,
            title=row["title"] if row["visible"] else None,
            kind=row["kind"],
            department=row["department"],
            published=published.get(entry),
            opened=opened.get(entry, 0),
            thanks=thanks[entry],
            points=points.get(entry, 0),
        )


def _opened(acting: Acting, person: Person, quarter: Quarter) -> dict[int, int]:
    """How many opened each of the person's entries for the first time."""
    wanted = (
        select(USE.c.entry, func.count())
        .join(ENTRY, ENTRY.c.id == USE.c.entry)
        .where(ENTRY.c.owner == person.id, USE.c.first >= quarter.since, USE.c.first < quarter.until)
        .group_by(USE.c.entry)
    )
    return {entry: int(count) for entry, count in acting.connection.execute(wanted)}


def _published(acting: Acting, person: Person, quarter: Quarter) -> dict[int, date]:
    """When a revision that the person wrote, or of an entry that is theirs, was last published."""
    wanted = (
        select(MOVE.c.entry, func.max(MOVE.c.time))
        .join(REVISION, (REVISION.c.entry == MOVE.c.entry) & (REVISION.c.number == MOVE.c.revision))
        .join(ENTRY, ENTRY.c.id == MOVE.c.entry)
        .where(
            MOVE.c.move == "publish",
            MOVE.c.time >= quarter.since,
            MOVE.c.time < quarter.until,
            or_(REVISION.c.author == person.id, ENTRY.c.owner == person.id),
        )
        .group_by(MOVE.c.entry)
    )
    return {entry: time.date() for entry, time in acting.connection.execute(wanted)}


def _entries(acting: Acting, numbers: set[int]) -> Sequence[RowMapping]:
    """These, each with whether whoever asks may read what it is called."""
    read, *working = (
        acting.rights.permitted(acting.connection, acting.person, action) for action in ("read", "write", "review")
    )
    to_work = stands_on(ENTRY.c.shelf, [shelf for some in working for shelf in some])
    visible = or_(to_work, ENTRY.c.published.is_not(None) & stands_on(ENTRY.c.shelf, read))
    columns = (ENTRY.c.id, ENTRY.c.title, ENTRY.c.kind, ENTRY.c.department, visible.label("visible"))
    return (
        acting.connection.execute(select(*columns).where(ENTRY.c.id.in_(numbers)).order_by(ENTRY.c.id)).mappings().all()
    )


def _cells(one: Contribution, t: Wording) -> list[object]:
    title = t("yearly.hidden") if one.title is None else _safe(one.title)
    day = "" if one.published is None else one.published.isoformat()
    said = [str(one.quarter), one.entry, title, t(f"kind.{one.kind}"), _safe(one.department), day]
    return [*said, one.opened, one.thanks, one.points]


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text
