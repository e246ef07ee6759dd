"""A course of a department: begun, changed, listed, seen by whoever its shelf is for, with entries that they may read.

What somebody may do with a course policies say of the shelf that it stands on, as for entries: read, write, oversee.
Teachers oversee the course, too: that is said of a person, and so not by a policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.courses.tables import COURSE, COURSE_ENTRY, ENROLMENT, SESSION, Course, course_of
from lepton_fed.portal.entries import access
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.tables import ENTRY, REVISION, USE, Entry, entry_of
from lepton_fed.portal.entries.writing import shelf_to_write
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Action, Shelf, stands_on

MOST_ENTRIES = 100
MOST_LISTED = 200
_ACTIONS: tuple[Action, ...] = ("read", "write", "oversee")


@dataclass(frozen=True)
class Seen:
    """A course that somebody may see, and what else they may do: change it, see everybody in it."""

    course: Course
    shelf: Shelf
    writes: bool
    oversees: bool


@dataclass(frozen=True)
class Step:
    """An entry of a course, for somebody who may read it; `done`: whether they have, or it is theirs."""

    entry: Entry
    done: bool


def begin(acting: Acting, department: str, content: Content, entries: Sequence[int] = ()) -> int:
    """A new course with these entries; what looks sensitive in its text is masked. Returns its number."""
    told = content.masked()
    values = {
        "department": department,
        "shelf": shelf_to_write(acting, department, told),
        "title": told.title,
        "about": told.body,
        "opened": True,
        "made": acting.now,
        "changed": acting.now,
    }
    number = int(acting.connection.execute(insert(COURSE).values(values).returning(COURSE.c.id)).scalar_one())
    _set_entries(acting, number, entries, [])
    return number


def change(
    acting: Acting, number: int, content: Content, *, base: datetime, opened: bool, entries: Sequence[int]
) -> None:
    """Another text, other readers, other entries in their order; those that the author may not see stay, at the end.

    Conflict where the course was `changed` after `base`, when what the author saw had been.
    """
    found = seen(acting, number, to_change=True)
    require_writes(found)
    if found.course.changed != base:
        raise Conflict("changed_meanwhile")
    told = content.masked()
    shelf = shelf_to_write(acting, found.course.department, told)
    # No two states of a course have one time, also where the clock stands still or was set back.
    now = max(acting.now, base + timedelta(microseconds=1))
    changes = {"shelf": shelf, "title": told.title, "about": told.body, "opened": opened, "changed": now}
    acting.connection.execute(update(COURSE).where(COURSE.c.id == number).values(changes))
    hidden = [one for one in _entries(acting, number) if not _sees(acting, one)]
    _set_entries(acting, number, entries, hidden)


def seen(acting: Acting, number: int, *, to_change: bool = False) -> Seen:
    """The course, for whoever may read, change or oversee it; NotThere, as for a number that nobody has."""
    course = _there(acting, number, to_change)
    shelf = acting.shelf(course.shelf)
    reads, writes, oversees = (
        acting.rights.may(acting.person, action, shelf) for action in ("read", "write", "oversee")
    )
    if not (reads or writes or oversees):
        raise NotThere
    return Seen(course, shelf, writes, oversees or _teaches(acting, number))


def require_to_leave(acting: Acting, number: int) -> None:
    """For who learns there, also where the course is no longer for them; NotThere for others who may not see it."""
    _there(acting, number, to_change=True)
    if not is_enrolled(acting, number):
        seen(acting, number)


def is_enrolled(acting: Acting, number: int) -> bool:
    """Whether this person learns there."""
    where = (ENROLMENT.c.course == number, ENROLMENT.c.person == acting.person.id)
    return acting.connection.execute(select(ENROLMENT.c.course).where(*where)).first() is not None


def lost(acting: Acting) -> list[int]:
    """The numbers of those in which this person learns and that are no longer for them."""
    wanted = (
        select(COURSE.c.id, COURSE.c.shelf)
        .join(ENROLMENT, ENROLMENT.c.course == COURSE.c.id)
        .where(ENROLMENT.c.person == acting.person.id)
        .order_by(COURSE.c.id)
    )
    rows = acting.connection.execute(wanted).all()
    shelves = acting.shelves(row.shelf for row in rows)
    return [row.id for row in rows if not _may_see(acting, acting.person, shelves[row.shelf])]


def is_for(acting: Acting, found: Seen, person: Person) -> bool:
    """Whether somebody may see the course."""
    return _may_see(acting, person, found.shelf)


def require_writes(found: Seen) -> None:
    """Forbidden for whoever may not change it."""
    if not found.writes:
        raise Forbidden("not_your_course")


def listed(acting: Acting) -> list[Course]:
    """Those that this person may see, open ones first, the newest first."""
    wanted = select(COURSE).order_by(COURSE.c.opened.desc(), COURSE.c.changed.desc(), COURSE.c.id.desc())
    used = acting.connection.execute(select(COURSE.c.shelf).distinct()).scalars().all()
    shelves = acting.shelves(used)
    visible = [number for number, shelf in shelves.items() if _may_see(acting, acting.person, shelf)]
    rows = acting.connection.execute(wanted.where(stands_on(COURSE.c.shelf, visible)).limit(MOST_LISTED)).mappings()
    return [course_of(row) for row in rows]


def steps(acting: Acting, number: int) -> list[Step]:
    """Its published entries that this person may read, in their order."""
    read = set(
        acting.connection.execute(
            select(USE.c.entry)
            .join(COURSE_ENTRY, COURSE_ENTRY.c.entry == USE.c.entry)
            .where(COURSE_ENTRY.c.course == number, USE.c.person == acting.person.id)
        ).scalars()
    )
    entries = published(acting, number)
    whose, readable = theirs(acting, entries), readers(acting, entries)
    return [
        Step(one, one.id in read or acting.person.id in whose[one.id])
        for one in entries
        if readable(acting.person, one)
    ]


def to_write(acting: Acting, number: int) -> list[Entry]:
    """Its entries as whoever changes it sees them, drafts as well."""
    return [one for one in _entries(acting, number) if _sees(acting, one)]


def published(acting: Acting, number: int) -> list[Entry]:
    """All of its entries that readers see, whoever they are."""
    return [one for one in _entries(acting, number) if one.published is not None]


def since(acting: Acting, number: int) -> dict[int, datetime | None]:
    """When each of its entries came into it; one that was taken out and put in again, the last time. None: unknown."""
    wanted = select(COURSE_ENTRY.c.entry, COURSE_ENTRY.c.since).where(COURSE_ENTRY.c.course == number)
    return {row.entry: row.since for row in acting.connection.execute(wanted)}


def theirs(acting: Acting, entries: Sequence[Entry]) -> dict[int, set[int]]:
    """Whose each one is: its owner's, and its author's whose text readers see; neither ever counts as a reader."""
    found = {one.id: {one.owner} for one in entries}
    shown = (ENTRY.c.id == REVISION.c.entry) & (ENTRY.c.published == REVISION.c.number)
    wanted = select(REVISION.c.entry, REVISION.c.author).join(ENTRY, shown).where(ENTRY.c.id.in_(found))
    for entry, author in acting.connection.execute(wanted):
        found[entry].add(author)
    return found


def readers(acting: Acting, entries: Sequence[Entry]) -> Callable[[Person, Entry], bool]:
    """Says whether one of these published entries is for somebody; each shelf is read once, whoever is asked about."""
    shelves = acting.shelves(one.shelf for one in entries)
    return lambda person, entry: acting.rights.may(person, "read", shelves[entry.shelf])


def _there(acting: Acting, number: int, to_change: bool) -> Course:
    if not 0 < number <= access.LARGEST:
        raise NotThere
    wanted = select(COURSE).where(COURSE.c.id == number)
    row = acting.connection.execute(wanted.with_for_update() if to_change else wanted).mappings().first()
    if row is None:
        raise NotThere
    return course_of(row)


def _may_see(acting: Acting, person: Person, shelf: Shelf) -> bool:
    return any(acting.rights.may(person, action, shelf) for action in _ACTIONS)


def _entries(acting: Acting, number: int) -> list[Entry]:
    wanted = (
        select(ENTRY)
        .join(COURSE_ENTRY, COURSE_ENTRY.c.entry == ENTRY.c.id)
        .where(COURSE_ENTRY.c.course == number)
        .order_by(COURSE_ENTRY.c.place)
    )
    return [entry_of(row) for row in acting.connection.execute(wanted).mappings()]


def _sees(acting: Acting, entry: Entry) -> bool:
    try:
        access.seen(acting, entry.id)
    except NotThere:
        return False
    return True


def _set_entries(acting: Acting, number: int, entries: Iterable[int], hidden: Sequence[Entry]) -> None:
    chosen = list(dict.fromkeys(entries))
    if len(chosen) > MOST_ENTRIES:
        raise Conflict("course_full", most=MOST_ENTRIES)
    for one in chosen:
        try:
            access.seen(acting, one)
        except NotThere:
            raise Unacceptable("course_entry", number=one) from None
    order = [*chosen, *(one.id for one in hidden if one.id not in chosen)]
    if len(order) > MOST_ENTRIES:
        raise Conflict("course_full", most=MOST_ENTRIES)
    known = since(acting, number)
    acting.connection.execute(delete(COURSE_ENTRY).where(COURSE_ENTRY.c.course == number))
    if order:
        rows = [
            {"course": number, "entry": one, "place": place, "since": known.get(one, acting.now)}
            for place, one in enumerate(order, 1)
        ]
        acting.connection.execute(insert(COURSE_ENTRY), rows)


def _teaches(acting: Acting, number: int) -> bool:
    where = (SESSION.c.course == number, SESSION.c.teacher == acting.person.id, SESSION.c.cancelled.is_(None))
    return acting.connection.execute(select(SESSION.c.id).where(*where)).first() is not None
