"""A department's answers of the current round, to be given again when the same question comes again.

A coordinator that was killed plays its round anew from the last checkpoint, and asks what it asked before. What a
department has done it has done: it has trained, and its ledger lets its numbers out once. So it says again what it
said, word for word, and the round ends as it would have ended. Nothing new leaves by that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flwr.app import RecordDict

from lepton_fed.messages import Advertise as Question
from lepton_fed.messages import Consult, Declare, Join, Meet, Message, Refused, Reply, Sum, Work
from lepton_fed.secagg.messages import Call, GroupCall, GroupOffer

MANY = 32
"""Answers of one round that are kept; a round has eight at most, and each attempt of it begins anew."""


@dataclass(eq=False)
class Answers:
    """By digest of the question (32 bytes): the answer's records. A question of a later round clears all."""

    round: int = 0
    _given: dict[bytes, RecordDict] = field(default_factory=dict, repr=False)

    def begin(self, message: Message) -> None:
        """Forgets the answers of an earlier round where this message is of a later one."""
        number = round_of(message)
        if number is not None and number > self.round:
            self.round = number
            self._given.clear()

    def given(self, question: bytes) -> RecordDict | None:
        """What was answered to this question, in this round."""
        return self._given.get(question)

    def keep(self, question: bytes, answer: RecordDict) -> None:
        self._given[question] = answer
        while len(self._given) > MANY:
            del self._given[next(iter(self._given))]


def lasts(message: Message, reply: Reply) -> bool:
    """Whether an answer is given again to the same question.

    Its policies may be others when a department is asked again what it would do, or whether it joins or meets after
    all. And a meeting that begins again begins anew: the other one may have been started anew meanwhile, and each
    side's secrets serve one meeting.
    """
    match message:
        case Consult() | Meet(body=b""):
            return False
        case Join() | Meet():
            return not isinstance(reply, Refused)
    return True


def round_of(message: Message) -> int | None:
    """The round that a message is about; None where it belongs to whichever is under way."""
    match message:
        case Work() | Declare() | Question():
            return message.round
        case Sum(request=Call() | GroupCall() as request):
            return request.plan.round
        case Sum(request=GroupOffer() as offer):
            return offer.plan.round
    return None
