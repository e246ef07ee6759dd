"""Heads over what a pipeline wrote into the audit log: sealed when it stops, countersigned with the keys that are here.

A pipeline's steps are entries of the same log as the runs they make; on one machine its keys lie beside the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.audit.key_folder import KeyFolder
from lepton_fed.audit.run_log import RunLog
from lepton_fed.docket import OwnLog
from lepton_fed.errors import PeerError
from lepton_fed.messages import Attest, Message, Reply
from lepton_fed.storage.database import Database
from lepton_fed.transport import OnReply


def seal(database: Database, log: str, beside: Path, departments: Sequence[str]) -> None:
    """Has the log sealed and countersigned up to its last entry; `beside`: the folder that its keys are in."""
    keys = KeyFolder(beside, log)
    written = RunLog(database, keys.signers(departments), "", exclusive=keys.exclusive)
    coordinator = written.signers.coordinator.public
    written.conclude(Logs({name: keys.department(name, coordinator, "") for name in departments}), departments)


@dataclass(frozen=True)
class Logs:
    """A transport to departments' sides of the log alone: no model is loaded to sign a head."""

    logs: Mapping[str, OwnLog]

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            if not isinstance(message, Attest):
                raise PeerError(name, "only its log is here")
            yield name, self.logs[name].answer(message)
