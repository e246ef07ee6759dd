"""Departments of the portal: made, listed, required to be there. Each function works in its caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import Connection, Table, select

from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.once import added_once
from lepton_fed.portal.people.person import said_name
from lepton_fed.storage.portal_people_tables import DepartmentRow

DEPARTMENT = cast(Table, DepartmentRow.__table__)

# Put together once: that takes longer than to ask it.
_DEPARTMENTS = select(DEPARTMENT.c.name).order_by(DEPARTMENT.c.name)


def departments(connection: Connection) -> list[str]:
    """All departments, sorted."""
    return list(connection.execute(_DEPARTMENTS).scalars())


def add_department(connection: Connection, name: str, now: datetime) -> str:
    """The department of that name, made if it is new."""
    shown = said_name(name)
    if connection.execute(select(DEPARTMENT.c.name).where(DEPARTMENT.c.name == shown)).first() is None:
        added_once(connection, DEPARTMENT, {"name": shown, "made": now})
    return shown


def require_known(connection: Connection, department: str) -> str:
    """The department; Unacceptable where there is none of that name."""
    if connection.execute(select(DEPARTMENT.c.name).where(DEPARTMENT.c.name == department)).first() is None:
        raise Unacceptable("department", name=department)
    return department
