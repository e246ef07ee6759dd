"""A department's eye on the log: it countersigns a head only if the head continues the last one that it saw.

    shown(SignedHead, proof) ── other log, bad signature, shorter, other history ──► Inconsistent, the kept head stays
                             └─ continues ──► kept durably, then CounterSignature

The coordinator may drop, edit or fork what it keeps; it cannot get two histories countersigned by one department, nor
show one history to some and another to others without their kept heads saying so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lepton_fed.audit.errors import Inconsistent, Unproven
from lepton_fed.audit.heads import CounterSignature, SignedHead
from lepton_fed.audit.merkle import check_consistency
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity

COORDINATOR = "the coordinator"


class KeptHead(Protocol):
    """Where a department keeps the last head that it countersigned."""

    def read(self) -> SignedHead | None:
        """The head as last kept; None before the first."""

    def replace(self, old: SignedHead | None, new: SignedHead) -> None:
        """Keep `new`, durably, if `old` is what is kept; raise otherwise (another process replaced it)."""


class MemoryHead:
    """A kept head for simulations and tests: it survives nothing but its own process."""

    def __init__(self) -> None:
        self._head: SignedHead | None = None

    def read(self) -> SignedHead | None:
        return self._head

    def replace(self, old: SignedHead | None, new: SignedHead) -> None:
        if self._head != old:
            raise Inconsistent(COORDINATOR, "two heads were shown at once; show them one after the other")
        self._head = new


@dataclass(frozen=True)
class Witness:
    """One department watching one log. `coordinator`: its Ed25519 keys, from the department's own kit."""

    identity: Identity
    log: str
    coordinator: tuple[bytes, ...]
    kept: KeptHead = field(repr=False)

    @property
    def size(self) -> int:
        """Entries up to which this department has seen the log: the first size of the proof that it needs next."""
        last = self.kept.read()
        return 0 if last is None else last.head.size

    def shown(self, new: SignedHead, proof: Sequence[bytes]) -> CounterSignature:
        """The countersignature on a head. `proof`: of consistency, from `size` to the head's. Inconsistent: refused."""
        last = self.kept.read()
        try:
            check_continues(last, new, proof, self.log, self.coordinator)
        except (Malformed, Unproven) as error:
            raise Inconsistent(COORDINATOR, f"showed a head of the log that is refused: {error}") from None
        if new != last:
            self.kept.replace(last, new)
        return CounterSignature.sign(new.head, self.identity)


def check_continues(
    last: SignedHead | None, new: SignedHead, proof: Sequence[bytes], log: str, coordinator: tuple[bytes, ...]
) -> None:
    """Return quietly if `new` is the coordinator's and continues `last`; raise Malformed or Unproven if not."""
    new.check(coordinator)
    if new.head.log != log:
        raise Malformed(f"it is of the log {new.head.log!r}, not of {log!r}")
    if last is None:
        if proof:
            raise Unproven("no head was seen before, and a proof from one was shown")
        return
    old, head = last.head, new.head
    if head.size < old.size:
        raise Unproven(f"it has {head.size} entries and {old.size} were seen: the log was rolled back")
    if head.time < old.time:
        raise Unproven("it is older than the one seen last: the log was rolled back")
    try:
        check_consistency(old.size, head.size, proof, old.root, head.root)
    except Unproven as error:
        raise Unproven(f"the log was forked or edited: {error}") from None
