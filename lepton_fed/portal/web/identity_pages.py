"""Signing in at an identity provider, and who may: pages and calls. Where the portal has none, there are none."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from lepton_fed.portal.errors import Forbidden, NotThere, PortalError, Unacceptable
from lepton_fed.portal.identity import identities
from lepton_fed.portal.identity.connection import Away, NotBelieved, ProviderConnection
from lepton_fed.portal.identity.pending import SECONDS, Pending
from lepton_fed.portal.people import sessions
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.page import own_path, page, said, to
from lepton_fed.portal.web.visiting import (
    COOKIE,
    Calling,
    Changing,
    TheLimits,
    ThePortal,
    agent_of,
    place_of,
    visit_of,
)

router = APIRouter()
calls = APIRouter(prefix="/api/people/{number}/identities")

ON_THE_WAY = "__Host-lepton-on-the-way"
_LONGEST = 4096
_log = logging.getLogger(__name__)


def provider_of(request: Request) -> ProviderConnection:
    """The identity provider; NotThere."""
    found: ProviderConnection | None = request.app.state.identity
    if found is None:
        raise NotThere
    return found


async def _provider(request: Request) -> ProviderConnection:
    return provider_of(request)


TheProvider = Annotated[ProviderConnection, Depends(_provider)]
Said = Annotated[str, Query(max_length=_LONGEST)]


class IdentityTaken(BaseModel):
    """An identity, by its subject at the portal's provider, and whether it signs in as this person."""

    model_config = ConfigDict(extra="forbid")

    subject: str
    linked: bool


@router.get("/sign-in/provider")
def begin(request: Request, provider: TheProvider, limits: TheLimits, back: str = "/") -> Response:
    """To the identity provider."""
    if visit_of(request) is not None:
        return to("/")
    pending: Pending = request.app.state.pending
    try:
        _require_page(request)
        limits.at_provider.count(place_of(request), time.monotonic())
        cookie, attempt = pending.begin(own_path(back), time.monotonic(), place_of(request))
        address = provider.address(state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier)
    except (Away, NotBelieved) as error:
        return _failed(request, error)
    except PortalError as error:
        return _refused(request, error)
    answer = to(address)
    answer.set_cookie(ON_THE_WAY, cookie, max_age=int(SECONDS), secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.get("/sign-in/provider/back")
def finish(
    request: Request,
    portal: ThePortal,
    provider: TheProvider,
    limits: TheLimits,
    state: Said = "",
    code: Said = "",
    iss: Said = "",
) -> Response:
    """From there, with a session of the portal's own."""
    pending: Pending = request.app.state.pending
    attempt = pending.finish(request.cookies.get(ON_THE_WAY, ""), state, time.monotonic())
    try:
        _require_page(request)
        limits.at_provider.count(place_of(request), time.monotonic())
        if attempt is None:
            raise Unacceptable("identity_expired")
        if not code or iss not in ("", provider.provider.issuer):
            raise Unacceptable("identity_refused")
        claims = provider.claims(code=code, nonce=attempt.nonce, verifier=attempt.verifier)
        secret = identities.sign_in(
            portal, provider.provider, claims, address=place_of(request), agent=agent_of(request)
        )
    except (Away, NotBelieved) as error:
        return _failed(request, error)
    except PortalError as error:
        return _refused(request, error)
    answer = to(attempt.back)
    answer.delete_cookie(ON_THE_WAY, secure=True, httponly=True, samesite="lax", path="/")
    answer.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/account/identity")
def unlink_own(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    provider: TheProvider,
    subject: Annotated[str, Form()] = "",
) -> Response:
    """An identity signs in as me no longer. Every other session and every token ends, as with a new password."""
    own = visit.person.id
    with portal.writing(visit.person) as acting:
        identities.unlink(acting, own, provider.provider.issuer, subject)
        place, agent = place_of(request), agent_of(request)
        secret = sessions.begin(acting.connection, own, acting.now, address=place, agent=agent)
    answer = to("/account")
    answer.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@calls.get("")
def read_identities(portal: ThePortal, person: Calling, provider: TheProvider, number: int) -> list[str]:
    """The subjects by which the caller, or somebody whom the caller administers, signs in."""
    with portal.reading(person) as acting:
        return [one.subject for one in identities.shown(acting, number, provider.provider.issuer)]


@calls.put("", status_code=204)
def set_identity(portal: ThePortal, person: Calling, provider: TheProvider, number: int, taken: IdentityTaken) -> None:
    """Let an identity sign in as somebody, or no longer; the caller's own can be unlinked only."""
    with portal.writing(person) as acting:
        change = identities.link if taken.linked else identities.unlink
        change(acting, number, provider.provider.issuer, taken.subject)


def shown_on_people(request: Request, portal: Portal) -> dict[int, list[str]] | None:
    """The identities of everybody, for the page of people; None where the portal has no provider."""
    found: ProviderConnection | None = request.app.state.identity
    if found is None:
        return None
    with portal.database.reading() as connection:
        return identities.of_all(connection, found.provider.issuer)


def shown_on_account(request: Request, portal: Portal, person: Person) -> Sequence[identities.Linked] | None:
    """A person's own; None where the portal has no provider."""
    found: ProviderConnection | None = request.app.state.identity
    if found is None:
        return None
    with portal.database.reading() as connection:
        return identities.of(connection, person.id, found.provider.issuer)


def _require_page(request: Request) -> None:
    """Forbidden for what a browser fetches as a part of a page, such as another site's pictures."""
    if request.headers.get("sec-fetch-dest", "document") != "document":
        raise Forbidden("sign_in_page")


def _failed(request: Request, error: Away | NotBelieved) -> Response:
    """What a provider did wrong is for the log; whoever wants to sign in can but try again."""
    _log.warning("signing in at the identity provider: %s", error)
    return _refused(request, Unacceptable("identity_away" if isinstance(error, Away) else "identity_refused"))


def _refused(request: Request, error: PortalError) -> Response:
    problem = error.said(said(request).language)
    answer = page(request, "sign_in.html.j2", error.status, back="/", problem=problem, name="")
    answer.delete_cookie(ON_THE_WAY, secure=True, httponly=True, samesite="lax", path="/")
    return answer
