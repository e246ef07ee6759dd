"""The audit log, whose entries, heads and countersignatures are added and never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ADDED_ONLY = ("audit_entry", "audit_head", "audit_countersignature")

_SAYS = "the audit log is added to and never changed"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "audit_log",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "audit_entry",
        *_place("audit_entry"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("nodes", sa.LargeBinary, nullable=False),
    )
    op.create_table("audit_head", *_place("audit_head"), sa.Column("body", sa.LargeBinary, nullable=False))
    op.create_table(
        "audit_countersignature",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("log", "number", "department", name=op.f("pk_audit_countersignature")),
        sa.ForeignKeyConstraint(
            ["log", "number"],
            ["audit_head.log", "audit_head.number"],
            name=op.f("fk_audit_countersignature_log_number_audit_head"),
        ),
    )
    op.create_table(
        "audit_opening",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("log", "commitment", name=op.f("pk_audit_opening")),
        sa.ForeignKeyConstraint(["log"], ["audit_log.log"], name=op.f("fk_audit_opening_log_audit_log")),
    )
    for statement in _guards(op.get_bind().dialect.name):
        op.execute(statement)


def _place(table: str) -> tuple[sa.Column[object] | sa.Constraint, ...]:
    """A row's place in its log."""
    return (
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log", "number", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["log"], ["audit_log.log"], name=op.f(f"fk_{table}_log_audit_log")),
    )


def _guards(dialect: str) -> list[str]:
    """Triggers against accidents. Who may drop them is found by what the departments signed."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{change} BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"
            for table in _ADDED_ONLY
            for change in ("update", "delete")
        ]
    if dialect != "postgresql":
        return []
    function = (
        "CREATE FUNCTION lepton_fed_audit_guard() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_SAYS}'; END $$"
    )
    return [function] + [
        f"CREATE TRIGGER {table}_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION lepton_fed_audit_guard()"
        for table in _ADDED_ONLY
    ]


def downgrade() -> None:
    """Take it back."""
    for table in ("audit_countersignature", "audit_opening", "audit_head", "audit_entry", "audit_log"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION lepton_fed_audit_guard()")
