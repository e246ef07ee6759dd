"""Tables of the knowledge graph: facts, by the revisions in which they came or ended; matches of entities."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc


class KnowledgeRevisionRow(Base):
    """One change of a department's facts: who made it, when, out of what. `digest` (32 bytes) is of the facts' keys."""

    __tablename__ = "knowledge_revision"
    __table_args__ = (
        CheckConstraint("kind IN ('import', 'retract', 'restore')", name="kind"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    department: Mapped[str] = mapped_column(Text, index=True)
    kind: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime] = mapped_column(Utc)
    by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    added: Mapped[int] = mapped_column(BigInteger)
    ended: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class KnowledgeFactRow(Base):
    """A fact from the revision `since` up to, not with, `until`; NULL: it stands. No row is ever removed.

    `key` (16 bytes) tells facts of a department apart. `datatype` is NULL where the tail is an entity; what is
    written differently from its normalised name is kept in `head_written`, `tail_written`.
    """

    __tablename__ = "knowledge_fact"
    __table_args__ = (
        # One standing row a fact. Few facts have ended, so that their history costs an import nothing.
        Index(
            "uq_knowledge_fact_standing",
            "department",
            "key",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
        Index(
            "ix_knowledge_fact_ended",
            "department",
            "key",
            sqlite_where=text("until IS NOT NULL"),
            postgresql_where=text("until IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    department: Mapped[str] = mapped_column(Text)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[int] = mapped_column(ForeignKey("knowledge_revision.number"))
    until: Mapped[int | None] = mapped_column(ForeignKey("knowledge_revision.number"))
    head: Mapped[str] = mapped_column(Text)
    relation: Mapped[str] = mapped_column(Text)
    tail: Mapped[str] = mapped_column(Text)
    datatype: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    confidence: Mapped[float] = mapped_column(Double)
    source: Mapped[str | None] = mapped_column(Text)
    head_written: Mapped[str | None] = mapped_column(Text)
    tail_written: Mapped[str | None] = mapped_column(Text)


class KnowledgeMatchRow(Base):
    """Two departments' entities that may be one; counts once a person has accepted it, until it is undone.

    `canonical` is the name under which both are known then.
    """

    __tablename__ = "knowledge_match"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'accepted', 'refused')", name="state"),
        UniqueConstraint("department", "entity", "other_department", "other_entity"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    department: Mapped[str] = mapped_column(Text)
    entity: Mapped[str] = mapped_column(Text)
    other_department: Mapped[str] = mapped_column(Text)
    other_entity: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    canonical: Mapped[str] = mapped_column(Text)
    proposed: Mapped[datetime] = mapped_column(Utc)
    decided: Mapped[datetime | None] = mapped_column(Utc)
    by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
