"""Heads of the tree: what the coordinator signs, and the departments after it.

    Head ──coordinator signs──► SignedHead ──department that saw every one of its own continue──► CounterSignature

A head says how many entries there were and which root they gave, and names the head before it. So one signature stands
for every entry so far, in its order, and a head cannot be taken out from between two others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from lepton_fed.audit.commitments import FORMAT
from lepton_fed.secagg.canonical import Wire, decode, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity, verify
from lepton_fed.secagg.roster import check_name

HEAD, COUNTER = "audit head", "audit countersignature"
"""Labels of the two signatures, so that neither is taken for the other."""

NO_HEAD = bytes(32)
"""What the first head names as the one before it."""


@dataclass(frozen=True)
class Head(Wire):
    """The log `log` had `size` entries with this root at `time` (microseconds since 1970, UTC)."""

    KIND = "audit-head"
    log: str
    size: int
    root: bytes
    time: int
    previous: bytes = NO_HEAD

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.log)
        if self.size < 0 or len(self.root) != 32 or len(self.previous) != 32:
            raise Malformed("a head has a size of at least 0 and two hashes of 32 bytes")

    @property
    def hash(self) -> bytes:
        """32 bytes by which the next head names this one."""
        return hashlib.sha256(encode((FORMAT, HEAD, self))).digest()


@dataclass(frozen=True)
class SignedHead(Wire):
    """A head and the coordinator's signature."""

    KIND = "audit-signed-head"
    head: Head
    signature: bytes

    @classmethod
    def sign(cls, head: Head, coordinator: Identity) -> SignedHead:
        return cls(head, coordinator.sign(HEAD, head, protocol=FORMAT))

    def check(self, coordinator: tuple[bytes, ...]) -> None:
        """Return quietly if one of the coordinator's keys (32 bytes each) signed it; raise `Malformed` if not."""
        _check_signature(coordinator, self.signature, HEAD, self.head)

    @property
    def written(self) -> bytes:
        """Canonical bytes, for a file, a message or a database."""
        return encode((FORMAT, self))

    @classmethod
    def read(cls, data: bytes) -> SignedHead:
        """The head whose bytes these are; Malformed for anything else."""
        match decode(data):
            case (str(spoke), SignedHead() as signed) if spoke == FORMAT:
                return signed
        raise Malformed(f"no signed head of a log in format {FORMAT}")


@dataclass(frozen=True)
class CounterSignature(Wire):
    """A department's signature on a head that continues every head that it signed before."""

    KIND = "audit-countersignature"
    department: str
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)

    @classmethod
    def sign(cls, head: Head, department: Identity) -> CounterSignature:
        return cls(department.name, department.sign(COUNTER, head, protocol=FORMAT))

    def check(self, head: Head, department: tuple[bytes, ...]) -> None:
        """Return quietly if one of the department's keys signed it for this head; raise `Malformed` if not."""
        _check_signature(department, self.signature, COUNTER, head)


@dataclass(frozen=True)
class Keys:
    """Whom a log is checked against, from the checker's own kit: which log, and the Ed25519 keys that each party has
    had, 32 bytes each. `departments`: by name.
    """

    log: str
    coordinator: tuple[bytes, ...]
    departments: Mapping[str, tuple[bytes, ...]]


def _check_signature(keys: tuple[bytes, ...], signature: bytes, label: str, head: Head) -> None:
    """Under any of the keys, the newest last."""
    failed = Malformed(f"the signature under {label!r} does not verify: there is no key to check it with")
    for public in reversed(keys):
        try:
            verify(public, signature, label, head, protocol=FORMAT)
        except Malformed as error:
            failed = error
        else:
            return
    raise failed
