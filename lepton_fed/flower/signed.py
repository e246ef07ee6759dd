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
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flwr.app import ConfigRecord, RecordDict

from lepton_fed.deploy.membership import Membership
from lepton_fed.errors import PeerError
from lepton_fed.flower.grid import UPDATE, WHO
from lepton_fed.flower.parts import is_part, size_of
from lepton_fed.flower.records import RECORD
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed
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
    if bytes_of(content) >= LONG:
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


def bytes_of(content: RecordDict) -> int:
    """About how many bytes a content has beside parts, which lie elsewhere."""
    return sum(size_of(record) for name, record in content.items() if not is_part(name))
