"""The portal: people, roles, sessions and tokens; shelves, entries and their revisions; moves, tags, comments, use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_Kind: TypeAlias = sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]
_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_ROLES = "role IN ('reader', 'author', 'reviewer', 'approver', 'administrator')"
_AUDIENCES = "audience IN ('department', 'named', 'everyone')"
_KINDS = "kind IN ('note', 'document', 'faq', 'model_card', 'data_card')"
_STATES = "state IN ('draft', 'in_review', 'changes_requested', 'published', 'retired')"
_MOVES = "move IN ('submit', 'take_back', 'request_changes', 'publish', 'retire', 'confirm', 'give')"


def upgrade() -> None:
    """Take the step."""
    _create_people()
    _create_entries()
    _create_what_became_of_them()


def _create_people() -> None:
    _create("portal_department", _text("name"), _moment("made"), key=("name",))
    _create(
        "portal_person",
        _number("id"),
        _text("name"),
        _text("shown"),
        _text("department"),
        _text("password"),
        _column("operator", sa.Boolean),
        _column("active", sa.Boolean),
        _column("language", sa.String(8)),
        _moment("made"),
        _column("failures", sa.Integer),
        sa.Column("locked", _MOMENT),
        _reference("portal_person", "department", "portal_department.name"),
        sa.UniqueConstraint("name", name=op.f("uq_portal_person_name")),
        key=("id",),
    )
    _create(
        "portal_membership",
        _number("person"),
        _text("department"),
        _column("role", sa.String(16)),
        _reference("portal_membership", "person", "portal_person.id", goes=True),
        _reference("portal_membership", "department", "portal_department.name"),
        sa.CheckConstraint(_ROLES, name=op.f("ck_portal_membership_role")),
        key=("person", "department"),
    )
    for table, columns in {
        "portal_session": (_moment("begun"), _moment("seen"), _text("address"), _text("agent")),
        "portal_token": (_text("name"), _moment("made"), _moment("ends")),
    }.items():
        _create(
            table,
            _number("id"),
            _column("digest", sa.LargeBinary),
            _number("person"),
            *columns,
            _reference(table, "person", "portal_person.id", goes=True),
            sa.UniqueConstraint("digest", name=op.f(f"uq_{table}_digest")),
            key=("id",),
            indexed=("person",),
        )


def _create_entries() -> None:
    _create(
        "portal_shelf",
        _number("id"),
        _text("department"),
        _column("audience", sa.String(16)),
        _text("named"),
        _reference("portal_shelf", "department", "portal_department.name"),
        sa.CheckConstraint(_AUDIENCES, name=op.f("ck_portal_shelf_audience")),
        sa.UniqueConstraint("department", "audience", "named", name=op.f("uq_portal_shelf_department_audience_named")),
        key=("id",),
    )
    _create(
        "portal_entry",
        _number("id"),
        _text("department"),
        _number("shelf"),
        _column("kind", sa.String(16)),
        _text("title"),
        _number("owner"),
        _column("state", sa.String(24)),
        _column("newest", sa.Integer),
        sa.Column("published", sa.Integer),
        sa.Column("review_by", sa.Date),
        _moment("made"),
        _moment("changed"),
        _column("day", sa.Integer),
        _column("opened", sa.Integer),
        _column("helped", sa.Integer),
        _reference("portal_entry", "department", "portal_department.name"),
        _reference("portal_entry", "shelf", "portal_shelf.id"),
        _reference("portal_entry", "owner", "portal_person.id"),
        sa.CheckConstraint(_KINDS, name=op.f("ck_portal_entry_kind")),
        sa.CheckConstraint(_STATES, name=op.f("ck_portal_entry_state")),
        key=("id",),
        indexed=("department", "shelf", "owner", "state", "review_by", "changed"),
    )
    _create(
        "portal_revision",
        _number("entry"),
        _column("number", sa.Integer),
        _number("shelf"),
        _text("title"),
        _text("body"),
        _text("tags"),
        _number("author"),
        _moment("saved"),
        sa.Column("review_by", sa.Date),
        _text("note"),
        _column("masked", sa.Integer),
        _column("kept", sa.Integer),
        _reference("portal_revision", "entry", "portal_entry.id"),
        _reference("portal_revision", "shelf", "portal_shelf.id"),
        _reference("portal_revision", "author", "portal_person.id"),
        key=("entry", "number"),
    )


def _create_what_became_of_them() -> None:
    _create(
        "portal_move",
        _number("id"),
        _column("entry", sa.BigInteger),
        _column("revision", sa.Integer),
        _column("move", sa.String(24)),
        _number("person"),
        _moment("time"),
        _text("reason"),
        sa.ForeignKeyConstraint(
            ["entry", "revision"],
            ["portal_revision.entry", "portal_revision.number"],
            name=op.f("fk_portal_move_entry_revision_portal_revision"),
        ),
        _reference("portal_move", "person", "portal_person.id"),
        sa.CheckConstraint(_MOVES, name=op.f("ck_portal_move_move")),
        key=("id",),
        indexed=("entry",),
    )
    _create(
        "portal_tag",
        _number("entry"),
        _text("tag"),
        _reference("portal_tag", "entry", "portal_entry.id"),
        key=("entry", "tag"),
        indexed=("tag",),
    )
    _create(
        "portal_comment",
        _number("id"),
        _number("entry"),
        _number("person"),
        _moment("time"),
        _text("text"),
        _reference("portal_comment", "entry", "portal_entry.id"),
        _reference("portal_comment", "person", "portal_person.id"),
        key=("id",),
        indexed=("entry",),
    )
    _create(
        "portal_use",
        _number("entry"),
        _number("person"),
        _text("department"),
        _moment("first"),
        _moment("last"),
        sa.Column("helped", _MOMENT),
        sa.Column("owner", _NUMBER),
        _reference("portal_use", "entry", "portal_entry.id"),
        _reference("portal_use", "person", "portal_person.id"),
        _reference("portal_use", "owner", "portal_person.id"),
        _reference("portal_use", "department", "portal_department.name"),
        key=("entry", "person"),
    )


def _create(
    table: str,
    *columns: sa.Column[Any] | sa.Constraint,
    key: tuple[str, ...],
    indexed: Sequence[str] = (),
) -> None:
    counts = {"sqlite_autoincrement": True} if key == ("id",) else {}
    op.create_table(table, *columns, sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")), **counts)
    for column in indexed:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _column(name: str, kind: _Kind) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _text(name: str) -> sa.Column[Any]:
    return _column(name, sa.Text)


def _number(name: str) -> sa.Column[Any]:
    return _column(name, _NUMBER)


def _moment(name: str) -> sa.Column[Any]:
    return _column(name, _MOMENT)


def _reference(table: str, column: str, to: str, *, goes: bool = False) -> sa.ForeignKeyConstraint:
    """A key of another table; `goes`: the row goes with what it refers to."""
    name = op.f(f"fk_{table}_{column}_{to.partition('.')[0]}")
    return sa.ForeignKeyConstraint([column], [to], name=name, ondelete="CASCADE" if goes else None)


def downgrade() -> None:
    """Take it back."""
    for name in ("portal_words", "portal_heading_words"):  # the portal's index of words, which it makes itself
        op.execute(f"DROP TABLE IF EXISTS {name}")
    for table in (
        "portal_use",
        "portal_comment",
        "portal_tag",
        "portal_move",
        "portal_revision",
        "portal_entry",
        "portal_shelf",
        "portal_token",
        "portal_session",
        "portal_membership",
        "portal_person",
        "portal_department",
    ):
        op.drop_table(table)
