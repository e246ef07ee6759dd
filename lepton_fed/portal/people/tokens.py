"""Personal tokens, for programs that call the REST interface as a person: shown once, kept as SHA-256, with an end."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.accounts import TOKEN
from lepton_fed.portal.people.person import Person, said_name

PREFIX = "lfp_"
"""By which scanners for leaked secrets can know one."""

MOST_DAYS = 365
MOST = 20


@dataclass(frozen=True)
class Listed:
    """A token, for its owner to look at."""

    id: int
    name: str
    made: datetime
    ends: datetime


def make(connection: Connection, person: int, name: str, days: int, now: datetime) -> str:
    """A new token that ends after so many days; returns it, for the only time."""
    if not 0 < days <= MOST_DAYS or len(of(connection, person, now)) >= MOST:
        raise Unacceptable("token", days=MOST_DAYS, most=MOST)
    secret = PREFIX + secrets.token_urlsafe(32)
    values = {"digest": _digest(secret), "person": person, "name": said_name(name)}
    connection.execute(insert(TOKEN).values(made=now, ends=now + timedelta(days=days), **values))
    return secret


def bearer(connection: Connection, secret: str, now: datetime) -> Person | None:
    """Whose token it is; None where it is none or over."""
    wanted = select(TOKEN.c.person).where(TOKEN.c.digest == _digest(secret), TOKEN.c.ends > now)
    number = connection.execute(wanted).scalar()
    person = None if number is None else accounts.person(connection, number)
    return person if person is not None and person.active else None


def of(connection: Connection, person: int, now: datetime) -> Sequence[Listed]:
    """A person's tokens that are not over."""
    wanted = select(TOKEN).where(TOKEN.c.person == person, TOKEN.c.ends > now).order_by(TOKEN.c.id)
    return [Listed(r["id"], r["name"], r["made"], r["ends"]) for r in connection.execute(wanted).mappings()]


def end(connection: Connection, person: int, token: int) -> None:
    """End one of a person's own; NotThere."""
    if not 0 < token < 2**63:
        raise NotThere
    if connection.execute(delete(TOKEN).where(TOKEN.c.id == token, TOKEN.c.person == person)).rowcount != 1:
        raise NotThere


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
