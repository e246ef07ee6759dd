"""Text that can be forgotten: an entry holds a salted commitment, the text and its salt lie elsewhere.

    Commitment = SHA-256(format, "commitment", salt of 32 random bytes, text)      in the tree, for ever
    Opening = (salt, text)                                                         beside it, until it is erased

Without the salt nobody can try out which text it was, however few there are to try, so that after an erasure the entry
says nothing and the tree still verifies.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from lepton_fed.secagg.canonical import Wire, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes

FORMAT = "lepton-audit/1"
"""Bound into every entry, commitment, head and signature of a log; older logs keep the format they were written in."""

SALT = 32
"""Bytes."""


@dataclass(frozen=True)
class Commitment(Wire):
    """32 bytes that stand for a text."""

    KIND = "audit-commitment"
    digest: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.digest) != hashlib.sha256().digest_size:
            raise Malformed(f"a commitment has 32 bytes, found {len(self.digest)}")


@dataclass(frozen=True)
class Opening(Wire):
    """A text and the salt under which it was committed to."""

    KIND = "audit-opening"
    salt: bytes = field(repr=False)
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.salt) != SALT:
            raise Malformed(f"a salt has {SALT} bytes, found {len(self.salt)}")

    @property
    def commitment(self) -> Commitment:
        """What an entry holds instead of the text."""
        return Commitment(hashlib.sha256(encode((FORMAT, "commitment", self.salt, self.text))).digest())


class Openings:
    """The texts of entries about to be appended: `commit` gives what the entry holds, `append` keeps the rest."""

    def __init__(self, random: RandomBytes = os.urandom) -> None:
        self._random = random
        self.made: dict[Commitment, Opening] = {}

    def commit(self, text: str) -> Commitment:
        """A commitment under a fresh salt; equal texts get different ones. A character that no database takes is
        spelled out.
        """
        opening = Opening(self._random(SALT), storable(text))
        self.made[opening.commitment] = opening
        return opening.commitment


def storable(text: str) -> str:
    r"""The text as any database takes it: half a character, as in a path that somebody asked for, becomes `\udcff`.

    So does the character 0, which PostgreSQL has no place for: `\x00`. All other text stays as it is.
    """
    return text.encode(errors="backslashreplace").decode().replace("\0", r"\x00")
