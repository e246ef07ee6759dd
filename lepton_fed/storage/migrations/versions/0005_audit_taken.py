"""How far each source of the audit log has been taken in, so that nothing is taken in twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "audit_taken",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log", "source", name=op.f("pk_audit_taken")),
        sa.ForeignKeyConstraint(["log"], ["audit_log.log"], name=op.f("fk_audit_taken_log_audit_log")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("audit_taken")
