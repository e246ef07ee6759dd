"""Somebody acts: a person, in a transaction, at a moment, within what policies let them do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from lepton_fed.portal.attachments.files import AttachmentFiles
from lepton_fed.portal.finding.index import WordIndex
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights, Shelf, shelves_of


@dataclass(frozen=True)
class Acting:
    """What every function of `entries` and `finding` is given first."""

    connection: Connection
    person: Person
    now: datetime
    rights: Rights
    words: WordIndex
    files: AttachmentFiles

    @cached_property
    def readable(self) -> Sequence[int]:
        """The shelves with entries that this person may read, as they are when it is first asked."""
        return self.rights.permitted(self.connection, self.person, "read")

    @cached_property
    def _shelves(self) -> dict[int, Shelf]:
        return {}

    def shelf(self, number: int) -> Shelf:
        """The shelf of that number, which stays the same as long as the transaction."""
        return self.shelves((number,))[number]

    def shelves(self, numbers: Iterable[int]) -> Mapping[int, Shelf]:
        """Those of these numbers; each is looked up once in a transaction."""
        asked = set(numbers)
        if new := asked - self._shelves.keys():
            self._shelves.update(shelves_of(self.connection, new))
        return {number: self._shelves[number] for number in asked}
