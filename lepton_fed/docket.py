"""What a department keeps for the audit: entries about itself, numbered 1, 2, 3 ..., until the coordinator has them.

    note(entry) ──► 1 2 3 ... ──► after(told) ──► the coordinator's log, of which the department countersigns heads

An entry is canonical bytes (`lepton_fed.audit.entries`); what it only commits to stays here, beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lepton_fed.messages import Attest, Attested, Refused

AT_ONCE = 500
"""Entries that are told in one answer: some 200 kB. The rest is told with the next head."""

ROLLED_BACK = (
    "the log has entries of this department that its docket does not have; put the newest copy of the docket back"
)


@dataclass(frozen=True)
class Noted:
    """An entry, and the texts that it commits to with their salts, each in canonical bytes."""

    entry: bytes
    openings: tuple[bytes, ...] = field(default=(), repr=False)


class Docket(Protocol):
    """Where noted entries are kept, in their order."""

    def note(self, noted: Noted) -> None:
        """Keep one more; what is noted survives the end of its process."""

    def after(self, number: int) -> Sequence[bytes]:
        """At most `AT_ONCE` entries after the first `number`, now safe from a power cut.

        StorageError: there are fewer than `number`.
        """


class OwnLog(Protocol):
    """A department's side of the audit, as `Department.handle` sees it. `run`: the id of the run under way, if any."""

    run: str

    def answer(self, message: Attest) -> Attested | Refused:
        """The countersignature on the head, or why there is none."""
