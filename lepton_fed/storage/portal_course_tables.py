"""The portal's tables of courses: entries in an order, sessions to come to, who learns there and who was there.

portal_course 1 --- n portal_course_entry, portal_enrolment
              1 --- n portal_course_session 1 --- n portal_seat
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import NUMBER, Base, Utc


class CourseRow(Base):
    """A course of a department, for the audience of its shelf. `opened`: whether people may enrol."""

    __tablename__ = "portal_course"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("portal_department.name"))
    shelf: Mapped[int] = mapped_column(ForeignKey("portal_shelf.id"), index=True)
    title: Mapped[str] = mapped_column(Text)
    about: Mapped[str] = mapped_column(Text)
    opened: Mapped[bool] = mapped_column(Boolean)
    made: Mapped[datetime] = mapped_column(Utc)
    changed: Mapped[datetime] = mapped_column(Utc, index=True)


class CourseEntryRow(Base):
    """An entry of a course. `place`: its turn, from 1; `since`: when it came into it, NULL: before that was kept."""

    __tablename__ = "portal_course_entry"

    course: Mapped[int] = mapped_column(ForeignKey("portal_course.id"), primary_key=True)
    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    place: Mapped[int]
    since: Mapped[datetime | None] = mapped_column(Utc)


class CourseSessionRow(Base):
    """A time to come together. `zone`: the IANA name of the time zone that it was said in; `capacity`: seats."""

    __tablename__ = "portal_course_session"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    course: Mapped[int] = mapped_column(ForeignKey("portal_course.id"), index=True)
    begins: Mapped[datetime] = mapped_column(Utc)
    ends: Mapped[datetime] = mapped_column(Utc)
    zone: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text)
    teacher: Mapped[int] = mapped_column(ForeignKey("portal_person.id"))
    capacity: Mapped[int]
    cancelled: Mapped[datetime | None] = mapped_column(Utc)


class EnrolmentRow(Base):
    """A person learns in a course."""

    __tablename__ = "portal_enrolment"

    course: Mapped[int] = mapped_column(ForeignKey("portal_course.id"), primary_key=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"), primary_key=True)
    since: Mapped[datetime] = mapped_column(Utc)


class SeatRow(Base):
    """A person means to come to a session. `attended`: when somebody (`marked_by`) said that they were there."""

    __tablename__ = "portal_seat"

    session: Mapped[int] = mapped_column(ForeignKey("portal_course_session.id"), primary_key=True)
    person: Mapped[int] = mapped_column(ForeignKey("portal_person.id"), primary_key=True)
    taken: Mapped[datetime] = mapped_column(Utc)
    attended: Mapped[datetime | None] = mapped_column(Utc)
    marked_by: Mapped[int | None] = mapped_column(ForeignKey("portal_person.id"))
