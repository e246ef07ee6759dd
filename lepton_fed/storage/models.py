"""The tables: runs, their rounds, what was measured in them, the models that came out; calls, the audit log, pipelines.

    run 1 --- n round 1 --- n measurement       audit_log 1 --- n audit_entry        audit_event
     \\------- n model                             |   \\------- n audit_opening
                                                  |   \\------- n audit_taken
                                                  \\------- n audit_head 1 --- n audit_countersignature

    pipeline_run 1 --- n pipeline_step 1 --- n pipeline_link         (a step and what it comes after)
     \\------------ n pipeline_event

The portal's tables are in `portal_tables` and `portal_entry_tables`. Arrays stay in the run folder; a model's row holds
the digest of its file.
Every name of a constraint follows from `columns.NAMING`, so that a later migration can refer to it on any database.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage import portal_account_tables as portal_account_tables

# Base knows every table once this file is imported, the portal's too.
from lepton_fed.storage import portal_attachment_tables as portal_attachment_tables
from lepton_fed.storage import portal_course_tables as portal_course_tables
from lepton_fed.storage import portal_entry_tables as portal_entry_tables
from lepton_fed.storage import portal_keyword_tables as portal_keyword_tables
from lepton_fed.storage import portal_tables as portal_tables
from lepton_fed.storage.columns import Base as Base
from lepton_fed.storage.columns import Measured, WholeNumber
from lepton_fed.storage.columns import Utc as Utc


def _of_a_run() -> ForeignKeyConstraint:
    """What belongs to a run of a pipeline goes with it."""
    return ForeignKeyConstraint(
        ["pipeline", "number"], ["pipeline_run.pipeline", "pipeline_run.number"], ondelete="CASCADE"
    )


class RunRow(Base):
    """One run of one federation."""

    __tablename__ = "run"
    __table_args__ = (CheckConstraint("status IN ('running', 'finished', 'failed', 'stopped')", name="status"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    federation_toml: Mapped[str] = mapped_column(Text)
    seed: Mapped[int] = mapped_column(WholeNumber)
    folder: Mapped[str] = mapped_column(Text)
    started: Mapped[datetime] = mapped_column(Utc)
    finished: Mapped[datetime | None] = mapped_column(Utc)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)


class RoundRow(Base):
    """One completed round; 0 is what was measured before any training."""

    __tablename__ = "round"

    run: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seconds: Mapped[float] = mapped_column(Measured, nullable=True)
    recorded: Mapped[datetime] = mapped_column(Utc)


class MeasurementRow(Base):
    """One number; `position` keeps the order in the round, `department` is empty for the federation."""

    __tablename__ = "measurement"
    __table_args__ = (
        ForeignKeyConstraint(["run", "round"], ["round.run", "round.number"], ondelete="CASCADE"),
        UniqueConstraint("run", "round", "department", "part", "metric"),
    )

    run: Mapped[str] = mapped_column(String(36), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    department: Mapped[str] = mapped_column(Text)
    part: Mapped[str] = mapped_column(String(16))
    metric: Mapped[str] = mapped_column(Text)
    value: Mapped[float] = mapped_column(Measured, nullable=True)


class ModelRow(Base):
    """A target's model: where its file is and the sha256 by which it is known."""

    __tablename__ = "model"

    run: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    department: Mapped[str] = mapped_column(Text, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    file: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(Utc)


class AuditEventRow(Base):
    """One call of the coordinator's port. `run` is Flower's number: no key of `run`, which calls outlive."""

    __tablename__ = "audit_event"
    __table_args__ = (
        CheckConstraint("outcome IN ('done', 'refused', 'failed')", name="outcome"),
        # SQLite would otherwise give the id of a removed last row to the next.
        {"sqlite_autoincrement": True},
    )

    # SQLite counts up in a column called INTEGER, of 64 bits, and in no other.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    time: Mapped[datetime] = mapped_column(Utc)
    actor: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    run: Mapped[str] = mapped_column(Text)


class AuditLogRow(Base):
    """A log: how many entries it has, and the hashes (32 bytes each) that the next is appended to. Locked meanwhile."""

    __tablename__ = "audit_log"

    log: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEntryRow(Base):
    """An entry: its bytes, the hashes of its leaf and of the subtrees that it completes. Triggers keep it as it is."""

    __tablename__ = "audit_entry"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    nodes: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHeadRow(Base):
    """A signed head in its canonical bytes. Triggers keep it as it is."""

    __tablename__ = "audit_head"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCounterSignatureRow(Base):
    """A department's signature on a head. Triggers keep it as it is."""

    __tablename__ = "audit_countersignature"
    __table_args__ = (ForeignKeyConstraint(["log", "number"], ["audit_head.log", "audit_head.number"]),)

    log: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    department: Mapped[str] = mapped_column(Text, primary_key=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class AuditOpeningRow(Base):
    """The text behind a commitment of an entry, and its salt; may be erased, and nothing else may be done to it."""

    __tablename__ = "audit_opening"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    commitment: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    text: Mapped[str] = mapped_column(Text)


class AuditTakenRow(Base):
    """Up to which number the entries of a source (a run's rounds, a department's docket, calls) are in a log."""

    __tablename__ = "audit_taken"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class PipelineRunRow(Base):
    """One run of a pipeline. `definition`: digest of the steps and their order, which a run keeps to its end."""

    __tablename__ = "pipeline_run"
    __table_args__ = (CheckConstraint("state IN ('running', 'finished', 'failed', 'cancelled')", name="state"),)

    pipeline: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    definition: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    requester: Mapped[str] = mapped_column(Text)
    started: Mapped[datetime] = mapped_column(Utc)
    finished: Mapped[datetime | None] = mapped_column(Utc)


class PipelineStepRow(Base):
    """A step of a run and where it is. `worker` holds it until `lease`; `result` is JSON, of its last finished pass."""

    __tablename__ = "pipeline_step"
    __table_args__ = (
        _of_a_run(),
        CheckConstraint(
            "state IN ('waiting', 'asking', 'ready', 'running', 'done', 'manual', 'skipped', 'refused', 'failed', "
            "'blocked', 'cancelled')",
            name="state",
        ),
    )

    pipeline: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int]
    department: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    rank: Mapped[float] = mapped_column(Double)
    turns: Mapped[int]
    """Finished passes of its loop."""
    failures: Mapped[int]
    """Failed tries of the pass under way."""
    begun: Mapped[int]
    """How often a worker took it up."""
    not_before: Mapped[datetime | None] = mapped_column(Utc)
    worker: Mapped[str] = mapped_column(Text)
    lease: Mapped[datetime | None] = mapped_column(Utc)
    result: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    started: Mapped[datetime | None] = mapped_column(Utc)
    ended: Mapped[datetime | None] = mapped_column(Utc)


class PipelineLinkRow(Base):
    """A step comes after another."""

    __tablename__ = "pipeline_link"
    __table_args__ = (_of_a_run(),)

    pipeline: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[str] = mapped_column(Text, primary_key=True)
    after: Mapped[str] = mapped_column(Text, primary_key=True)


class PipelineEventRow(Base):
    """A move of a step, in the order in which they were committed."""

    __tablename__ = "pipeline_event"
    __table_args__ = (_of_a_run(), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    pipeline: Mapped[str] = mapped_column(Text)
    number: Mapped[int]
    step: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Utc)
    move: Mapped[str] = mapped_column(String(16))
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    turn: Mapped[int]
    attempt: Mapped[int]
    begun: Mapped[int]
    worker: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)


class KnowledgeRevisionRow(Base):
    """One change of a department's facts: who made it, when, out of what. `digest` (32 bytes) is of the facts' keys."""

    __tablename__ = "knowledge_revision"
    __table_args__ = (
        CheckConstraint("kind IN ('import', 'retract', 'restore')", name="kind"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
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

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
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

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
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
