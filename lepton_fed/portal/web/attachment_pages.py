"""Attachments on pages: a file added on the entry's form, shown with the entry, taken away."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from lepton_fed.portal.attachments import attached
from lepton_fed.portal.errors import NotThere, PortalError, Unacceptable
from lepton_fed.portal.people import sessions
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.attachment_answers import answer, received_form
from lepton_fed.portal.web.entry_form import EntryForm
from lepton_fed.portal.web.entry_pages import form_page
from lepton_fed.portal.web.long_forms import LongForms
from lepton_fed.portal.web.page import page, said
from lepton_fed.portal.web.visiting import Changing, StaleForm, ThePortal, Visiting

router = APIRouter(prefix="/entries/{number}/attachments", route_class=LongForms)

Typed = Annotated[EntryForm, Depends()]
MOST_FIELDS = 1000


@router.post("")
async def attach(request: Request, portal: ThePortal, visit: Visiting, number: int) -> Response:
    """A file for the entry; the form again, with what was typed meanwhile. For a script, the list alone.

    Whoever may not add one is told before the file is read, and so is whoever has no session.
    """
    await run_in_threadpool(_require_may_add, portal, visit, number)
    try:
        async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
            return await run_in_threadpool(_attached, request, portal, visit, number, form)
    except ClientDisconnect:
        raise Unacceptable("attachment_cut") from None


@router.get("/{attachment}")
def show(portal: ThePortal, visit: Visiting, number: int, attachment: int) -> Response:
    """The file, or the part of it that is asked for."""
    with portal.reading(visit.person) as acting:
        found = attached.seen(acting, number, attachment)
    return answer(portal, found)


@router.post("/{attachment}/remove")
def remove(
    request: Request, portal: ThePortal, visit: Changing, number: int, attachment: int, typed: Typed
) -> Response:
    """Take one away for good; the form again, with what was typed meanwhile."""
    problem = None
    try:
        attached.remove(portal, visit.person, number, attachment)
    except NotThere:
        raise
    except PortalError as error:
        problem = error
    typed.attached = [one for one in typed.attached or [] if problem is not None or one != attachment]
    with portal.reading(visit.person) as acting:
        return form_page(request, acting, typed, number, problem)


def _require_may_add(portal: Portal, visit: Visit, number: int) -> None:
    with portal.reading(visit.person) as acting:
        attached.require_may_add(acting, number)


def _attached(request: Request, portal: Portal, visit: Visit, number: int, form: FormData) -> Response:
    if not sessions.same_form(visit, str(form.get("form_token") or request.headers.get("x-form-token", ""))):
        raise StaleForm
    typed, problem = EntryForm.typed(form), None
    try:
        made = _added(portal, visit, number, form.get("file"))
        typed.attached = [*(typed.attached or [0]), made]
    except PortalError as error:
        problem = error
    with portal.reading(visit.person) as acting:
        if not request.headers.get("hx-request"):
            return form_page(request, acting, typed, number, problem)
        found = attached.listed(acting, number)
    sentence = "" if problem is None else problem.said(said(request).language)
    # A script shows what it is given where all went well: 200, also with what did not.
    return page(request, "attachments.html.j2", typed=typed, number=number, attachments=found, trouble=sentence)


def _added(portal: Portal, visit: Visit, number: int, file: object) -> int:
    if not isinstance(file, UploadFile) or not file.filename:
        raise Unacceptable("attachment_none")
    with received_form(portal, file) as part:
        return attached.add(portal, visit.person, number, file.filename, part).id
