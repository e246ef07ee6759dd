"""The portal's tables of what speaks for or against an entry: texts like it, things it names, reports, withdrawals.

portal_entry 1 --- n portal_sketch       (of the text that readers see: alike texts share some of them)
              \\---- n portal_reference    (what that text links to: entities, models, runs)
              \\---- n portal_report       (somebody says that it is wrong; how that was answered)
portal_comment 1 --- 1 portal_withdrawal (its text is gone)
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc, among

REFERENCES = ("entity", "model", "run")
REPORT_STATES = ("open", "fixed", "no_error")


class SketchRow(Base):
    """One of the hashes that a published text has in common with texts like it. `version`: of how they are made."""

    __tablename__ = "portal_sketch"

    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger, index=True)
    version: Mapped[int]


class ReferenceRow(Base):
    """What a published text links to: an entity by its IRI, a model by its SHA-256, a run by its id."""

    __tablename__ = "portal_reference"
    __table_args__ = (among("kind", REFERENCES), Index("ix_portal_reference_kind_target", "kind", "target"))

    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    target: Mapped[str] = mapped_column(Text, primary_key=True)


class ReportRow(Base):
    """Somebody reported an error in what readers see. `answerer`, `answered`, `answer`: once it is closed."""

    __tablename__ = "portal_report"
    __table_args__ = (
        ForeignKeyConstraint(["entry", "revision"], ["portal_revision.entry", "portal_revision.number"]),
        among("state", REPORT_STATES),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    entry: Mapped[int] = mapped_column(BigInteger, index=True)
    revision: Mapped[int]
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"))
    time: Mapped[datetime] = mapped_column(Utc)
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8), index=True)
    answerer: Mapped[int | None] = mapped_column(ForeignKey("portal_person.id"))
    answered: Mapped[datetime | None] = mapped_column(Utc)
    answer: Mapped[str] = mapped_column(Text)


class WithdrawalRow(Base):
    """A comment was taken back, by whoever wrote it or by a reviewer, who says why."""

    __tablename__ = "portal_withdrawal"

    comment: Mapped[int] = mapped_column(ForeignKey("portal_comment.id"), primary_key=True, autoincrement=False)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"))
    time: Mapped[datetime] = mapped_column(Utc)
    reason: Mapped[str] = mapped_column(Text)
