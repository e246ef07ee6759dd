"""The portal's tables of attachments: a file of an entry, which revisions hold it, and who added how much lately.

    portal_entry 1 --- n portal_attachment n --- n portal_revision        (by portal_holding, append-only)
    portal_person 1 --- n portal_upload

The files themselves lie in the portal's folder, named by their SHA-256.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc


class AttachmentRow(Base):
    """A file of an entry, by the name that its texts use. `kind`: its media type; `digest`: SHA-256, hexadecimal.

    `removed`: when it was taken away for good, for the history to say so; NULL: it is there.
    """

    __tablename__ = "portal_attachment"
    __table_args__ = (UniqueConstraint("entry", "name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"))
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"), index=True)
    added: Mapped[datetime] = mapped_column(Utc)
    removed: Mapped[datetime | None] = mapped_column(Utc)


class HoldingRow(Base):
    """A revision holds an attachment."""

    __tablename__ = "portal_holding"
    __table_args__ = (ForeignKeyConstraint(["entry", "revision"], ["portal_revision.entry", "portal_revision.number"]),)

    entry: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    attachment: Mapped[int] = mapped_column(ForeignKey("portal_attachment.id"), primary_key=True, index=True)


class UploadRow(Base):
    """A person added so many bytes. It stays for a day, whatever becomes of the file."""

    __tablename__ = "portal_upload"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"), index=True)
    time: Mapped[datetime] = mapped_column(Utc)
    size: Mapped[int] = mapped_column(BigInteger)
