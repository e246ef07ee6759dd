"""The page that takes a file of review comments and makes drafts of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from lepton_fed.portal.entries import code_reviews
from lepton_fed.portal.entries.writing import where_author
from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.typed import NOTHING, Typed
from lepton_fed.portal.web.visiting import Changing, ThePortal, Visiting

router = APIRouter(prefix="/lessons")


@router.get("")
def form(request: Request, visit: Visiting) -> Response:
    """An empty form, for whoever may write."""
    return _form(request, visit)


@router.post("")
def make(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    department: Annotated[str, Form()] = "",
    names: Annotated[bool, Form()] = False,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Drafts, which are then among the author's; or the form again with what is wrong."""
    content = file.file.read(code_reviews.LARGEST + 1) if file is not None else b""
    try:
        found = code_reviews.read(content)
        code_reviews.imported(portal, visit.person, found, department, names=names, language=said(request).language)
    except PortalError as error:
        return _form(request, visit, error, Typed("lessons", department=department, names="true" if names else ""))
    return to("/work")


def _form(request: Request, visit: Visit, error: PortalError | None = None, typed: Typed = NOTHING) -> Response:
    return page(
        request,
        "lessons.html.j2",
        200 if error is None else error.status,
        problem="" if error is None else error.said(said(request).language),
        typed=typed,
        mine=where_author(visit.person),
    )
