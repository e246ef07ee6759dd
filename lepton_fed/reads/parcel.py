"""A table on its way: sealed in parts to the key of one request, and signed by its owner.

    key   = HKDF(X25519(owner's key of this parcel, reader's key of this request);
                 federation, roster, owner, reader, what, digest of the request, both keys)
    part  = AES-256-GCM(key; 1 MiB of the table; number of the part, how many there are)

Both key pairs are used once and forgotten, so nothing that is stolen later opens it. The signature covers every part,
so a reader knows whose table it is and that it is whole before it decrypts anything. (The shape of HPKE in its base
mode, RFC 9180, with the protocol's own HKDF labels and a signature in the place of its authenticated mode.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from lepton_fed.reads.request import ReadRequest
from lepton_fed.secagg.canonical import Wire, digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity, KeyPair, agree, derive, verify
from lepton_fed.secagg.roster import Roster, check_name
from lepton_fed.secagg.sealing import seal, unseal

PART = 1 << 20
"""Bytes of a table in one part."""

LARGEST = 64 << 20
"""Bytes of a table that travels."""

SEAL = 28
"""Bytes that sealing adds to a part."""


@dataclass(frozen=True)
class Parcel(Wire):
    """A sealed table. `request`: digest of what it answers; `public`: the owner's X25519 key of this parcel."""

    KIND = "read-parcel"
    request: bytes
    owner: str
    reader: str
    what: str
    public: bytes
    parts: tuple[bytes, ...] = field(repr=False)
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.owner, self.reader, self.what):
            check_name(name)
        if (len(self.request), len(self.public), len(self.signature)) != (32, 32, 64):
            raise Malformed("a parcel has a request's digest, a key and a signature of their lengths")
        sizes = [len(part) - SEAL for part in self.parts]
        full = all(size == PART for size in sizes[:-1])
        if not sizes or not full or not 0 <= sizes[-1] <= PART or sum(sizes) > LARGEST:
            raise Malformed(f"a parcel has full parts of {PART} bytes and a last one, at most {LARGEST} in all")

    @classmethod
    def seal(cls, identity: Identity, request: ReadRequest, table: bytes, random: RandomBytes) -> Parcel:
        """The table for whoever has the secret of `request.public`; Malformed if it is too large."""
        if len(table) > LARGEST:
            raise Malformed(f"the table has {len(table)} bytes, and at most {LARGEST} travel")
        pair = KeyPair.generate(random)
        key = _key(agree(pair.secret, request.public), request, pair.public)
        pieces = [table[k : k + PART] for k in range(0, max(len(table), 1), PART)]
        parts = tuple(seal(key, piece, _about(request, k, len(pieces)), random) for k, piece in enumerate(pieces))
        said = (request.digest, request.owner, request.reader, request.what, pair.public)
        return cls(*said, parts, identity.sign("read parcel", *said, _parts_hash(parts)))

    def open(self, secret: bytes, request: ReadRequest, roster: Roster) -> bytes:
        """The table; Malformed unless it is the whole answer of the asked owner to this very request."""
        said = (self.request, self.owner, self.reader, self.what)
        if said != (request.digest, request.owner, request.reader, request.what):
            raise Malformed("the parcel answers another request")
        verify(roster.public(request.owner), self.signature, "read parcel", *said, self.public, _parts_hash(self.parts))
        key = _key(agree(secret, self.public), request, self.public)
        count = len(self.parts)
        return b"".join(unseal(key, part, _about(request, k, count)) for k, part in enumerate(self.parts))

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that stand for the parcel, for the logs of both ends."""
        return digest("read parcel", self)


def _parts_hash(parts: tuple[bytes, ...]) -> bytes:
    return digest("read parts", *(hashlib.sha256(part).digest() for part in parts))


def _key(secret: bytes, request: ReadRequest, public: bytes) -> bytes:
    """One key for one parcel; the request's digest stands for federation, roster, names, purpose and reader's key."""
    who = (request.federation, request.roster_hash, request.owner, request.reader, request.what)
    return derive(secret, "read parcel", *who, request.digest, public, request.public)


def _about(request: ReadRequest, place: int, count: int) -> tuple[object, ...]:
    return ("read part", request.digest, place, count)
