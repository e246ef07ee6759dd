"""Where a deployed department lives: its kit, its rows, what it keeps from round to round, the model that it ends with.

    KIT/state/kept/                 what lasts between messages, private parts included; after each piece of work
    KIT/state/models/<name>.safetensors    the model after the last round
    KIT/state/audit.head, audit.docket     the last head of the audit log that it countersigned, and what it told

A department that is killed begins again from there: its ledger says what was released, this says what it had learnt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lepton_fed.assembly import Own
from lepton_fed.audit.kits import log_of
from lepton_fed.audit.own_log import DepartmentLog
from lepton_fed.department import Department
from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.deploy.membership import newer
from lepton_fed.flower.own_department import department_of, own_of
from lepton_fed.flower.signed import Members
from lepton_fed.messages import Declare, Message, Sum, Work
from lepton_fed.secagg.messages import SealedSums
from lepton_fed.storage import Checkpoint, write_atomically
from lepton_fed.storage.file_names import file_name
from lepton_fed.storage.tensors import parameters_digest, tensor_chunks

KEPT, MODELS, GROUP = "kept", "models", "department"


@dataclass(eq=False)
class DepartmentHome:
    """A department's kit and everything of it that outlives a process. Its rows are read once."""

    kit: DepartmentKit
    own: Own
    disclose: bool = False
    _kept: Checkpoint = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._kept = Checkpoint(self.kit.state / KEPT, durable=False)

    @classmethod
    def opened(cls, kit: DepartmentKit, own_file: Path | None, *, disclose: bool = False) -> DepartmentHome:
        """ConfigError, DataError or StorageError, one sentence, where file or rows cannot be used."""
        return cls(kit, own_of(kit, own_file), disclose)

    def department(self) -> Department:
        """The department as it was when its last process ended."""
        made = department_of(self.kit, disclose=self.disclose, own=self.own)
        saved = self._kept.latest()
        if saved is not None:
            made.restore({name: torch.from_numpy(np.array(array)) for name, array in saved.groups[GROUP].items()})
        self._log(made)
        return made

    def _log(self, department: Department) -> DepartmentLog:
        """Gives the department its side of the audit log, by the membership in use; all that it decides is noted."""
        department.log = log = log_of(self.kit)
        log.listen(department)
        return log

    # ------------------------------------------------------------ lepton_fed.flower.desk.Home

    def considered(self, update: bytes) -> Members:
        """The members by this membership; PeerError unless the administrator signed it after the one in use."""
        if update == self.kit.update:
            return Members.of(self.kit.membership)
        return Members.of(newer(self.kit.membership, update, self.kit.administrator))

    def taken(self, update: bytes, department: Department) -> tuple[Department, Members, int]:
        """Goes by this membership; rows stay loaded, and what was learnt is kept."""
        if update != self.kit.update:
            before, self.kit = self.kit.membership, self.kit.take(update)
            if not self.kit.membership.alike(before):
                kept = department.state()
                department = department_of(self.kit, disclose=self.disclose, own=self.own)
                department.restore(kept)
            self._log(department)
        return department, Members.of(self.kit.membership), self.kit.membership.serial

    def worked(self, department: Department, message: Message) -> None:
        """Keeps what the department has become by this message, before its answer leaves."""
        work = message.work if isinstance(message, Sum) else message
        if not (isinstance(work, (Work, Declare)) or (isinstance(message, Sum) and _opens(message))):
            return
        arrays = {name: value.detach().cpu().numpy() for name, value in department.state().items()}
        self._kept.save(department.last_round, {}, {GROUP: arrays})
        if isinstance(work, Work) and work.round > department.settings.rounds.count:
            self._write_model(department, work)

    def _write_model(self, department: Department, work: Work) -> None:
        """The model that the department ends with, if it learns from anybody."""
        if not any(department.name in plan.may_read for plan in department.plans.values()):
            return
        tensors = {name: tensor.detach().cpu().numpy() for name, tensor in department.export(work.hubs).items()}
        about = {
            "department": department.name,
            "federation": department.settings.federation.name,
            "fingerprint": department.fingerprint,
            "serial": str(self.kit.membership.serial),
            "rounds": str(department.settings.rounds.count),
        }
        folder = self.kit.state / MODELS
        folder.mkdir(mode=0o700, exist_ok=True)
        chunks = tensor_chunks(tensors, about)
        write_atomically(folder / f"{file_name(department.name)}.safetensors", chunks)
        if isinstance(department.log, DepartmentLog):
            digest = hashlib.sha256(b"".join(chunks)).digest()
            department.log.made(department.settings.rounds.count, digest, parameters_digest(tensors))


def _opens(message: Sum) -> bool:
    """Whether this exchange opens sealed sums, by which a department steps the hubs that it holds."""
    return isinstance(message.request, SealedSums)
