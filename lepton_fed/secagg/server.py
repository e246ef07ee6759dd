"""The coordinator's side of one round: a generator of exchanges that reads like the paper.

    flow = secure_sum(plan, roster, keys)
    exchange 1  shares       yields {department: Call}        is sent SealedShares        U2 = who answered
    exchange 2  masked       yields {department: Delivery}    is sent MaskedInput         U3 = who answered
    exchange 3  consistency  yields {department: Survivors}   is sent SurvivorSignature   at least t
    exchange 4  unmask       yields {department: Quorum}      is sent Reveal              at least t
    returns Outcome, or raises RoundFailed

It is sent the replies as an iterable of (department, reply): a mapping, or an iterator that yields each
reply as it arrives, so that a masked vector is added to the one accumulator and forgotten before the next is
read. Who is missing has dropped out. The coordinator is not trusted, so nothing here protects anybody; it
finishes what can be finished, and fails cleanly when it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from lepton_fed.errors import LeptonError
from lepton_fed.secagg import field as shamir
from lepton_fed.secagg.canonical import Wire, Words, digest
from lepton_fed.secagg.client import pair_mask, self_mask, sign_between
from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.keys import agree, public_of
from lepton_fed.secagg.masks import Stream, add_streams
from lepton_fed.secagg.messages import (
    Call,
    Commitment,
    Delivery,
    GroupCall,
    GroupConsent,
    GroupKey,
    GroupOffer,
    MaskedInput,
    Quorum,
    Refusal,
    Reveal,
    SealedShares,
    SealedSums,
    SignedKeys,
    SumsDigest,
    Survivors,
    SurvivorSignature,
    hash_of_seed,
)
from lepton_fed.secagg.pads import group_key
from lepton_fed.secagg.plan import Channel, Plan, channels, prove_no_overflow, realised, verdicts
from lepton_fed.secagg.results import Sums, assemble, opened, sums_hash
from lepton_fed.secagg.roster import Roster

Replies = Iterable[tuple[str, Wire]] | Mapping[str, Wire]
Requests = dict[str, Wire]
M = TypeVar("M", bound=Wire)
T = TypeVar("T")
Flow = Generator[Requests, Replies, T]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a round gave: sums over `survivors` (none if sealed: then `sums_hash` is what the recipients
    signed).

    `opened` holds the scalars that a sealed plan opens. `next_keys` are for the next round. `reasons` says why
    departments are missing, in their own words or by what was wrong. `signed`: 32 bytes, of what survivors signed.
    """

    plan: Plan
    survivors: tuple[str, ...]
    sums: Sums = field(repr=False)
    sums_hash: bytes | None
    next_keys: dict[str, SignedKeys] = field(repr=False)
    reasons: dict[str, str]
    opened: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict, repr=False)
    signed: bytes = bytes(32)

    def hash(self) -> bytes:
        """32 bytes over all sums, for `Published.sign`; reads every sum once."""
        return self.sums_hash if self.sums_hash is not None else sums_hash(self.sums)


def secure_sum(plan: Plan, roster: Roster, keys: Iterable[SignedKeys], *, threads: int = 1) -> Flow[Outcome]:
    """All sums of `plan` over those departments that stay until the end."""
    round = _Round(plan, roster, threads)
    known = round.verified(keys)
    sealing = (yield from _agree_on_group_key(round, known)) if plan.sealed else None
    members = tuple(known[name] for name in plan.members if name in known)
    round.require(len(members), plan.survivors, "keys")
    call = Call(plan, members, sealing)

    shared = yield from _collect_shares(round, call)
    delivery = Delivery(plan.instance, tuple(shared[name].commitment for name in sorted(shared)), ())
    masked, survivors = yield from _collect_masked(round, call, shared)
    quorum = yield from _collect_signatures(round, delivery, survivors)
    reveals = yield from _collect_reveals(round, delivery, quorum, survivors)

    secrets = _Recovered.of(round, call, delivery, reveals, survivors)
    for channel in channels(plan):
        if channel.name in masked:
            _unmask(masked[channel.name], call, channel, secrets, threads)
    signed = digest("survivors", plan.instance, delivery.shares_hash, survivors)
    next_keys = {name: reveal.next_keys for name, reveal in reveals.items() if reveal.next_keys is not None}
    if plan.sealed:
        agreed = yield from _deliver_sealed(round, SealedSums(call, quorum, tuple(sorted(masked.items()))))
        return Outcome(plan, survivors, {}, agreed, next_keys, round.reasons, opened(plan, masked), signed)
    return Outcome(plan, survivors, assemble(plan, masked), None, next_keys, round.reasons, signed=signed)


def _collect_shares(round: _Round, call: Call) -> Flow[dict[str, SealedShares]]:
    """Exchange 1. U2: who committed to a seed and sealed shares for every other member of U1."""
    names = [peer.department for peer in call.keys]
    replies = yield dict.fromkeys(names, call)
    shared: dict[str, SealedShares] = {}
    for name, reply in round.valid(replies, names, SealedShares):
        with round.blaming(name):
            _check_shares(round, call, reply)
            shared[name] = reply
    round.require(len(shared), round.plan.survivors, "shares")
    return shared


def _check_shares(round: _Round, call: Call, reply: SealedShares) -> None:
    expected = tuple(peer.department for peer in call.keys if peer.department != reply.department)
    if reply.instance != call.plan.instance or tuple(name for name, _ in reply.sealed) != expected:
        raise Malformed("shares for another attempt or for other peers")
    reply.commitment.verify(round.roster, call.plan.instance, call.keys_hash)


def _collect_masked(
    round: _Round, call: Call, shared: dict[str, SealedShares]
) -> Flow[tuple[dict[str, Words], tuple[str, ...]]]:
    """Exchange 2. U3: whose masked vectors arrived whole. Each is added up at once; the accumulators are all
    that is kept.
    """
    commitments = tuple(shared[name].commitment for name in sorted(shared))
    requests: Requests = {name: Delivery(call.plan.instance, commitments, _sealed_for(name, shared)) for name in shared}
    round.spent = True
    replies = yield requests
    totals: dict[str, Words] = {}
    survivors = []
    for name, reply in round.valid(replies, shared, MaskedInput):
        with round.blaming(name):
            _check_masked(round.plan, reply)
            _absorb(totals, reply)
            survivors.append(name)
        del reply  # The next vector is made while this loop waits; hold no other meanwhile.
    round.require(len(survivors), round.plan.survivors, "masked")
    finding = realised(round.plan, frozenset(survivors))
    if not finding.safe:
        round.fail("masked", f"the sums over the survivors can be differenced: {finding.reason}")
    return totals, tuple(sorted(survivors))


def _sealed_for(name: str, shared: dict[str, SealedShares]) -> tuple[tuple[str, bytes], ...]:
    return tuple((sender, dict(shared[sender].sealed)[name]) for sender in sorted(shared) if sender != name)


def _check_masked(plan: Plan, reply: MaskedInput) -> None:
    """Exactly the department's channels, each with exactly the channel's words."""
    expected = [(c.name, c.group.words) for c in channels(plan) if reply.department in c.members]
    if reply.instance != plan.instance or [(name, vector.size) for name, vector in reply.vectors] != expected:
        raise Malformed("masked vectors for another attempt, of other sums, or truncated")


def _absorb(totals: dict[str, Words], reply: MaskedInput) -> None:
    """Add the vectors to the accumulators, in place; a channel's first vector is copied."""
    for channel, vector in reply.vectors:
        if channel in totals:
            np.add(totals[channel], vector, out=totals[channel])
        else:
            totals[channel] = vector.copy()


def _collect_signatures(round: _Round, delivery: Delivery, survivors: tuple[str, ...]) -> Flow[Quorum]:
    """Exchange 3. All survivors are shown one set; at least t sign it."""
    announced = Survivors(round.plan.instance, survivors)
    replies = yield dict.fromkeys(survivors, announced)
    signatures: dict[str, SurvivorSignature] = {}
    for name, reply in round.valid(replies, survivors, SurvivorSignature):
        with round.blaming(name):
            if (reply.instance, reply.shares_hash, reply.survivors) != (
                round.plan.instance, delivery.shares_hash, survivors,
            ):  # fmt: skip
                raise Malformed("a signature of another survivor set")
            reply.verify(round.roster)
            signatures[name] = reply
    round.require(len(signatures), round.plan.threshold, "consistency")
    return Quorum(round.plan.instance, tuple(signatures[name] for name in sorted(signatures)))


def _collect_reveals(
    round: _Round, delivery: Delivery, quorum: Quorum, survivors: tuple[str, ...]
) -> Flow[dict[str, Reveal]]:
    """Exchange 4. At least t survivors give out shares: of seeds for U3, of masking keys for U2 minus U3."""
    replies = yield {one.department: quorum for one in quorum.signatures}
    dropped = tuple(one.department for one in delivery.commitments if one.department not in survivors)
    reveals: dict[str, Reveal] = {}
    for name, reply in round.valid(replies, survivors, Reveal):
        with round.blaming(name):
            named = (tuple(n for n, _ in reply.seeds), tuple(n for n, _ in reply.keys))
            if reply.instance != round.plan.instance or named != (survivors, dropped):
                raise Malformed("shares for another attempt or of other departments")
            for _, share in (*reply.seeds, *reply.keys):
                shamir.element(share)
            reveals[name] = reply
    round.require(len(reveals), round.plan.threshold, "unmask")
    return reveals


@dataclass(frozen=True)
class _Recovered:
    """The survivors' self-mask seeds and the masking keys of who dropped between exchange 1 and 2."""

    seeds: dict[str, bytes] = field(repr=False)
    keys: dict[str, bytes] = field(repr=False)

    @classmethod
    def of(
        cls,
        round: _Round,
        call: Call,
        delivery: Delivery,
        reveals: dict[str, Reveal],
        survivors: tuple[str, ...],
    ) -> _Recovered:
        """Joined from the shares, each checked against what its owner committed to."""
        publics = {peer.department: peer.mask for peer in call.keys}
        seeds, keys = {}, {}
        for commitment in delivery.commitments:
            name = commitment.department
            if name in survivors:
                shares = {round.plan.point(who): dict(reveal.seeds)[name] for who, reveal in reveals.items()}
                seeds[name] = _recover(round, name, shares, _matches_seed(call.plan.instance, commitment))
            else:
                shares = {round.plan.point(who): dict(reveal.keys)[name] for who, reveal in reveals.items()}
                keys[name] = _recover(round, name, shares, _matches_key(publics[name]))
        return cls(seeds, keys)


def _matches_seed(instance: bytes, commitment: Commitment) -> Callable[[bytes], bool]:
    return lambda seed: hash_of_seed(instance, commitment.department, seed) == commitment.seed_hash


def _matches_key(public: bytes) -> Callable[[bytes], bool]:
    return lambda secret: public_of(secret) == public


def _recover(round: _Round, name: str, shares: dict[int, bytes], matches: Callable[[bytes], bool]) -> bytes:
    """The secret that t of the shares agree on with its commitment; runs of t neighbours leave out any one
    false share.
    """
    points = sorted(shares)
    t = round.plan.threshold
    for start in range(len(points) if len(points) > t else 1):
        chosen = sorted((points + points)[start : start + t])
        try:
            secret = shamir.join({point: shares[point] for point in chosen})
        except Malformed:
            continue
        if matches(secret):
            return secret
    round.fail(
        "unmask",
        f"the shares of {name!r}'s secret do not give what it committed to: somebody sent a false share",
    )
    raise AssertionError


def _unmask(words: Words, call: Call, channel: Channel, secrets: _Recovered, threads: int) -> None:
    """Take the survivors' own masks away, and those they share with who dropped, in place."""
    alive = [name for name in channel.members if name in secrets.seeds]
    streams = [Stream(self_mask(call, channel, secrets.seeds[name]), -1) for name in alive]
    publics = {peer.department: peer.mask for peer in call.keys}
    for gone, secret in secrets.keys.items():
        if gone in channel.members:
            for name in alive:
                seed = pair_mask(call, channel, agree(secret, publics[name]), name, gone)
                streams.append(Stream(seed, -sign_between(name, gone)))
    add_streams(words, streams, threads=threads)


def _agree_on_group_key(round: _Round, known: Mapping[str, SignedKeys]) -> Flow[GroupKey]:
    """Exchange 0 of a sealed plan: the first recipient makes a key, all recipients sign it."""
    leader, *others = round.plan.recipients
    round.require(sum(name in known for name in (leader, *others)), 1 + len(others), "group key")
    replies = yield {leader: GroupCall(round.plan, tuple(known[name] for name in others))}
    offers = [offer for _, offer in round.valid(replies, (leader,), GroupOffer)]
    round.require(len(offers), 1, "group key")
    replies = yield dict.fromkeys((leader, *others), offers[0])
    consents = [consent for _, consent in round.valid(replies, (leader, *others), GroupConsent)]
    try:
        key = group_key(consents, round.plan.recipients)
        key.verify(round.roster, round.plan.instance, round.plan.recipients)
    except Malformed as error:
        round.fail("group key", str(error))
    return key


def _deliver_sealed(round: _Round, sealed: SealedSums) -> Flow[bytes]:
    """Exchange 5 of a sealed plan: recipients open the sums and sign what they found; all must have found
    the same.
    """
    recipients = round.plan.recipients
    replies = yield dict.fromkeys(recipients, sealed)
    found: dict[str, bytes] = {}
    for name, reply in round.valid(replies, recipients, SumsDigest):
        with round.blaming(name):
            reply.verify(round.roster)
            if reply.instance != round.plan.instance:
                raise Malformed("a digest of another attempt")
            found[name] = reply.sums_hash
    if len(set(found.values())) != 1:
        round.fail("result", f"{len(found)} recipients opened {len(set(found.values()))} different sums")
    return next(iter(found.values()))


@dataclass
class _Round:
    """What the exchanges of one round share: the plan, and why who is missing."""

    plan: Plan
    roster: Roster
    threads: int
    spent: bool = False
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, verdict in verdicts(self.plan):
            if verdict.mode == "refused":
                self.fail("plan", f"group {name!r}: {verdict}")
        try:
            prove_no_overflow(self.plan)
        except Malformed as error:
            self.fail("plan", str(error))

    def verified(self, keys: Iterable[SignedKeys]) -> dict[str, SignedKeys]:
        """Keys by department, without those that the roster's department did not sign."""
        known = {}
        for one in keys:
            with self.blaming(one.department):
                one.verify(self.roster)
                known[one.department] = one
        return known

    def valid(self, replies: Replies, asked: Iterable[str], kind: type[M]) -> Iterator[tuple[str, M]]:
        """The first reply of each department that was asked, if it is of this kind and says so itself."""
        waiting = set(asked)
        for name, reply in replies.items() if isinstance(replies, Mapping) else replies:
            if name not in waiting:
                continue
            waiting.discard(name)
            if isinstance(reply, Refusal):
                self.reasons[name] = reply.reason
            elif not isinstance(reply, kind):
                self.reasons[name] = f"answered with {type(reply).__name__}, expected {kind.__name__}"
            elif getattr(reply, "department", name) != name:
                self.reasons[name] = f"answered in the name of {getattr(reply, 'department', '')!r}"
            else:
                yield name, reply
            del reply
        for name in waiting:
            self.reasons.setdefault(name, "did not answer")

    def blaming(self, name: str) -> _Blaming:
        """What goes wrong inside is `name`'s fault; it counts as dropped, with the reason."""
        return _Blaming(self.reasons, name)

    def require(self, found: int, least: int, exchange: str) -> None:
        if found < least:
            self.fail(exchange, f"{found} departments are left, {least} are needed")

    def fail(self, exchange: str, what: str) -> None:
        raise RoundFailed(exchange, what, spent=self.spent, reasons=self.reasons)


@dataclass(frozen=True)
class _Blaming:
    reasons: dict[str, str]
    name: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if isinstance(error, LeptonError):
            self.reasons[self.name] = str(error)
            return True
        return False
