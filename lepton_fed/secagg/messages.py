"""What coordinator and departments say to each other: frozen, canonical, versioned, refusing nonsense on
sight.

    exchange       coordinator says       department answers
    1 shares       Call                   SealedShares
    2 masked       Delivery               MaskedInput
    3 consistency  Survivors              SurvivorSignature
    4 unmask       Quorum                 Reveal (with the next round's SignedKeys)
    5 result       Published              -
    sealed: 0      GroupCall, GroupOffer  GroupOffer, GroupConsent      (among the recipients)
    sealed: 5      SealedSums             SumsDigest
    any            -                      Refusal

SignedKeys are sent ahead, so exchange 0 of the paper needs no round trip of its own. Shapes are checked
here; whether a message is *true* is checked by who receives it, against the roster and the plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from lepton_fed.secagg.canonical import Wire, Words, digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import SHARE_BYTES
from lepton_fed.secagg.keys import Identity, verify
from lepton_fed.secagg.plan import Plan
from lepton_fed.secagg.roster import Roster, check_name, check_names

SEALED_PAIR_BYTES = 2 * SHARE_BYTES + 28
"""Two shares under AES-GCM: what one department sends another through the coordinator."""


@dataclass(frozen=True)
class SignedKeys(Wire):
    """A department's two X25519 public keys of one round, signed ahead; `serial` is never used twice."""

    KIND = "keys"
    federation: str
    roster_hash: bytes
    department: str
    serial: int
    mask: bytes
    seal: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)
        _check_sizes(32, self.roster_hash, self.mask, self.seal)
        _check_sizes(64, self.signature)
        if self.serial < 1 or self.mask == self.seal:
            raise Malformed(f"{self.department}: keys need a serial from 1 up and two different public keys")

    @classmethod
    def sign(cls, identity: Identity, roster: Roster, serial: int, mask: bytes, seal: bytes) -> SignedKeys:
        about = (roster.federation, roster.hash, identity.name, serial, mask, seal)
        return cls(*about, identity.sign("keys", *about))

    def verify(self, roster: Roster) -> None:
        """Raise `Malformed` unless the roster's department of this name signed these keys for this roster."""
        about = (roster.federation, roster.hash, self.department, self.serial, self.mask, self.seal)
        verify(roster.public(self.department), self.signature, "keys", *about)


@dataclass(frozen=True)
class GroupKey(Wire):
    """The X25519 public key that a sealed plan's recipients hold together, and each one's signature for this
    instance.
    """

    KIND = "group-key"
    public: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.public)
        _check_sizes(64, *_values(self.signatures))

    def verify(self, roster: Roster, instance: bytes, recipients: tuple[str, ...]) -> None:
        """Raise `Malformed` unless exactly the plan's recipients signed this key for this instance."""
        if tuple(name for name, _ in self.signatures) != recipients:
            raise Malformed("the group key is not signed by exactly the plan's recipients")
        for name, signature in self.signatures:
            verify(roster.public(name), signature, "group key", instance, self.public)


@dataclass(frozen=True)
class Call(Wire):
    """Exchange 1, to all: the plan and U1's signed keys, whole; for a sealed plan the recipients' group
    key.
    """

    KIND = "call"
    plan: Plan
    keys: tuple[SignedKeys, ...]
    group_key: GroupKey | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(tuple(one.department for one in self.keys))

    @cached_property
    def keys_hash(self) -> bytes:
        """H(U1): what everything from here on is bound to."""
        return digest("keys", self.keys, self.group_key)


@dataclass(frozen=True)
class Commitment(Wire):
    """H(b) of one department's self-mask seed b, signed for (iid, H(U1))."""

    KIND = "commitment"
    department: str
    seed_hash: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)
        _check_sizes(32, self.seed_hash)
        _check_sizes(64, self.signature)

    @classmethod
    def sign(cls, identity: Identity, instance: bytes, keys_hash: bytes, seed: bytes) -> Commitment:
        seed_hash = hash_of_seed(instance, identity.name, seed)
        return cls(identity.name, seed_hash, identity.sign("seed", instance, keys_hash, seed_hash))

    def verify(self, roster: Roster, instance: bytes, keys_hash: bytes) -> None:
        public = roster.public(self.department)
        verify(public, self.signature, "seed", instance, keys_hash, self.seed_hash)


def hash_of_seed(instance: bytes, department: str, seed: bytes) -> bytes:
    """H(b): reveals nothing of a 32-byte random seed and fixes it."""
    return digest("seed", instance, department, seed)


@dataclass(frozen=True)
class SealedShares(Wire):
    """Answer 1: the commitment and, for every peer of U1, its two shares under AES-GCM."""

    KIND = "sealed-shares"
    instance: bytes
    department: str
    commitment: Commitment
    sealed: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance)
        check_names(tuple(name for name, _ in self.sealed))
        _check_sizes(SEALED_PAIR_BYTES, *_values(self.sealed))
        if self.commitment.department != self.department:
            raise Malformed(f"{self.department}: the commitment is somebody else's")


@dataclass(frozen=True)
class Delivery(Wire):
    """Exchange 2, to each of U2: U2's commitments and the shares that the others sealed to this
    department.
    """

    KIND = "delivery"
    instance: bytes
    commitments: tuple[Commitment, ...]
    sealed: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance)
        check_names(tuple(one.department for one in self.commitments))
        check_names(tuple(name for name, _ in self.sealed))
        _check_sizes(SEALED_PAIR_BYTES, *_values(self.sealed))

    @cached_property
    def shares_hash(self) -> bytes:
        """H(U2)."""
        return digest("shares", self.commitments)


@dataclass(frozen=True, eq=False)
class MaskedInput(Wire):
    """Answer 2: one masked vector per channel that the department is a member of, `(words,) uint32` each."""

    KIND = "masked-input"
    instance: bytes
    department: str
    vectors: tuple[tuple[str, Words], ...] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance)
        check_name(self.department)


@dataclass(frozen=True)
class Survivors(Wire):
    """Exchange 3, to each of U3: who delivered. One set for all sums of the round."""

    KIND = "survivors"
    instance: bytes
    survivors: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance)
        check_names(self.survivors)


@dataclass(frozen=True)
class SurvivorSignature(Wire):
    """Answer 3: a department's only signature of this instance, over (iid, H(U2), U3)."""

    KIND = "survivor-signature"
    instance: bytes
    department: str
    shares_hash: bytes
    survivors: tuple[str, ...]
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance, self.shares_hash)
        _check_sizes(64, self.signature)
        check_names(self.survivors)

    @classmethod
    def sign(
        cls, identity: Identity, instance: bytes, shares_hash: bytes, survivors: tuple[str, ...]
    ) -> SurvivorSignature:
        signature = identity.sign("survivors", instance, shares_hash, survivors)
        return cls(instance, identity.name, shares_hash, survivors, signature)

    def verify(self, roster: Roster) -> None:
        public = roster.public(self.department)
        verify(public, self.signature, "survivors", self.instance, self.shares_hash, self.survivors)


@dataclass(frozen=True)
class Quorum(Wire):
    """Exchange 4, to each of U3: at least t signatures of one (iid, H(U2), U3)."""

    KIND = "quorum"
    instance: bytes
    signatures: tuple[SurvivorSignature, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance)
        check_names(tuple(one.department for one in self.signatures))


@dataclass(frozen=True)
class Reveal(Wire):
    """Answer 4: shares of b for U3 and of masking keys for U2 minus U3, never both for one department."""

    KIND = "reveal"
    instance: bytes
    department: str
    seeds: tuple[tuple[str, bytes], ...] = field(repr=False)
    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    next_keys: SignedKeys | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance)
        _check_sizes(SHARE_BYTES, *_values(self.seeds), *_values(self.keys))
        check_names(tuple(name for name, _ in self.seeds))
        check_names(tuple(name for name, _ in self.keys))
        both = {name for name, _ in self.seeds} & {name for name, _ in self.keys}
        if both:
            raise Malformed(f"{self.department}: shares of both secrets of {', '.join(sorted(both))}")


@dataclass(frozen=True)
class Refusal(Wire):
    """Any answer: this department says no, and why. The coordinator shows the reason and goes on without
    it.
    """

    KIND = "refusal"
    department: str
    reason: str


@dataclass(frozen=True)
class Published(Wire):
    """Exchange 5: what the coordinator stands for, signed: over whom, and the hash of which sums."""

    KIND = "published"
    instance: bytes
    survivors: tuple[str, ...]
    sums_hash: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance, self.sums_hash)
        _check_sizes(64, self.signature)
        check_names(self.survivors)

    @classmethod
    def sign(cls, coordinator: Identity, instance: bytes, survivors: tuple[str, ...], sums_hash: bytes) -> Published:
        return cls(instance, survivors, sums_hash, coordinator.sign("published", instance, survivors, sums_hash))

    def verify(self, coordinator: bytes) -> None:
        verify(coordinator, self.signature, "published", self.instance, self.survivors, self.sums_hash)


@dataclass(frozen=True)
class GroupCall(Wire):
    """Exchange 0 of a sealed plan, to its first recipient: make a group key and seal it to the others, whose
    keys these are.
    """

    KIND = "group-call"
    plan: Plan
    keys: tuple[SignedKeys, ...]


@dataclass(frozen=True)
class GroupOffer(Wire):
    """Answer to a GroupCall, relayed to the other recipients: the group's public key and, sealed to each,
    its secret key.
    """

    KIND = "group-offer"
    plan: Plan
    leader: SignedKeys
    public: bytes
    sealed: tuple[tuple[str, bytes], ...]
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.public)
        _check_sizes(32 + 28, *_values(self.sealed))
        _check_sizes(64, self.signature)


@dataclass(frozen=True)
class GroupConsent(Wire):
    """A recipient's signature of the group key: it holds the secret key, and the key is for this instance."""

    KIND = "group-consent"
    department: str
    public: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.public)
        _check_sizes(64, self.signature)


@dataclass(frozen=True, eq=False)
class SealedSums(Wire):
    """Exchange 5 of a sealed plan, to its recipients: the sums still under their pads, the quorum for U3,
    and the call.
    """

    KIND = "sealed-sums"
    call: Call
    quorum: Quorum
    sums: tuple[tuple[str, Words], ...] = field(repr=False)


@dataclass(frozen=True)
class SumsDigest(Wire):
    """Answer 5 of a sealed plan: which sums this recipient opened, signed, so that recipients can compare."""

    KIND = "sums-digest"
    instance: bytes
    department: str
    sums_hash: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sizes(32, self.instance, self.sums_hash)
        _check_sizes(64, self.signature)

    @classmethod
    def sign(cls, identity: Identity, instance: bytes, sums_hash: bytes) -> SumsDigest:
        return cls(instance, identity.name, sums_hash, identity.sign("sums", instance, sums_hash))

    def verify(self, roster: Roster) -> None:
        verify(roster.public(self.department), self.signature, "sums", self.instance, self.sums_hash)


Message = (
    SignedKeys | Call | SealedShares | Delivery | MaskedInput | Survivors | SurvivorSignature | Quorum
    | Reveal | Refusal | Published | GroupCall | GroupOffer | GroupConsent | SealedSums | SumsDigest
)  # fmt: skip


def decode(data: bytes | memoryview) -> Wire:
    """The message that the bytes spell, whatever its kind; `Malformed` if none."""
    return Wire.from_bytes(data)


def _values(pairs: Iterable[tuple[str, bytes]]) -> tuple[bytes, ...]:
    return tuple(value for _, value in pairs)


def _check_sizes(size: int, *values: bytes) -> None:
    for value in values:
        if len(value) != size:
            raise Malformed(f"a hash, key, share or signature has {len(value)} bytes, expected {size}")
