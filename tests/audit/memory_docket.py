"""A docket in memory, which a test may look into."""

from __future__ import annotations

from collections.abc import Sequence

from lepton_fed.docket import AT_ONCE, ROLLED_BACK, Noted
from lepton_fed.errors import StorageError


class MemoryDocket:
    """What is noted, in order."""

    def __init__(self) -> None:
        self.noted: list[Noted] = []

    def note(self, noted: Noted) -> None:
        self.noted.append(noted)

    def after(self, number: int) -> Sequence[bytes]:
        if number > len(self.noted):
            raise StorageError(ROLLED_BACK)
        return [one.entry for one in self.noted[number : number + AT_ONCE]]
