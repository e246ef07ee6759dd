"""Whose identity it is: by issuer and subject alone; a name or an e-mail address that a provider has proves nothing.

Somebody who may give the account a way to sign in links an identity to it; or the first sign-in makes an account
without any role, where the portal's file says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.errors import Conflict, NotThere, Unacceptable
from lepton_fed.portal.identity.connection import Claims
from lepton_fed.portal.identity.provider import Provider, Roles
from lepton_fed.portal.once import added_once
from lepton_fed.portal.people import account_log, accounts, administration, sessions
from lepton_fed.portal.people.accounts import IDENTITY, PERSON
from lepton_fed.portal.people.person import Person, said_name, sign_in_name
from lepton_fed.portal.portal import Portal
from lepton_fed.storage.portal_people_tables import ROLES

LONGEST = 255
"""Characters of a subject, as OpenID Connect has it."""


@dataclass(frozen=True)
class Linked:
    """An identity that signs in as somebody. `by`: who linked it, as shown; "" where the first sign-in did."""

    subject: str
    by: str
    made: datetime


def sign_in(portal: Portal, provider: Provider, claims: Claims, *, address: str, agent: str) -> str:
    """Begin a session of the portal's own; returns what the cookie holds. Unacceptable for whoever is nobody here."""
    now = portal.clock()
    with portal.database.writing() as connection:
        person = person_of(connection, claims)
        if person is None and provider.new_accounts is not None:
            person = _made(connection, claims, provider, now)
        if person is None:
            raise Unacceptable("identity_unknown", subject=claims.subject)
        if not person.active:
            raise Unacceptable("sign_in")
        if provider.roles is not None:
            _give_roles(connection, person, provider.roles, claims, now)
        return sessions.begin(connection, person.id, now, address=address, agent=agent)


def person_of(connection: Connection, claims: Claims) -> Person | None:
    """Who signs in by it."""
    where = (IDENTITY.c.issuer == claims.issuer, IDENTITY.c.subject == claims.subject)
    number = connection.execute(select(IDENTITY.c.person).where(*where)).scalar()
    return None if number is None else accounts.person(connection, number)


def of(connection: Connection, person: int, issuer: str) -> Sequence[Linked]:
    """Those by which somebody signs in."""
    wanted = select(IDENTITY.c.subject, IDENTITY.c.made, PERSON.c.shown).outerjoin(PERSON, PERSON.c.id == IDENTITY.c.by)
    found = connection.execute(
        wanted.where(IDENTITY.c.person == person, IDENTITY.c.issuer == issuer).order_by(IDENTITY.c.made)
    )
    return [Linked(subject, by or "", made) for subject, made, by in found]


def shown(acting: Acting, number: int, issuer: str) -> Sequence[Linked]:
    """The same, for the person and whoever answers for them."""
    _require_own_or_answers_for(acting, number)
    return of(acting.connection, number, issuer)


def of_all(connection: Connection, issuer: str) -> dict[int, list[str]]:
    """Those of everybody, by the number of the person."""
    found: dict[int, list[str]] = {}
    wanted = select(IDENTITY.c.person, IDENTITY.c.subject).where(IDENTITY.c.issuer == issuer)
    for person, subject in connection.execute(wanted):
        found.setdefault(person, []).append(subject)
    return found


def link(acting: Acting, number: int, issuer: str, subject: str) -> None:
    """Let somebody sign in by an identity; for whoever could set their password. Conflict where it is somebody's."""
    administration.require_answers_for(acting.person, accounts.person(acting.connection, number))
    name = subject.strip()
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise Unacceptable("subject", most=LONGEST)
    _link(acting.connection, number, issuer, name, acting.now, by=acting.person.id)


def unlink(acting: Acting, number: int, issuer: str, subject: str) -> None:
    """Let an identity sign in no longer, and end what was signed in or made by it; for its owner as well. NotThere."""
    _require_own_or_answers_for(acting, number)
    where = (IDENTITY.c.issuer == issuer, IDENTITY.c.subject == subject, IDENTITY.c.person == number)
    if acting.connection.execute(delete(IDENTITY).where(*where)).rowcount != 1:
        raise NotThere
    accounts.end_all(acting.connection, number)
    account_log.note(acting.connection, acting.now, "unlinked", by=acting.person.id, person=number, detail=subject)


def _require_own_or_answers_for(acting: Acting, number: int) -> None:
    if number != acting.person.id:
        administration.require_answers_for(acting.person, accounts.person(acting.connection, number))


def _link(connection: Connection, person: int, issuer: str, subject: str, now: datetime, *, by: int | None) -> None:
    values: dict[str, object] = {"issuer": issuer, "subject": subject, "person": person, "by": by, "made": now}
    if not added_once(connection, IDENTITY, values):
        raise Conflict("identity_taken")
    account_log.note(connection, now, "linked", by=by, person=person, detail=subject)


def _made(connection: Connection, claims: Claims, provider: Provider, now: datetime) -> Person:
    """A new account without any role and without a password."""
    assert provider.new_accounts is not None
    home = provider.new_accounts.department
    name = _free_name(connection, claims, provider.names.name)
    made = accounts.add_person(
        connection, name=name, shown=_shown(claims, provider.names.shown, name), department=home, password="", now=now
    )
    account_log.note(connection, now, "made", by=None, person=made.id, department=home)
    _link(connection, made.id, claims.issuer, claims.subject, now, by=None)
    return made


def _free_name(connection: Connection, claims: Claims, claim: str) -> str:
    """What the provider calls them, or that with some letters of their own: a name that is taken is somebody else's."""
    own = hashlib.sha256(f"{claims.issuer}\n{claims.subject}".encode()).hexdigest()[:8]
    try:
        name = sign_in_name(str(claims.said.get(claim, "")))
    except Unacceptable:
        return f"id-{own}"
    return f"{name[:50]}-{own}" if accounts.exists(connection, name) else name


def _shown(claims: Claims, claim: str, otherwise: str) -> str:
    try:
        return said_name(str(claims.said.get(claim, "")))
    except Unacceptable:
        return otherwise


def _give_roles(connection: Connection, person: Person, roles: Roles, claims: Claims, now: datetime) -> None:
    """In the departments that the file speaks of, what the provider says today, and nothing else."""
    words = claims.said.get(roles.claim)
    said = {word for word in words if isinstance(word, str)} if isinstance(words, list) else set()
    wanted: dict[str, str | None] = {one.department: None for one in roles.given.values()}
    for word in said & roles.given.keys():
        given = roles.given[word]
        wanted[given.department] = max(given.role, wanted[given.department] or given.role, key=ROLES.index)
    for department, role in wanted.items():
        if person.roles.get(department) != role:
            accounts.set_role(connection, person.id, department, role)
            kind = "role" if role else "no_role"
            account_log.note(connection, now, kind, by=None, person=person.id, department=department, detail=role or "")
