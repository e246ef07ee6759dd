"""Opening hours of a department: when work may begin there, in its own local time.

"08:00-18:00"    "Mon-Thu 08:00-17:00, Fri 08:00-14:00"    "周一至周五 08:00-18:00"    "22:00-06:00" (over midnight)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = 24 * 60
WEEK = 7 * DAY
_DAYS = {
    word: number
    for number, words in enumerate(("mon 周一", "tue 周二", "wed 周三", "thu 周四", "fri 周五", "sat 周六", "sun 周日"))
    for word in words.split()
}
_SPAN = re.compile(r"(?:(?P<days>\S+)\s+)?(?P<opens>\d\d?:\d\d)\s*-\s*(?P<closes>\d\d?:\d\d)")
_FORM = 'write them as "Mon-Fri 08:00-18:00", or "周一-周五 08:00-18:00"'


@dataclass(frozen=True, order=True)
class Span:
    """Open from `opens` until before `closes`, minutes since Monday 00:00; over midnight `closes` goes on counting."""

    opens: int
    closes: int


@dataclass(frozen=True)
class Hours:
    """The open spans of a week."""

    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Hours as people write them; ValueError, one sentence, for anything else."""
        return cls(tuple(sorted({s for part in re.split("[,，、;；]", text) for s in _spans(part.strip(), text)})))

    def open_at(self, moment: datetime) -> bool:
        """Whether a moment of local time lies within a span."""
        minute = _minute(moment)
        # A span that runs over Sunday's midnight holds Monday's first minutes as those of an eighth day.
        return any(s.opens <= m < s.closes for s in self.spans for m in (minute, minute + WEEK))

    def next_opening(self, moment: datetime) -> datetime:
        """The moment itself where it is open then, else the beginning of the next span."""
        if self.open_at(moment):
            return moment
        start = moment.replace(second=0, microsecond=0)
        minute = _minute(moment)
        return start + timedelta(minutes=min((s.opens - minute) % WEEK for s in self.spans))


def _spans(part: str, text: str) -> list[Span]:
    match = _SPAN.fullmatch(part)
    if match is None:
        raise ValueError(f"hours is {text!r}, which cannot be read; {_FORM}")
    opens, closes = _clock(match["opens"], text), _clock(match["closes"], text)
    if opens == closes:
        raise ValueError(f"hours is {text!r}, where a span ends as it begins; all day is 00:00-24:00")
    length = (closes - opens) % DAY or DAY
    return [Span(day * DAY + opens, day * DAY + opens + length) for day in _weekdays(match["days"], text)]


def _clock(word: str, text: str) -> int:
    hour, minute = (int(n) for n in word.split(":"))
    if minute > 59 or hour * 60 + minute > DAY:
        raise ValueError(f"hours is {text!r}, where {word} is no time of day; they run from 00:00 to 24:00")
    return hour * 60 + minute


def _weekdays(words: str | None, text: str) -> list[int]:
    """All days where none are named; Fri-Mon goes round the end of the week."""
    if words is None:
        return list(range(7))
    ends = [_weekday(word, text) for word in re.split("[-–至到]", words)]
    if len(ends) > 2:
        raise ValueError(f"hours is {text!r}, where {words!r} are not two days; {_FORM}")
    return [(ends[0] + k) % 7 for k in range((ends[-1] - ends[0]) % 7 + 1)]


def _weekday(word: str, text: str) -> int:
    key = word.casefold()[:3].replace("星期", "周").replace("周天", "周日")
    if key not in _DAYS:
        raise ValueError(f"hours is {text!r}, where {word!r} is no day of the week; {_FORM}")
    return _DAYS[key]


def _minute(moment: datetime) -> int:
    return moment.weekday() * DAY + moment.hour * 60 + moment.minute
