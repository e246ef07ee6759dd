"""Courses by calls."""

from __future__ import annotations

from fastapi import APIRouter

from lepton_fed.portal.courses import courses, enrolment, learning, meeting
from lepton_fed.portal.web import course_shapes as shapes
from lepton_fed.portal.web.api_shapes import Made
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api/courses")


@router.get("")
def listed(portal: ThePortal, person: Calling) -> list[shapes.CourseGiven]:
    """The courses that the caller may see, the newest first."""
    with portal.reading(person) as acting:
        return [shapes.CourseGiven.of(one) for one in courses.listed(acting)]


@router.post("", status_code=201)
def begin(portal: ThePortal, person: Calling, taken: shapes.CourseTaken) -> Made:
    """A new course of a department that the caller writes for."""
    with portal.writing(person) as acting:
        return Made(id=courses.begin(acting, taken.department, taken.content()))


@router.get("/{course}")
def read(portal: ThePortal, person: Calling, course: int) -> shapes.OpenedCourse:
    """A course: its entries for the caller, its sessions, and the caller's own progress."""
    portal.afterwards.done()  # What was read until now counts.
    with portal.reading(person) as acting:
        found = courses.seen(acting, course)
        steps, meetings = courses.steps(acting, course), meeting.meetings(acting, course)
        return shapes.OpenedCourse.of(found, steps, meetings, learning.mine(acting, course))


@router.put("/{course}", status_code=204)
def change(portal: ThePortal, person: Calling, course: int, taken: shapes.CourseChanged) -> None:
    """Another text, other readers, other entries in their order."""
    with portal.writing(person) as acting:
        courses.change(acting, course, taken.content(), base=taken.base, opened=taken.opened, entries=taken.entries)


@router.put("/{course}/enrolment", status_code=204)
def enrol(portal: ThePortal, person: Calling, course: int) -> None:
    """Learn there."""
    with portal.writing(person) as acting:
        enrolment.enrol(acting, course)


@router.delete("/{course}/enrolment", status_code=204)
def leave(portal: ThePortal, person: Calling, course: int) -> None:
    """Learn there no longer."""
    with portal.writing(person) as acting:
        enrolment.leave(acting, course)


@router.get("/{course}/progress")
def progress(portal: ThePortal, person: Calling, course: int) -> list[shapes.ProgressGiven]:
    """Everybody's progress, for who teaches or oversees the course."""
    portal.afterwards.done()  # What was read until now counts.
    with portal.reading(person) as acting:
        return [shapes.ProgressGiven.of(one) for one in learning.everybodys(acting, course)]


@router.post("/{course}/sessions", status_code=201)
def schedule(portal: ThePortal, person: Calling, course: int, taken: shapes.SessionTaken) -> Made:
    """A new session of a course."""
    span, rest = taken.span(), {"place": taken.place, "teacher": taken.teacher}
    with portal.writing(person) as acting:
        return Made(id=meeting.schedule(acting, course, span, capacity=taken.capacity, **rest))


@router.delete("/{course}/sessions/{session}", status_code=204)
def cancel(portal: ThePortal, person: Calling, course: int, session: int) -> None:
    """A session does not take place."""
    with portal.writing(person) as acting:
        meeting.cancel(acting, course, session)


@router.put("/{course}/sessions/{session}/seat", status_code=204)
def take_seat(portal: ThePortal, person: Calling, course: int, session: int) -> None:
    """A seat for the caller, who learns there."""
    with portal.writing(person) as acting:
        meeting.take_seat(acting, course, session)


@router.delete("/{course}/sessions/{session}/seat", status_code=204)
def give_back(portal: ThePortal, person: Calling, course: int, session: int) -> None:
    """The caller's seat for somebody else."""
    with portal.writing(person) as acting:
        meeting.give_back(acting, course, session)


@router.get("/{course}/sessions/{session}/attendance")
def attendance(portal: ThePortal, person: Calling, course: int, session: int) -> list[shapes.AttendantGiven]:
    """Who learns there or has a seat, and who was there; for who teaches or oversees the course."""
    with portal.reading(person) as acting:
        _, people = meeting.attendance(acting, course, session)
        return [shapes.AttendantGiven.of(one) for one in people]


@router.put("/{course}/sessions/{session}/attendance", status_code=204)
def mark(portal: ThePortal, person: Calling, course: int, session: int, taken: shapes.AttendanceTaken) -> None:
    """Say who was there."""
    with portal.writing(person) as acting:
        meeting.mark(acting, course, session, taken.people, shown=taken.shown)
