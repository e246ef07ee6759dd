"""What coordinator and departments say about entity rows, beside the messages of the secure sum itself.

Shown  ->  SignedKeys     the rows of the last round, and which sum is next
Call, Delivery, Survivors, Quorum: the four exchanges of lepton_fed.secagg.server
Finished  ->  Kept
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.fixedpoint import Vector

OWNERS, ROWS = "owners", "rows"
"""The two kinds of sums: how many departments own each entity (once), and weighted rows with their weights."""


@dataclass(frozen=True)
class Shown(Wire):
    """Coordinator to everybody: what the last sum came to, and the number of the next.

    `kind` says what `last` is: owners of every entity, or rows and weights of the shared ones, as float32 bits;
    before the first sum it is empty.
    """

    KIND = "knowledge/shown"
    round: int
    kind: str
    last: Words

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in ("", OWNERS, ROWS):
            raise Malformed(f"a sum of {self.kind!r} is neither {OWNERS!r} nor {ROWS!r}")
        if self.round < 0:
            raise Malformed(f"rounds count from 0, found {self.round}")

    @property
    def values(self) -> Vector:
        return self.last.view(np.float32)

    @property
    def digest(self) -> bytes:
        """32 bytes that every plan is bound to: departments that were shown different sums cannot be added up."""
        return hashlib.sha256(self.to_bytes()).digest()


@dataclass(frozen=True)
class Finished(Wire):
    """Coordinator to everybody: the last sum, after which nothing is asked."""

    KIND = "knowledge/finished"
    last: Words

    @property
    def values(self) -> Vector:
        return self.last.view(np.float32)


@dataclass(frozen=True)
class Kept(Wire):
    """A department to the coordinator: the last sum has arrived."""

    KIND = "knowledge/kept"
    department: str
