"""Who a request is from: a session's cookie for pages, a personal token for the REST interface. Nobody else gets in."""

from __future__ import annotations

import hashlib
import time
from typing import Annotated

from fastapi import Depends, Form, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from lepton_fed.portal.errors import Forbidden, PortalError
from lepton_fed.portal.people import sessions, tokens
from lepton_fed.portal.people.limits import Limit
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.people.signing_in import guesses
from lepton_fed.portal.portal import Portal

COOKIE = "__Host-lepton-portal"
"""`__Host-`: browsers take it over TLS only, from this host only, and for all of its paths."""

_LONGEST = 200
_READING = ("GET", "HEAD")
"""Methods of calls that change nothing: all that these may leave behind is what was read or asked."""


class NotSignedIn(PortalError):
    """A page was asked for without a session, or the interface without a token."""

    status = 401

    def __init__(self) -> None:
        super().__init__("not_signed_in")


class StaleForm(Forbidden):
    """A form brings the token of another session than the one that sends it, or none."""

    def __init__(self) -> None:
        super().__init__("form")


class Limits:
    """How often one place may try to sign in, and one person may ask and change."""

    def __init__(self) -> None:
        self.signing_in = Limit(20, 60.0)
        # Of its own: other sites can send a browser on that way, which must not use up what passwords have.
        self.at_provider = Limit(40, 60.0)
        self.guessing = guesses()
        self.asking = Limit(1200, 60.0)
        self.changing = Limit(120, 60.0)

    def count(self, person: Person, *, changes: bool) -> None:
        """A request of that person's; TooMany."""
        limit = self.changing if changes else self.asking
        limit.count(str(person.id), time.monotonic())


def portal_of(request: Request) -> Portal:
    """The portal that is served."""
    portal: Portal = request.app.state.portal
    return portal


def limits_of(request: Request) -> Limits:
    """What is counted of requests."""
    limits: Limits = request.app.state.limits
    return limits


async def _portal(request: Request) -> Portal:
    # What is no coroutine FastAPI calls in another thread, which takes longer than looking it up.
    return portal_of(request)


async def _limits(request: Request) -> Limits:
    return limits_of(request)


ThePortal = Annotated[Portal, Depends(_portal)]
TheLimits = Annotated[Limits, Depends(_limits)]


def visit_of(request: Request) -> Visit | None:
    """Who is signed in, if anybody is."""
    secret = request.cookies.get(COOKIE)
    if not secret or len(secret) > _LONGEST:
        return None
    portal = portal_of(request)
    now = portal.clock()
    with portal.database.reading() as connection:
        visit, due = sessions.visitor(connection, secret, now)
    if visit is not None and due:
        number = visit.session
        portal.afterwards.do(lambda connection: sessions.alive(connection, number, now))
    return visit


def signed_in(request: Request, limits: TheLimits) -> Visit:
    """Who is signed in; NotSignedIn."""
    visit = visit_of(request)
    if visit is None:
        raise NotSignedIn
    request.state.visit = visit
    limits.count(visit.person, changes=request.method != "GET")
    return visit


Visiting = Annotated[Visit, Depends(signed_in)]


def signed_in_with_form(
    visit: Visiting,
    form_token: Annotated[str, Form()] = "",
    x_form_token: Annotated[str, Header()] = "",
) -> Visit:
    """Who sent a form that was made for this session; Forbidden for any other form."""
    if not sessions.same_form(visit, form_token or x_form_token):
        raise StaleForm
    return visit


Changing = Annotated[Visit, Depends(signed_in_with_form)]

_BEARER = HTTPBearer(
    auto_error=False,
    description="A personal token, made on the account page. One that only reads is good for GET alone.",
)


def caller(
    request: Request,
    portal: ThePortal,
    limits: TheLimits,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> Person:
    """Whose token a call of the REST interface brings; NotSignedIn, or Forbidden where it does not reach so far.

    Every call depends on this one, and is refused here before any code of its own runs.
    """
    if bearer is None or len(bearer.credentials) > _LONGEST:
        raise NotSignedIn
    with portal.database.reading() as connection:
        found = tokens.bearer(connection, bearer.credentials, portal.clock())
    if found is None:
        raise NotSignedIn
    changes = request.method not in _READING
    # What is refused here must not use up the changes that the person may make in a minute.
    limits.count(found.person, changes=changes and found.changes)
    if changes and not found.changes:
        raise Forbidden("token_reads")
    return found.person


Calling = Annotated[Person, Depends(caller)]


def place_of(request: Request) -> str:
    """Where a request comes from, to count by."""
    return request.client.host if request.client else "unknown"


def agent_of(request: Request) -> str:
    """What a browser says that it is, for its owner to know a session by."""
    return request.headers.get("user-agent", "")


def digest_of(content: bytes) -> str:
    """A short name of a file's content."""
    return hashlib.sha256(content).hexdigest()[:12]
