"""The portal's tables about accounts: identities at a provider that sign in as a person, and what was done to accounts.

portal_person 1 --- n portal_identity          by issuer and subject, never by a name or an e-mail address
              1 --- n portal_account_event     append-only
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc, among

EVENTS = (
    "made",
    "role",
    "no_role",
    "operator",
    "no_operator",
    "password",
    "closed",
    "opened",
    "linked",
    "unlinked",
    "signed_out",
    "department",
)


class IdentityRow(Base):
    """Somebody at an identity provider, who signs in as this person.

    `by` linked it; NULL: the first sign-in made the account.
    """

    __tablename__ = "portal_identity"

    issuer: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id", ondelete="CASCADE"), index=True)
    by: Mapped[int | None] = mapped_column(ForeignKey("portal_person.id"))
    made: Mapped[datetime] = mapped_column(Utc)


class AccountEventRow(Base):
    """Something was done to an account; no row is ever changed.

    `by` did it to `person`; NULL: a command, the identity provider's word, or (`person`) nobody in particular.
    `department`: whose administrators are told of it as well.
    """

    __tablename__ = "portal_account_event"
    __table_args__ = (among("kind", EVENTS), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    time: Mapped[datetime] = mapped_column(Utc)
    kind: Mapped[str] = mapped_column(String(16))
    by: Mapped[int | None] = mapped_column(ForeignKey("portal_person.id"))
    person: Mapped[int | None] = mapped_column(ForeignKey("portal_person.id"), index=True)
    department: Mapped[str] = mapped_column(Text, index=True)
    detail: Mapped[str] = mapped_column(Text)
