"""The tables of courses, as SQL speaks of them, and what each row of them becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import RowMapping, Table

from lepton_fed.storage.portal_course_tables import CourseEntryRow, CourseRow, CourseSessionRow, EnrolmentRow, SeatRow

COURSE = cast(Table, CourseRow.__table__)
COURSE_ENTRY = cast(Table, CourseEntryRow.__table__)
SESSION = cast(Table, CourseSessionRow.__table__)
ENROLMENT = cast(Table, EnrolmentRow.__table__)
SEAT = cast(Table, SeatRow.__table__)


@dataclass(frozen=True)
class Course:
    """A course. `opened`: whether people may enrol."""

    id: int
    department: str
    shelf: int
    title: str
    about: str
    opened: bool
    made: datetime
    changed: datetime


@dataclass(frozen=True)
class Session:
    """A time to come together; `begins` and `ends` in UTC, said in the time zone `zone`."""

    id: int
    course: int
    begins: datetime
    ends: datetime
    zone: str
    place: str
    teacher: int
    capacity: int
    cancelled: datetime | None


def course_of(row: RowMapping) -> Course:
    return Course(**{name: row[name] for name in Course.__dataclass_fields__})


def session_of(row: RowMapping) -> Session:
    return Session(**{name: row[name] for name in Session.__dataclass_fields__})
