"""Two departments find the entities that both have, and show each other no others: private set intersection.

    asker  ──Asked: H(x)^a for each of its x──►  answerer
    asker  ◄─Answered: H(x)^ab, and H(y)^b for each of its y──   answerer
    asker: H(y)^ba = H(x)^ab where x = y, so it knows which x are common      (and tells, with Found, if it wants to)

Diffie and Hellman on the curve P-256 (Meadows 1986; Huberman, Franklin, Hogg 1999), by the library openmined-psi; a
and b are fresh for each session. Whoever carries the messages, the coordinator say, has neither and learns nothing of
the names. Each side learns how many names the other has, up to the next power of two: both fill up with random ones.
The asker can try names that it does not have: so the answerer answers only whom its policies let know that an entity
is there, once a session, and at most `MOST` names. `knowledge.meeting` signs what is said, so that nobody asks in
another's name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lepton_fed.errors import PeerError
from lepton_fed.knowledge.library import intersection
from lepton_fed.secagg.canonical import Wire, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.roster import check_name

PROTOCOL = "lepton-intersection/1"

MOST = 1 << 20
"""Names a side, random ones included."""

_LEAST = 16
"""Names that even the smallest side shows."""


@dataclass(frozen=True)
class Asked(Wire):
    """What the asker sends: how many names, and each as a point that only it can take back."""

    KIND = "intersection-asked/1"
    session: bytes
    asker: str
    answerer: str
    count: int
    points: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.asker)
        check_name(self.answerer)
        if len(self.session) != 32 or not 0 < self.count <= MOST:
            raise Malformed(f"a session has 32 bytes and 1 to {MOST} names, found {self.count}")


@dataclass(frozen=True)
class Answered(Wire):
    """The answerer's names as points, and the asker's points with the answerer's key on them as well."""

    KIND = "intersection-answered/1"
    session: bytes
    asked: bytes
    count: int
    points: bytes
    own: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.session) != 32 or len(self.asked) != 32 or not 0 < self.count <= MOST:
            raise Malformed(f"an answer names its session and question and has 1 to {MOST} names")


@dataclass(frozen=True)
class Found(Wire):
    """What is common, as the asker calls it; sent if the asker wants the other side to know as well."""

    KIND = "intersection-found/1"
    session: bytes
    names: tuple[str, ...]


@dataclass(frozen=True)
class Asking:
    """What the asker keeps until the answer comes: its secret, its names in the order of its points. Used once."""

    asked: Asked
    secret: bytes = field(repr=False)
    names: tuple[str, ...] = field(repr=False)


def ask(asker: str, answerer: str, names: Iterable[str]) -> tuple[Asking, Asked]:
    """Begin: what to keep, and what to send. `names` as both sides spell them (`spelling.folded`)."""
    known = _filled(names)
    client = intersection().client.CreateWithNewKey(True)
    points = client.CreateRequest([_element(name) for name in known]).SerializeToString()
    asked = Asked(secrets.token_bytes(32), asker, answerer, len(known), points)
    return Asking(asked, client.GetPrivateKeyBytes(), tuple(known)), asked


def answer(asked: Asked, answerer: str, names: Iterable[str]) -> Answered:
    """Answer with the names that the asker may know of. PeerError for what is no question to this department."""
    if asked.answerer != answerer:
        raise PeerError(asked.asker, f"it asks {asked.answerer[:60]!r}, and this is {answerer}")
    library, known = intersection(), _filled(names)
    request = _parsed(library.Request(), asked.points, asked.asker)
    _require_count(len(request.encrypted_elements), asked.count, asked.asker)
    server = library.server.CreateWithNewKey(True)
    try:
        response = server.ProcessRequest(request)
    except RuntimeError:
        raise PeerError(asked.asker, "it sent what is no point of the curve") from None
    # RAW: exact, where the library's filters would now and then find a name that is not there.
    own = server.CreateSetupMessage(0.0, asked.count, [_element(name) for name in known], library.DataStructure.RAW)
    return Answered(asked.session, _digest(asked), len(known), response.SerializeToString(), own.SerializeToString())


def common(asking: Asking, answered: Answered) -> frozenset[str]:
    """Which of the asker's names the answerer has; PeerError for what is no answer to this question."""
    peer = asking.asked.answerer
    same = hmac.compare_digest(answered.session, asking.asked.session)
    if not same or not hmac.compare_digest(answered.asked, _digest(asking.asked)):
        raise PeerError(peer, "it answered another question than the one that was asked")
    library = intersection()
    response = _parsed(library.Response(), answered.points, peer)
    own = _parsed(library.ServerSetup(), answered.own, peer)
    # A missing point would shift the others, and names would be taken for their neighbours.
    _require_count(len(response.encrypted_elements), asking.asked.count, peer)
    _require_count(len(own.raw.encrypted_elements), answered.count, peer)
    client = library.client.CreateFromKey(asking.secret, True)
    try:
        places = client.GetIntersection(own, response)
    except RuntimeError:
        raise PeerError(peer, "it sent what is no point of the curve") from None
    return frozenset(asking.names[place] for place in places) - {""}


def _filled(names: Iterable[str]) -> list[str]:
    """The names in an order that says nothing, and random ones up to a power of two."""
    known = sorted(set(names) - {""})
    size = max(_LEAST, 1 << (len(known) - 1).bit_length()) if known else _LEAST
    if size > MOST:
        # How many there are, the other side is told up to a power of two alone, and this sentence goes there as well.
        raise Malformed(f"there are too many names to intersect at once; at most {MOST} are")
    known += [f"\0{secrets.token_hex(16)}" for _ in range(size - len(known))]
    secrets.SystemRandom().shuffle(known)
    return known


def _element(name: str) -> str:
    """What is hashed to the curve: a fixed length whatever the name, and none of another protocol."""
    return hashlib.sha256(encode((PROTOCOL, name))).hexdigest()


def _digest(asked: Asked) -> bytes:
    return hashlib.sha256(encode((PROTOCOL, asked))).digest()


def _parsed(empty: Any, data: bytes, sender: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        empty.ParseFromString(data)
    except DecodeError:
        raise PeerError(sender, "it sent what is no message of an intersection") from None
    return empty


def _require_count(found: int, said: int, sender: str) -> None:
    if found != said:
        raise PeerError(sender, f"it said {said} names and sent {found}")
