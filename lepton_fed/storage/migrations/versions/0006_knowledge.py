"""Facts of the knowledge graph, the revisions that made them, and matches of entities across departments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "knowledge_revision",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("time", _MOMENT, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_knowledge_revision")),
        sa.CheckConstraint("kind IN ('import', 'retract', 'restore')", name=op.f("ck_knowledge_revision_kind")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_knowledge_revision_department"), "knowledge_revision", ["department"])
    op.create_table(
        "knowledge_fact",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("until", _NUMBER),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("tail", sa.Text, nullable=False),
        sa.Column("datatype", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("head_written", sa.Text),
        sa.Column("tail_written", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_fact")),
        *(
            sa.ForeignKeyConstraint(
                [column], ["knowledge_revision.number"], name=op.f(f"fk_knowledge_fact_{column}_knowledge_revision")
            )
            for column in ("since", "until")
        ),
        sqlite_autoincrement=True,
    )
    _partial("uq_knowledge_fact_standing", "until IS NULL", unique=True)
    _partial("ix_knowledge_fact_ended", "until IS NOT NULL", unique=False)
    op.create_table(
        "knowledge_match",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("other_department", sa.Text, nullable=False),
        sa.Column("other_entity", sa.Text, nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("canonical", sa.Text, nullable=False),
        sa.Column("proposed", _MOMENT, nullable=False),
        sa.Column("decided", _MOMENT),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_knowledge_match")),
        sa.CheckConstraint("state IN ('proposed', 'accepted', 'refused')", name=op.f("ck_knowledge_match_state")),
        sa.UniqueConstraint(
            "department",
            "entity",
            "other_department",
            "other_entity",
            name=op.f("uq_knowledge_match_department_entity_other_department_other_entity"),
        ),
        sqlite_autoincrement=True,
    )


def _partial(name: str, where: str, *, unique: bool) -> None:
    """An index of facts' keys over the rows for which `where` holds."""
    condition = sa.text(where)
    op.create_index(
        name,
        "knowledge_fact",
        ["department", "key"],
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def downgrade() -> None:
    """Take it back."""
    for table in ("knowledge_match", "knowledge_fact", "knowledge_revision"):
        op.drop_table(table)
