"""When a session is: a local time in a zone that has a name, kept in UTC, shown as it was said with its offset.

span("2026-12-05T14:00", "2026-12-05T16:00", "Asia/Shanghai")  ──►  06:00 to 08:00 UTC
shown  ──►  "2026-12-05 14:00–16:00, Asia/Shanghai (UTC+08:00)"
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from lepton_fed.portal.errors import Unacceptable

LONGEST = timedelta(days=14)
YEARS = range(2000, 2200)

USUAL = (
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Urumqi",
    "Asia/Taipei",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "Australia/Sydney",
    "UTC",
)
"""Zones that a form proposes; every other one that there is can be written."""


@dataclass(frozen=True)
class Span:
    """From when until when, in UTC, and the zone that it is said in; Unacceptable where it cannot be."""

    begins: datetime
    ends: datetime
    zone: str

    def __post_init__(self) -> None:
        if not timedelta(0) < self.ends - self.begins <= LONGEST:
            raise Unacceptable("session_time", days=LONGEST.days)

    @classmethod
    def said(cls, begins: datetime, ends: datetime, zone: str) -> Span:
        """As somebody says it: in that zone, or with an offset."""
        if zone not in _zones():
            raise Unacceptable("zone")
        return cls(_moment(begins, zone), _moment(ends, zone), zone)


def typed(text: str) -> datetime:
    """A time as a form's field has it, `2026-12-05T14:00`; Unacceptable."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unacceptable("session_time", days=LONGEST.days) from None


def shown(begins: datetime, ends: datetime, zone: str) -> str:
    """In the zone's own time, with what it was ahead of UTC then."""
    here = ZoneInfo(zone)
    first, last = begins.astimezone(here), ends.astimezone(here)
    same = first.date() == last.date() and first.utcoffset() == last.utcoffset()
    until = f"{last:%H:%M}" if same else f"{last:%Y-%m-%d %H:%M} (UTC{_offset(last)})"
    return f"{first:%Y-%m-%d %H:%M}–{until}, {zone} (UTC{_offset(first)})"


def _offset(moment: datetime) -> str:
    ahead = moment.utcoffset() or timedelta(0)
    sign, ahead = ("-", -ahead) if ahead < timedelta(0) else ("+", ahead)
    return f"{sign}{ahead.seconds // 3600:02}:{ahead.seconds // 60 % 60:02}"


def _moment(said: datetime, zone: str) -> datetime:
    if said.year not in YEARS:
        raise Unacceptable("session_time", days=LONGEST.days)
    if said.tzinfo is not None:
        return said.astimezone(UTC)
    here = ZoneInfo(zone)
    moment = said.replace(tzinfo=here).astimezone(UTC)
    if moment.astimezone(here).replace(tzinfo=None) != said:
        # In the hour that clocks leave out when they are set forward.
        raise Unacceptable("no_such_time", zone=zone)
    return moment


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
