"""What a department must never forget: which attempts it took part in, which models it spent, what it signed.

    enter (before message 2) -> spend (before message 3) -> sign (before message 4)

`Entries` is the value and holds every rule; a `Ledger` makes it durable. Each move is recorded *before* its
message leaves, so a department that is killed in between has at worst wasted a round. A state restored from
an old back-up cannot undo an entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from lepton_fed.secagg.audit import Released
from lepton_fed.secagg.canonical import Wire


class Forbidden(Exception):
    """The ledger's own rules forbid the move; says why. The caller turns it into its refusal."""


@dataclass(frozen=True)
class Entries(Wire):
    """The ledger's content; a move returns the next content or raises `Forbidden`.

    `instance` is the attempt (`round`, `attempt`) that is going on or was last, `spent` whether its masked
    input was let out, `survivors` the set signed for it (empty: none yet). `burned` holds the hashes of
    models on which an input was let out, `released` past sums as (name, ((department, weight), ...)).
    """

    KIND = "ledger"
    federation: str
    serial: int = 0
    used_serial: int = 0
    round: int = -1
    attempt: int = -1
    instance: bytes = b""
    spent: bool = False
    survivors: tuple[str, ...] = ()
    shares_hash: bytes = b""
    burned: tuple[bytes, ...] = ()
    released: tuple[tuple[str, tuple[tuple[str, Fraction], ...]], ...] = ()

    def next_serial(self) -> Entries:
        """A serial that no key of this department has had."""
        return replace(self, serial=self.serial + 1)

    def enter(self, instance: bytes, round: int, attempt: int, model_hash: bytes, serial: int) -> Entries:
        """Take part in an attempt with the keys of `serial`: larger than any attempt before, on a model not
        yet spent.
        """
        if (round, attempt) <= (self.round, self.attempt):
            raise Forbidden(
                f"round {round}, attempt {attempt} is not after round {self.round}, attempt {self.attempt}, "
                "the last one taken part in"
            )
        if not self.used_serial < serial <= self.serial:
            raise Forbidden(f"the keys with serial {serial} were used before; the last used have {self.used_serial}")
        self.check_unspent(model_hash)
        return replace(
            self, used_serial=serial, round=round, attempt=attempt, instance=instance,
            spent=False, survivors=(), shares_hash=b"",
        )  # fmt: skip

    def check_unspent(self, model_hash: bytes) -> None:
        """The burn rule."""
        if model_hash in self.burned:
            raise Forbidden("an input on this model was let out in an earlier attempt; another would be a difference")

    def spend(self, instance: bytes, model_hash: bytes) -> Entries:
        """Let the masked input of the current attempt out, once."""
        self._check_current(instance)
        self.check_unspent(model_hash)
        if self.spent:
            raise Forbidden("the masked input of this attempt was let out before")
        return replace(self, spent=True, burned=(*self.burned, model_hash))

    def sign(
        self, instance: bytes, shares_hash: bytes, survivors: tuple[str, ...], released: tuple[Released, ...]
    ) -> Entries:
        """Sign one survivor set for the current attempt; the same one again changes nothing."""
        self._check_current(instance)
        if not self.spent:
            raise Forbidden("no masked input was let out in this attempt")
        if self.survivors:
            if (self.survivors, self.shares_hash) != (survivors, shares_hash):
                raise Forbidden("another survivor set was signed for this attempt")
            return self
        new = tuple((one.name, one.weights) for one in released)
        kept = self.released + tuple(item for item in new if item not in self.released)
        return replace(self, survivors=survivors, shares_hash=shares_hash, released=kept)

    def check_signed(self, instance: bytes, shares_hash: bytes, survivors: tuple[str, ...]) -> None:
        """Secrets are revealed for the set that was signed, and for no other."""
        self._check_current(instance)
        if (self.survivors, self.shares_hash) != (survivors, shares_hash):
            raise Forbidden("this survivor set was not signed by this department")

    @property
    def past(self) -> tuple[Released, ...]:
        """Sums released in earlier rounds, for the audit across rounds."""
        return tuple(Released(name, weights) for name, weights in self.released)

    def _check_current(self, instance: bytes) -> None:
        if instance != self.instance:
            raise Forbidden("this is not the attempt that this department last took part in")


class Ledger(Protocol):
    """Where entries are kept. `replace` returns only when `new` would survive a power cut."""

    def read(self) -> Entries:
        """The entries as last written."""

    def replace(self, old: Entries, new: Entries) -> None:
        """Write `new` durably if the entries still are `old`; raise otherwise (another process of this
        department wrote).
        """


class MemoryLedger:
    """A ledger for simulations and tests: it survives nothing but its own process."""

    def __init__(self, federation: str) -> None:
        self.entries = Entries(federation)

    def read(self) -> Entries:
        return self.entries

    def replace(self, old: Entries, new: Entries) -> None:
        if self.entries != old:
            raise Forbidden("the ledger was written by somebody else meanwhile")
        self.entries = new
