"""Pages for whoever is not signed in: signing in, choosing a language, a sign of life, the icon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import FileResponse, PlainTextResponse

from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.people import accounts, sessions
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.people.signing_in import sign_in
from lepton_fed.portal.web.page import LANGUAGE_COOKIE, own_path, page, said, to
from lepton_fed.portal.web.visiting import (
    COOKIE,
    Changing,
    TheLimits,
    ThePortal,
    agent_of,
    place_of,
    visit_of,
)
from lepton_fed.portal.wording import LANGUAGES

router = APIRouter()

_ICON = Path(__file__).parent / "static" / "icon.svg"


@router.get("/favicon.ico")
def icon() -> FileResponse:
    """The icon, where browsers look for it beside what is no page: a file that is opened alone."""
    return FileResponse(_ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


@router.get("/health")
def health(portal: ThePortal) -> PlainTextResponse:
    """Whether the portal answers and its database with it."""
    with portal.database.reading() as connection:
        departments(connection)
    return PlainTextResponse("ok")


@router.get("/sign-in")
def sign_in_page(request: Request, back: str = "/") -> Response:
    """The page for signing in."""
    if visit_of(request) is not None:
        return to(own_path(back))
    return page(request, "sign_in.html.j2", back=own_path(back), problem="", name="")


@router.post("/sign-in")
def signing_in(
    request: Request,
    portal: ThePortal,
    limits: TheLimits,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/",
) -> Response:
    """A new session; that of before, if there was one, ends."""
    try:
        limits.signing_in.count(place_of(request), time.monotonic())
        secret = sign_in(
            portal.database,
            portal.passwords,
            limits.guessing,
            portal.clock(),
            name=name,
            password=password,
            address=place_of(request),
            agent=agent_of(request),
        )
    except PortalError as error:
        problem = error.said(said(request).language)
        return page(request, "sign_in.html.j2", error.status, back=own_path(back), problem=problem, name=name)
    before = visit_of(request)
    if before is not None:
        with portal.database.writing() as connection:
            sessions.end(connection, before.person.id, before.session)
    answer = to(own_path(back))
    answer.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/sign-out")
def signing_out(portal: ThePortal, visit: Changing) -> Response:
    """End this session."""
    with portal.database.writing() as connection:
        sessions.end(connection, visit.person.id, visit.session)
    answer = to("/sign-in")
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/language")
def choosing_language(
    request: Request,
    portal: ThePortal,
    language: Annotated[str, Form()],
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Read the portal in another language; kept with the account of whoever is signed in."""
    answer = to(own_path(back))
    if language not in LANGUAGES:
        return answer
    visit = visit_of(request)
    if visit is not None:
        with portal.database.writing() as connection:
            accounts.set_language(connection, visit.person.id, language)
    year = 365 * 24 * 3600
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=year, secure=True, httponly=True, samesite="lax", path="/")
    return answer
