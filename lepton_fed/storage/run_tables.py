"""Tables of runs.

    run 1 --- n round 1 --- n measurement
     \\------- n model

Arrays stay in the run folder; a model's row holds the digest of its file.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import Base, Measured, Utc, WholeNumber


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
