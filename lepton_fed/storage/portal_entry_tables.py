"""The portal's tables of entries.

    portal_shelf 1 --- n portal_entry 1 --- n portal_revision               (append-only)
                              \\------------ n portal_move, portal_tag, portal_comment, portal_use

The index of words is made from these tables by the portal, and is none of them.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, ForeignKey, ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc, among

STATES = ("draft", "in_review", "changes_requested", "published", "retired")
MOVES = ("submit", "take_back", "request_changes", "publish", "retire", "confirm")
NOTED = (*MOVES, "give")
KINDS = ("note", "document", "faq", "model_card", "data_card")
AUDIENCES = ("department", "named", "everyone")


class ShelfRow(Base):
    """Where entries of one department for one audience stand: what policies decide about. `named`: a JSON list."""

    __tablename__ = "portal_shelf"
    __table_args__ = (
        among("audience", AUDIENCES),
        UniqueConstraint("department", "audience", "named"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("portal_department.name"))
    audience: Mapped[str] = mapped_column(String(16))
    named: Mapped[str] = mapped_column(Text)


class EntryRow(Base):
    """A piece of knowledge. `state` is that of the `newest` revision; readers see the `published` one, NULL: none.

    `shelf`, `title` are those of the published revision, of the newest where there is none. `day`: when it was last
    published, in days since 1970, 0 if never; `opened`, `helped`: by how many people.
    """

    __tablename__ = "portal_entry"
    __table_args__ = (among("kind", KINDS), among("state", STATES), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("portal_department.name"), index=True)
    shelf: Mapped[int] = mapped_column(ForeignKey("portal_shelf.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    owner: Mapped[int] = mapped_column(ForeignKey("portal_person.id"), index=True)
    state: Mapped[str] = mapped_column(String(24), index=True)
    newest: Mapped[int]
    published: Mapped[int | None]
    review_by: Mapped[date | None] = mapped_column(Date, index=True)
    made: Mapped[datetime] = mapped_column(Utc)
    changed: Mapped[datetime] = mapped_column(Utc, index=True)
    day: Mapped[int]
    opened: Mapped[int]
    helped: Mapped[int]


class RevisionRow(Base):
    """A text as it was saved; no row is ever changed. `tags`: a JSON list. `kept`: sensitive places left there."""

    __tablename__ = "portal_revision"

    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shelf: Mapped[int] = mapped_column(ForeignKey("portal_shelf.id"))
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    tags: Mapped[str] = mapped_column(Text)
    author: Mapped[int] = mapped_column(ForeignKey("portal_person.id"))
    saved: Mapped[datetime] = mapped_column(Utc)
    review_by: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text)
    masked: Mapped[int]
    kept: Mapped[int]


class MoveRow(Base):
    """What was decided about a revision: submitted, sent back, published; by whom and why. `give`: another owner."""

    __tablename__ = "portal_move"
    __table_args__ = (
        ForeignKeyConstraint(["entry", "revision"], ["portal_revision.entry", "portal_revision.number"]),
        among("move", NOTED),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    entry: Mapped[int] = mapped_column(BigInteger, index=True)
    revision: Mapped[int]
    move: Mapped[str] = mapped_column(String(24))
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"))
    time: Mapped[datetime] = mapped_column(Utc)
    reason: Mapped[str] = mapped_column(Text)


class TagRow(Base):
    """A tag of the revision that readers see (of the newest where none is published)."""

    __tablename__ = "portal_tag"

    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(Text, primary_key=True, index=True)


class CommentRow(Base):
    """What somebody said about an entry."""

    __tablename__ = "portal_comment"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), index=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"))
    time: Mapped[datetime] = mapped_column(Utc)
    text: Mapped[str] = mapped_column(Text)


class UseRow(Base):
    """A person opened an entry, and perhaps it helped.

    `department`: the person's own when it was first opened; `owner`: the entry's when it helped.
    """

    __tablename__ = "portal_use"

    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"), primary_key=True, index=True)
    department: Mapped[str] = mapped_column(ForeignKey("portal_department.name"))
    first: Mapped[datetime] = mapped_column(Utc)
    last: Mapped[datetime] = mapped_column(Utc)
    helped: Mapped[datetime | None] = mapped_column(Utc, index=True)
    owner: Mapped[int | None] = mapped_column(ForeignKey("portal_person.id"))
