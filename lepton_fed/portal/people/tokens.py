"""Personal tokens, for programs that call the REST interface as a person: shown once, kept as SHA-256, with an end.

One reaches to what changes nothing (`read`), or to whatever the person may (`everything`).
"""

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
from lepton_fed.storage.portal_people_tables import REACHES

PREFIX = "lfp_"
"""By which scanners for leaked secrets can know one."""

MOST_DAYS = 365
MOST = 20

READ, EVERYTHING = REACHES


@dataclass(frozen=True)
class Bearer:
    """Whoever comes with a token, and whether it reaches to what changes something."""

    person: Person
    changes: bool


@dataclass(frozen=True)
class Listed:
    """A token, for its owner to look at."""

    id: int
    name: str
    made: datetime
    ends: datetime
    reach: str


def make(connection: Connection, person: int, name: str, days: int, now: datetime, *, reach: str = READ) -> str:
    """A new token that ends after so many days; returns it, for the only time. Unacceptable."""
    if reach not in REACHES:
        raise Unacceptable("token_reach", reaches=", ".join(REACHES))
    if not 0 < days <= MOST_DAYS:
        raise Unacceptable("token", days=MOST_DAYS)
    if len(of(connection, person, now)) >= MOST:
        raise Unacceptable("tokens_enough", most=MOST)
    secret = PREFIX + secrets.token_urlsafe(32)
    values = {"digest": _digest(secret), "person": person, "name": said_name(name), "reach": reach}
    connection.execute(insert(TOKEN).values(made=now, ends=now + timedelta(days=days), **values))
    return secret


def bearer(connection: Connection, secret: str, now: datetime) -> Bearer | None:
    """Who comes with it; None where it is none or over."""
    wanted = select(TOKEN.c.person, TOKEN.c.reach).where(TOKEN.c.digest == _digest(secret), TOKEN.c.ends > now)
    found = connection.execute(wanted).first()
    if found is None:
        return None
    person = accounts.person(connection, found.person)
    return Bearer(person, changes=found.reach == EVERYTHING) if person.active else None


def of(connection: Connection, person: int, now: datetime) -> Sequence[Listed]:
    """A person's tokens that are not over."""
    wanted = select(TOKEN).where(TOKEN.c.person == person, TOKEN.c.ends > now).order_by(TOKEN.c.id)
    rows = connection.execute(wanted).mappings()
    return [Listed(r["id"], r["name"], r["made"], r["ends"], r["reach"]) for r in rows]


def end(connection: Connection, person: int, token: int) -> None:
    """End one of a person's own; NotThere."""
    if not 0 < token < 2**63:
        raise NotThere
    if connection.execute(delete(TOKEN).where(TOKEN.c.id == token, TOKEN.c.person == person)).rowcount != 1:
        raise NotThere


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
