"""What the REST interface takes and gives of accounts, field by field."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from lepton_fed.portal.people.person import Person
from lepton_fed.portal.web.api_shapes import Role, Taken


class PersonTaken(Taken):
    """A new account."""

    name: str
    shown: str = ""
    department: str
    role: Role = "reader"
    password: Annotated[str, Field(repr=False)]


class RoleTaken(Taken):
    """What somebody is in a department; null: nothing."""

    role: Role | None


class PasswordTaken(Taken):
    """A new password for somebody."""

    password: Annotated[str, Field(repr=False)]


class ActiveTaken(Taken):
    """Whether an account is open."""

    active: bool


class DepartmentTaken(Taken):
    """A new department."""

    name: str


class PersonGiven(BaseModel):
    """An account, without its password."""

    id: int
    name: str
    shown: str
    department: str
    operator: bool
    active: bool
    roles: dict[str, Role]

    @classmethod
    def of(cls, person: Person) -> PersonGiven:
        return cls.model_validate({name: getattr(person, name) for name in cls.model_fields})
