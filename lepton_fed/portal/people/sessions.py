"""Who is signed in: a random token in a cookie, its SHA-256 in the database; it ends by itself, or is ended.

begin ──► secret ──(cookie)──► visitor ──► Visit          until 12 hours without a sign of life, or 7 days in all
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.accounts import SESSION
from lepton_fed.portal.people.person import Person

IDLE = timedelta(hours=12)
WHOLE = timedelta(days=7)
NOTED = timedelta(minutes=1)
"""A sign of life is written down at most so often."""

_LONGEST = 200
_BY_DIGEST = select(SESSION).where(SESSION.c.digest == bindparam("digest"))


@dataclass(frozen=True)
class Visit:
    """A person who is signed in, and by which session; `form` is what a form of theirs must bring back."""

    person: Person
    session: int
    form: str = field(repr=False)


@dataclass(frozen=True)
class Listed:
    """A session, for its owner to look at."""

    id: int
    begun: datetime
    seen: datetime
    address: str
    agent: str


def begin(connection: Connection, person: int, now: datetime, *, address: str, agent: str) -> str:
    """Sign somebody in; returns what the cookie holds. Ended sessions of the person go."""
    connection.execute(delete(SESSION).where(SESSION.c.person == person, _over(now)))
    secret = secrets.token_urlsafe(32)
    values = {"begun": now, "seen": now, "address": address[:_LONGEST], "agent": agent[:_LONGEST]}
    connection.execute(insert(SESSION).values(digest=_digest(secret), person=person, **values))
    return secret


def visitor(connection: Connection, secret: str, now: datetime) -> tuple[Visit | None, bool]:
    """Whose session this is, None where it is none or over; and whether it is time to write down a sign of life."""
    row = connection.execute(_BY_DIGEST, {"digest": _digest(secret)}).mappings().first()
    if row is None or now - row["seen"] > IDLE or now - row["begun"] > WHOLE:
        return None, False
    person = accounts.person(connection, row["person"])
    if not person.active:
        return None, False
    return Visit(person, row["id"], _form(secret)), now - row["seen"] > NOTED


def alive(connection: Connection, session: int, now: datetime) -> None:
    """Write down that the session is in use."""
    connection.execute(update(SESSION).where(SESSION.c.id == session).values(seen=now))


def of(connection: Connection, person: int, now: datetime) -> Sequence[Listed]:
    """A person's sessions that are not over, the last used first."""
    wanted = select(SESSION).where(SESSION.c.person == person, ~_over(now)).order_by(SESSION.c.seen.desc())
    rows = connection.execute(wanted).mappings()
    return [Listed(r["id"], r["begun"], r["seen"], r["address"], r["agent"]) for r in rows]


def end(connection: Connection, person: int, session: int) -> None:
    """End one of a person's own; NotThere."""
    if not 0 < session < 2**63:
        raise NotThere
    done = connection.execute(delete(SESSION).where(SESSION.c.id == session, SESSION.c.person == person))
    if done.rowcount != 1:
        raise NotThere


def same_form(visit: Visit, brought: str) -> bool:
    """Whether a form was made for this session."""
    return hmac.compare_digest(visit.form.encode(), brought.encode())


def _over(now: datetime) -> ColumnElement[bool]:
    return (SESSION.c.seen < now - IDLE) | (SESSION.c.begun < now - WHOLE)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _form(secret: str) -> str:
    return hmac.new(secret.encode(), b"lepton-fed portal form v1", hashlib.sha256).hexdigest()
