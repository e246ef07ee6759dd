"""Accounts of the portal: identities that sign in as a person, and a log of what was done to accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KINDS = (
    "kind IN ('made', 'role', 'no_role', 'operator', 'no_operator', 'password', 'closed', 'opened', 'linked', "
    "'unlinked', 'signed_out', 'department')"
)
_LOG = "portal_account_event"
_SAYS = "the log of accounts is added to and never changed"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "portal_identity",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("person", _NUMBER, nullable=False),
        sa.Column("by", _NUMBER),
        sa.Column("made", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["portal_person.id"], name=op.f("fk_portal_identity_person_portal_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["by"], ["portal_person.id"], name=op.f("fk_portal_identity_by_portal_person")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_portal_identity")),
    )
    op.create_index(op.f("ix_portal_identity_person"), "portal_identity", ["person"])
    op.create_table(
        _LOG,
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("time", _MOMENT, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("by", _NUMBER),
        sa.Column("person", _NUMBER),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        *(
            sa.ForeignKeyConstraint([column], ["portal_person.id"], name=op.f(f"fk_{_LOG}_{column}_portal_person"))
            for column in ("by", "person")
        ),
        sa.CheckConstraint(_KINDS, name=op.f(f"ck_{_LOG}_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_LOG}")),
        sqlite_autoincrement=True,
    )
    for column in ("person", "department"):
        op.create_index(op.f(f"ix_{_LOG}_{column}"), _LOG, [column])
    for statement in _guards(op.get_bind().dialect.name):
        op.execute(statement)


def _guards(dialect: str) -> list[str]:
    """Triggers against accidents, as the audit log has them."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {_LOG}_no_{change} BEFORE {change} ON {_LOG} BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"
            for change in ("update", "delete")
        ]
    if dialect != "postgresql":
        return []
    return [
        "CREATE FUNCTION lepton_fed_account_guard() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_SAYS}'; END $$",
        f"CREATE TRIGGER {_LOG}_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON {_LOG} "
        "FOR EACH STATEMENT EXECUTE FUNCTION lepton_fed_account_guard()",
    ]


def downgrade() -> None:
    """Take it back."""
    op.drop_table(_LOG)
    op.drop_table("portal_identity")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION lepton_fed_account_guard()")
