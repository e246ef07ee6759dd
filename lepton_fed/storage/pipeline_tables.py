"""Tables of pipelines.

    pipeline_run 1 --- n pipeline_step 1 --- n pipeline_link         (a step and what it comes after)
     \\------------ n pipeline_event

A run's rows go with it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Double, ForeignKeyConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc


def _of_a_run() -> ForeignKeyConstraint:
    """What belongs to a run of a pipeline goes with it."""
    return ForeignKeyConstraint(
        ["pipeline", "number"], ["pipeline_run.pipeline", "pipeline_run.number"], ondelete="CASCADE"
    )


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

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
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
