"""The portal's tables of people.

    portal_department 1 --- n portal_person 1 --- n portal_membership       (a role in a department)
                                  |    \\------------ n portal_session, portal_token

Passwords are there as Argon2id, sessions and tokens as SHA-256: whoever reads the database cannot sign in with it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc, among

ROLES = ("reader", "author", "reviewer", "approver", "administrator")
REACHES = ("read", "everything")


class DepartmentRow(Base):
    """A department that people belong to and entries are kept by."""

    __tablename__ = "portal_department"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    made: Mapped[datetime] = mapped_column(Utc)


class PersonRow(Base):
    """An account. `name` signs in (NFKC, lower case), others read `shown`; `failures`: wrong passwords in a row."""

    __tablename__ = "portal_person"
    __table_args__ = (UniqueConstraint("name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    shown: Mapped[str] = mapped_column(Text)
    department: Mapped[str] = mapped_column(ForeignKey("portal_department.name"))
    password: Mapped[str] = mapped_column(Text)
    operator: Mapped[bool] = mapped_column(Boolean)
    active: Mapped[bool] = mapped_column(Boolean)
    language: Mapped[str] = mapped_column(String(8))
    made: Mapped[datetime] = mapped_column(Utc)
    failures: Mapped[int]
    locked: Mapped[datetime | None] = mapped_column(Utc)


class MembershipRow(Base):
    """What a person is in a department; each role may do what those before it in ROLES may."""

    __tablename__ = "portal_membership"
    __table_args__ = (among("role", ROLES),)

    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id", ondelete="CASCADE"), primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("portal_department.name"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))


class SessionRow(Base):
    """Somebody is signed in. `digest`: SHA-256 of what the cookie holds; `id` names it where it is listed."""

    __tablename__ = "portal_session"
    __table_args__ = (UniqueConstraint("digest"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id", ondelete="CASCADE"), index=True)
    begun: Mapped[datetime] = mapped_column(Utc)
    seen: Mapped[datetime] = mapped_column(Utc)
    address: Mapped[str] = mapped_column(Text)
    agent: Mapped[str] = mapped_column(Text)


class TokenRow(Base):
    """A person's token for programs. `digest`: SHA-256 of it; `reach`: whether it reads, or may do what they may."""

    __tablename__ = "portal_token"
    __table_args__ = (UniqueConstraint("digest"), among("reach", REACHES), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    made: Mapped[datetime] = mapped_column(Utc)
    ends: Mapped[datetime] = mapped_column(Utc)
    reach: Mapped[str] = mapped_column(String(16), server_default="read")
