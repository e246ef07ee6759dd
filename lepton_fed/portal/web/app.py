"""The application: every route, what is around them, and how a refusal is answered."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

import lepton_fed
from lepton_fed.errors import StorageError
from lepton_fed.portal.entries.sensitive import Finding
from lepton_fed.portal.errors import NotThere, PortalError, Sensitive, TooMany, Unacceptable
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.identity.connection import ProviderConnection
from lepton_fed.portal.identity.pending import Pending
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web import (
    account_api,
    account_log_pages,
    account_pages,
    api,
    attachment_api,
    attachment_pages,
    course_api,
    course_pages,
    draft_api,
    draft_pages,
    entry_pages,
    federation_api,
    federation_pages,
    finding_pages,
    identity_pages,
    knowledge_pages,
    lesson_api,
    lesson_pages,
    people_pages,
    reward_pages,
    sign_in_pages,
    suggestion_api,
    trust_api,
    trust_pages,
    unsent,
    yearly_api,
    yearly_pages,
)
from lepton_fed.portal.web.bare import NoPage, Unavailable, Unreadable
from lepton_fed.portal.web.guard import API, Guard
from lepton_fed.portal.web.known import named, only_known
from lepton_fed.portal.web.page import own_path, refused, said, to
from lepton_fed.portal.web.refusals import REFUSALS
from lepton_fed.portal.web.visiting import Limits, NotSignedIn, StaleForm, visit_of

if TYPE_CHECKING:
    from lepton_fed.portal.knowledge.shown import ShownKnowledge

_PAGES = (
    sign_in_pages,
    finding_pages,
    entry_pages,
    trust_pages,
    draft_pages,
    lesson_pages,
    yearly_pages,
    attachment_pages,
    course_pages,
    account_pages,
    people_pages,
    account_log_pages,
    identity_pages,
    reward_pages,
    federation_pages,
    knowledge_pages,
)
_CALLS = (
    api.router,
    account_api.router,
    trust_api.router,
    draft_api.router,
    lesson_api.router,
    yearly_api.router,
    attachment_api.router,
    course_api.router,
    suggestion_api.router,
    account_log_pages.calls,
    identity_pages.calls,
    federation_api.router,
    knowledge_pages.calls,
)

STATIC = Path(__file__).parent / "static"


def application(
    portal: Portal,
    *,
    strict_transport: bool = False,
    watched: Watched | None = None,
    identity: ProviderConnection | None = None,
    knowledge: ShownKnowledge | None = None,
) -> FastAPI:
    """What a server serves; the portal stays the caller's to close.

    `watched`: the federation that it shows; `identity`: where people may sign in as well; `knowledge`: the graph that
    departments ask.
    """
    app = FastAPI(
        title="lepton-fed portal",
        version=lepton_fed.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.portal, app.state.limits = portal, Limits()
    app.state.watched = watched
    app.state.identity, app.state.pending = identity, Pending()
    app.state.knowledge = knowledge
    for part in _PAGES:
        app.include_router(part.router, include_in_schema=False)
    for calls in _CALLS:
        app.include_router(calls, responses=REFUSALS, dependencies=[Depends(only_known)])
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, strict_transport=strict_transport)
    app.add_exception_handler(PortalError, _refused)
    app.add_exception_handler(NotSignedIn, _unsent)
    app.add_exception_handler(StaleForm, _unsent)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(StorageError, _unavailable)
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PortalError)
    after = {"Retry-After": str(error.seconds)} if isinstance(error, TooMany) else None
    if request.url.path.startswith(API):
        body: dict[str, object] = {"error": error.key, "sentence": str(error)}
        if isinstance(error, Sensitive):
            body["places"] = {"title": _places(error.title), "body": _places(error.body)}
        return JSONResponse(body, error.status, headers=after)
    if isinstance(error, NotSignedIn):
        return _sign_in(request, error)
    answer = refused(request, error)
    answer.headers.update(after or {})
    return answer


def _places(found: tuple[Finding, ...]) -> list[dict[str, object]]:
    return [{"kind": one.kind, "start": one.start, "end": one.end, "mask": one.mask} for one in found]


async def _unsent(request: Request, error: Exception) -> Response:
    """A form without a session or for another one, whose page is gone: what was sent is not."""
    assert isinstance(error, PortalError)
    ends = request.url.path == "/sign-out" and isinstance(error, NotSignedIn)
    if not ends and not request.url.path.startswith(API) and unsent.is_for(request, error):
        return await unsent.answer(request, error)
    return await run_in_threadpool(_refused, request, error)


def _sign_in(request: Request, error: NotSignedIn) -> Response:
    """To the page for signing in, and back from there where that makes sense."""
    if request.headers.get("hx-request"):
        # Its page stays as it is: half of a text may be in it.
        return PlainTextResponse(error.said(said(request).language), error.status)
    back = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return to("/sign-in", back=own_path(back) if request.method == "GET" and back != "/" else "")


def _unreadable(request: Request, error: Exception) -> Response:
    """What was sent has not the form of the route; its values may be secret and are not repeated."""
    assert isinstance(error, RequestValidationError)
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return _refused(request, Unacceptable("no_json"))
    unknown = [one for one in error.errors() if one["type"] == "extra_forbidden"]
    fields = named(str(one["loc"][-1]) for one in unknown or error.errors())
    return _refused(request, Unacceptable("unknown_fields" if unknown else "fields", fields=fields))


def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = error.status_code == 404
    if request.url.path.startswith(API) and not found:
        sentence = {"error": "request", "sentence": str(error.detail)}
        return JSONResponse(sentence, error.status_code, headers=error.headers)
    missing = error.status_code == 405
    if missing and request.method == "GET" and (above := _above(request)):
        return to(above)
    # Whoever is signed in keeps the page's frame; what is not there looks the same to everybody.
    request.state.visit = None
    with suppress(StorageError):  # Then nobody is known, and the page is one for whoever comes.
        request.state.visit = visit_of(request)
    answer = _refused(request, NotThere() if found else NoPage() if missing else Unreadable(error.status_code))
    answer.headers.update(error.headers or {})
    return answer


def _above(request: Request) -> str:
    """The page of what an address is about that only takes forms: the nearest above it; nothing where there is none."""
    path = str(request.scope["path"])
    while path := path.rpartition("/")[0]:
        asked = {**request.scope, "path": path}
        if any(route.matches(asked)[0] is Match.FULL for route in request.app.routes):
            return own_path(path)
    return ""


def _unavailable(request: Request, error: Exception) -> Response:
    # The page's frame would ask the database who is signed in.
    request.state.visit = None
    return _refused(request, Unavailable())
