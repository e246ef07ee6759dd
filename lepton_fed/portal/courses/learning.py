"""How far those are who learn in a course: entries read of those for them, sessions attended of those held.

A learner sees their own progress; whoever teaches a session of the course or oversees it sees everybody's, in numbers
and of readings from the day on which each enrolled and the entry was in the course: by putting other entries into it
nobody learns what was read before. The page says so beside the button to enrol.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.courses import courses, meeting
from lepton_fed.portal.courses.tables import ENROLMENT, SEAT
from lepton_fed.portal.entries.tables import USE
from lepton_fed.portal.errors import Forbidden
from lepton_fed.portal.people import accounts


@dataclass(frozen=True)
class Progress:
    """`read` of `entries` that are published for the person, `attended` of `sessions` that were held."""

    person: int
    name: str
    department: str
    since: datetime
    read: int
    entries: int
    attended: int
    sessions: int

    @property
    def share(self) -> int:
        """Of all that there is to do so far, in whole percent; 100 of nothing."""
        whole = self.entries + self.sessions
        return 100 * (self.read + self.attended) // whole if whole else 100


def mine(acting: Acting, course: int) -> Progress | None:
    """This person's own; None for who does not learn there."""
    courses.seen(acting, course)
    found = _progress(acting, course, only=acting.person.id)
    return found[0] if found else None


def everybodys(acting: Acting, course: int) -> list[Progress]:
    """Of all who learn there, by name; Forbidden but for its teachers and who oversees it."""
    if not courses.seen(acting, course).oversees:
        raise Forbidden("not_your_course")
    return _progress(acting, course)


def _progress(acting: Acting, course: int, only: int | None = None) -> list[Progress]:
    where = [ENROLMENT.c.course == course, *([] if only is None else [ENROLMENT.c.person == only])]
    enrolments = select(ENROLMENT.c.person, ENROLMENT.c.since).where(*where)
    since = {row.person: row.since for row in acting.connection.execute(enrolments)}
    people = accounts.those(acting.connection, list(since))
    joined = courses.since(acting, course)
    entries, held = courses.published(acting, course), [one.id for one in meeting.held(acting, course)]
    read, attended = _read(acting, [one.id for one in entries], only), _attended(acting, held)
    found, whose, is_for = [], courses.theirs(acting, entries), courses.readers(acting, entries)
    for number, one in people.items():
        readable = [entry for entry in entries if is_for(one, entry)]
        own = number == acting.person.id
        counts = {
            entry for entry, day in read[number].items() if own or day >= _counts_from(since[number], joined[entry])
        }
        done = sum(number in whose[entry.id] or entry.id in counts for entry in readable)
        found.append(
            Progress(number, one.shown, one.department, since[number], done, len(readable), attended[number], len(held))
        )
    return sorted(found, key=lambda one: (one.name, one.person))


def _counts_from(enrolled: datetime, joined: datetime | None) -> date:
    """From which day on others are told that somebody read an entry that came into the course then."""
    return max(enrolled, joined or enrolled).date()


def _read(acting: Acting, entries: list[int], only: int | None) -> dict[int, dict[int, date]]:
    """On which day people last read each of these: an opening is noted once a day."""
    found: dict[int, dict[int, date]] = defaultdict(dict)
    where = [USE.c.entry.in_(entries), *([] if only is None else [USE.c.person == only])]
    wanted = select(USE.c.person, USE.c.entry, USE.c.last).where(*where)
    for person, entry, last in acting.connection.execute(wanted):
        found[person][entry] = last.date()
    return found


def _attended(acting: Acting, sessions: list[int]) -> dict[int, int]:
    wanted = (
        select(SEAT.c.person, func.count())
        .where(SEAT.c.session.in_(sessions), SEAT.c.attended.is_not(None))
        .group_by(SEAT.c.person)
    )
    return defaultdict(int, {row[0]: row[1] for row in acting.connection.execute(wanted)})
