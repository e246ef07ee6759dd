"""Sessions of a course: said when and where, a seat taken or given back, and who was there.

schedule ──► take_seat / give_back ──► (it begins) ──► mark
    └──► cancel
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.courses import courses
from lepton_fed.portal.courses.courses import Seen
from lepton_fed.portal.courses.tables import ENROLMENT, SEAT, SESSION, Session, session_of
from lepton_fed.portal.courses.timing import Span
from lepton_fed.portal.entries import access
from lepton_fed.portal.entries.sensitive import without
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, PortalError, Unacceptable
from lepton_fed.portal.once import added_once
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.accounts import PERSON

LARGEST, LONGEST_PLACE, MOST = 1000, 200, 200


@dataclass(frozen=True)
class Meeting:
    """A session as somebody sees it: by whom, how many seats are taken, whether one is theirs, whether they came."""

    session: Session
    teacher: str
    taken: int
    mine: bool
    attended: bool

    @property
    def free(self) -> bool:
        return self.taken < self.session.capacity


@dataclass(frozen=True)
class Attendant:
    """Somebody who learns in the course or has a seat, as the list of a session has them."""

    person: int
    name: str
    department: str
    seat: bool
    attended: bool


def schedule(acting: Acting, course: int, span: Span, *, place: str, teacher: str, capacity: int) -> int:
    """A new session, with a teacher who may see the course; returns its number."""
    found = courses.seen(acting, course, to_change=True)
    courses.require_writes(found)
    where = " ".join(place.replace("\0", "").split())
    if not 0 < len(where) <= LONGEST_PLACE:
        raise Unacceptable("session_place", most=LONGEST_PLACE)
    if not 0 < capacity <= LARGEST:
        raise Unacceptable("session_capacity", most=LARGEST)
    count = select(func.count()).select_from(SESSION).where(SESSION.c.course == course)
    if acting.connection.execute(count).scalar_one() >= MOST:
        raise Conflict("course_full", most=MOST)
    values = {
        "course": course,
        "begins": span.begins,
        "ends": span.ends,
        "zone": span.zone,
        "place": without(where),
        "teacher": _teacher(acting, found, teacher),
        "capacity": capacity,
        "cancelled": None,
    }
    return int(acting.connection.execute(insert(SESSION).values(values).returning(SESSION.c.id)).scalar_one())


def cancel(acting: Acting, course: int, number: int) -> None:
    """It does not take place; those who had a seat still see that it was meant to. Conflict once it has begun."""
    courses.require_writes(courses.seen(acting, course, to_change=True))
    _require_ahead(acting, _standing(acting, course, number))
    acting.connection.execute(update(SESSION).where(SESSION.c.id == number).values(cancelled=acting.now))


def meetings(acting: Acting, course: int) -> list[Meeting]:
    """The sessions of a course that the caller has seen, in their order."""
    every = SEAT.alias()
    taken = select(func.count()).select_from(every).where(every.c.session == SESSION.c.id).scalar_subquery()
    wanted = (
        select(SESSION, PERSON.c.shown, taken.label("taken"), SEAT.c.taken.label("mine"), SEAT.c.attended)
        .join(PERSON, PERSON.c.id == SESSION.c.teacher)
        .outerjoin(SEAT, (SEAT.c.session == SESSION.c.id) & (SEAT.c.person == acting.person.id))
        .where(SESSION.c.course == course)
        .order_by(SESSION.c.begins, SESSION.c.id)
    )
    return [
        Meeting(session_of(row), row["shown"], row["taken"], row["mine"] is not None, row["attended"] is not None)
        for row in acting.connection.execute(wanted).mappings()
    ]


def take_seat(acting: Acting, course: int, number: int) -> None:
    """A seat for somebody who learns in the course; Conflict where none is free or it has begun."""
    courses.seen(acting, course, to_change=True)
    session = _standing(acting, course, number)
    if not courses.is_enrolled(acting, course):
        raise Forbidden("enrol_first")
    _require_ahead(acting, session)
    own = (SEAT.c.session == number, SEAT.c.person == acting.person.id)
    if acting.connection.execute(select(SEAT.c.session).where(*own)).first() is not None:
        return
    count = select(func.count()).select_from(SEAT).where(SEAT.c.session == number)
    if acting.connection.execute(count).scalar_one() >= session.capacity:
        raise Conflict("session_full")
    acting.connection.execute(insert(SEAT).values(_seat(acting, number, acting.person.id)))


def give_back(acting: Acting, course: int, number: int) -> None:
    """A seat that somebody does not need, before it begins; also where the course is no longer for them."""
    courses.require_to_leave(acting, course)
    _require_ahead(acting, _standing(acting, course, number))
    acting.connection.execute(delete(SEAT).where(SEAT.c.session == number, SEAT.c.person == acting.person.id))


def attendance(acting: Acting, course: int, number: int) -> tuple[Session, list[Attendant]]:
    """Who learns in the course or has a seat, by name, for who teaches it or oversees the course."""
    session = _overseen(acting, course, number)
    learns = select(ENROLMENT.c.person).where(ENROLMENT.c.course == course)
    sits = select(SEAT.c.person).where(SEAT.c.session == number)
    wanted = (
        select(PERSON.c.id, PERSON.c.shown, PERSON.c.department, SEAT.c.taken, SEAT.c.attended)
        .outerjoin(SEAT, (SEAT.c.person == PERSON.c.id) & (SEAT.c.session == number))
        .where(PERSON.c.id.in_(learns.union(sits)))
        .order_by(PERSON.c.shown, PERSON.c.id)
    )
    people = [
        Attendant(row.id, row.shown, row.department, row.taken is not None, row.attended is not None)
        for row in acting.connection.execute(wanted)
    ]
    return session, people


def mark(acting: Acting, course: int, number: int, came: Iterable[int], *, shown: Iterable[int] | None = None) -> None:
    """Say who was there: these, and nobody else. Not before it begins; Unacceptable for who is not on its list.

    `shown`: who had been marked on the list that was looked at; then only where `came` differs from it is anything
    changed, so that what somebody else has said meanwhile of other people stays.
    """
    courses.seen(acting, course, to_change=True)
    session, people = attendance(acting, course, number)
    require_markable(acting, session)
    there, before = set(came), {one.person for one in people if one.attended} if shown is None else set(shown)
    if not there - before <= {one.person for one in people}:
        raise Unacceptable("attendant")
    now, by = acting.now, acting.person.id
    for one in people:
        if one.person not in there ^ before or (one.person in there) == one.attended:
            continue
        if one.person in there and not one.seat:
            added_once(acting.connection, SEAT, _seat(acting, number, one.person))
        marked = {"attended": now if one.person in there else None, "marked_by": by}
        where = (SEAT.c.session == number, SEAT.c.person == one.person)
        acting.connection.execute(update(SEAT).where(*where).values(marked))


def require_markable(acting: Acting, session: Session) -> None:
    """Conflict where nobody is marked: it is cancelled, or has not begun."""
    if session.cancelled is not None:
        raise Conflict("session_cancelled")
    if acting.now < session.begins:
        raise Conflict("session_ahead")


def _seat(acting: Acting, session: int, person: int) -> dict[str, object]:
    return {"session": session, "person": person, "taken": acting.now, "attended": None, "marked_by": None}


def _teacher(acting: Acting, found: Seen, name: str) -> int:
    """One sentence, whether nobody has that name or somebody whom the course is not for."""
    try:
        teacher = accounts.named(acting.connection, name)
    except PortalError:
        raise Unacceptable("teacher") from None
    if not courses.is_for(acting, found, teacher):
        raise Unacceptable("teacher")
    return teacher.id


def _session(acting: Acting, course: int, number: int) -> Session:
    if not 0 < number <= access.LARGEST:
        raise NotThere
    where = (SESSION.c.id == number, SESSION.c.course == course)
    row = acting.connection.execute(select(SESSION).where(*where)).mappings().first()
    if row is None:
        raise NotThere
    return session_of(row)


def _standing(acting: Acting, course: int, number: int) -> Session:
    session = _session(acting, course, number)
    if session.cancelled is not None:
        raise Conflict("session_cancelled")
    return session


def _require_ahead(acting: Acting, session: Session) -> None:
    if session.begins <= acting.now:
        raise Conflict("session_begun")


def _overseen(acting: Acting, course: int, number: int) -> Session:
    found = courses.seen(acting, course)
    session = _session(acting, course, number)
    if not found.oversees:
        raise Forbidden("not_your_course")
    return session


def held(acting: Acting, course: int) -> Sequence[Session]:
    """Those that have begun and were not cancelled."""
    where = (SESSION.c.course == course, SESSION.c.cancelled.is_(None), SESSION.c.begins <= acting.now)
    return [session_of(row) for row in acting.connection.execute(select(SESSION).where(*where)).mappings()]
