"""Enrolment in a course: taken up once, while it is open, and given back at any time."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.courses import courses
from lepton_fed.portal.courses.tables import ENROLMENT, SEAT, SESSION
from lepton_fed.portal.errors import Conflict

MOST = 1000


def enrol(acting: Acting, course: int) -> None:
    """Learn in a course that one may see and that is open; once."""
    found = courses.seen(acting, course, to_change=True)
    if courses.is_enrolled(acting, course):
        return
    if not found.course.opened:
        raise Conflict("course_closed")
    count = select(func.count()).select_from(ENROLMENT).where(ENROLMENT.c.course == course)
    if acting.connection.execute(count).scalar_one() >= MOST:
        raise Conflict("course_full", most=MOST)
    acting.connection.execute(insert(ENROLMENT).values(course=course, person=acting.person.id, since=acting.now))


def leave(acting: Acting, course: int) -> None:
    """Take it back: seats that were taken ahead are free again; where somebody was stays said.

    Also where the course is no longer for them.
    """
    courses.require_to_leave(acting, course)
    ahead = select(SESSION.c.id).where(SESSION.c.course == course)
    mine = (SEAT.c.person == acting.person.id, SEAT.c.attended.is_(None), SEAT.c.session.in_(ahead))
    acting.connection.execute(delete(SEAT).where(*mine))
    where = (ENROLMENT.c.course == course, ENROLMENT.c.person == acting.person.id)
    acting.connection.execute(delete(ENROLMENT).where(*where))
