"""The portal: what entries resemble and speak of, reported errors, comments that were taken back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Take the step."""
    _create_sketches()
    _create_references()
    _create_reports()
    _create_withdrawals()


def _create_sketches() -> None:
    op.create_table(
        "portal_sketch",
        sa.Column("entry", _NUMBER, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        _reference("portal_sketch", "entry", "portal_entry.id"),
        sa.PrimaryKeyConstraint("entry", "place", name=op.f("pk_portal_sketch")),
    )
    op.create_index(op.f("ix_portal_sketch_value"), "portal_sketch", ["value"])


def _create_references() -> None:
    op.create_table(
        "portal_reference",
        sa.Column("entry", _NUMBER, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        _reference("portal_reference", "entry", "portal_entry.id"),
        sa.CheckConstraint("kind IN ('entity', 'model', 'run')", name=op.f("ck_portal_reference_kind")),
        sa.PrimaryKeyConstraint("entry", "kind", "target", name=op.f("pk_portal_reference")),
    )
    op.create_index("ix_portal_reference_kind_target", "portal_reference", ["kind", "target"])


def _create_reports() -> None:
    op.create_table(
        "portal_report",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("person", _NUMBER, nullable=False),
        sa.Column("time", _MOMENT, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("answerer", _NUMBER),
        sa.Column("answered", _MOMENT),
        sa.Column("answer", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["entry", "revision"],
            ["portal_revision.entry", "portal_revision.number"],
            name=op.f("fk_portal_report_entry_revision_portal_revision"),
        ),
        _reference("portal_report", "person", "portal_person.id"),
        _reference("portal_report", "answerer", "portal_person.id"),
        sa.CheckConstraint("state IN ('open', 'fixed', 'no_error')", name=op.f("ck_portal_report_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_report")),
        sqlite_autoincrement=True,
    )
    for column in ("entry", "state"):
        op.create_index(op.f(f"ix_portal_report_{column}"), "portal_report", [column])


def _create_withdrawals() -> None:
    op.create_table(
        "portal_withdrawal",
        sa.Column("comment", _NUMBER, nullable=False, autoincrement=False),
        sa.Column("person", _NUMBER, nullable=False),
        sa.Column("time", _MOMENT, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _reference("portal_withdrawal", "comment", "portal_comment.id"),
        _reference("portal_withdrawal", "person", "portal_person.id"),
        sa.PrimaryKeyConstraint("comment", name=op.f("pk_portal_withdrawal")),
    )


def _reference(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    kind: dict[str, Any] = {"name": op.f(f"fk_{table}_{column}_{to.partition('.')[0]}")}
    return sa.ForeignKeyConstraint([column], [to], **kind)


def downgrade() -> None:
    """Take it back."""
    for table in ("portal_withdrawal", "portal_report", "portal_reference", "portal_sketch"):
        op.drop_table(table)
