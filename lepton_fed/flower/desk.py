"""The desk of a department's process: opens what the coordinator asks, has the department answer, signs the answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict

from lepton_fed.department import Department
from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.errors import LeptonError, PeerError, StorageError
from lepton_fed.flower.answers import Answers, lasts
from lepton_fed.flower.department_side import DepartmentSide
from lepton_fed.flower.greetings import Here, Update, Updated, Who
from lepton_fed.flower.grid import JOIN, TYPES, UPDATE, WHO
from lepton_fed.flower.records import record_of, said_in
from lepton_fed.flower.signed import Members, digest, unstamped
from lepton_fed.messages import Message, Refused

_log = logging.getLogger("lepton_fed.flower.desk")

KINDS = {kind: type_ for type_, kind in TYPES.items()}
STEPS = {
    JOIN: "joining",
    UPDATE: "taking a newer membership",
    "query.declare": "declaring its hub",
    "query.advertise": "making keys",
    "query.consult": "asking its policies ahead",
    "query.evaluate": "measuring a model for another department",
    "train.work": "its work of the round",
    "train.sum": "an exchange of a secure sum",
    "query.attest": "countersigning the audit log",
    "query.wish": "saying what it wants of others",
    "query.read": "reading a table that it shares",
    "query.take": "taking a table that it asked for",
    "query.meet": "finding out what another department knows as well",
}
"""What a department was asked for, in words, by Flower's type."""


class Home(Protocol):
    """Where a department follows its membership, and keeps what must outlive its process."""

    def considered(self, update: bytes) -> Members:
        """The members by this membership; PeerError unless the administrator signed it after the one in use."""

    def taken(self, update: bytes, department: Department) -> tuple[Department, Members, int]:
        """Goes by this membership: the department as it is then, the members, the serial."""

    def worked(self, department: Department, message: Message) -> None:
        """The department has answered this message, and the answer has not left yet."""


@dataclass(eq=False)
class Desk:
    """Turns each request into a signed reply: whatever comes in, and whatever happens here.

    `home`: without one, the department's membership is fixed and nothing outlives its process.
    """

    department: Department
    side: DepartmentSide
    home: Home | None = None
    answers: Answers = field(default_factory=Answers)

    def answer(self, message: FlowerMessage, node: int) -> FlowerMessage:
        """The signed reply to a message that reached this node."""
        return self.side.reply(self._said(message, node), message, node)

    @property
    def busy(self) -> bool:
        """Whether this department is in the middle of a secure sum."""
        member = self.department.member
        return member is not None and member.busy

    def refuse(self, message: FlowerMessage, node: int, reason: str) -> FlowerMessage:
        return self.side.reply(record_of(Refused(reason)), message, node)

    def _said(self, message: FlowerMessage, node: int) -> RecordDict:
        kind = message.metadata.message_type
        try:
            return self._handled(message, node, kind)
        except PeerError as error:
            _log.warning("refused a message: %s", error)
            return record_of(Refused(str(error)))
        except Exception as error:
            _log.exception("could not answer", extra={"step": STEPS.get(kind, "an answer")})
            if isinstance(error, LeptonError) and not isinstance(error, StorageError):
                return record_of(Refused(str(error)))
            # Its text may quote a row or name a place on this machine's disk, so it stays here.
            reason = f"{STEPS.get(kind, 'an answer')} failed at this department; its own log says why"
            return record_of(Refused(reason))

    def _handled(self, message: FlowerMessage, node: int, kind: str) -> RecordDict:
        if kind == UPDATE:
            return record_of(self._updated(message, node))
        content = self.side.opened(message, node)
        if kind == WHO:
            said_in(content, COORDINATOR, (Who,))
            return record_of(Here(self.department.name))
        if kind not in KINDS:
            raise PeerError(COORDINATOR, "its message is of a type that lepton-fed does not have")
        return self._answered(content, said_in(content, COORDINATOR, (KINDS[kind],)))

    def _answered(self, content: RecordDict, said: Message) -> RecordDict:
        """The department's answer; the one that it gave, where the same was asked in this round already."""
        question = digest(content, COORDINATOR)
        self.answers.begin(said)
        before = self.answers.given(question)
        if before is not None:
            return before
        reply = self.department.handle(said)
        if self.home is not None:
            self.home.worked(self.department, said)
        answer = record_of(reply)
        if lasts(said, reply):
            self.answers.keep(question, answer)
        return answer

    def _updated(self, message: FlowerMessage, node: int) -> Updated:
        """Goes by a newer membership, whatever federation file and coordinator's key it has."""
        if self.home is None:
            raise PeerError(COORDINATOR, "this department's membership does not change")
        content, _ = unstamped(message.content, COORDINATOR)
        said = said_in(content, COORDINATOR, (Update,))
        update = said.membership
        # The administrator's signature says who the coordinator is; only then its own can be looked at.
        members = self.home.considered(update)
        self.side.opened(message, node, members.coordinator)
        self.department, self.side.members, serial = self.home.taken(update, self.department)
        if self.department.log is not None:
            self.department.log.run = said.run
        return Updated(serial)
