"""A Grid of which every request is signed and every reply checked: the coordinator's side."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.errors import PeerError
from lepton_fed.flower.greetings import Here
from lepton_fed.flower.grid import INTRODUCTIONS, WHO
from lepton_fed.flower.posting_grid import PostingGrid
from lepton_fed.flower.records import record_of, said_in
from lepton_fed.flower.signed import (
    BYTES_OF_SESSION,
    FIRST,
    LONG,
    REPLY,
    REQUEST,
    Members,
    Place,
    Stamp,
    bytes_of,
    place_of,
    require_signed,
    stamped,
    unstamped,
)
from lepton_fed.messages import Refused
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity


@dataclass(frozen=True)
class Asked:
    """A request on its way. `number`: by which its asker knows it; `content`: to ask once more, if it is short."""

    number: str
    stamp: Stamp
    place: Place
    ttl: float
    until: float
    content: RecordDict | None


class SignedGrid(PostingGrid):
    """A Grid whose messages are signed and whose replies are verified; a reply that is not becomes a refusal.

    `members` may be replaced when the membership changes: who is no longer in it is refused from then on.
    """

    def __init__(
        self,
        grid: Grid,
        identity: Identity,
        members: Members,
        random: RandomBytes = os.urandom,
        names: Mapping[int, str] | None = None,
    ) -> None:
        """`names`: of nodes, where they are known from the membership; otherwise nodes are asked."""
        self.grid = grid
        self.identity = identity
        self.members = members
        self._process = random(BYTES_OF_SESSION)
        self._numbers = count(1)
        self._names: dict[int, str] = dict(names or {})
        self._sessions: dict[int, bytes] = {}
        self._asked: dict[str, Asked] = {}
        self._again: dict[str, str] = {}
        """Of requests that were sent once more: Flower's second number by the first."""

    def push_messages(self, messages: Iterable[FlowerMessage]) -> list[str]:
        """Signs and sends; left out are messages to nodes that have not said under their signature who they are."""
        known = [m for m in messages if m.metadata.message_type == WHO or m.metadata.dst_node_id in self._names]
        requests = [self._sign(message) for message in known]
        taken = [number for number in self.grid.push_messages(known) if number]
        self._forget_lapsed()
        for message, asked in zip(known, requests, strict=True):
            number = message.metadata.message_id
            if number in taken:
                self._asked[number] = replace(asked, number=number)
        return taken

    def pull_messages(self, message_ids: Iterable[str]) -> list[FlowerMessage]:
        wanted = [self._again.get(number, number) for number in message_ids]
        found = (self._checked(answer) for answer in self.grid.pull_messages(wanted))
        return [answer for answer in found if answer is not None]

    def forget(self, message_ids: Iterable[str]) -> list[str]:
        """Gives up on these requests; by which numbers Flower knows them."""
        numbers = [self._again.pop(number, number) for number in message_ids]
        for number in numbers:
            self._asked.pop(number, None)
        return numbers

    @property
    def sessions(self) -> dict[str, bytes]:
        """Which process each department is, as far as that is known."""
        return {self._names[node]: session for node, session in self._sessions.items() if node in self._names}

    def readmit(self, members: Members, names: Mapping[int, str]) -> None:
        """Goes by a newer membership from now on."""
        self.members, self._names = members, dict(names)

    def _sign(self, message: FlowerMessage) -> Asked:
        data = message.metadata
        to = "" if data.message_type == WHO else self._names[data.dst_node_id]
        session = self._sessions.get(data.dst_node_id, b"") if data.message_type not in FIRST else b""
        stamp = Stamp(COORDINATOR, to, session, self._process, next(self._numbers))
        place = place_of(self.members, data.run_id, data.dst_node_id, data.message_type)
        content = message.content if bytes_of(message.content) < LONG else None
        message.content = stamped(message.content, stamp, place, REQUEST, self.identity)
        return Asked("", stamp, place, data.ttl, time.monotonic() + data.ttl, content)

    def _checked(self, answer: FlowerMessage) -> FlowerMessage | None:
        """The answer as its asker may see it; None for what nobody asked, and where somebody is asked once more."""
        asked = self._asked.pop(answer.metadata.reply_to_message_id, None)
        if asked is None:
            return None
        self._again.pop(asked.number, None)
        if answer.has_error():
            return _readdressed(answer, asked)
        try:
            content, stamp = self._verified(answer, asked)
        except PeerError as error:
            return _readdressed(answer, asked, record_of(Refused(str(error))))
        if asked.place.type_ not in FIRST and stamp.session != asked.stamp.session and self._ask_again(asked):
            return None
        return _readdressed(answer, asked, content)

    def _verified(self, answer: FlowerMessage, asked: Asked) -> tuple[RecordDict, Stamp]:
        node = asked.place.node
        content, stamp = unstamped(answer.content, asked.stamp.to or f"node {node}")
        name = asked.stamp.to or stamp.sender
        if name not in self.members.departments:
            raise PeerError(f"node {node}", f"it signs as {name!r}, which is not in the roster")
        if answer.metadata.src_node_id != node or (stamp.sender, stamp.to) != (name, COORDINATOR):
            raise PeerError(name, "another node answered in its name")
        if not hmac.compare_digest(_request(stamp), _request(asked.stamp)):
            raise PeerError(name, "its answer is to another question")
        require_signed(stamp, content, asked.place, REPLY, self.members.departments[name])
        if asked.place.type_ == WHO:
            self._introduce(content, name, node)
        self._sessions[node] = stamp.session
        return content, stamp

    def _introduce(self, content: RecordDict, name: str, node: int) -> None:
        said = said_in(content, name, INTRODUCTIONS)
        if isinstance(said, Here) and said.department != name:
            raise PeerError(name, "it says another department's name")
        self._names[node] = name

    def _ask_again(self, asked: Asked) -> bool:
        """Sends a request to a department that was started anew, under its new session, once."""
        left = asked.until - time.monotonic()
        if asked.content is None or left <= 0:
            return False
        message = FlowerMessage(asked.content, asked.place.node, asked.place.type_, ttl=left)
        request = replace(self._sign(message), number=asked.number, content=None)
        if not any(self.grid.push_messages([message])):
            return False
        second = message.metadata.message_id
        self._asked[second] = request
        self._again[asked.number] = second
        return True

    def _forget_lapsed(self) -> None:
        now = time.monotonic()
        for number in [number for number, asked in self._asked.items() if asked.until < now]:
            self._again.pop(self._asked.pop(number).number, None)

    # What follows is the Grid's own.

    def get_node_ids(self) -> Iterable[int]:
        return self.grid.get_node_ids()

    def get_nodes(self) -> Iterable[NodeInfo]:
        return self.grid.get_nodes()

    def set_run(self, run: Run) -> None:
        self.grid.set_run(run)

    @property
    def run(self) -> Run:
        return self.grid.run


def _request(stamp: Stamp) -> bytes:
    """Which request a stamp is of, or answers."""
    return stamp.process + b"%d" % stamp.number


def _readdressed(answer: FlowerMessage, asked: Asked, content: RecordDict | None = None) -> FlowerMessage:
    """The answer under the number by which its asker knows the question."""
    data = answer.metadata
    metadata = Metadata(
        run_id=data.run_id,
        message_id=data.message_id,
        src_node_id=data.src_node_id,
        dst_node_id=data.dst_node_id,
        reply_to_message_id=asked.number,
        group_id=data.group_id,
        created_at=data.created_at,
        ttl=data.ttl,
        message_type=data.message_type,
    )
    return make_message(metadata, content, answer.error if answer.has_error() else None)
