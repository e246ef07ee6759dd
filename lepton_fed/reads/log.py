"""What both ends of a read note: who read what of whom, by digests. The owner answers no request that is noted.

`Delivered` is what is noted; a `ReadLog` keeps it. The owner notes before the parcel leaves, the reader when the table
is open in its hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Noted(Exception):
    """This request was answered before."""


@dataclass(frozen=True)
class Delivered:
    """A table went from `owner` to `reader`. `request`, `parcel`: digests of 32 bytes; `size`: bytes of the table."""

    owner: str
    reader: str
    what: str
    purpose: str
    request: bytes
    parcel: bytes
    size: int


class ReadLog(Protocol):
    """Where one department notes its reads and its answers."""

    def note(self, delivered: Delivered) -> None:
        """Durably, once for each request; Noted if it was before, by whatever process."""

    def holds(self, request: bytes) -> bool:
        """Whether this request was noted."""


class MemoryReadLog:
    """A log that survives nothing but its own process."""

    def __init__(self) -> None:
        self.entries: list[Delivered] = []

    def note(self, delivered: Delivered) -> None:
        if self.holds(delivered.request):
            raise Noted
        self.entries.append(delivered)

    def holds(self, request: bytes) -> bool:
        return any(one.request == request for one in self.entries)
