"""Pipelines: runs, their steps and what those come after, every move."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_RUN_STATES = "state IN ('running', 'finished', 'failed', 'cancelled')"
_STEP_STATES = (
    "state IN ('waiting', 'asking', 'ready', 'running', 'done', 'manual', 'skipped', 'refused', 'failed', "
    "'blocked', 'cancelled')"
)


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "pipeline_run",
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("definition", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("started", _MOMENT, nullable=False),
        sa.Column("finished", _MOMENT),
        sa.PrimaryKeyConstraint("pipeline", "number", name=op.f("pk_pipeline_run")),
        sa.CheckConstraint(_RUN_STATES, name=op.f("ck_pipeline_run_state")),
    )
    _create(
        "pipeline_step",
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rank", sa.Double, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("begun", sa.Integer, nullable=False),
        sa.Column("not_before", _MOMENT),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("lease", _MOMENT),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("started", _MOMENT),
        sa.Column("ended", _MOMENT),
        sa.CheckConstraint(_STEP_STATES, name=op.f("ck_pipeline_step_state")),
        key=("step",),
    )
    _create(
        "pipeline_link",
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        key=("step", "after"),
    )
    op.create_table(
        "pipeline_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        *_run("pipeline_event"),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("before", sa.String(16), nullable=False),
        sa.Column("after", sa.String(16), nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("begun", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pipeline_event")),
        sqlite_autoincrement=True,
    )


def _create(table: str, *columns: sa.Column[object] | sa.Constraint, key: tuple[str, ...]) -> None:
    """A table of what belongs to a run."""
    whole = ("pipeline", "number", *key)
    op.create_table(table, *_run(table), *columns, sa.PrimaryKeyConstraint(*whole, name=op.f(f"pk_{table}")))


def _run(table: str) -> tuple[sa.Column[object] | sa.Constraint, ...]:
    return (
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline", "number"],
            ["pipeline_run.pipeline", "pipeline_run.number"],
            name=op.f(f"fk_{table}_pipeline_number_pipeline_run"),
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Take it back."""
    for table in ("pipeline_event", "pipeline_link", "pipeline_step", "pipeline_run"):
        op.drop_table(table)
