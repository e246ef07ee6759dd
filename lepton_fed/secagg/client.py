"""The department's side of one round.

    advertise() -> Advertised --share--> Shared --mask--> Hidden --sign--> Signed --reveal--> Done

Every state is frozen, holds what its one move needs and nothing else, and can be stored (`to_bytes`; it
contains secrets). A move returns the next state and the message to send. It raises `Refused` (this
department says no) or `Misbehaved` (somebody broke the protocol), and then nothing has been sent and nothing
changed. What must never be forgotten goes into the ledger before the message is returned. (Bonawitz et al.,
CCS 2017, figure 4, in its active-adversary form.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lepton_fed.secagg import field as shamir
from lepton_fed.secagg import review
from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.contribution import Buffers, Contribution, Source, chosen, masked_words
from lepton_fed.secagg.errors import Malformed, Misbehaved, Refused
from lepton_fed.secagg.field import SHARE_BYTES, RandomBytes
from lepton_fed.secagg.fixedpoint import NotFinite
from lepton_fed.secagg.keys import Identity, KeyPair, agree, derive
from lepton_fed.secagg.ledger import Entries, Forbidden, Ledger
from lepton_fed.secagg.masks import Stream
from lepton_fed.secagg.messages import (
    Call,
    Commitment,
    Delivery,
    GroupKey,
    MaskedInput,
    Quorum,
    Reveal,
    SealedShares,
    SignedKeys,
    Survivors,
    SurvivorSignature,
)
from lepton_fed.secagg.pads import add_pad
from lepton_fed.secagg.plan import Channel, Plan, channels, releases
from lepton_fed.secagg.review import Reviewer, Terms
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.sealing import seal, unseal


@dataclass(frozen=True)
class Party:
    """Who takes part: identity, the roster it trusts, its terms, its durable ledger, and its key for
    rounding coins (32 bytes).
    """

    identity: Identity
    roster: Roster
    terms: Terms
    ledger: Ledger
    rounding_key: bytes = field(repr=False)
    random: RandomBytes = os.urandom

    @property
    def name(self) -> str:
        return self.identity.name

    def reviewer(self) -> Reviewer:
        return Reviewer(self.name, self.roster, self.terms, self.ledger.read().past)


def advertise(party: Party) -> Advertised:
    """Fresh keys for one round under a serial never used before; send `.keys` with the previous round's last
    message.
    """
    entries = party.ledger.read()
    numbered = entries.next_serial()
    _record(party, entries, numbered)
    mask, sealing = KeyPair.generate(party.random), KeyPair.generate(party.random)
    keys = SignedKeys.sign(party.identity, party.roster, numbered.serial, mask.public, sealing.public)
    return Advertised(keys, mask.secret, sealing.secret)


@dataclass(frozen=True)
class Advertised(Wire):
    """Keys are with the coordinator, which has not yet called."""

    KIND = "advertised"
    keys: SignedKeys
    mask_secret: bytes = field(repr=False)
    seal_secret: bytes = field(repr=False)

    def share(self, party: Party, call: Call, model_hash: bytes) -> tuple[Shared, SealedShares]:
        """Examine the plan and the peers' keys, then share a fresh self-mask seed and the masking key among
        them.

        `model_hash` is what this department computed from the models it was sent.
        """
        plan = call.plan
        entries = party.ledger.read()
        self._examine(party, call, model_hash)
        with _refusing(party):
            entered = entries.enter(plan.instance, plan.round, plan.attempt, plan.model_hash, self.keys.serial)
        seed = party.random(32)
        pairs = _split_both(plan, call.keys, seed, self.mask_secret, party.random)
        sealed = tuple(
            (peer.department, self._seal_to(peer, call, pairs[peer.department], party))
            for peer in call.keys
            if peer.department != party.name
        )
        commitment = Commitment.sign(party.identity, plan.instance, call.keys_hash, seed)
        state = Shared(call, self.mask_secret, self.seal_secret, seed, pairs[party.name], commitment)
        _record(party, entries, entered)
        return state, SealedShares(plan.instance, party.name, commitment, sealed)

    def _examine(self, party: Party, call: Call, model_hash: bytes) -> None:
        check_keys(party, call, self.keys)
        reason = review.objection(call.plan, party.reviewer())
        if reason is None and call.plan.model_hash != model_hash:
            reason = "the plan is for another model than the one this department was sent"
        if reason is not None:
            raise Refused(party.name, reason)

    def _seal_to(self, peer: SignedKeys, call: Call, pair: bytes, party: Party) -> bytes:
        with blaming(peer.department):
            key = _seal_key(self.seal_secret, peer.seal, call, party.name, peer.department)
        return seal(key, pair, _about(call, party.name, peer.department), party.random)


@dataclass(frozen=True)
class Shared(Wire):
    """Shares are out; training may begin. Waits for the peers' shares and this department's numbers."""

    KIND = "shared"
    call: Call
    mask_secret: bytes = field(repr=False)
    seal_secret: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    own_pair: bytes = field(repr=False)
    commitment: Commitment

    def mask(
        self,
        party: Party,
        delivery: Delivery,
        contributions: Mapping[str, Contribution],
        *,
        threads: int = 1,
        buffers: Buffers | None = None,
    ) -> tuple[Hidden, MaskedInput]:
        """Open the peers' shares, and hide this department's numbers (by group) under masks with all of U2.

        `buffers` lends memory for the vectors, which the returned message then shares until its next use.
        """
        plan = self.call.plan
        entries = party.ledger.read()
        with _refusing(party):
            spent = entries.spend(plan.instance, plan.model_hash)
        check_delivery(party, self, delivery)
        pairs = self._opened(party, delivery)
        with _refusing(party):
            vectors = tuple(self._hide(party, pairs, contributions, threads, buffers))
        state = Hidden(plan, delivery.shares_hash, tuple(sorted(pairs.items())))
        _record(party, entries, spent)
        return state, MaskedInput(plan.instance, party.name, vectors)

    def _opened(self, party: Party, delivery: Delivery) -> dict[str, bytes]:
        """The pair of shares that each member of U2 gave this department, its own included."""
        keys = {peer.department: peer for peer in self.call.keys}
        pairs = {party.name: self.own_pair}
        for name, sealed in delivery.sealed:
            key = _seal_key(self.seal_secret, keys[name].seal, self.call, name, party.name)
            with blaming(name):
                pairs[name] = unseal(key, sealed, _about(self.call, name, party.name))
                shamir.element(pairs[name][:SHARE_BYTES]), shamir.element(pairs[name][SHARE_BYTES:])
        return pairs

    def _hide(
        self,
        party: Party,
        pairs: Mapping[str, bytes],
        contributions: Mapping[str, Contribution],
        threads: int,
        buffers: Buffers | None,
    ) -> Iterator[tuple[str, Words]]:
        peers = [peer for peer in self.call.keys if peer.department in pairs and peer.department != party.name]
        source = Source(party.name, party.rounding_key, party.random)
        secrets = {}
        for peer in peers:
            with blaming(peer.department):
                secrets[peer.department] = agree(self.mask_secret, peer.mask)
        for channel in channels(self.call.plan):
            if party.name in channel.members:
                own = chosen(contributions, channel.group, party.name)
                streams = [Stream(self_mask(self.call, channel, self.seed))]
                streams += [
                    Stream(
                        pair_mask(self.call, channel, secret, party.name, name),
                        sign_between(party.name, name),
                    )
                    for name, secret in secrets.items()
                    if name in channel.members
                ]
                words = masked_words(source, self.call.plan, channel, own, streams, threads, buffers)
                if self.call.group_key is not None:
                    public = self.call.group_key.public
                    add_pad(words, self.call, channel, self.seal_secret, public, party.name, threads)
                yield channel.name, words


@dataclass(frozen=True)
class Hidden(Wire):
    """The masked input is out, and with it this model is spent. Keys and seed are erased; the peers' shares
    are held.
    """

    KIND = "hidden"
    plan: Plan
    shares_hash: bytes
    pairs: tuple[tuple[str, bytes], ...] = field(repr=False)

    def sign(self, party: Party, announced: Survivors) -> tuple[Signed, SurvivorSignature]:
        """Examine the survivor set, record it, and sign it: this one and never another for this attempt."""
        survivors = announced.survivors
        check_survivors(party, self, announced)
        entries = party.ledger.read()
        with _refusing(party):
            released = releases(self.plan, frozenset(survivors))
            signed = entries.sign(self.plan.instance, self.shares_hash, survivors, released)
        _record(party, entries, signed)
        message = SurvivorSignature.sign(party.identity, self.plan.instance, self.shares_hash, survivors)
        warning = review.warning(self.plan, frozenset(survivors), _before(party, entries))
        return Signed(self.plan, self.shares_hash, self.pairs, survivors, warning), message


@dataclass(frozen=True)
class Signed(Wire):
    """The survivor set is signed. Waits to be shown that a quorum signed the same. `warning` is for this
    department's report.
    """

    KIND = "signed"
    plan: Plan
    shares_hash: bytes
    pairs: tuple[tuple[str, bytes], ...] = field(repr=False)
    survivors: tuple[str, ...]
    warning: str | None = None

    def reveal(self, party: Party, quorum: Quorum, next_keys: SignedKeys | None = None) -> tuple[Done, Reveal]:
        """Give out one share per member of U2: of its seed if it survived, of its masking key if not. Never
        both.
        """
        check_quorum(party.roster, self.plan, quorum, self.shares_hash, self.survivors)
        with _refusing(party):
            party.ledger.read().check_signed(self.plan.instance, self.shares_hash, self.survivors)
        seeds = tuple((name, pair[:SHARE_BYTES]) for name, pair in self.pairs if name in self.survivors)
        keys = tuple((name, pair[SHARE_BYTES:]) for name, pair in self.pairs if name not in self.survivors)
        done = Done(self.plan.instance, self.survivors)
        return done, Reveal(self.plan.instance, party.name, seeds, keys, next_keys)


@dataclass(frozen=True)
class Done(Wire):
    """This department's part is over and its secrets of the round are gone."""

    KIND = "done"
    instance: bytes
    survivors: tuple[str, ...]


def check_keys(party: Party, call: Call, own: SignedKeys) -> None:
    """U1: every key is signed by who the roster says, this department's are unaltered, and they are
    enough.
    """
    for peer in call.keys:
        with blaming(peer.department):
            peer.verify(party.roster)
        if peer.department not in call.plan.members:
            raise Misbehaved("coordinator", f"keys of {peer.department!r}, who is not a member of the plan")
    if own not in call.keys:
        raise Misbehaved("coordinator", "this department's own keys are missing or altered")
    if len(call.keys) < call.plan.survivors:
        raise Refused(party.name, f"keys of {len(call.keys)} members, the plan needs {call.plan.survivors}")
    check_group_key(party, call.plan, call.group_key)


def check_group_key(party: Party, plan: Plan, group_key: GroupKey | None) -> None:
    """A sealed plan comes with a group key that all its recipients signed, any other plan with none."""
    if plan.sealed != (group_key is not None):
        raise Misbehaved("coordinator", "a group key belongs to a sealed plan and to no other")
    if group_key is not None:
        with blaming("coordinator"):
            group_key.verify(party.roster, plan.instance, plan.recipients)


def check_delivery(party: Party, state: Shared, delivery: Delivery) -> None:
    """U2: commitments signed for this attempt and these keys, one from each sender of shares, this
    department's unaltered.
    """
    call = state.call
    names = tuple(one.department for one in delivery.commitments)
    if delivery.instance != call.plan.instance:
        raise Misbehaved("coordinator", "a delivery for another attempt")
    if not set(names) <= {peer.department for peer in call.keys}:
        raise Misbehaved("coordinator", "a commitment of a department whose keys were not shown")
    if state.commitment not in delivery.commitments or tuple(n for n, _ in delivery.sealed) != _without(
        names, party.name
    ):
        raise Misbehaved("coordinator", "shares and commitments do not belong to the same departments")
    if len(names) < call.plan.survivors:
        raise Refused(party.name, f"shares of {len(names)} members, the plan needs {call.plan.survivors}")
    for commitment in delivery.commitments:
        with blaming(commitment.department):
            commitment.verify(party.roster, call.plan.instance, call.keys_hash)


def check_survivors(party: Party, state: Hidden, announced: Survivors) -> None:
    """U3: of this attempt, within U2, with this department in it, and safe by this department's own audit."""
    if announced.instance != state.plan.instance:
        raise Misbehaved("coordinator", "survivors of another attempt")
    if not set(announced.survivors) <= {name for name, _ in state.pairs} or party.name not in announced.survivors:
        raise Misbehaved("coordinator", "survivors that shared nothing, or without this department, which delivered")
    reason = review.check_survivors(state.plan, frozenset(announced.survivors), party.reviewer())
    if reason is not None:
        raise Refused(party.name, reason)


def check_quorum(roster: Roster, plan: Plan, quorum: Quorum, shares_hash: bytes, survivors: tuple[str, ...]) -> None:
    """At least t distinct members of U3 signed this very (iid, H(U2), U3)."""
    if quorum.instance != plan.instance or len(quorum.signatures) < plan.threshold:
        raise Misbehaved("coordinator", f"fewer than {plan.threshold} signatures of this attempt's survivors")
    for one in quorum.signatures:
        if (one.instance, one.shares_hash, one.survivors) != (plan.instance, shares_hash, survivors):
            raise Misbehaved("coordinator", f"{one.department!r} signed another survivor set than this department")
        if one.department not in survivors:
            raise Misbehaved("coordinator", f"a signature of {one.department!r}, who is no survivor")
        with blaming(one.department):
            one.verify(roster)


def self_mask(call: Call, channel: Channel, seed: bytes) -> bytes:
    """Seed of the keystream that hides one department's vector of one channel for itself."""
    return derive(seed, "self mask", call.plan.instance, call.keys_hash, channel.name)


def pair_mask(call: Call, channel: Channel, secret: bytes, one: str, other: str) -> bytes:
    """Seed of the keystream that two departments' vectors of one channel share; `secret` is their X25519
    secret.
    """
    low, high = sorted((one, other))
    return derive(secret, "pair mask", call.plan.instance, call.keys_hash, channel.name, low, high)


def sign_between(own: str, peer: str) -> int:
    """A department adds the mask it shares with a higher name and takes away that of a lower one, so the two
    cancel.
    """
    return 1 if own < peer else -1


@contextmanager
def blaming(peer: str) -> Iterator[None]:
    """Malformed bytes inside are `peer`'s fault."""
    try:
        yield
    except Malformed as error:
        raise Misbehaved(peer, str(error)) from None


@contextmanager
def _refusing(party: Party) -> Iterator[None]:
    """What the ledger forbids, and numbers that are none, are reasons to refuse."""
    try:
        yield
    except (Forbidden, NotFinite) as error:
        raise Refused(party.name, str(error)) from None


def _record(party: Party, old: Entries, new: Entries) -> None:
    """Make the entry durable; who comes second, from whatever process, is refused."""
    with _refusing(party):
        party.ledger.replace(old, new)


def _before(party: Party, entries: Entries) -> Reviewer:
    return Reviewer(party.name, party.roster, party.terms, entries.past)


def _split_both(
    plan: Plan, keys: tuple[SignedKeys, ...], seed: bytes, secret: bytes, random: RandomBytes
) -> dict[str, bytes]:
    """For each of U1: its share of the seed followed by its share of the masking key."""
    names = [peer.department for peer in keys]
    points = [plan.point(name) for name in names]
    of_seed = shamir.split(seed, plan.threshold, points, random)
    of_key = shamir.split(secret, plan.threshold, points, random)
    return {name: a + b for name, a, b in zip(names, of_seed, of_key, strict=True)}


def _seal_key(secret: bytes, public: bytes, call: Call, sender: str, receiver: str) -> bytes:
    """One AES key per direction, attempt and set of keys."""
    return derive(agree(secret, public), "shares", call.plan.instance, call.keys_hash, sender, receiver)


def _about(call: Call, sender: str, receiver: str) -> tuple[object, ...]:
    return ("shares", call.plan.instance, call.keys_hash, sender, receiver)


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(one for one in names if one != name)
