"""Identities for the logs of simulations, beside their database, where a deployed federation has its kits.

    audit-keys/<log>/                mode 700
        public.json                  for whoever checks the log
        coordinator.key              mode 600, as every file but public.json
        <department>.department.key, .head, .docket    its identity, the last head that it countersigned, what it noted

One person has all of them, so a log like this shows mistakes and later edits, and not what departments agreed to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lepton_fed.audit.head_file import HeadFile
from lepton_fed.audit.heads import Keys, SignedHead
from lepton_fed.audit.key_file import read_keys, together, write_keys
from lepton_fed.audit.lock import locked
from lepton_fed.audit.own_log import DepartmentLog
from lepton_fed.audit.run_log import Signers
from lepton_fed.audit.witness import Witness
from lepton_fed.errors import StorageError
from lepton_fed.secagg.keys import Identity
from lepton_fed.storage.atomic import unreadable, unwritable
from lepton_fed.storage.docket_file import DocketFile
from lepton_fed.storage.file_names import file_name
from lepton_fed.translation import sentence

FOLDER, PUBLIC = "audit-keys", "public.json"
COORDINATOR = "coordinator"


class KeyFolder:
    """The folder of one log's keys; made, with what is missing in it, when keys are asked for."""

    def __init__(self, beside: Path, log: str) -> None:
        """`beside`: the folder that the database is in."""
        self.log = log
        self.path = Path(beside) / FOLDER / file_name(log)

    @property
    def public(self) -> Path:
        """The file of public keys."""
        return self.path / PUBLIC

    def signers(self, departments: Sequence[str]) -> Signers:
        """The log's identities, made where they are missing; the file of public keys knows all of them."""
        coordinator = self._identity(COORDINATOR, self.path / f"{COORDINATOR}.key")
        publics = {name: self._department(name).public for name in departments}
        keys = Keys(self.log, (coordinator.public,), {name: (one,) for name, one in publics.items()})
        known = together(read_keys(self.public), keys) if self.public.exists() else keys
        if not self.public.exists() or known != read_keys(self.public):
            write_keys(known, self.public)
        return Signers(self.log, coordinator, publics)

    def department(self, name: str, coordinator: bytes, run: str) -> DepartmentLog:
        """A department's side of the log. `coordinator`: its public key."""
        witness = Witness(self._department(name), self.log, (coordinator,), self._head(name))
        return DepartmentLog(witness, DocketFile(self.path / f"{file_name(name)}.docket", durable=False), run=run)

    def kept_heads(self) -> dict[str, SignedHead]:
        """The last heads that departments countersigned, by department."""
        found = {name: self._head(name).read() for name in read_keys(self.public).departments}
        return {name: head for name, head in found.items() if head is not None}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """While heads are shown: of two runs of one federation, each waits for the other."""
        self._make()
        with locked(self.path / ".lock"):
            yield

    def _head(self, name: str) -> HeadFile:
        return HeadFile(self.path / f"{file_name(name)}.head", durable=False)

    def _department(self, name: str) -> Identity:
        # A department may be called coordinator, too.
        return self._identity(name, self.path / f"{file_name(name)}.department.key")

    def _identity(self, name: str, path: Path) -> Identity:
        self._make()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return Identity(name, _seed(path))
        except OSError as error:
            raise unwritable(error, path) from error
        made = Identity.generate(name, os.urandom)
        try:
            os.write(descriptor, made.seed)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return made

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(error, self.path) from error


def _seed(path: Path) -> bytes:
    try:
        seed = path.read_bytes()
    except OSError as error:
        raise unreadable(error, path) from error
    if len(seed) != 32:
        raise StorageError(
            sentence(
                "{path} is no key of a log; put its copy back, or begin a new log with another database", path=path
            )
        )
    return seed
