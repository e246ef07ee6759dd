"""Accounts: made, looked up, given roles, closed. Each function works in its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, RowMapping, Table, bindparam, delete, insert, select, update

from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.portal.once import added_once
from lepton_fed.portal.people.departments import require_known
from lepton_fed.portal.people.person import Person, said_name, sign_in_name
from lepton_fed.storage.portal_account_tables import IdentityRow
from lepton_fed.storage.portal_people_tables import ROLES, MembershipRow, PersonRow, SessionRow, TokenRow

PERSON = cast(Table, PersonRow.__table__)
MEMBERSHIP = cast(Table, MembershipRow.__table__)
SESSION = cast(Table, SessionRow.__table__)
TOKEN = cast(Table, TokenRow.__table__)
IDENTITY = cast(Table, IdentityRow.__table__)

# Put together once: that takes longer than to ask them.
_PERSON = select(PERSON).where(PERSON.c.id == bindparam("person"))
_ROLES = select(MEMBERSHIP.c.person, MEMBERSHIP.c.department, MEMBERSHIP.c.role)
_OWN_ROLES = _ROLES.where(MEMBERSHIP.c.person == bindparam("person"))


def add_person(
    connection: Connection,
    *,
    name: str,
    shown: str,
    department: str,
    password: str,
    now: datetime,
    operator: bool = False,
) -> Person:
    """A new account in a department that is there; `password`: as hashed. Conflict if the name is taken."""
    key = sign_in_name(name)
    if exists(connection, key):
        raise Conflict("name_taken", name=key)
    values = {
        "name": key,
        "shown": said_name(shown or name),
        "department": require_known(connection, department),
        "password": password,
        "operator": operator,
        "active": True,
        "language": "",
        "made": now,
        "failures": 0,
        "locked": None,
    }
    if not added_once(connection, PERSON, values):  # Somebody else was faster.
        raise Conflict("name_taken", name=key)
    return named(connection, key)


def require_role(role: str) -> None:
    """Unacceptable for what is no role."""
    if role not in ROLES:
        raise Unacceptable("role", roles=", ".join(ROLES))


def set_role(connection: Connection, of: int, department: str, role: str | None) -> None:
    """What somebody is in a department from now on; None: nothing."""
    if role is not None:
        require_role(role)
    where = (MEMBERSHIP.c.person == of, MEMBERSHIP.c.department == require_known(connection, department))
    # Of two who give a role at once the second waits for the first.
    connection.execute(select(PERSON.c.id).where(PERSON.c.id == of).with_for_update())
    connection.execute(delete(MEMBERSHIP).where(*where))
    if role is not None:
        connection.execute(insert(MEMBERSHIP).values(person=of, department=department, role=role))


def set_password(connection: Connection, of: int, hashed: str, *, instead_of: str | None = None) -> list[str]:
    """A new password ends what was signed in or made with the old one, and identities that somebody linked.

    Returns the subjects of these: whoever linked one may be whom it names. `instead_of`: what was kept of the old
    password where its owner brought it; Unacceptable if it is another one meanwhile.
    """
    where = [PERSON.c.id == of, *([] if instead_of is None else [PERSON.c.password == instead_of])]
    done = connection.execute(update(PERSON).where(*where).values(password=hashed, failures=0, locked=None))
    if done.rowcount != 1:
        raise Unacceptable("current_password")
    end_all(connection, of)
    linked = (IDENTITY.c.person == of, IDENTITY.c.by.is_not(None))
    subjects = list(connection.execute(select(IDENTITY.c.subject).where(*linked).order_by(IDENTITY.c.made)).scalars())
    connection.execute(delete(IDENTITY).where(*linked))
    return subjects


def end_all(connection: Connection, of: int) -> None:
    """End all of somebody's sessions and tokens."""
    for table in (SESSION, TOKEN):
        connection.execute(delete(table).where(table.c.person == of))


def kept_password(connection: Connection, of: int) -> str | None:
    """What is kept of somebody's password."""
    return connection.execute(select(PERSON.c.password).where(PERSON.c.id == of)).scalar()


def set_active(connection: Connection, of: int, active: bool) -> None:
    """Close or open an account; closing ends all of its sessions and tokens."""
    connection.execute(update(PERSON).where(PERSON.c.id == of).values(active=active))
    if not active:
        end_all(connection, of)


def set_operator(connection: Connection, of: int, operator: bool) -> None:
    """Whether somebody operates the portal from now on."""
    connection.execute(update(PERSON).where(PERSON.c.id == of).values(operator=operator))


def set_language(connection: Connection, of: int, language: str) -> None:
    """The language in which somebody reads the portal."""
    connection.execute(update(PERSON).where(PERSON.c.id == of).values(language=language))


def person(connection: Connection, number: int) -> Person:
    """The person of that number; NotThere."""
    if not 0 < number < 2**63:
        raise NotThere
    row = connection.execute(_PERSON, {"person": number}).mappings().first()
    if row is None:
        raise NotThere
    return _person(row, _roles(connection, [number])[number])


def those(connection: Connection, numbers: Sequence[int]) -> dict[int, Person]:
    """The people of these numbers, by number."""
    rows = connection.execute(select(PERSON).where(PERSON.c.id.in_(numbers))).mappings().all()
    roles = _roles(connection, [row["id"] for row in rows]) if rows else {}
    return {row["id"]: _person(row, roles[row["id"]]) for row in rows}


def named(connection: Connection, name: str) -> Person:
    """The person who signs in by that name; NotThere."""
    number = connection.execute(select(PERSON.c.id).where(PERSON.c.name == sign_in_name(name))).scalar()
    if number is None:
        raise NotThere
    return person(connection, number)


def exists(connection: Connection, name: str) -> bool:
    """Whether somebody signs in by that name, as `sign_in_name` writes it."""
    return connection.execute(select(PERSON.c.id).where(PERSON.c.name == name)).first() is not None


def anybody(connection: Connection) -> bool:
    """Whether there is an account at all."""
    return connection.execute(select(PERSON.c.id).limit(1)).first() is not None


def people(connection: Connection, within: frozenset[str] | None = None) -> list[Person]:
    """Everybody, or whoever belongs to one of these departments or has a role there, by name."""
    rows = connection.execute(select(PERSON).order_by(PERSON.c.name)).mappings().all()
    roles = _roles(connection, [row["id"] for row in rows])
    everybody = [_person(row, roles[row["id"]]) for row in rows]
    if within is None:
        return everybody
    return [one for one in everybody if one.department in within or within & one.roles.keys()]


def require_administers(person: Person, department: str) -> None:
    """Forbidden unless the person administers the department or operates the portal."""
    if not person.operator and department not in person.where_at_least("administrator"):
        raise Forbidden("administer", department=department)


def _roles(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in numbers}
    one = len(numbers) == 1
    rows = connection.execute(_OWN_ROLES, {"person": numbers[0]}) if one else connection.execute(_ROLES)
    for person, department, role in rows.all():
        if person in found:
            found[person][department] = role
    return found


def _person(row: RowMapping, roles: dict[str, str]) -> Person:
    taken = ("id", "name", "shown", "department", "operator", "active", "language")
    return Person(roles=roles, **{key: row[key] for key in taken})
