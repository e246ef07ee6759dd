"""Application signatures: nobody in the middle can ask, answer, alter or repeat anything in a party's name.

    request   coordinator --Ed25519--> (federation, run, node, type, to, session, process, number, content)
    reply     department  --Ed25519--> the same of the request it answers, with its own session and content

Flower authenticates nodes to its SuperLink, which may then say what it likes. These signatures hold end to end: both
sides check them against the membership that the administrator signed. `session` is drawn by a department's process
and `process` by the coordinator's, so what was recorded before one of them was started anew fits nothing after it;
`number` only grows, so a request is carried out once and late ones are dropped. A department whose session is not
the one that the coordinator knows says so under its signature, and is asked again.

A signature travels as one more field of the message's main record. Where the message is long it is a record of its
own, so that Flower goes on storing once what several departments are sent.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from flwr.app import ConfigRecord, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.deploy.membership import Membership
from lepton_fed.errors import PeerError
from lepton_fed.flower.greetings import Here
from lepton_fed.flower.grid import INTRODUCTIONS, UPDATE, WHO
from lepton_fed.flower.parts import is_part, size_of
from lepton_fed.flower.records import RECORD, record_of, said_in
from lepton_fed.messages import Refused
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity, verify

FIELD, APART = "signature", "lepton signature"
"""Where a stamp is: a field of the main record, or a record of its own beside long ones."""

LONG = 1 << 16
"""Bytes from which a message is long."""

REQUEST, REPLY = "request", "reply"
"""Labels: a reply can never pass for a request."""

BYTES_OF_SESSION = 16


@dataclass(frozen=True)
class Members:
    """Who may sign: the coordinator's public key and each department's (32 bytes), in one federation."""

    fingerprint: str
    coordinator: bytes
    departments: Mapping[str, bytes]

    @classmethod
    def of(cls, membership: Membership) -> Members:
        roster = membership.roster
        return cls(membership.fingerprint, membership.coordinator, {n: roster.public(n) for n in roster.names})


@dataclass(frozen=True)
class Stamp(Wire):
    """A signature and what it is over beside the content. `session`: empty while nobody knows it yet."""

    KIND = "stamp"
    sender: str
    to: str
    session: bytes
    process: bytes
    number: int
    signature: bytes = b""


@dataclass(frozen=True)
class Place:
    """Where a message belongs: the federation, Flower's run, the department's node, Flower's type."""

    fingerprint: str
    run: int
    node: int
    type_: str


FIRST = (WHO, UPDATE)
"""What is asked before the coordinator knows a department's process."""


def place_of(members: Members, run: int, node: int, type_: str) -> Place:
    """Where a message belongs. A membership is handed on to who knows another federation file, under no fingerprint."""
    return Place("" if type_ == UPDATE else members.fingerprint, run, node, type_)


def stamped(content: RecordDict, stamp: Stamp, place: Place, label: str, identity: Identity) -> RecordDict:
    """The content with a signature; the content itself stays as it is."""
    signature = identity.sign(label, *_over(stamp, place, digest(content, identity.name)))
    raw = replace(stamp, signature=signature).to_bytes()
    if _size(content) >= LONG:
        return RecordDict({**content, APART: ConfigRecord({FIELD: raw})})
    main = dict(content[RECORD])
    return RecordDict({**content, RECORD: ConfigRecord({**main, FIELD: raw})})  # type: ignore[dict-item]


def unstamped(content: RecordDict, sender: str) -> tuple[RecordDict, Stamp]:
    """The content without its stamp, and the stamp, not yet verified; PeerError if there is not exactly one."""
    records = dict(content)
    found = []
    for name in (RECORD, APART):
        record = records.get(name)
        if isinstance(record, ConfigRecord) and FIELD in record:
            rest = dict(record)
            found.append(rest.pop(FIELD))
            records[name] = ConfigRecord(rest)
            if name == APART and not rest:
                del records[APART]
    if len(found) != 1 or not isinstance(found[0], bytes):
        raise PeerError(sender, "its message is not signed")
    try:
        stamp = Wire.from_bytes(found[0])
    except Malformed:
        stamp = None
    if not isinstance(stamp, Stamp):
        raise PeerError(sender, "its message has no signature that could be read")
    return RecordDict(records), stamp


def require_signed(stamp: Stamp, content: RecordDict, place: Place, label: str, public: bytes) -> None:
    """PeerError unless `public` signed exactly this content, as this label, for this place."""
    try:
        verify(public, stamp.signature, label, *_over(stamp, place, digest(content, stamp.sender)))
    except Malformed:
        raise PeerError(
            stamp.sender,
            "the signature does not fit: the message was altered, belongs elsewhere, or was signed with other keys or "
            "another federation file than the roster says",
        ) from None


def digest(content: RecordDict, sender: str) -> bytes:
    """SHA-256 (32 bytes) of plain records, whatever their order; PeerError for records that are not plain.

    Parts of long values are in it by the digests that the other records list; whoever joins them compares.
    """
    state = hashlib.sha256(b"lepton-fed content 1\n")
    for name in sorted(name for name in content if not is_part(name)):
        record = content[name]
        if not isinstance(record, ConfigRecord):
            raise PeerError(sender, "its message is not a record of plain fields")
        # Names of records come from JSON, which may hold half a character.
        _feed(state.update, b"r", name.encode(errors="surrogatepass"))
        for key in sorted(record):
            _feed(state.update, b"k", key.encode())
            _feed_value(state.update, record[key])
    return state.digest()


def _feed_value(update: Callable[[bytes], None], value: object) -> None:
    if isinstance(value, list):
        update(b"l" + struct.pack("<Q", len(value)))
        for one in value:
            _feed_value(update, one)
    elif isinstance(value, bool):  # Before int, which it is too.
        update(b"t" if value else b"f")
    elif isinstance(value, int):
        _feed(update, b"i", str(value).encode())
    elif isinstance(value, float):
        update(b"d" + struct.pack("<d", value))
    elif isinstance(value, str):
        _feed(update, b"s", value.encode())
    else:
        assert isinstance(value, bytes)
        _feed(update, b"b", value)


def _feed(update: Callable[[bytes], None], tag: bytes, value: bytes) -> None:
    update(tag + struct.pack("<Q", len(value)))
    update(value)


def _over(stamp: Stamp, place: Place, content: bytes) -> tuple[object, ...]:
    where = (place.fingerprint, place.run, place.node, place.type_)
    return (*where, stamp.sender, stamp.to, stamp.session, stamp.process, stamp.number, content)


def _size(content: RecordDict) -> int:
    """About how many bytes a content has beside parts, which lie elsewhere."""
    return sum(size_of(record) for name, record in content.items() if not is_part(name))


# ---------------------------------------------------------------- the department


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


# ---------------------------------------------------------------- the coordinator


@dataclass(frozen=True)
class Asked:
    """A request on its way. `number`: by which its asker knows it; `content`: to ask once more, if it is short."""

    number: str
    stamp: Stamp
    place: Place
    ttl: float
    until: float
    content: RecordDict | None


class SignedGrid(Grid):
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
        content = message.content if _size(message.content) < LONG else None
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

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> FlowerMessage:
        return FlowerMessage(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def send_and_receive(
        self, messages: Iterable[FlowerMessage], *, timeout: float | None = None
    ) -> Iterable[FlowerMessage]:
        """Not here: it would wait three seconds between two looks."""
        raise NotImplementedError("lepton_fed.flower.grid posts and collects")


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
