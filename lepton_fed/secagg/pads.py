"""Sealed aggregates: the sum stays under pads that only its recipients can take away.

    department i:  words += PRG(HKDF(X25519(i's sealing key, group key); iid, H(U1), channel, i)), open
    scalars left out recipients:    sum - the pads of every survivor

The recipients hold one X25519 group key for the round: the first one makes it, seals it to the others, and
all sign it, so the coordinator can neither know nor replace it. One recipient that colludes with the
coordinator removes the seal: the audit is never relaxed because of it. One pad per member, because a pad
added by every member would have even multiples, which are not uniform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity, KeyPair, agree, derive, public_of, verify
from lepton_fed.secagg.masks import Stream, add_streams
from lepton_fed.secagg.messages import Call, GroupCall, GroupConsent, GroupKey, GroupOffer, SignedKeys
from lepton_fed.secagg.plan import Channel, Group, Plan
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.sealing import seal, unseal


@dataclass(frozen=True)
class Holder(Wire):
    """A recipient that holds the group's secret key for one attempt."""

    KIND = "holder"
    plan: Plan
    secret: bytes = field(repr=False)


def lead(
    identity: Identity,
    roster: Roster,
    call: GroupCall,
    keys: SignedKeys,
    seal_secret: bytes,
    random: RandomBytes,
) -> tuple[Holder, GroupOffer, GroupConsent]:
    """The first recipient makes the group key, seals it to each other recipient and signs it."""
    plan = call.plan
    others = plan.recipients[1:]
    if identity.name != plan.recipients[0] or tuple(one.department for one in call.keys) != others:
        raise Malformed("a group call goes to the first recipient, with the keys of all others")
    pair = KeyPair.generate(random)
    sealed = []
    for other in call.keys:
        other.verify(roster)
        key = _key(seal_secret, other.seal, plan, other.department)
        sealed.append((other.department, seal(key, pair.secret, _about(plan, other.department), random)))
    signature = identity.sign("group offer", plan.instance, keys, pair.public, tuple(sealed))
    offer = GroupOffer(plan, keys, pair.public, tuple(sealed), signature)
    return Holder(plan, pair.secret), offer, _consent(identity, plan, pair.public)


def join(identity: Identity, roster: Roster, offer: GroupOffer, seal_secret: bytes) -> tuple[Holder, GroupConsent]:
    """Another recipient opens the offered key, checks that it is the public one's, and signs it."""
    plan, leader = offer.plan, offer.leader
    if leader.department != plan.recipients[0]:
        raise Malformed("a group offer comes from the first recipient")
    leader.verify(roster)
    public = roster.public(leader.department)
    verify(public, offer.signature, "group offer", plan.instance, leader, offer.public, offer.sealed)
    sealed = dict(offer.sealed).get(identity.name, b"")
    key = _key(seal_secret, leader.seal, plan, identity.name)
    secret = unseal(key, sealed, _about(plan, identity.name))
    if public_of(secret) != offer.public:
        raise Malformed("the group's secret key does not belong to its public key")
    return Holder(plan, secret), _consent(identity, plan, offer.public)


def group_key(consents: list[GroupConsent], recipients: tuple[str, ...]) -> GroupKey:
    """The coordinator puts the recipients' signatures of one public key together."""
    if tuple(sorted(one.department for one in consents)) != recipients or len({one.public for one in consents}) != 1:
        raise Malformed("not every recipient signed the same group key")
    return GroupKey(consents[0].public, tuple(sorted((one.department, one.signature) for one in consents)))


def add_pad(
    words: Words,
    call: Call,
    channel: Channel,
    secret: bytes,
    public: bytes,
    department: str,
    threads: int = 1,
    sign: int = 1,
) -> None:
    """Add (or take away, with sign -1) `department`'s pad to the words that the plan does not open, in place.

    The pad is agreed between the department's sealing key and the group key; `secret` is either's, `public`
    the other's.
    """
    about = (call.plan.instance, call.keys_hash, channel.name, department)
    seed = derive(agree(secret, public), "pad", *about)
    opened = words[_open_words(channel.group)]
    add_streams(words, (Stream(seed, sign),), threads=threads)
    words[_open_words(channel.group)] = opened


def remove_pads(
    words: Words, call: Call, channel: Channel, holder: Holder, survivors: tuple[str, ...], threads: int
) -> None:
    """Take the pads of the channel's survivors away, in place."""
    for keys in call.keys:
        if keys.department in survivors and keys.department in channel.members:
            add_pad(words, call, channel, holder.secret, keys.seal, keys.department, threads, sign=-1)


def _open_words(group: Group) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Indices of the words of the opened scalars."""
    return np.array(list(_open_indices(group)), dtype=np.int64)


def _open_indices(group: Group) -> Iterator[int]:
    for place, name in enumerate(group.scalars):
        if name in group.opened:
            start = group.length + place * group.fixed.limbs
            yield from range(start, start + group.fixed.limbs)


def _consent(identity: Identity, plan: Plan, public: bytes) -> GroupConsent:
    return GroupConsent(identity.name, public, identity.sign("group key", plan.instance, public))


def _key(secret: bytes, public: bytes, plan: Plan, receiver: str) -> bytes:
    return derive(agree(secret, public), "group secret", plan.instance, receiver)


def _about(plan: Plan, receiver: str) -> tuple[object, ...]:
    return ("group secret", plan.instance, receiver)
