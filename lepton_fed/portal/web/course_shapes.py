"""What the REST interface takes and gives of courses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field

from lepton_fed.portal.courses.courses import MOST_ENTRIES, Seen, Step
from lepton_fed.portal.courses.learning import Progress
from lepton_fed.portal.courses.meeting import LARGEST, LONGEST_PLACE, Attendant, Meeting
from lepton_fed.portal.courses.tables import Course
from lepton_fed.portal.courses.timing import Span
from lepton_fed.portal.entries.content import LONGEST_BODY, LONGEST_TITLE, Content
from lepton_fed.portal.web.api_shapes import Audience, Lines, Taken


class CourseTaken(Taken):
    """A new course."""

    department: str
    title: Annotated[str, Field(max_length=LONGEST_TITLE)]
    about: Annotated[str, Field(max_length=LONGEST_BODY, description="Markdown."), Lines]
    audience: Audience = "department"
    named: list[str] = Field(default_factory=list, description="The departments, where the audience is `named`.")

    def content(self) -> Content:
        """Checked; Unacceptable."""
        return Content.given(title=self.title, body=self.about, audience=self.audience, named=self.named)


class CourseChanged(CourseTaken):
    """What a course is from now on; its department stays."""

    department: str = ""
    base: Annotated[AwareDatetime, Field(description="When the course that the author saw was `changed`.")]
    opened: bool = True
    entries: Annotated[list[int], Field(max_length=MOST_ENTRIES, description="In their order.")]


class SessionTaken(Taken):
    """A new session. Times without an offset are in the zone's own time."""

    begins: datetime
    ends: datetime
    zone: Annotated[str, Field(max_length=64, description="Of the IANA time zone database, as Asia/Shanghai.")]
    place: Annotated[str, Field(max_length=LONGEST_PLACE)]
    teacher: Annotated[str, Field(description="The name that they sign in with.")]
    capacity: Annotated[int, Field(ge=1, le=LARGEST)]

    def span(self) -> Span:
        """Checked; Unacceptable."""
        return Span.said(self.begins, self.ends, self.zone)


class AttendanceTaken(Taken):
    """Who was there: these, and nobody else; with `shown`, a change of what the caller saw."""

    people: Annotated[list[int], Field(max_length=2 * LARGEST)]
    shown: Annotated[
        list[int] | None,
        Field(
            max_length=2 * LARGEST,
            description="Who had attended on the list that the caller saw: nobody is changed of whom both lists say "
            "the same, so what somebody else has said meanwhile stays; null: `people`, and nobody else, were there.",
        ),
    ] = None


class CourseGiven(BaseModel):
    """A course, without what is in it."""

    id: int
    department: str
    title: str
    opened: bool
    changed: datetime

    @classmethod
    def of(cls, course: Course) -> Self:
        return cls(**{name: getattr(course, name) for name in CourseGiven.model_fields})


class CourseStepGiven(BaseModel):
    """An entry that the caller may read, and whether they have."""

    entry: int
    title: str
    done: bool


class SessionGiven(BaseModel):
    """A session in UTC, in its zone; `mine`, `attended`: the caller's seat, and whether they were there."""

    id: int
    begins: datetime
    ends: datetime
    zone: str
    place: str
    teacher: str
    capacity: int
    taken: int
    cancelled: bool
    mine: bool
    attended: bool

    @classmethod
    def of(cls, one: Meeting) -> Self:
        kept = {name: getattr(one.session, name) for name in ("id", "begins", "ends", "zone", "place", "capacity")}
        own = {"teacher": one.teacher, "taken": one.taken, "mine": one.mine, "attended": one.attended}
        return cls.model_validate({**kept, **own, "cancelled": one.session.cancelled is not None})


class ProgressGiven(BaseModel):
    """How far somebody is."""

    person: int
    name: str
    department: str
    since: datetime
    read: int
    entries: int
    attended: int
    sessions: int
    share: int

    @classmethod
    def of(cls, one: Progress) -> Self:
        return cls(**{name: getattr(one, name) for name in cls.model_fields})


class OpenedCourse(BaseModel):
    """A course as the caller sees it. `progress`: theirs, null for who does not learn there."""

    course: CourseGiven
    about: str
    audience: Audience
    named: list[str]
    entries: list[CourseStepGiven]
    sessions: list[SessionGiven]
    progress: ProgressGiven | None

    @classmethod
    def of(cls, found: Seen, steps: list[Step], meetings: list[Meeting], progress: Progress | None) -> Self:
        return cls.model_validate(
            {
                "course": CourseGiven.of(found.course),
                "about": found.course.about,
                "audience": found.shelf.audience,
                "named": list(found.shelf.named),
                "entries": [CourseStepGiven(entry=one.entry.id, title=one.entry.title, done=one.done) for one in steps],
                "sessions": [SessionGiven.of(one) for one in meetings],
                "progress": None if progress is None else ProgressGiven.of(progress),
            }
        )


class AttendantGiven(BaseModel):
    """Somebody on a session's list."""

    person: int
    name: str
    department: str
    seat: bool
    attended: bool

    @classmethod
    def of(cls, one: Attendant) -> Self:
        return cls(**{name: getattr(one, name) for name in cls.model_fields})
