"""Points and efficiency: worked examples of the rule, and what people try to get more by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.portal.entries import reading
from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.reward.efficiency import efficiency
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.rule import MOST_A_DAY, Help, scores
from lepton_fed.portal.reward.standing import standing
from lepton_fed.portal.wording import wording
from tests.portal.browser import Browser
from tests.portal.world import World

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)


def helped(person: int, department: str, *, entry: int = 1, owner: int = 99, minutes: int = 0) -> Help:
    return Help(entry, owner, "甲", person, department, NOW + timedelta(minutes=minutes))


def points(helps: list[Help]) -> int:
    return sum(score.points for score in scores(helps))


@pytest.mark.parametrize(
    ("helps", "expected"),
    [
        ([], 0),
        ([helped(1, "乙")], 10),
        ([helped(1, "乙"), helped(2, "乙")], 12),
        ([helped(k, "乙") for k in range(20)], 18),
        ([helped(1, "乙"), helped(2, "丙"), helped(3, "丁")], 30),
        ([helped(k, "甲") for k in range(20)], 4),
        ([helped(99, "乙")], 0),
        ([helped(1, "乙", entry=k, minutes=k) for k in range(50)], 10 * MOST_A_DAY),
        ([helped(1, "乙", entry=k, minutes=1440 * k) for k in range(50)], 500),
    ],
)
def test_points_follow_the_published_rule(helps: list[Help], expected: int) -> None:
    assert points(helps) == expected


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("甲乙丙"), st.integers(1, 4)), max_size=30, unique=True))
def test_the_order_of_marks_at_one_moment_does_not_matter_and_more_are_never_worth_less(
    marks: list[tuple[int, str, int]],
) -> None:
    helps = [helped(person, department, entry=entry) for person, department, entry in marks]
    assert points(helps) == points(helps[::-1])
    owners = [Help(h.entry, h.entry, h.of, h.person + 10, h.department, h.time) for h in helps]
    assert sum(score.points for score in scores(owners)) >= sum(score.points for score in scores(owners[:-1]))


def test_the_rule_that_people_read_is_the_rule_that_counts() -> None:
    english, chinese = (wording(language)("rewards.rule_text") for language in ("en", "zh"))
    assert all(f" {number} " in english for number in (10, 2, 1))
    assert "ten marks a day" in english
    assert all(f"{number} 分" in chinese for number in (10, 2, 1))


def test_efficiency_counts_each_reader_once_and_never_the_writers(either: World) -> None:
    ours = either.publish("甲", audience="everyone")
    theirs = either.publish("乙", audience="everyone", by="shop-author")
    for name, number in (("shop", ours), ("shop", ours), ("supply", ours), ("reader", ours), ("author", ours),
                         ("author", theirs), ("shop-author", theirs)):  # fmt: skip
        with either.acting(name) as acting:
            opened = reading.opened(acting, number)
            if reading.is_to_be_noted(acting, opened):
                reading.note_opening(acting, number)
    quarter = Quarter.of(either.clock.now)
    with either.acting("reader") as acting:
        found = efficiency(acting, quarter.since, quarter.until)
        assert found.k == {
            ("研发部门", "生产车间"): 1,
            ("研发部门", "供应链部门"): 1,
            ("研发部门", "研发部门"): 1,
            ("生产车间", "研发部门"): 1,
        }
        assert (found.total, found.own, found.shared) == (4, 1, 3)
        assert efficiency(acting, quarter.next.since, quarter.next.until).total == 0


def test_a_standing_names_who_helped_and_its_page_can_be_shown(there: World) -> None:
    number = there.publish("甲", audience="everyone")
    for name in ("shop", "supply"):
        with there.acting(name) as acting:
            reading.note_help(acting, number)
    with there.acting("reader") as acting:
        found = standing(acting, Quarter.of(there.clock.now))
    assert [(name, score.points) for name, score in found.people] == [("Author", 20)]
    page = Browser.before(there.portal).sign_in("reader").get("/rewards").text
    assert "Author: 20 points" in page
    assert "研发部门 → 生产车间: 1" in page
    assert Browser.before(there.portal).sign_in("reader").get("/rewards?quarter=x").status_code == 422


@pytest.mark.parametrize("month", range(1, 13))
def test_quarters_follow_each_other_without_a_gap(month: int) -> None:
    quarter = Quarter.of(datetime(2026, month, 15, tzinfo=UTC))
    assert quarter.since <= datetime(2026, month, 1, tzinfo=UTC) < quarter.until
    assert quarter.next.before == quarter.before.next == quarter == Quarter.parse(str(quarter))


@pytest.mark.parametrize("text", ["2026", "2026-5", "2026-0", "1999-1", "x", "２０２６-1"])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(PortalError):
        Quarter.parse(text)
