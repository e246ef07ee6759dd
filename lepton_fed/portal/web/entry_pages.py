"""Pages of an entry: read, write, history, differences, decisions, comments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import HTMLResponse

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.entries import access, quality, reading, reports, writing
from lepton_fed.portal.entries.content import LONGEST_BODY
from lepton_fed.portal.entries.differences import differences
from lepton_fed.portal.entries.sensitive import digest, texts
from lepton_fed.portal.errors import Forbidden, NotThere, PortalError, Sensitive
from lepton_fed.portal.finding.suggestions import related
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.api_shapes import Lines
from lepton_fed.portal.web.entry_form import EntryForm
from lepton_fed.portal.web.long_forms import LongForms
from lepton_fed.portal.web.naming import shown
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.typed import NOTHING, Typed
from lepton_fed.portal.web.visiting import Changing, ThePortal, Visiting

router = APIRouter(prefix="/entries", route_class=LongForms)

Number = Annotated[int, Form()]
Entered = Annotated[EntryForm, Depends()]


@router.get("/new")
def new(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """An empty form, for whoever may write."""
    mine, home = writing.where_author(visit.person), visit.person.department
    form = EntryForm(department=home if home in mine else mine[0], named=[])
    with portal.reading(visit.person) as acting:
        return form_page(request, acting, form, None)


@router.post("/new")
def begin(request: Request, portal: ThePortal, visit: Changing, typed: Entered) -> Response:
    """A new entry, or the form again with what is wrong."""
    try:
        with portal.writing(visit.person) as acting:
            number = writing.begin(
                acting,
                typed.department,
                typed.kind,
                typed.content(),
                sensitive=typed.choice,
                shown=typed.shown,
            )
    except PortalError as error:
        with portal.reading(visit.person) as acting:
            return form_page(request, acting, typed, None, error)
    return to(f"/entries/{number}", newest=1)


@router.post("/preview")
def preview(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    body: Annotated[str, Form(max_length=LONGEST_BODY), Lines] = "",
    entry: Number = 0,
) -> HTMLResponse:
    """A text as readers would see it; `entry`: whose attachments it may show, 0: it is a new one."""
    with portal.reading(visit.person) as acting:
        found = attached.listed(acting, entry) if entry else []
    return HTMLResponse(shown(request, visit.person, body, attached.by_name(one.attachment for one in found)))


@router.get("/{number}")
def read(request: Request, portal: ThePortal, visit: Visiting, number: int, newest: bool = False) -> Response:
    """An entry, as its readers see it or, with `newest`, as its writers do."""
    return entry_page(request, portal, visit, number, newest=newest)


def entry_page(
    request: Request,
    portal: Portal,
    visit: Visit,
    number: int,
    *,
    newest: bool = False,
    problem: PortalError | None = None,
    typed: Typed = NOTHING,
) -> Response:
    """An entry's page; with what is wrong with a form of it, and what was typed there. NotThere."""
    with portal.reading(visit.person) as acting:
        opened = reading.opened(acting, number, newest=newest)
        comments, moves = reading.comments(acting, number), reading.moves(acting, opened.access)
        held = attached.held_by(acting, number, opened.revision.number)
        suggested = related(acting, opened.access)
        news = reading.is_to_be_noted(acting, opened)
        reported = reports.reports(acting, opened.access)
        answers = reports.may_answer(acting, opened.access)
        checks = quality.while_unpublished(acting, opened.access, opened.revision)
    if news and problem is None:
        portal.note(acting, lambda then: reading.note_opening(then, number))
    html = shown(request, visit.person, opened.revision.body, attached.by_name(held))
    return page(
        request,
        "entry.html.j2",
        200 if problem is None else problem.status,
        opened=opened,
        html=html,
        comments=comments,
        moves=moves,
        attachments=held,
        checks=checks,
        reports=reported,
        answers=answers,
        suggested=suggested,
        typed=typed,
        problem="" if problem is None else problem.said(said(request).language),
        at_reason=problem is not None and problem.key == "reason" and typed.into("move"),
    )


@router.get("/{number}/edit")
def edit(request: Request, portal: ThePortal, visit: Visiting, number: int) -> Response:
    """The form, filled with the newest revision."""
    with portal.reading(visit.person) as acting:
        opened = reading.opened(acting, number, newest=True)
        held = attached.those_there(acting, number, opened.revision.number)
        return form_page(request, acting, EntryForm.of(opened, held), number)


@router.post("/{number}/edit")
def revise(request: Request, portal: ThePortal, visit: Changing, number: int, typed: Entered) -> Response:
    """A new revision, or the form again with what is wrong."""
    try:
        with portal.writing(visit.person) as acting:
            writing.revise(
                acting,
                number,
                typed.content(),
                base=typed.base,
                note=typed.note,
                sensitive=typed.choice,
                shown=typed.shown,
                attachments=typed.attachments,
            )
    except PortalError as error:
        with portal.reading(visit.person) as acting:
            newest = access.seen(acting, number).entry.newest
            if error.key == "changed_meanwhile":
                typed.overtaken(newest)
            return form_page(request, acting, typed, number, error)
    return to(f"/entries/{number}", newest=1)


@router.get("/{number}/history")
def history(request: Request, portal: ThePortal, visit: Visiting, number: int) -> Response:
    """Its revisions."""
    with portal.reading(visit.person) as acting:
        opened = reading.opened(acting, number)
        found = access.revisions(acting, opened.access)
        people = reading.names(acting, [one.author for one in found])
    return page(request, "history.html.j2", opened=opened, revisions=found, people=people)


@router.get("/{number}/differences")
def compare(
    request: Request,
    portal: ThePortal,
    visit: Visiting,
    number: int,
    older: Annotated[int, Query()],
    newer: Annotated[int, Query()],
) -> Response:
    """What changed from one revision to another."""
    with portal.reading(visit.person) as acting:
        opened = reading.opened(acting, number)
        before, after = (access.revision(acting, opened.access, one) for one in (older, newer))
        shelves = [acting.shelf(one.shelf) for one in (before, after)]
    lines = differences(before.body, after.body)
    return page(request, "differences.html.j2", opened=opened, before=before, after=after, lines=lines, shelves=shelves)


@router.post("/{number}/restore")
def restore(
    request: Request, portal: ThePortal, visit: Changing, number: int, revision: Number, base: Number
) -> Response:
    """Make an old revision the newest one."""
    with portal.writing(visit.person) as acting:
        writing.restore(acting, number, revision, base=base, note=said(request)("history.restored", number=revision))
    return to(f"/entries/{number}", newest=1)


@router.post("/{number}/move")
def move(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    number: int,
    move: Annotated[str, Form()],
    revision: Number,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Send the newest revision on its way."""
    try:
        with portal.reading(visit.person) as acting:
            speaks = writing.spoken_of(acting, number, revision) if move == "publish" else None
        with portal.writing(visit.person) as acting:
            writing.move(acting, number, move, revision=revision, reason=reason, speaks=speaks)
    except (NotThere, Forbidden):
        raise
    except PortalError as error:
        typed = Typed("move", reason=reason)
        return entry_page(request, portal, visit, number, newest=True, problem=error, typed=typed)
    return to(f"/entries/{number}", newest=1)


@router.post("/{number}/owner")
def give(
    request: Request, portal: ThePortal, visit: Changing, number: int, name: Annotated[str, Form()] = ""
) -> Response:
    """Make somebody else the owner."""
    try:
        with portal.writing(visit.person) as acting:
            writing.give(acting, number, name)
    except (NotThere, Forbidden):
        raise
    except PortalError as error:
        return entry_page(request, portal, visit, number, problem=error, typed=Typed("owner", name=name))
    return to(f"/entries/{number}")


@router.post("/{number}/comments")
def comment(
    request: Request, portal: ThePortal, visit: Changing, number: int, text: Annotated[str, Form()] = ""
) -> Response:
    """Say something about it."""
    try:
        with portal.writing(visit.person) as acting:
            reading.comment(acting, number, text)
    except (NotThere, Forbidden):
        raise
    except PortalError as error:
        return entry_page(request, portal, visit, number, problem=error, typed=Typed("comment", text=text))
    return to(f"/entries/{number}#comments")


@router.post("/{number}/helped")
def helped(request: Request, portal: ThePortal, visit: Changing, number: int) -> Response:
    """ "This helped me"; for a script, the count alone."""
    with portal.writing(visit.person) as acting:
        count = reading.note_help(acting, number)
    if request.headers.get("hx-request"):
        return page(request, "helped.html.j2", count=count)
    return to(f"/entries/{number}")


def form_page(
    request: Request, acting: Acting, form: EntryForm, number: int | None, error: PortalError | None = None
) -> Response:
    """The form, with what is wrong; where something looks sensitive, with what and what would stand there instead."""
    found: list[tuple[str, str, str]] = []
    if isinstance(error, Sensitive):
        content = form.content()
        for text, places in ((content.title, error.title), (content.body, error.body)):
            found += [(*one, place.mask) for one, place in zip(texts(text, places), places, strict=True)]
    return page(
        request,
        "edit.html.j2",
        200 if error is None else error.status,
        typed=form,
        number=number,
        problem="" if error is None else error.said(said(request).language),
        sensitive=found,
        shown=digest((kind, text) for kind, text, _ in found) if found else "",
        attachments=[] if number is None else attached.listed(acting, number),
        departments=departments(acting.connection),
        mine=writing.where_author(acting.person) if number is None else [],
    )
