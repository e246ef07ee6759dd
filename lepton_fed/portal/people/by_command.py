"""What `lepton-fed portal user` does to an account: makes it, or changes what it was told to, and notes each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from lepton_fed.portal.people import account_log, accounts
from lepton_fed.portal.people.departments import add_department, departments
from lepton_fed.portal.people.person import Person


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`role`, `operator`: None for as it is; `password`: as hashed, "" for as it is."""

    name: str
    shown: str
    department: str
    role: str | None
    operator: bool | None
    password: str = field(repr=False)


def by_command(connection: Connection, wanted: Wanted, now: datetime) -> tuple[str | None, str]:
    """The role that the person has then, and where."""
    known = departments(connection)
    where = add_department(connection, wanted.department, now)
    if where not in known:
        account_log.note(connection, now, "department", by=None, person=None, department=where)
    new = not accounts.exists(connection, wanted.name)
    found = _made(connection, wanted, where, now) if new else accounts.named(connection, wanted.name)

    def note(kind: str, detail: str = "") -> None:
        account_log.note(connection, now, kind, by=None, person=found.id, department=where, detail=detail)

    if new or wanted.role is not None:
        role = wanted.role or "reader"
        accounts.set_role(connection, found.id, where, role)
        note("role", role)
    if wanted.operator is not None and wanted.operator != found.operator:
        accounts.set_operator(connection, found.id, wanted.operator)
        note("operator" if wanted.operator else "no_operator")
    if wanted.password and not new:
        gone = accounts.set_password(connection, found.id, wanted.password)
        account_log.note_password(connection, now, by=None, person=found.id, department=where, unlinked=gone)
    return accounts.person(connection, found.id).roles.get(where), where


def _made(connection: Connection, wanted: Wanted, where: str, now: datetime) -> Person:
    made = accounts.add_person(
        connection, name=wanted.name, shown=wanted.shown, department=where, password=wanted.password, now=now
    )
    account_log.note(connection, now, "made", by=None, person=made.id, department=where)
    return made
