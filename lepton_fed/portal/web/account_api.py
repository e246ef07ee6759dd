"""A person's own account by calls: where they are signed in, which tokens there are, the language of pages.

A new token and a new password are made on the page alone: whoever got hold of a token could otherwise stay.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from lepton_fed.portal.people import account_log, accounts, sessions, tokens
from lepton_fed.portal.web.api_shapes import Taken
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api/account")


class SignInGiven(BaseModel):
    """Where somebody is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    begun: datetime
    seen: datetime
    address: str
    agent: str


class TokenGiven(BaseModel):
    """A token, without its secret. `reach`: it reads only, or may do everything that its owner may."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    made: datetime
    ends: datetime
    reach: Literal["read", "everything"]


class LanguageTaken(Taken):
    """The language of pages."""

    language: Literal["zh", "en"]


@router.get("/sessions")
def list_sessions(portal: ThePortal, person: Calling) -> list[SignInGiven]:
    """Where the caller is signed in, the last used first."""
    with portal.database.reading() as connection:
        return [SignInGiven.model_validate(one) for one in sessions.of(connection, person.id, portal.clock())]


@router.delete("/sessions/{session}", status_code=204)
def end_session(portal: ThePortal, person: Calling, session: int) -> None:
    """Sign out there."""
    with portal.database.writing() as connection:
        sessions.end(connection, person.id, session)
        account_log.note(connection, portal.clock(), "signed_out", by=person.id, person=person.id)


@router.get("/tokens")
def list_tokens(portal: ThePortal, person: Calling) -> list[TokenGiven]:
    """The caller's tokens that are not over, this one among them."""
    with portal.database.reading() as connection:
        return [TokenGiven.model_validate(one) for one in tokens.of(connection, person.id, portal.clock())]


@router.delete("/tokens/{token}", status_code=204)
def end_token(portal: ThePortal, person: Calling, token: int) -> None:
    """A token that is good no longer; it may be the one of this call."""
    with portal.database.writing() as connection:
        tokens.end(connection, person.id, token)


@router.put("/language", status_code=204)
def set_language(portal: ThePortal, person: Calling, taken: LanguageTaken) -> None:
    """The language in which the caller reads pages."""
    with portal.database.writing() as connection:
        accounts.set_language(connection, person.id, taken.language)
