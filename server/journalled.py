"""Exchanges that can be played again as they were, when the coordinator was killed in the middle of a round."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.messages import Message, Refused, Reply, Sum, Summed, Work
from lepton_fed.saved_state import LARGE
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import (
    Delivery,
    GroupConsent,
    GroupOffer,
    MaskedInput,
    SealedShares,
    SurvivorSignature,
)
from lepton_fed.storage.exchange_journal import ExchangeJournal
from lepton_fed.transport import OnReply

from .watcher import Watcher


@dataclass(eq=False)
class Journalled:
    """Exchanges that are written down when they are over, and asked again of the same departments when played again."""

    transport: LinkTransport
    journal: ExchangeJournal
    watcher: Watcher

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        due = self.journal.due()
        asked = messages if due is None else {name: m for name, m in messages.items() if name in due}
        if any(_gives(message) for message in asked.values()):
            self.journal.gives()
        started, before, said = time.monotonic(), self.journal.said(), dict[str, bytes]()
        answered = []
        for name, reply in self.transport.exchange(asked, on_reply):
            if name in before and isinstance(reply, Refused):
                continue  # Started anew; it has answered before, and what it said then counts.
            answered.append(name)
            said |= _lasting(name, reply)
            yield name, reply
            del reply  # The next update is made while this loop waits; hold no other meanwhile.
        for name in sorted(before.keys() & asked.keys() - set(answered)):
            answered.append(name)
            yield name, Summed(Wire.from_bytes(before[name]))
        self.journal.over(answered, said)
        self.watcher.exchange(time.monotonic() - started)


def _gives(message: Message) -> bool:
    """Whether a department answers with numbers, which it gives to one question only."""
    return isinstance(message, Work) or (isinstance(message, Sum) and isinstance(message.request, Delivery))


def _lasting(name: str, reply: Reply) -> dict[str, bytes]:
    """What nobody could say again if this department were killed with the coordinator: what is sealed, masked, public.

    No update can be read in it. Long vectors are not kept: a round would cost another write of each.
    """
    match reply:
        case Summed(SealedShares() | GroupOffer() | GroupConsent() | SurvivorSignature() as said):
            return {name: said.to_bytes()}
        case Summed(MaskedInput(vectors=vectors) as masked) if sum(one.nbytes for _, one in vectors) < LARGE:
            return {name: masked.to_bytes()}
    return {}
