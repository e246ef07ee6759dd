"""A log as it is written down, in a database or in a file, before anything about it is believed."""

from __future__ import annotations

from dataclasses import dataclass

from lepton_fed.audit.heads import CounterSignature, SignedHead


@dataclass(frozen=True)
class Record:
    """An entry's place, its bytes, and the hashes kept with it: its leaf, then those of the subtrees that it completes.

    `flaw`: why the entry itself could not be read back, if it could not; it then has no bytes.
    """

    index: int
    body: bytes
    nodes: tuple[bytes, ...]
    flaw: str = ""


@dataclass(frozen=True)
class Sealed:
    """A signed head, its place in the chain of heads, and who countersigned it."""

    number: int
    signed: SignedHead
    countersignatures: tuple[CounterSignature, ...] = ()


@dataclass(frozen=True)
class Written:
    """A whole log, in the order in which it was found. `faults`: sentences about what could not be read at all."""

    log: str
    records: tuple[Record, ...]
    heads: tuple[Sealed, ...]
    faults: tuple[str, ...] = ()
