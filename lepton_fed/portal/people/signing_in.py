"""Signing in with a name and a password: whoever fails learns nothing but that.

A try is counted before the password is looked at, so that many at once are no way around the lock. An unknown name, a
wrong password, a closed and a locked account get the same answer after as much work on the password; a try at an
account that there is writes its count as well.

Tries are counted for each name and place, whether there is such an account or not, so that nobody locks others out from
afar; and in the account for all places together, where many more are allowed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select, update

from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.people import sessions
from lepton_fed.portal.people.accounts import PERSON
from lepton_fed.portal.people.limits import Limit
from lepton_fed.portal.people.passwords import Passwords
from lepton_fed.portal.people.person import sign_in_name
from lepton_fed.storage.database import Database

TRIES = 10
"""Wrong passwords for one name from one place within the time that follows."""

LOCKED = timedelta(minutes=15)
EVERYWHERE = 200
"""Wrong passwords in a row, from wherever, before an account is locked."""


def guesses() -> Limit:
    """What counts tries by name and place."""
    return Limit(TRIES, LOCKED.total_seconds())


def guess_of(name: str, address: str) -> str:
    """By what such a try is counted; a name that can be none has a place of its own."""
    try:
        return f"{sign_in_name(name)}\n{address}"
    except Unacceptable:
        return f"\n{address}"


def sign_in(
    database: Database,
    passwords: Passwords,
    tries: Limit,
    now: datetime,
    *,
    name: str,
    password: str,
    address: str,
    agent: str,
) -> str:
    """Begin a session; returns what the cookie holds. Unacceptable, in one sentence for every reason; TooMany."""
    guess = guess_of(name, address)
    tries.count(guess, now.timestamp())
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
        tries.forget(guess)
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
    values = {"failures": failures} if failures < EVERYWHERE else {"failures": 0, "locked": now + LOCKED}
    connection.execute(update(PERSON).where(PERSON.c.id == row["id"]).values(values))
    return row
