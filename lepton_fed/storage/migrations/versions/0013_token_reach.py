"""Tokens of the portal: how far each reaches. Those that are there already may do what they could."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_CHECK = "ck_portal_token_reach"


def upgrade() -> None:
    """Take the step."""
    permitted = sa.CheckConstraint("reach IN ('read', 'everything')", name=op.f(_CHECK))
    # The default is the least: whatever forgets to say how far a token reaches makes one that changes nothing.
    op.add_column("portal_token", sa.Column("reach", sa.String(16), permitted, nullable=False, server_default="read"))
    op.execute("UPDATE portal_token SET reach = 'everything'")


def downgrade() -> None:
    """Take it back. Before this step every token may do everything, so those that only read end."""
    op.execute("DELETE FROM portal_token WHERE reach <> 'everything'")
    with op.batch_alter_table("portal_token", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_constraint(op.f(_CHECK), type_="check")
        table.drop_column("reach")
