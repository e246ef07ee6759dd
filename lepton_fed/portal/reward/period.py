"""Quarters: the periods that points and readings are counted by, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from lepton_fed.portal.errors import Unacceptable


@dataclass(frozen=True, order=True)
class Quarter:
    """`Quarter(2026, 4)` is October to December 2026."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> Quarter:
        """The one that a moment is in."""
        there = moment.astimezone(UTC)
        return cls(there.year, (there.month + 2) // 3)

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """`2026-4`; Unacceptable for anything else."""
        found = re.fullmatch(r"(20\d\d)-([1-4])", text, re.ASCII)
        if found is None:
            raise Unacceptable("quarter")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.year}-{self.number}"

    @property
    def since(self) -> datetime:
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=UTC)

    @property
    def until(self) -> datetime:
        return self.next.since

    @property
    def next(self) -> Quarter:
        return Quarter(self.year + self.number // 4, self.number % 4 + 1)

    @property
    def before(self) -> Quarter:
        return Quarter(self.year - (self.number == 1), (self.number + 2) % 4 + 1)
