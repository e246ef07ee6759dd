"""The signed roster: who belongs to the federation, by which keys, and how many of them may collude.

Its signing key belongs to the enterprise's administrator and is not the coordinator's, so the coordinator
can add nobody and replace nobody's key. `colluders` is c of every round: a plan that invites fewer members
cannot lower it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lepton_fed.secagg.canonical import Wire, digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity, verify
from lepton_fed.translation import sentence

LARGEST = 100
"""Departments that version 1 accepts: its mask graph is complete."""


@dataclass(frozen=True)
class Member(Wire):
    """A department's name and its 32-byte Ed25519 public key."""

    KIND = "member"
    name: str
    public: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        if len(self.public) != 32:
            raise Malformed(f"{self.name}: an Ed25519 public key has 32 bytes, found {len(self.public)}")


@dataclass(frozen=True)
class Roster(Wire):
    """The members of `federation`, sorted by name, at most `colluders` of whom collude with the
    coordinator.
    """

    KIND = "roster"
    federation: str
    members: tuple[Member, ...]
    colluders: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.federation)
        check_names(self.names)
        if len({member.public for member in self.members}) != len(self.members):
            raise Malformed("two departments of the roster have one key")
        if not 2 <= len(self.members) <= LARGEST:
            raise Malformed(f"a roster has 2 to {LARGEST} departments, found {len(self.members)}")
        if not 0 <= self.colluders <= len(self.members) - 2:
            raise Malformed(f"{self.colluders} colluders of {len(self.members)} leave nobody to protect")

    @classmethod
    def of(cls, federation: str, publics: dict[str, bytes], colluders: int | None = None) -> Roster:
        """A roster in canonical order; c defaults to a third of the roster, rounded down."""
        members = tuple(Member(name, publics[name]) for name in sorted(publics))
        return cls(federation, members, len(members) // 3 if colluders is None else colluders)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    @cached_property
    def hash(self) -> bytes:
        """32 bytes that stand for the whole roster."""
        return digest("roster", self)

    def public(self, name: str) -> bytes:
        """The public key of `name`; `Malformed` if the roster has no such department."""
        for member in self.members:
            if member.name == name:
                return member.public
        raise Malformed(f"{name!r} is not in the roster of {self.federation!r}")


@dataclass(frozen=True)
class SignedRoster(Wire):
    """A roster and its administrator's signature; `verified` is the only way to the roster for who received
    it.
    """

    KIND = "signed-roster"
    roster: Roster
    signature: bytes

    @classmethod
    def sign(cls, roster: Roster, administrator: Identity) -> SignedRoster:
        return cls(roster, administrator.sign("roster", roster))

    def verified(self, administrator: bytes) -> Roster:
        """The roster, if the administrator (32-byte public key, obtained out of band) signed it."""
        verify(administrator, self.signature, "roster", self.roster)
        return self.roster


def check_name(name: str) -> None:
    """Names are printable, not blank, at most 100 characters, without surrounding space."""
    # The ideographic space counts as unprintable to Python and is at home in Chinese names.
    if not (0 < len(name) <= 100 and name.replace("\u3000", " ").isprintable() and name == name.strip()):
        raise Malformed(
            sentence(
                "a name must be 1 to 100 printable characters without outer spaces, found {name!r}", name=name[:100]
            )
        )


def check_names(names: tuple[str, ...]) -> None:
    """Names of one list are sorted and distinct, so that a list has one spelling."""
    for name in names:
        check_name(name)
    if list(names) != sorted(set(names)):
        raise Malformed(f"names must be sorted and distinct, found {', '.join(names)[:200]}")
