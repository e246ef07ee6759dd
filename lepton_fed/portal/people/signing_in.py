"""Signing in with a name and a password: whoever fails learns nothing but that.

A try is counted before the password is looked at, so that many at once are no way around the lock. An unknown name, a
wrong password, a closed and a locked account take the same time and get the same answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select, update

from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.people import sessions
from lepton_fed.portal.people.accounts import PERSON
from lepton_fed.portal.people.passwords import Passwords
from lepton_fed.portal.people.person import sign_in_name
from lepton_fed.storage.database import Database

TRIES = 10
"""Wrong passwords in a row before an account is locked."""

LOCKED = timedelta(minutes=15)


def sign_in(
    database: Database, passwords: Passwords, now: datetime, *, name: str, password: str, address: str, agent: str
) -> str:
    """Begin a session; returns what the cookie holds. Unacceptable, in one sentence for every reason."""
    with database.writing() as connection:
        row = _counted(connection, name, now)
    locked = row is not None and row["locked"] is not None and row["locked"] > now
    usable = row is not None and row["active"] and not locked
    fits = passwords.fits(row["password"] if row is not None and usable else None, password)
    if row is None or not fits:
        raise Unacceptable("sign_in")
    renewed = passwords.again(password) if passwords.outdated(row["password"]) else row["password"]
    with database.writing() as connection:
        done = connection.execute(
            update(PERSON)
            .where(PERSON.c.id == row["id"], PERSON.c.password == row["password"], PERSON.c.active)
            .values(failures=0, locked=None, password=renewed)
        )
        if done.rowcount != 1:  # Changed or closed meanwhile.
            raise Unacceptable("sign_in")
        return sessions.begin(connection, row["id"], now, address=address, agent=agent)


def _counted(connection: Connection, name: str, now: datetime) -> RowMapping | None:
    """The account as it was before this try, which is counted."""
    try:
        key = sign_in_name(name)
    except Unacceptable:
        return None
    row = connection.execute(select(PERSON).where(PERSON.c.name == key).with_for_update()).mappings().first()
    if row is None or (row["locked"] is not None and row["locked"] > now):
        return row
    failures = row["failures"] + 1
    values = {"failures": failures} if failures < TRIES else {"failures": 0, "locked": now + LOCKED}
    connection.execute(update(PERSON).where(PERSON.c.id == row["id"]).values(values))
    return row
