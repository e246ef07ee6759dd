"""What a reader signs: let me read this of yours, for this purpose, sealed to this fresh key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lepton_fed.secagg.canonical import Wire, digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity, verify
from lepton_fed.secagg.roster import Roster, check_name

PURPOSE = 200
"""Characters of a purpose: somebody will have to read it."""

NONCE = 16
"""Bytes that make each request another one, also for the same table."""


@dataclass(frozen=True)
class ReadRequest(Wire):
    """A signed request. `public`: the reader's X25519 key of this one request; `nonce`: 16 random bytes."""

    KIND = "read-request"
    federation: str
    roster_hash: bytes
    reader: str
    owner: str
    what: str
    purpose: str
    public: bytes
    nonce: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.federation, self.reader, self.owner, self.what):
            check_name(name)
        if not (0 < len(self.purpose) <= PURPOSE and self.purpose.replace("\u3000", " ").isprintable()):
            raise Malformed(f"a purpose is one line of at most {PURPOSE} characters")
        if (len(self.roster_hash), len(self.public), len(self.nonce), len(self.signature)) != (32, 32, NONCE, 64):
            raise Malformed("a read request has a roster's hash, a key, a nonce and a signature of their lengths")

    @classmethod
    def sign(
        cls, identity: Identity, roster: Roster, *, owner: str, what: str, purpose: str, public: bytes, nonce: bytes
    ) -> ReadRequest:
        said = (roster.federation, roster.hash, identity.name, owner, what, purpose, public, nonce)
        return cls(*said, identity.sign("read request", *said))

    def verify(self, roster: Roster) -> None:
        """Malformed unless the reader, whom the roster knows, signed it under this roster."""
        if (self.federation, self.roster_hash) != (roster.federation, roster.hash):
            raise Malformed("the request is for another roster than the one this department trusts")
        said = (self.federation, self.roster_hash, self.reader, self.owner, self.what, self.purpose)
        verify(roster.public(self.reader), self.signature, "read request", *said, self.public, self.nonce)

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that stand for this one request."""
        return digest("read request", self)
