"""Courses: who sees, changes, teaches and oversees one; seats, attendance and progress; times as they were said."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.courses import courses, enrolment, learning, meeting
from lepton_fed.portal.courses.tables import COURSE_ENTRY
from lepton_fed.portal.courses.timing import Span, shown, typed
from lepton_fed.portal.entries import reading, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, PortalError, Unacceptable
from tests.portal.world import World

AT = typed("2026-12-05T14:00")


def content(title: str = "轴承入门", about: str = "先读后练。", **of: object) -> Content:
    return Content.given(title=title, body=about, **({"audience": "everyone"} | of))  # type: ignore[arg-type]


def begun(there: World, *entries: int, by: str = "author", **of: object) -> int:
    with there.acting(by) as acting:
        return courses.begin(acting, acting.person.department, content(**of), entries)


def change(acting: Acting, course: int, new: Content, *, opened: bool, entries: Sequence[int]) -> None:
    """By somebody who has just looked at it."""
    base = courses.seen(acting, course).course.changed
    courses.change(acting, course, new, base=base, opened=opened, entries=entries)


def scheduled(
    there: World, course: int, *, by: str = "author", teacher: str = "reader", capacity: int = 20, at: datetime = AT
) -> int:
    span = Span.said(at, at + timedelta(hours=2), "Asia/Shanghai")
    with there.acting(by) as acting:
        return meeting.schedule(acting, course, span, place="一号会议室", teacher=teacher, capacity=capacity)


def enrolled(there: World, course: int, *names: str) -> None:
    for name in names:
        with there.acting(name) as acting:
            enrolment.enrol(acting, course)


def seated(there: World, course: int, session: int, *names: str) -> None:
    for name in names:
        with there.acting(name) as acting:
            meeting.take_seat(acting, course, session)


def opens(there: World, name: str, entry: int) -> None:
    with there.acting(name) as acting:
        reading.note_opening(acting, entry)


@contextlib.contextmanager
def asked(acting: Acting) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    found: list[str] = []

    def noted(*sent: object) -> None:
        found.append(" ".join(str(sent[2]).split()))

    event.listen(acting.connection, "before_cursor_execute", noted)
    yield found
    event.remove(acting.connection, "before_cursor_execute", noted)


def test_a_time_is_kept_in_utc_and_shown_as_it_was_said() -> None:
    span = Span.said(AT, AT + timedelta(hours=2), "Asia/Shanghai")
    assert span.begins == datetime(2026, 12, 5, 6, 0, tzinfo=UTC)
    assert shown(span.begins, span.ends, span.zone) == "2026-12-05 14:00–16:00, Asia/Shanghai (UTC+08:00)"
    night = Span.said(typed("2026-12-05T23:00"), typed("2026-12-06T01:00"), "America/New_York")
    assert shown(night.begins, night.ends, night.zone) == (
        "2026-12-05 23:00–2026-12-06 01:00 (UTC-05:00), America/New_York (UTC-05:00)"
    )
    half = Span.said(AT.replace(tzinfo=UTC), AT.replace(tzinfo=UTC) + timedelta(hours=1), "Asia/Kolkata")
    assert shown(half.begins, half.ends, half.zone) == "2026-12-05 19:30–20:30, Asia/Kolkata (UTC+05:30)"


def test_over_the_change_of_clocks_an_hour_is_an_hour_and_no_time_is_made_up() -> None:
    early, late = typed("2026-10-25T01:00"), typed("2026-10-25T04:00")
    autumn = Span.said(early, late, "Europe/Berlin")
    assert autumn.ends - autumn.begins == timedelta(hours=4)
    assert "(UTC+02:00)" in shown(autumn.begins, autumn.ends, autumn.zone)
    with pytest.raises(Unacceptable, match="leave that time out"):
        Span.said(typed("2026-03-29T02:30"), typed("2026-03-29T04:00"), "Europe/Berlin")


@pytest.mark.parametrize(
    ("begins", "ends", "zone"),
    [
        (AT, AT, "UTC"),
        (AT, AT - timedelta(hours=1), "UTC"),
        (AT, AT + timedelta(days=15), "UTC"),
        (AT, AT + timedelta(hours=1), "Mars/Olympus"),
        (AT, AT + timedelta(hours=1), "../../etc/passwd"),
        (typed("0001-01-01T00:00"), typed("0001-01-02T00:00"), "Asia/Shanghai"),
        (typed("9999-12-31T00:00"), typed("9999-12-31T23:00"), "America/New_York"),
    ],
)
def test_a_time_that_cannot_be_is_refused(begins: datetime, ends: datetime, zone: str) -> None:
    with pytest.raises(Unacceptable):
        Span.said(begins, ends, zone)


def test_a_course_is_seen_by_those_it_is_for_and_is_not_there_for_others(either: World) -> None:
    own = begun(either, audience="department")
    named = begun(either, audience="named", named=["生产车间"])
    everybody = begun(either, audience="everyone")
    for name, visible in {
        "reader": {own, named, everybody},
        "author": {own, named, everybody},
        "shop": {named, everybody},
        "supply": {everybody},
        "root": {everybody},
    }.items():
        with either.acting(name) as acting:
            assert {one.id for one in courses.listed(acting)} == visible, name
            for number in (own, named, everybody, 999, 0, 2**70):
                with contextlib.nullcontext() if number in visible else pytest.raises(NotThere):
                    courses.seen(acting, number)


def test_only_authors_of_its_department_change_a_course(there: World) -> None:
    course = begun(there)
    for name in ("reader", "shop", "shop-author", "root"):
        with pytest.raises(Forbidden), there.acting(name) as acting:
            change(acting, course, content("别的"), opened=False, entries=[])
        with pytest.raises(Forbidden):
            scheduled(there, course, by=name)
    with pytest.raises(Forbidden), there.acting("shop-author") as acting:
        courses.begin(acting, "研发部门", content())


def test_what_an_author_saves_of_a_course_another_who_saw_it_before_does_not_save_over(either: World) -> None:
    entry = either.publish("一")
    course = begun(either)
    with either.acting("author") as acting:
        base = courses.seen(acting, course).course.changed
        courses.change(acting, course, content("新"), base=base, opened=True, entries=[entry])
    with pytest.raises(Conflict, match="newer version"), either.acting("coauthor") as acting:
        courses.change(acting, course, content("旧"), base=base, opened=True, entries=[])
    either.clock.forward(days=-1)
    with either.acting("coauthor") as acting:
        found = courses.seen(acting, course).course
        assert (found.title, [step.entry.id for step in courses.steps(acting, course)]) == ("新", [entry])
        courses.change(acting, course, content("更新"), base=found.changed, opened=True, entries=[])
        assert courses.seen(acting, course).course.changed > found.changed


def test_what_looks_sensitive_in_a_course_is_masked(there: World) -> None:
    course = begun(there, title="问13812345678", about="电话13812345678")
    with there.acting("author") as acting:
        found = courses.seen(acting, course).course
    assert "13812345678" not in found.title + found.about


def test_a_course_shows_nobody_an_entry_that_is_not_for_them(there: World) -> None:
    hidden, open_, draft = there.publish("机密"), there.publish("公开", audience="everyone"), there.write("草稿")
    course = begun(there, hidden, open_, draft)
    for name, titles in {"reader": ["机密", "公开"], "shop": ["公开"], "author": ["机密", "公开"]}.items():
        with there.acting(name) as acting:
            assert [step.entry.title for step in courses.steps(acting, course)] == titles, name
    secret = there.publish("车间机密", by="shop-author")
    with pytest.raises(Unacceptable, match="no entry that you may see"), there.acting("author") as acting:
        change(acting, course, content(), opened=True, entries=[secret])


def test_too_many_entries_are_refused_before_any_is_looked_at(there: World) -> None:
    too_many = range(1000, 1000 + courses.MOST_ENTRIES + 1)  # None is there, which the look at the first would say.
    with pytest.raises(Conflict, match="100 of these at most"):
        begun(there, *too_many)


def test_an_entry_that_an_author_may_not_see_stays_where_it_is_changed(there: World) -> None:
    own, other = there.publish("一"), there.publish("二", audience="named", named=["生产车间"], by="shop-author")
    course = begun(there, own)
    with there.acting("author") as acting:
        acting.connection.execute(courses.insert(courses.COURSE_ENTRY).values(course=course, entry=other, place=2))
        assert [one.id for one in courses.to_write(acting, course)] == [own]
        change(acting, course, content(), opened=True, entries=[own])
        assert [one.id for one in courses.published(acting, course)] == [own, other]


def test_people_enrol_once_in_what_is_open_and_take_it_back(there: World) -> None:
    course = begun(there)
    session = scheduled(there, course)
    enrolled(there, course, "shop", "shop")
    seated(there, course, session, "shop")
    with there.acting("shop") as acting:
        assert learning.mine(acting, course) is not None
        enrolment.leave(acting, course)
        assert learning.mine(acting, course) is None
        assert [(one.taken, one.mine) for one in meeting.meetings(acting, course)] == [(0, False)]
    with there.acting("author") as acting:
        change(acting, course, content(), opened=False, entries=[])
    with pytest.raises(Conflict):
        enrolled(there, course, "shop")
    hidden = begun(there, audience="department")
    with pytest.raises(NotThere):
        enrolled(there, hidden, "shop")


def test_there_are_as_many_seats_as_it_says(either: World) -> None:
    course = begun(either)
    session = scheduled(either, course, capacity=1)
    enrolled(either, course, "shop", "supply")
    with pytest.raises(Forbidden):
        seated(either, course, session, "reader")
    refused: list[PortalError] = []

    def tries(name: str) -> None:
        try:
            seated(either, course, session, name, name)
        except PortalError as error:
            refused.append(error)

    both = [threading.Thread(target=tries, args=(name,)) for name in ("shop", "supply")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [str(error) for error in refused] == ["all seats are taken"]
    with either.acting("shop") as acting:
        assert [one.taken for one in meeting.meetings(acting, course)] == [1]


def test_a_seat_is_taken_and_given_back_before_it_begins(there: World) -> None:
    course = begun(there)
    session = scheduled(there, course)
    enrolled(there, course, "shop")
    seated(there, course, session, "shop")
    with there.acting("shop") as acting:
        meeting.give_back(acting, course, session)
    there.clock.now = datetime(2026, 12, 5, 6, 0, tzinfo=UTC)
    for act in (meeting.take_seat, meeting.give_back):
        with pytest.raises(Conflict, match="has begun"), there.acting("shop") as acting:
            act(acting, course, session)
    other = begun(there)
    with pytest.raises(NotThere), there.acting("author") as acting:
        meeting.cancel(acting, other, session)


def test_who_lost_the_right_to_a_course_gives_a_seat_back_and_leaves_and_sees_nothing_else(either: World) -> None:
    course = begun(either)
    first, second = scheduled(either, course), scheduled(either, course)
    enrolled(either, course, "shop")
    for session in (first, second):
        seated(either, course, session, "shop")
    with either.acting("author") as acting:
        change(acting, course, content(audience="department"), opened=True, entries=[])
    with either.acting("shop") as acting:
        assert courses.lost(acting) == [course]
        with pytest.raises(NotThere):
            courses.seen(acting, course)
        meeting.give_back(acting, course, first)
        enrolment.leave(acting, course)
        assert courses.lost(acting) == []
    with either.acting("author") as acting:
        assert [one.taken for one in meeting.meetings(acting, course)] == [0, 0]
    for act in (
        lambda acting: enrolment.leave(acting, course),
        lambda acting: meeting.give_back(acting, course, first),
    ):
        with pytest.raises(NotThere), either.acting("shop") as acting:
            act(acting)


def test_an_author_whose_text_is_shown_has_read_it_though_somebody_else_owns_the_entry(either: World) -> None:
    entry = either.publish("轴承")
    with either.acting("author") as acting:
        writing.give(acting, entry, "coauthor")
    course = begun(either, entry)
    enrolled(either, course, "author", "coauthor", "reader")
    with either.acting("author") as acting:
        assert [step.done for step in courses.steps(acting, course)] == [True]
    with either.acting("admin") as acting:
        found = {one.name: one.read for one in learning.everybodys(acting, course)}
    assert found == {"Author": 1, "Coauthor": 1, "Reader": 0}


def test_a_course_is_read_with_as_many_looks_whoever_learns_there_and_one_person_reads_their_own(there: World) -> None:
    course = begun(there, *(there.publish(title, audience="everyone") for title in "一二三"))
    enrolled(there, course, "reader")
    counts = []
    for _ in range(2):
        with there.acting("admin") as acting, asked(acting) as looks:
            learning.everybodys(acting, course)
        counts.append(len(looks))
        enrolled(there, course, "shop", "supply", "author")
    assert counts[0] == counts[1]
    with there.acting("reader") as acting, asked(acting) as looks:
        learning.mine(acting, course)
    assert all("portal_use.person = " in look for look in looks if "FROM portal_use" in look)


def test_by_swapping_entries_nobody_learns_what_a_learner_read_before_the_day_they_enrolled(either: World) -> None:
    asked_about, other = (either.publish(title, audience="everyone") for title in ("敏感", "入门"))
    opens(either, "shop", asked_about)
    either.clock.forward(days=1)
    course = begun(either, other)
    enrolled(either, course, "shop")

    def told(by: str) -> list[int]:
        with either.acting(by) as acting:
            return [one.read for one in learning.everybodys(acting, course)]

    with either.acting("author") as acting:
        change(acting, course, content(), opened=True, entries=[asked_about])
    assert told("admin") == [0]
    with either.acting("shop") as acting:
        own = learning.mine(acting, course)
        assert own is not None
        assert (own.read, [step.done for step in courses.steps(acting, course)]) == (1, [True])
    opens(either, "shop", asked_about)
    assert told("admin") == [1]


def test_nobody_learns_from_a_course_what_a_learner_read_before_the_entry_was_in_it(either: World) -> None:
    first, later = (either.publish(title, audience="everyone") for title in ("入门", "敏感"))
    course = begun(either, first)
    enrolled(either, course, "shop", "supply")
    opens(either, "shop", later)
    either.clock.forward(days=1)

    def put(*entries: int) -> None:
        with either.acting("author") as acting:
            change(acting, course, content(), opened=True, entries=entries)

    def told() -> dict[str, int]:
        with either.acting("admin") as acting:
            return {one.name: one.read for one in learning.everybodys(acting, course)}

    put(later, first)
    assert told() == {"Shop": 0, "Supply": 0}
    with either.acting("shop") as acting:
        own = learning.mine(acting, course)
        assert own is not None
        assert own.read == 1
    either.clock.forward(days=1)
    opens(either, "shop", later)
    assert told() == {"Shop": 1, "Supply": 0}
    either.clock.forward(days=1)
    put(first, later)
    assert told() == {"Shop": 1, "Supply": 0}, "one that stays is in it since it came"
    put(first)
    put(first, later)
    assert told() == {"Shop": 0, "Supply": 0}, "one that is put in again is in it since then"


def test_of_entries_that_were_in_a_course_before_it_was_kept_when_readings_count_from_enrolling(there: World) -> None:
    entry = there.publish("入门", audience="everyone")
    course = begun(there, entry)
    with there.portal.database.writing() as connection:
        connection.execute(update(COURSE_ENTRY).values(since=None))
    enrolled(there, course, "shop")
    opens(there, "shop", entry)
    there.clock.forward(days=3)
    with there.acting("author") as acting:
        change(acting, course, content(), opened=True, entries=[entry])
    with there.acting("admin") as acting:
        assert [one.read for one in learning.everybodys(acting, course)] == [1]


def test_a_reading_on_the_day_of_enrolling_counts_since_a_second_one_that_day_is_not_noted(there: World) -> None:
    entry = there.publish("入门", audience="everyone")
    course = begun(there, entry)
    opens(there, "shop", entry)
    there.clock.forward(hours=1)
    enrolled(there, course, "shop")
    with there.acting("admin") as acting:
        assert [one.read for one in learning.everybodys(acting, course)] == [1]


def test_the_teacher_and_administrators_say_who_came_and_nobody_else(there: World) -> None:
    course = begun(there)
    session = scheduled(there, course, teacher="shop")
    enrolled(there, course, "reader", "supply")
    seated(there, course, session, "supply")
    people = {name: there.person(name).id for name in ("reader", "supply", "author")}
    with pytest.raises(Conflict, match="not begun"), there.acting("shop") as acting:
        meeting.mark(acting, course, session, [people["reader"]])
    there.clock.now = datetime(2026, 12, 5, 6, 30, tzinfo=UTC)
    for name in ("author", "reviewer", "reader", "supply", "shop-admin", "root"):
        with pytest.raises(Forbidden), there.acting(name) as acting:
            meeting.mark(acting, course, session, [])
        with pytest.raises(Forbidden), there.acting(name) as acting:
            learning.everybodys(acting, course)
    with there.acting("shop") as acting:
        meeting.mark(acting, course, session, [people["reader"]])
    with there.acting("admin") as acting:
        _, found = meeting.attendance(acting, course, session)
        assert [(one.name, one.seat, one.attended) for one in found] == [
            ("Reader", True, True),
            ("Supply", True, False),
        ]
        meeting.mark(acting, course, session, [people["supply"]])
        _, found = meeting.attendance(acting, course, session)
        assert [one.attended for one in found] == [False, True]
        with pytest.raises(Unacceptable):
            meeting.mark(acting, course, session, [people["author"]])


def test_of_whom_two_lists_say_the_same_nothing_is_changed(there: World) -> None:
    course = begun(there)
    session = scheduled(there, course)
    enrolled(there, course, "reader", "shop", "supply")
    reader, shop, supply = (there.person(name).id for name in ("reader", "shop", "supply"))
    there.clock.now = datetime(2026, 12, 5, 6, 30, tzinfo=UTC)

    def after(came: list[int], shown: list[int] | None) -> list[str]:
        with there.acting("admin") as acting:
            meeting.mark(acting, course, session, came, shown=shown)
            return [one.name for one in meeting.attendance(acting, course, session)[1] if one.attended]

    assert after([reader], []) == ["Reader"]
    assert after([shop], []) == ["Reader", "Shop"], "whom somebody else has ticked meanwhile stays"
    assert after([reader, supply], [reader]) == ["Reader", "Shop", "Supply"]
    assert after([], [reader]) == ["Shop", "Supply"]
    assert after([reader], [reader]) == ["Shop", "Supply"], "whom somebody else has taken out meanwhile stays out"
    assert after([supply], None) == ["Supply"]
    with pytest.raises(Unacceptable):
        after([there.person("author").id], [])


def test_a_teacher_is_somebody_who_sees_the_course_and_names_are_not_tried_out(there: World) -> None:
    course = begun(there, audience="department")
    said = set()
    for name in ("shop", "nobody", "a b"):
        with pytest.raises(Unacceptable) as refused:
            scheduled(there, course, teacher=name)
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_session_that_is_cancelled_counts_for_nothing(there: World) -> None:
    course = begun(there)
    session = scheduled(there, course, teacher="shop")
    enrolled(there, course, "reader")
    seated(there, course, session, "reader")
    with there.acting("author") as acting:
        meeting.cancel(acting, course, session)
    there.clock.now = datetime(2026, 12, 6, tzinfo=UTC)
    with there.acting("reader") as acting:
        own = learning.mine(acting, course)
        assert own is not None
        assert (own.sessions, own.share) == (0, 100)
    with pytest.raises(Forbidden), there.acting("shop") as acting:
        learning.everybodys(acting, course)


def test_a_session_that_was_held_is_not_cancelled_and_who_came_stays_said(there: World) -> None:
    course = begun(there)
    session = scheduled(there, course)
    enrolled(there, course, "shop")
    there.clock.now = datetime(2026, 12, 5, 6, 0, tzinfo=UTC)
    with there.acting("reader") as acting:
        meeting.mark(acting, course, session, [there.person("shop").id])
    with pytest.raises(Conflict, match="has begun"), there.acting("author") as acting:
        meeting.cancel(acting, course, session)
    with there.acting("shop") as acting:
        own = learning.mine(acting, course)
    assert own is not None
    assert (own.attended, own.sessions) == (1, 1)


def test_progress_is_what_was_read_of_what_is_for_one_and_attended_of_what_was_held(either: World) -> None:
    there = either
    hidden, open_ = there.publish("机密"), there.publish("公开", audience="everyone")
    other = there.publish("另一", audience="everyone")
    course = begun(there, hidden, open_, there.write("草稿"))
    session, ahead = scheduled(there, course, teacher="shop-admin"), scheduled(there, course)
    enrolled(there, course, "reader", "supply", "author")
    opens(there, "supply", open_)
    opens(there, "supply", other)
    with there.acting("author") as acting:
        meeting.cancel(acting, course, ahead)
    there.clock.now = datetime(2026, 12, 5, 9, 0, tzinfo=UTC)
    with there.acting("shop-admin") as acting:
        meeting.mark(acting, course, session, [there.person("supply").id])
        found = {one.name: one for one in learning.everybodys(acting, course)}
    assert {name: (one.read, one.entries, one.attended, one.sessions) for name, one in found.items()} == {
        "Author": (2, 2, 0, 1),
        "Reader": (0, 2, 0, 1),
        "Supply": (1, 1, 1, 1),
    }
    assert found["Supply"].share == 100
    assert found["Author"].share == 66
    with there.acting("supply") as acting:
        assert learning.mine(acting, course) == found["Supply"]
        assert [step.done for step in courses.steps(acting, course)] == [True]
