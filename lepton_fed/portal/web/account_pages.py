"""A person's own account: password, sessions, tokens, identities."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from lepton_fed.portal.errors import PortalError, Unacceptable
from lepton_fed.portal.people import account_log, accounts, sessions, tokens
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.people.signing_in import guess_of
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.identity_pages import shown_on_account
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.typed import NOTHING, Typed
from lepton_fed.portal.web.visiting import COOKIE, Changing, TheLimits, ThePortal, Visiting, agent_of, place_of
from lepton_fed.storage.portal_people_tables import REACHES

router = APIRouter(prefix="/account")


@router.get("")
def account(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """Who I am here, where I am signed in, what programs may come as me."""
    return _shown(request, portal, visit)


@router.post("/password")
def password(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    limits: TheLimits,
    current: Annotated[str, Form()] = "",
    chosen: Annotated[str, Form()] = "",
) -> Response:
    """A new password. Every other session and every token ends, and this session gets a new secret."""
    person, now = visit.person, portal.clock()
    guess = guess_of(person.name, place_of(request))
    with portal.database.reading() as connection:
        kept = accounts.kept_password(connection, person.id)
    try:
        limits.guessing.count(guess, now.timestamp())
        if not portal.passwords.fits(kept, current):
            raise Unacceptable("current_password")
        hashed = portal.passwords.hashed(chosen, person.name)
        with portal.database.writing() as connection:
            gone = accounts.set_password(connection, person.id, hashed, instead_of=kept)
            account_log.note_password(connection, now, by=person.id, person=person.id, unlinked=gone)
            secret = sessions.begin(connection, person.id, now, address=place_of(request), agent=agent_of(request))
    except PortalError as error:
        return _shown(request, portal, visit, problem=error)
    limits.guessing.forget(guess)
    answer = to("/account")
    answer.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/sessions/{number}/end")
def end_session(portal: ThePortal, visit: Changing, number: int) -> Response:
    """Sign out somewhere else."""
    with portal.database.writing() as connection:
        sessions.end(connection, visit.person.id, number)
        account_log.note(connection, portal.clock(), "signed_out", by=visit.person.id, person=visit.person.id)
    return to("/account")


@router.post("/tokens")
def make_token(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    name: Annotated[str, Form()] = "",
    days: Annotated[int, Form()] = 90,
    reach: Annotated[str, Form()] = tokens.READ,
) -> Response:
    """A new token, shown this once."""
    try:
        with portal.database.writing() as connection:
            secret = tokens.make(connection, visit.person.id, name, days, portal.clock(), reach=reach)
    except PortalError as error:
        typed = Typed("token", name=name, days=str(days), reach=reach)
        return _shown(request, portal, visit, problem=error, typed=typed)
    return _shown(request, portal, visit, secret=secret)


@router.post("/tokens/{number}/end")
def end_token(portal: ThePortal, visit: Changing, number: int) -> Response:
    """A token that is good no longer."""
    with portal.database.writing() as connection:
        tokens.end(connection, visit.person.id, number)
    return to("/account")


def _shown(
    request: Request,
    portal: Portal,
    visit: Visit,
    *,
    problem: PortalError | None = None,
    secret: str = "",
    typed: Typed = NOTHING,
) -> Response:
    with portal.database.reading() as connection:
        open_ = sessions.of(connection, visit.person.id, portal.clock())
        made = tokens.of(connection, visit.person.id, portal.clock())
    return page(
        request,
        "account.html.j2",
        200 if problem is None else problem.status,
        sessions=open_,
        tokens=made,
        reaches=REACHES,
        identities=shown_on_account(request, portal, visit.person),
        secret=secret,  # Not `token`: the base template's macro of that name would be shown instead.
        typed=typed,
        problem="" if problem is None else problem.said(said(request).language),
    )
