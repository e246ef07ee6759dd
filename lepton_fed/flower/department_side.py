"""What a department checks before it reads a request, with what it signs when it answers."""

from __future__ import annotations

import hmac
import os

from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict

from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.errors import PeerError
from lepton_fed.flower.grid import WHO
from lepton_fed.flower.signed import (
    BYTES_OF_SESSION,
    FIRST,
    REPLY,
    REQUEST,
    Members,
    Place,
    Stamp,
    place_of,
    require_signed,
    stamped,
    unstamped,
)
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity


class DepartmentSide:
    """What a department's process checks before it reads a request, and signs when it answers.

    `members` may be replaced when the membership changes.
    """

    def __init__(self, identity: Identity, members: Members, random: RandomBytes = os.urandom) -> None:
        self.identity = identity
        self.members = members
        self.session = random(BYTES_OF_SESSION)
        self._last: dict[bytes, int] = {}
        """The largest number by process of the coordinator: as many entries as it was started."""

    def opened(self, message: FlowerMessage, node: int, coordinator: bytes | None = None) -> RecordDict:
        """What the coordinator asks of this department, once; PeerError otherwise, and then nothing has changed.

        `node`: this department's own number, not what the message says. `coordinator`: its public key, where that is
        another than the membership has.
        """
        content, stamp = unstamped(message.content, COORDINATOR)
        place = self._place(message, node)
        if stamp.sender != COORDINATOR or stamp.to != ("" if place.type_ == WHO else self.identity.name):
            raise PeerError(COORDINATOR, "its message is for somebody else")
        require_signed(stamp, content, place, REQUEST, coordinator or self.members.coordinator)
        if place.type_ not in FIRST and not hmac.compare_digest(stamp.session, self.session):
            raise PeerError(COORDINATOR, "its message is to an earlier process of this department")
        if stamp.number <= self._last.get(stamp.process, 0):
            raise PeerError(COORDINATOR, "its message was carried out already, or came after a later one")
        self._last[stamp.process] = stamp.number
        return content

    def reply(self, content: RecordDict, message: FlowerMessage, node: int) -> FlowerMessage:
        """A signed reply to `message`, whether or not it could be opened.

        So somebody in the middle can have a refusal signed for a request that he made up, and hand it to the
        coordinator as the answer to a later one. It costs the department that exchange, as dropping it would.
        """
        try:
            _, asked = unstamped(message.content, COORDINATOR) if message.has_content() else (None, _UNKNOWN)
        except PeerError:
            asked = _UNKNOWN
        stamp = Stamp(self.identity.name, COORDINATOR, self.session, asked.process, asked.number)
        signed = stamped(content, stamp, self._place(message, node), REPLY, self.identity)
        return FlowerMessage(signed, reply_to=message)

    def _place(self, message: FlowerMessage, node: int) -> Place:
        return place_of(self.members, message.metadata.run_id, node, message.metadata.message_type)


_UNKNOWN = Stamp(COORDINATOR, "", b"", b"", 0)
