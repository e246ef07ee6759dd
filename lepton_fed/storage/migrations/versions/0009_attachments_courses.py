"""The portal's attachments, its courses with sessions, enrolments and attendance, keywords of its entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Take the step."""
    _create_attachments()
    _create_courses()
    _create_keywords()


def _create_attachments() -> None:
    _create(
        "portal_attachment",
        _column("id", _NUMBER),
        _column("entry", _NUMBER),
        _column("name", sa.Text()),
        _column("kind", sa.String(32)),
        _column("size", sa.BigInteger()),
        _column("digest", sa.String(64)),
        _column("person", _NUMBER),
        _column("added", _MOMENT),
        sa.Column("removed", _MOMENT),
        _reference("portal_attachment", "entry", "portal_entry.id"),
        _reference("portal_attachment", "person", "portal_person.id"),
        sa.UniqueConstraint("entry", "name", name=op.f("uq_portal_attachment_entry_name")),
        key=("id",),
        indexed=("digest", "person"),
    )
    _create(
        "portal_holding",
        _column("entry", sa.BigInteger()),
        _column("revision", sa.Integer()),
        _column("attachment", _NUMBER),
        sa.ForeignKeyConstraint(
            ["entry", "revision"],
            ["portal_revision.entry", "portal_revision.number"],
            name=op.f("fk_portal_holding_entry_revision_portal_revision"),
        ),
        _reference("portal_holding", "attachment", "portal_attachment.id"),
        key=("entry", "revision", "attachment"),
        indexed=("attachment",),
    )


def _create_courses() -> None:
    _create(
        "portal_course",
        _column("id", _NUMBER),
        _column("department", sa.Text()),
        _column("shelf", _NUMBER),
        _column("title", sa.Text()),
        _column("about", sa.Text()),
        _column("opened", sa.Boolean()),
        _column("made", _MOMENT),
        _column("changed", _MOMENT),
        _reference("portal_course", "department", "portal_department.name"),
        _reference("portal_course", "shelf", "portal_shelf.id"),
        key=("id",),
        indexed=("shelf", "changed"),
    )
    _create(
        "portal_course_entry",
        _column("course", _NUMBER),
        _column("entry", _NUMBER),
        _column("place", sa.Integer()),
        _reference("portal_course_entry", "course", "portal_course.id"),
        _reference("portal_course_entry", "entry", "portal_entry.id"),
        key=("course", "entry"),
    )
    _create(
        "portal_course_session",
        _column("id", _NUMBER),
        _column("course", _NUMBER),
        _column("begins", _MOMENT),
        _column("ends", _MOMENT),
        _column("zone", sa.Text()),
        _column("place", sa.Text()),
        _column("teacher", _NUMBER),
        _column("capacity", sa.Integer()),
        sa.Column("cancelled", _MOMENT),
        _reference("portal_course_session", "course", "portal_course.id"),
        _reference("portal_course_session", "teacher", "portal_person.id"),
        key=("id",),
        indexed=("course",),
    )
    _create(
        "portal_enrolment",
        _column("course", _NUMBER),
        _column("person", _NUMBER),
        _column("since", _MOMENT),
        _reference("portal_enrolment", "course", "portal_course.id"),
        _reference("portal_enrolment", "person", "portal_person.id"),
        key=("course", "person"),
    )
    _create(
        "portal_seat",
        _column("session", _NUMBER),
        _column("person", _NUMBER),
        _column("taken", _MOMENT),
        sa.Column("attended", _MOMENT),
        sa.Column("marked_by", _NUMBER),
        _reference("portal_seat", "session", "portal_course_session.id"),
        _reference("portal_seat", "person", "portal_person.id"),
        _reference("portal_seat", "marked_by", "portal_person.id"),
        key=("session", "person"),
    )


def _create_keywords() -> None:
    """The portal fills them itself, as its index of words. Who read what is asked by person, and by when it helped."""
    _create(
        "portal_keyword",
        _column("entry", _NUMBER),
        _column("word", sa.String(64)),
        _reference("portal_keyword", "entry", "portal_entry.id"),
        key=("entry", "word"),
        indexed=("word",),
    )
    for column in ("person", "helped"):
        op.create_index(op.f(f"ix_portal_use_{column}"), "portal_use", [column])


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


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _reference(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}_{to.partition('.')[0]}"))


def downgrade() -> None:
    """Take it back."""
    for column in ("person", "helped"):
        op.drop_index(op.f(f"ix_portal_use_{column}"), "portal_use")
    for table in (
        "portal_keyword",
        "portal_seat",
        "portal_enrolment",
        "portal_course_session",
        "portal_course_entry",
        "portal_course",
        "portal_holding",
        "portal_attachment",
    ):
        op.drop_table(table)
