"""Entries of a course: since when each is in it. Of those that are in one already nobody knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("portal_course_entry", sa.Column("since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("portal_course_entry") as table:
        table.drop_column("since")
