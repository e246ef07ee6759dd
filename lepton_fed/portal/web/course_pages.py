"""Pages of courses: what there is, one of them, its form, a session's attendance, everybody's progress."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.courses import courses, enrolment, learning, meeting
from lepton_fed.portal.courses.courses import Seen
from lepton_fed.portal.courses.tables import Session
from lepton_fed.portal.courses.timing import USUAL, Span, shown, typed
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.writing import where_author
from lepton_fed.portal.errors import Conflict, NotThere, PortalError, Unacceptable
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.long_forms import LongForms
from lepton_fed.portal.web.naming import shown as text_shown
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.visiting import Changing, ThePortal, Visiting

router = APIRouter(prefix="/courses", route_class=LongForms)

Text = Annotated[str, Form()]
_ENTRY = re.compile(r"\s*(?:\S*/entries/)?(\d{1,18})(?!\d)")
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Ticks:
    """A list of who was there as it was sent: who is ticked, and who was when the page was `shown`."""

    came: frozenset[int]
    shown: frozenset[int]


class CourseForm:
    """The form for a course, as it was typed. `entries`: one to a line, its number first.

    `base`: when what the author saw had been changed last.
    """

    def __init__(
        self,
        title: Text = "",
        about: Text = "",
        audience: Text = "department",
        named: Annotated[list[str] | None, Form()] = None,
        department: Text = "",
        entries: Text = "",
        opened: Annotated[bool, Form()] = False,
        base: Text = "",
    ) -> None:
        self.title, self.about, self.audience, self.named = title, about, audience, named or []
        self.department, self.entries, self.opened = department, entries, opened
        self.base = base

    @classmethod
    def of(cls, acting: Acting, found: Seen) -> CourseForm:
        """Filled with what a course is."""
        course, shelf = found.course, found.shelf
        lines = [f"{one.id} {one.title}" for one in courses.to_write(acting, course.id)]
        return cls(
            course.title,
            course.about,
            shelf.audience,
            list(shelf.named),
            course.department,
            "\n".join(lines),
            course.opened,
            course.changed.isoformat(),
        )

    def content(self) -> Content:
        """Checked; Unacceptable."""
        return Content.given(title=self.title, body=self.about, audience=self.audience, named=self.named)

    def seen(self) -> datetime:
        """Its `base`; Conflict for what is none, as for one that is out of date."""
        try:
            return datetime.fromisoformat(self.base)
        except ValueError:
            raise Conflict("changed_meanwhile") from None

    def numbers(self) -> list[int]:
        """The entries that it names; Unacceptable for a line that names none."""
        found = [(line, _ENTRY.match(line)) for line in self.entries.splitlines() if line.strip()]
        for line, number in found:
            if number is None:
                raise Unacceptable("course_entry", number=line.strip()[:40])
        return [int(number[1]) for _, number in found if number]


Typed = Annotated[CourseForm, Depends()]


@router.get("")
def listed(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """The courses that somebody may see."""
    with portal.reading(visit.person) as acting:
        return page(request, "courses.html.j2", courses=courses.listed(acting), lost=courses.lost(acting))


@router.get("/new")
def new(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """An empty form, for whoever may write."""
    return _form(request, portal, visit, CourseForm(department=visit.person.department), None)


@router.post("/new")
def begin(request: Request, portal: ThePortal, visit: Changing, form: Typed) -> Response:
    """A new course, or the form again with what is wrong."""
    try:
        with portal.writing(visit.person) as acting:
            number = courses.begin(acting, form.department, form.content(), form.numbers())
    except PortalError as error:
        return _form(request, portal, visit, form, None, error)
    return to(f"/courses/{number}")


@router.get("/{course}")
def read(request: Request, portal: ThePortal, visit: Visiting, course: int) -> Response:
    """A course, as this person sees it."""
    return _shown(request, portal, visit, course)


@router.get("/{course}/edit")
def edit(request: Request, portal: ThePortal, visit: Visiting, course: int) -> Response:
    """The form, filled."""
    with portal.reading(visit.person) as acting:
        found = courses.seen(acting, course)
        courses.require_writes(found)
        form = CourseForm.of(acting, found)
    return _form(request, portal, visit, form, course)


@router.post("/{course}/edit")
def change(request: Request, portal: ThePortal, visit: Changing, course: int, form: Typed) -> Response:
    """What the course is from now on, or the form again with what is wrong."""
    try:
        with portal.writing(visit.person) as acting:
            courses.seen(acting, course)
            what, entries = form.content(), form.numbers()
            courses.change(acting, course, what, base=form.seen(), opened=form.opened, entries=entries)
    except NotThere:
        raise
    except PortalError as error:
        return _form(request, portal, visit, form, course, error)
    return to(f"/courses/{course}")


@router.post("/{course}/enrol")
def enrol(portal: ThePortal, visit: Changing, course: int) -> Response:
    """Learn there."""
    with portal.writing(visit.person) as acting:
        enrolment.enrol(acting, course)
    return to(f"/courses/{course}")


@router.post("/{course}/leave")
def leave(portal: ThePortal, visit: Changing, course: int) -> Response:
    """Learn there no longer."""
    with portal.writing(visit.person) as acting:
        enrolment.leave(acting, course)
        stays = course in {one.id for one in courses.listed(acting)}
    return to(f"/courses/{course}" if stays else "/courses")


@router.get("/{course}/progress")
def progress(request: Request, portal: ThePortal, visit: Visiting, course: int) -> Response:
    """Everybody's progress."""
    portal.afterwards.done()  # What was read until now counts.
    with portal.reading(visit.person) as acting:
        found, everybody = courses.seen(acting, course), learning.everybodys(acting, course)
    return page(request, "course_progress.html.j2", found=found, everybody=everybody)


@router.post("/{course}/sessions")
def schedule(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    course: int,
    begins: Text = "",
    ends: Text = "",
    zone: Text = "",
    place: Text = "",
    teacher: Text = "",
    capacity: Text = "",
) -> Response:
    """A new session, or the page again with what is wrong."""
    asked = {"begins": begins, "ends": ends, "zone": zone, "place": place, "teacher": teacher, "capacity": capacity}
    try:
        with portal.writing(visit.person) as acting:
            courses.require_writes(courses.seen(acting, course))
            span = Span.said(typed(begins), typed(ends), zone)
            meeting.schedule(acting, course, span, place=place, teacher=teacher, capacity=_seats(capacity))
    except NotThere:
        raise
    except PortalError as error:
        return _shown(request, portal, visit, course, problem=error, asked=asked)
    return to(f"/courses/{course}")


@router.post("/{course}/sessions/{session}/cancel")
def cancel(portal: ThePortal, visit: Changing, course: int, session: int) -> Response:
    """A session does not take place."""
    with portal.writing(visit.person) as acting:
        meeting.cancel(acting, course, session)
    return to(f"/courses/{course}")


@router.post("/{course}/sessions/{session}/seat")
def seat(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    course: int,
    session: int,
    taken: Annotated[bool, Form()] = False,
) -> Response:
    """A seat taken or given back."""
    try:
        with portal.writing(visit.person) as acting:
            (meeting.take_seat if taken else meeting.give_back)(acting, course, session)
    except NotThere:
        raise
    except PortalError as error:
        return _shown(request, portal, visit, course, problem=error)
    return to(f"/courses/{course}")


@router.get("/{course}/sessions/{session}/attendance")
def attendance(request: Request, portal: ThePortal, visit: Visiting, course: int, session: int) -> Response:
    """Who learns there or has a seat, to say who came."""
    return _attendance(request, portal, visit, course, session)


@router.post("/{course}/sessions/{session}/attendance")
def mark(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    course: int,
    session: int,
    came: Annotated[list[int] | None, Form()] = None,
    shown: Text = "",
) -> Response:
    """Say who was there, where that differs from what the page had `shown`; or the page again with what is wrong."""
    ticks = Ticks(frozenset(came or ()), frozenset(int(one) for one in shown.split() if _NUMBER.fullmatch(one)))
    try:
        with portal.writing(visit.person) as acting:
            meeting.mark(acting, course, session, ticks.came, shown=ticks.shown)
    except NotThere:
        raise
    except PortalError as error:
        return _attendance(request, portal, visit, course, session, error, ticks)
    return to(f"/courses/{course}/sessions/{session}/attendance", saved=1)


def _seats(text: str) -> int:
    """A number in digits; Unacceptable."""
    if not _NUMBER.fullmatch(text.strip()):
        raise Unacceptable("session_capacity", most=meeting.LARGEST)
    return int(text)


def _shown(
    request: Request,
    portal: Portal,
    visit: Visit,
    course: int,
    *,
    problem: PortalError | None = None,
    asked: Mapping[str, object] | None = None,
) -> Response:
    portal.afterwards.done()  # What was read until now counts.
    with portal.reading(visit.person) as acting:
        found = courses.seen(acting, course)
        steps, meetings = courses.steps(acting, course), meeting.meetings(acting, course)
        own, now = learning.mine(acting, course), acting.now
    zone = meetings[-1].session.zone if meetings else ("Asia/Shanghai" if said(request).language == "zh" else "UTC")
    usual = {"begins": "", "ends": "", "zone": zone, "place": "", "teacher": visit.person.name, "capacity": 20}
    return page(
        request,
        "course.html.j2",
        200 if problem is None else problem.status,
        found=found,
        html=text_shown(request, visit.person, found.course.about),
        steps=steps,
        meetings=meetings,
        own=own,
        now=now,
        shown=shown,
        zones=USUAL,
        typed=asked or usual,
        problem="" if problem is None else problem.said(said(request).language),
    )


def _attendance(
    request: Request,
    portal: Portal,
    visit: Visit,
    course: int,
    session: int,
    problem: PortalError | None = None,
    typed: Ticks | None = None,
) -> Response:
    with portal.reading(visit.person) as acting:
        found = courses.seen(acting, course)
        one, people = meeting.attendance(acting, course, session)
        closed = _closed(request, acting, one)
    there = frozenset(one.person for one in people if one.attended)
    return page(
        request,
        "attendance.html.j2",
        200 if problem is None else problem.status,
        found=found,
        session=one,
        people=people,
        ticks=typed or Ticks(there, there),
        closed=closed,
        shown=shown,
        saved=problem is None and "saved" in request.query_params,
        problem="" if problem is None else problem.said(said(request).language),
    )


def _closed(request: Request, acting: Acting, session: Session) -> str:
    """Why nobody is marked in this session; nothing where somebody may be."""
    try:
        meeting.require_markable(acting, session)
    except PortalError as error:
        return error.said(said(request).language)
    return ""


def _form(
    request: Request,
    portal: Portal,
    visit: Visit,
    form: CourseForm,
    number: int | None,
    problem: PortalError | None = None,
) -> Response:
    with portal.reading(visit.person) as acting:
        known = departments(acting.connection)
    return page(
        request,
        "course_form.html.j2",
        200 if problem is None else problem.status,
        typed=form,
        number=number,
        departments=known,
        mine=where_author(visit.person) if number is None else [],
        changed=isinstance(problem, Conflict) and problem.key == "changed_meanwhile",
        problem="" if problem is None else problem.said(said(request).language),
    )
