"""Opening hours: both languages, nights and weekends, and the next moment at which work may begin."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.collaboration import Hours
from lepton_fed.collaboration.hours import WEEK

MONDAY = datetime(2026, 6, 1)  # noqa: DTZ001, local time of a department
MINUTES = st.integers(0, 24 * 60 - 1)


def at(weekday: int, hour: int, minute: int = 0) -> datetime:
    return MONDAY + timedelta(days=weekday, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    "text",
    ["Mon-Fri 08:00-18:00", "周一-周五 08:00-18:00", "周一至周五 8:00-18:00", "星期一到星期五 08:00 - 18:00"],
)
def test_both_languages_say_the_same_week(text: str) -> None:
    hours = Hours.parse(text)
    assert hours == Hours.parse("monday-friday 08:00-18:00")
    assert len(hours.spans) == 5
    assert hours.open_at(at(0, 8))
    assert hours.open_at(at(4, 17, 59))
    assert not hours.open_at(at(4, 18))
    assert not hours.open_at(at(5, 12))
    assert hours.next_opening(at(4, 18)) == at(7, 8)


def test_without_days_every_day_is_meant_and_several_spans_may_be_listed() -> None:
    assert len(Hours.parse("08:00-12:00").spans) == 7
    hours = Hours.parse("Mon-Thu 08:00-17:00, Fri 08:00-14:00")
    assert hours.open_at(at(3, 15))
    assert not hours.open_at(at(4, 15))


def test_a_night_shift_goes_on_after_midnight_and_from_sunday_into_monday() -> None:
    hours = Hours.parse("Sun 22:00-06:00")
    assert hours.open_at(at(6, 23))
    assert hours.open_at(at(7, 5, 59))
    assert hours.open_at(at(0, 0))
    assert not hours.open_at(at(0, 6))


def test_days_may_go_round_the_end_of_the_week() -> None:
    assert {s.opens // (24 * 60) for s in Hours.parse("Sat-Mon 09:00-10:00").spans} == {5, 6, 0}


def test_all_day_is_always_open() -> None:
    hours = Hours.parse("00:00-24:00")
    assert all(hours.open_at(MONDAY + timedelta(minutes=m)) for m in range(0, WEEK, 7))


@given(st.integers(0, 6), MINUTES, MINUTES, st.integers(0, WEEK - 1))
def test_the_next_opening_is_the_first_open_minute(day: int, opens: int, closes: int, now: int) -> None:
    if opens == closes:
        closes += 1
    name = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day]
    hours = Hours.parse(f"{name} {opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}")
    moment = MONDAY + timedelta(minutes=now)
    found = hours.next_opening(moment)
    assert hours.open_at(found)
    assert timedelta(0) <= found - moment < timedelta(minutes=WEEK)
    assert found == moment or not hours.open_at(found - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("9 to 5", "cannot be read; write them as"),
        ("", "cannot be read"),
        ("25:00-26:00", "25:00 is no time of day"),
        ("08:61-09:00", "08:61 is no time of day"),
        ("08:00-08:00", "ends as it begins; all day is 00:00-24:00"),
        ("Mox 08:00-09:00", "'Mox' is no day of the week"),
        ("Mon-Tue-Wed 08:00-09:00", "are not two days"),
    ],
)
def test_hours_that_cannot_be_read_are_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Hours.parse(text)
