"""Administration: what administrators may do with the accounts of their departments, and operators with all.

An administrator gives roles in a department of theirs, closes and opens accounts whose home it is, and gives new
passwords to those of them whose other roles are in departments of theirs, too. Nobody closes their own account or
changes their own role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.errors import Forbidden, Nobody
from lepton_fed.portal.people import account_log, accounts, departments
from lepton_fed.portal.people.person import Person, sign_in_name

if TYPE_CHECKING:
    from lepton_fed.portal.portal import Portal


def add(portal: Portal, actor: Person, *, name: str, shown: str, department: str, role: str, password: str) -> Person:
    """A new account whose home is a department of the actor's, with a role there."""
    accounts.require_administers(actor, department)
    hashed = portal.passwords.hashed(password, sign_in_name(name))
    with portal.database.writing() as connection:
        made = accounts.add_person(
            connection, name=name, shown=shown, department=department, password=hashed, now=portal.clock()
        )
        accounts.set_role(connection, made.id, department, role)
        for kind, detail in (("made", ""), ("role", role)):
            account_log.note(
                connection, portal.clock(), kind, by=actor.id, person=made.id, department=department, detail=detail
            )
        return accounts.person(connection, made.id)


def add_department(acting: Acting, name: str) -> str:
    """A new department; operators make them."""
    if not acting.person.operator:
        raise Forbidden("operate")
    added = departments.add_department(acting.connection, name, acting.now)
    account_log.note(acting.connection, acting.now, "department", by=acting.person.id, person=None, department=added)
    return added


def set_role(acting: Acting, number: int, department: str, role: str | None) -> None:
    """What somebody is in a department of the actor's; None: nothing."""
    accounts.require_administers(acting.person, department)
    _require_other(acting.person, accounts.person(acting.connection, number))
    accounts.set_role(acting.connection, number, department, role)
    _note(acting, "role" if role else "no_role", number, department, role or "")


def set_role_of(acting: Acting, name: str, department: str, role: str | None) -> None:
    """The same, of whoever signs in by that name; Nobody."""
    accounts.require_administers(acting.person, department)
    key = sign_in_name(name)
    if not accounts.exists(acting.connection, key):
        raise Nobody(key)
    set_role(acting, accounts.named(acting.connection, key).id, department, role)


def set_active(acting: Acting, number: int, active: bool) -> None:
    """Close an account or open it again."""
    other = accounts.person(acting.connection, number)
    _require_other(acting.person, other)
    if not may_close(acting.person, other):
        raise Forbidden("administer", department=other.department)
    accounts.set_active(acting.connection, number, active)
    _note(acting, "opened" if active else "closed", number)


def reset(portal: Portal, actor: Person, number: int, password: str) -> None:
    """Give somebody a new password."""
    with portal.database.reading() as connection:
        other = accounts.person(connection, number)
    require_answers_for(actor, other)
    hashed = portal.passwords.hashed(password, other.name)
    with portal.database.writing() as connection:
        gone = accounts.set_password(connection, number, hashed)
        account_log.note_password(connection, portal.clock(), by=actor.id, person=number, unlinked=gone)


def administered(acting: Acting) -> list[Person]:
    """Everybody in the departments that the person administers; Forbidden where that is none."""
    within = acting.person.where_at_least("administrator")
    if not within and not acting.person.operator:
        raise Forbidden("administer", department=acting.person.department)
    return accounts.people(acting.connection, None if acting.person.operator else within)


def may_close(actor: Person, other: Person) -> bool:
    """Whether the other's home is the actor's to administer; what another department gave is no reason to stay."""
    if actor.id == other.id or actor.operator:
        return actor.id != other.id
    return not other.operator and other.department in actor.where_at_least("administrator")


def answers_for(actor: Person, other: Person) -> bool:
    """Whether the other's home is the actor's to administer, and wherever else the other has a role is, too.

    Whoever can set a password can sign in with it.
    """
    if actor.id == other.id or actor.operator:
        return actor.id != other.id
    administered = actor.where_at_least("administrator")
    return not other.operator and {other.department, *other.roles} <= administered


def require_answers_for(actor: Person, other: Person) -> None:
    """Forbidden unless the actor may give the other a way to sign in."""
    _require_other(actor, other)
    if not answers_for(actor, other):
        raise Forbidden("administer", department=other.department)


def _note(acting: Acting, kind: str, person: int, department: str = "", detail: str = "") -> None:
    by = acting.person.id
    account_log.note(acting.connection, acting.now, kind, by=by, person=person, department=department, detail=detail)


def _require_other(actor: Person, other: Person) -> None:
    if actor.id == other.id:
        raise Forbidden("own_account")
