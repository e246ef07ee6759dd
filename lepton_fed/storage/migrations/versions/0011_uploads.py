"""Uploads of the portal: what a person added within a day, removed since or not. Those from before are not counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "portal_upload",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("person", _NUMBER, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["portal_person.id"], name=op.f("fk_portal_upload_person_portal_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_upload")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_portal_upload_person"), "portal_upload", ["person"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("portal_upload")
