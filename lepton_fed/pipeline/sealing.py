"""Heads over what a pipeline wrote into the audit log: sealed when it stops, countersigned with the keys that are here.

A pipeline's steps are entries of the same log as the runs they make; on one machine its keys lie beside the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.audit.key_folder import KeyFolder
from lepton_fed.audit.run_log import RunLog, Sealing
from lepton_fed.docket import OwnLog
from lepton_fed.errors import PeerError
from lepton_fed.messages import Attest, Message, Reply
from lepton_fed.storage.database import Database
from lepton_fed.transport import OnReply


def sealer(database: Database, log: str, beside: Path, departments: Sequence[str]) -> Callable[[], Sealing]:
    """Has the log sealed and countersigned up to its last entry, when it is called.

    The keys of the folder `beside` are read at once: who asks for this before writing anything writes nothing that
    could not be sealed because of them.

    Raises:
        StorageError: one of the keys cannot be read, or is none.
    """
    keys = KeyFolder(beside, log)
    written = RunLog(database, keys.signers(departments), "", exclusive=keys.exclusive)
    coordinator = written.signers.coordinator.public
    logs = Logs({name: keys.department(name, coordinator, "") for name in departments})
    return lambda: written.conclude(logs, departments)


@dataclass(frozen=True)
class Logs:
    """A transport to departments' sides of the log alone: no model is loaded to sign a head."""

    logs: Mapping[str, OwnLog]

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            if not isinstance(message, Attest):
                raise PeerError(name, "only its log is here")
            yield name, self.logs[name].answer(message)
