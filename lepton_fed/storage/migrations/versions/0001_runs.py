"""Runs, rounds, measurements and models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "run",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("federation_toml", sa.Text, nullable=False),
        sa.Column("seed", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("started", _MOMENT, nullable=False),
        sa.Column("finished", _MOMENT),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.CheckConstraint("status IN ('running', 'finished', 'failed', 'stopped')", name=op.f("ck_run_status")),
    )
    op.create_index(op.f("ix_run_fingerprint"), "run", ["fingerprint"])
    op.create_table(
        "round",
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Double),
        sa.Column("recorded", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("run", "number", name=op.f("pk_round")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name=op.f("fk_round_run_run"), ondelete="CASCADE"),
    )
    op.create_table(
        "measurement",
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("part", sa.String(16), nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("value", sa.Double),
        sa.PrimaryKeyConstraint("run", "round", "position", name=op.f("pk_measurement")),
        sa.ForeignKeyConstraint(
            ["run", "round"],
            ["round.run", "round.number"],
            name=op.f("fk_measurement_run_round_round"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "run",
            "round",
            "department",
            "part",
            "metric",
            name=op.f("uq_measurement_run_round_department_part_metric"),
        ),
    )
    op.create_table(
        "model",
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("run", "department", name=op.f("pk_model")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name=op.f("fk_model_run_run"), ondelete="CASCADE"),
    )
    op.create_index(op.f("ix_model_digest"), "model", ["digest"])


def downgrade() -> None:
    """Take it back."""
    for table in ("model", "measurement", "round", "run"):
        op.drop_table(table)
