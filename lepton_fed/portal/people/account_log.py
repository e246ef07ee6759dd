"""What was done to accounts, by whom and when: written in the transaction that does it, and never changed.

Administrators see what concerns their departments, operators all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Connection, Table, insert, or_, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.errors import Forbidden
from lepton_fed.portal.people.accounts import PERSON
from lepton_fed.storage.portal_account_tables import EVENTS, AccountEventRow

EVENT = cast(Table, AccountEventRow.__table__)
PAGE = 100


@dataclass(frozen=True)
class Event:
    """By the names to sign in with. `by`: "" for a command and for the identity provider's word.

    `person`: "" where it is about nobody in particular.
    """

    id: int
    time: datetime
    kind: str
    by: str
    person: str
    department: str
    detail: str


def note(
    connection: Connection,
    now: datetime,
    kind: str,
    *,
    by: int | None,
    person: int | None,
    department: str = "",
    detail: str = "",
) -> None:
    """Write down what is done in this transaction. `by`: None for a command or the identity provider's word."""
    if kind not in EVENTS:
        raise ValueError(f"{kind} is none of {', '.join(EVENTS)}")
    values = {"time": now, "kind": kind, "by": by, "person": person, "department": department, "detail": detail}
    connection.execute(insert(EVENT).values(values))


def note_password(
    connection: Connection, now: datetime, *, by: int | None, person: int, unlinked: Sequence[str], department: str = ""
) -> None:
    """Write down a new password, and which identities it unlinked."""
    note(connection, now, "password", by=by, person=person, department=department)
    for subject in unlinked:
        note(connection, now, "unlinked", by=by, person=person, department=department, detail=subject)


def events(acting: Acting, before: int | None = None) -> Sequence[Event]:
    """The newest so many that the person may see, or those before one; Forbidden for whoever administers nothing."""
    mine = acting.person.where_at_least("administrator")
    if not mine and not acting.person.operator:
        raise Forbidden("administer", department=acting.person.department)
    where: list[ColumnElement[bool]] = [] if before is None else [EVENT.c.id < before]
    about, actor = PERSON.alias(), PERSON.alias()
    if not acting.person.operator:
        where.append(or_(EVENT.c.department.in_(mine), about.c.department.in_(mine)))
    wanted = (
        select(EVENT, actor.c.name.label("by_name"), about.c.name.label("person_name"))
        .outerjoin(actor, actor.c.id == EVENT.c.by)
        .outerjoin(about, about.c.id == EVENT.c.person)
        .where(*where)
        .order_by(EVENT.c.id.desc())
        .limit(PAGE)
    )
    rows = acting.connection.execute(wanted).mappings()
    kept = ("id", "time", "kind", "department", "detail")
    return [
        Event(**{key: row[key] for key in kept}, by=row["by_name"] or "", person=row["person_name"] or "")
        for row in rows
    ]
