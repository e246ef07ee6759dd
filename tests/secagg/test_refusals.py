"""Every check of what the coordinator says, one bad message each: refused for that reason, and nothing
changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.messages import (
    Call,
    Delivery,
    GroupKey,
    Quorum,
    Refusal,
    SealedSums,
    Survivors,
    SurvivorSignature,
)
from lepton_fed.secagg.plan import Cohort, Plan, realised
from lepton_fed.secagg.recipient import open_sums
from lepton_fed.secagg.server import secure_sum
from lepton_fed.secagg.skellam import Noise
from tests.secagg.federation import MODEL, Federation, group

OTHER = b"\x07" * 32


def fewer(message: Delivery, left: int) -> Delivery:
    names = {one.department for one in message.commitments[:left]}
    return Delivery(message.instance, message.commitments[:left], tuple(p for p in message.sealed if p[0] in names))


def by_another(message: Quorum) -> Quorum:
    """The first signature in the name of the last signer's neighbour, who is no survivor."""
    return replace(message, signatures=(*message.signatures, replace(message.signatures[0], department="d99")))


BAD: dict[str, tuple[type, Callable[[Any], Any], str]] = {
    "keys of somebody who is no member": (
        Call, lambda m: replace(m, plan=without_last(m.plan)), "not a member of the plan",
    ),
    "too few keys": (Call, lambda m: replace(m, keys=m.keys[:3]), "keys of 3 members, the plan needs 4"),
    "a group key for an open plan": (
        Call, lambda m: replace(m, group_key=GroupKey(OTHER, ())), "belongs to a sealed plan",
    ),
    "another attempt's delivery": (Delivery, lambda m: replace(m, instance=OTHER), "another attempt"),
    "a commitment without keys": (
        Delivery,
        lambda m: replace(m, commitments=(*m.commitments, replace(m.commitments[0], department="d99"))),
        "whose keys were not shown",
    ),
    "a commitment without shares": (Delivery, lambda m: replace(m, sealed=m.sealed[:-1]), "do not belong"),
    "an altered own commitment": (
        Delivery,
        lambda m: replace(m, commitments=(replace(m.commitments[0], seed_hash=OTHER), *m.commitments[1:])),
        "do not belong",
    ),
    "an altered commitment": (
        Delivery,
        lambda m: replace(m, commitments=(*m.commitments[:-1], replace(m.commitments[-1], seed_hash=OTHER))),
        "d04: the signature",
    ),
    "too few commitments": (Delivery, lambda m: fewer(m, 3), "shares of 3 members, the plan needs 4"),
    "another attempt's survivors": (Survivors, lambda m: replace(m, instance=OTHER), "another attempt"),
    "survivors without oneself": (Survivors, lambda m: replace(m, survivors=m.survivors[1:]), "without this"),
    "survivors that shared nothing": (
        Survivors, lambda m: replace(m, survivors=(*m.survivors, "d99")), "that shared nothing",
    ),
    "too few survivors": (
        Survivors, lambda m: replace(m, survivors=m.survivors[:3]), "3 survivors are too few",
    ),
    "another attempt's quorum": (Quorum, lambda m: replace(m, instance=OTHER), "fewer than 4"),
    "too few signatures": (Quorum, lambda m: replace(m, signatures=m.signatures[:3]), "fewer than 4"),
    "a signature of no survivor": (Quorum, by_another, "who is no survivor"),
    "a forged signature": (
        Quorum,
        lambda m: replace(m, signatures=(*m.signatures[:-1], replace(m.signatures[-1], signature=bytes(64)))),
        "d04: the signature",
    ),
    "a signature of other senders": (
        Quorum,
        lambda m: replace(m, signatures=(*m.signatures[:-1], replace(m.signatures[-1], shares_hash=OTHER))),
        "another survivor set",
    ),
}  # fmt: skip


def without_last(plan: Plan) -> Plan:
    (one,) = plan.groups
    cohort = Cohort.of("all", dict.fromkeys(plan.members[:-1], 1))
    return replace(plan, members=plan.members[:-1], groups=(replace(one, cohorts=(cohort,)),))


@pytest.mark.parametrize("what", BAD)
def test_the_coordinator_may_not_say(what: str) -> None:
    kind, spoil, reason = BAD[what]
    federation = Federation.of(5)
    d00 = federation.departments["d00"]
    flow = secure_sum(federation.plan(), federation.roster, federation.advertised())
    requests = next(flow)
    while not isinstance(requests["d00"], kind):
        requests = flow.send(federation.ask(requests))
    before = (d00.stored, d00.party.ledger.read())
    reply = d00.handle(spoil(requests["d00"]))
    assert isinstance(reply, Refusal) and reason in reply.reason, reply
    assert (d00.stored, d00.party.ledger.read()) == before
    assert not isinstance(d00.handle(requests["d00"]), Refusal)  # And the true message still gets its answer.


def test_a_signature_that_does_not_verify_is_a_drop_out() -> None:
    federation = Federation.of(7)

    def forge(exchange: int, replies: dict[str, Any]) -> dict[str, Any]:
        if exchange == 1:
            shares = replies["d01"]
            replies["d01"] = replace(shares, commitment=replace(shares.commitment, signature=bytes(64)))
        if exchange == 3:
            assert isinstance(replies["d02"], SurvivorSignature)
            replies["d02"] = replace(replies["d02"], signature=bytes(64))
        return replies

    outcome = federation.run(federation.plan(), forge)
    assert set(outcome.reasons) == {"d01", "d02"}
    assert outcome.survivors == tuple(name for name in federation.names if name != "d01")
    assert all("does not verify" in reason for reason in outcome.reasons.values())


def test_a_second_reply_of_one_department_is_not_added_twice() -> None:
    federation = Federation.of(5)
    flow = secure_sum(federation.plan(), federation.roster, federation.advertised())
    requests = next(flow)
    with pytest.raises(StopIteration) as end:
        while True:
            replies = federation.ask(requests)
            requests = flow.send([*replies.items(), *replies.items(), ("stranger", Refusal("stranger", "hello"))])
    again = Federation.of(5)
    right = again.run(again.plan()).sums["model", "all"]
    assert (end.value.value.sums["model", "all"].vector == right.vector).all()


def test_a_department_checks_overflow_itself() -> None:
    federation = Federation.of(5)
    bad = federation.plan((group(federation.names, fixed=replace(group(federation.names).fixed, scale=2.0**28)),))
    reply = federation.departments["d00"].handle(Call(bad, tuple(federation.advertised())))
    assert isinstance(reply, Refusal)
    assert "can overflow" in reply.reason


def test_noise_needs_its_honest_survivors_in_every_sum() -> None:
    """A hub that keeps k + c members may still be too small for the noise that the plan counts on."""
    federation = Federation.of(14, colluders=2)
    cohorts = (
        Cohort.of("h1", dict.fromkeys(federation.names[:7], 1)),
        Cohort.of("h2", dict.fromkeys(federation.names[7:], 1)),
    )
    noise = Noise(norm=1.0, variance=2.0**20, honest=4)
    plan = federation.plan((group(federation.names, cohorts=cohorts, noise=noise),), crowd=3)
    assert realised(plan, frozenset(federation.names[1:])).safe
    assert "too few survivors carry the noise" in realised(plan, frozenset(federation.names[2:])).reason


def sealed_round() -> tuple[Federation, dict[str, SealedSums]]:
    federation, seen = Federation.of(7), {}
    plan = federation.plan((group(federation.names, recipients=federation.names[2:5]),), sealed=True)
    flow = secure_sum(plan, federation.roster, federation.advertised())
    requests = next(flow)
    with pytest.raises(StopIteration):
        while True:
            seen.update({n: m for n, m in requests.items() if isinstance(m, SealedSums)})
            requests = flow.send(federation.ask(requests))
    return federation, seen


def test_a_recipient_opens_only_what_a_quorum_signed() -> None:
    federation, seen = sealed_round()
    d03 = federation.departments["d03"]
    good = seen["d03"]
    assert d03.holder is not None
    open_sums(d03.party, d03.holder, good)
    short = replace(good.quorum, signatures=good.quorum.signatures[:2])
    for bad, reason in (
        (replace(good, quorum=short), "fewer than"),
        (replace(good, call=replace(good.call, group_key=None)), "another plan"),
        (replace(good, sums=tuple((name, words[:-1]) for name, words in good.sums)), "truncated"),
    ):
        reply = d03.handle(bad)
        assert isinstance(reply, Refusal)
        assert reason in reply.reason


def test_recipients_that_open_different_sums_end_the_round() -> None:
    federation = Federation.of(7)
    plan = federation.plan((group(federation.names, recipients=federation.names[2:5]),), sealed=True)
    original = federation.ask

    def ask(requests: Any) -> dict[str, Any]:
        one = requests.get("d03")
        if isinstance(one, SealedSums):
            wrong = tuple((name, words + words.dtype.type(1)) for name, words in one.sums)
            requests = {**requests, "d03": replace(one, sums=wrong)}
        return original(requests)

    federation.ask = ask  # type: ignore[method-assign]
    with pytest.raises(RoundFailed, match="3 recipients opened 2 different sums"):
        federation.run(plan)


def test_a_leader_cannot_hand_out_a_secret_that_is_not_the_public_keys() -> None:
    from lepton_fed.secagg import pads
    from lepton_fed.secagg.client import Advertised
    from lepton_fed.secagg.messages import GroupCall

    federation = Federation.of(7)
    plan = federation.plan((group(federation.names, recipients=federation.names[2:5]),), sealed=True)
    keys = {one.department: one for one in federation.advertised()}
    leader, other = (federation.departments[name] for name in ("d02", "d03"))
    state = Advertised.from_bytes(leader.stored)
    call = GroupCall(plan, (keys["d03"], keys["d04"]))
    _, offer, _ = pads.lead(
        leader.party.identity, federation.roster, call, keys["d02"], state.seal_secret, leader.party.random
    )
    signature = leader.party.identity.sign("group offer", plan.instance, keys["d02"], OTHER, offer.sealed)
    secret = Advertised.from_bytes(other.stored).seal_secret
    pads.join(other.party.identity, federation.roster, offer, secret)
    with pytest.raises(Malformed, match="does not belong to its public key"):
        pads.join(other.party.identity, federation.roster, replace(offer, public=OTHER, signature=signature), secret)


def test_two_sums_of_one_department_never_share_a_keystream() -> None:
    """Their difference would be the difference of its inputs."""
    from lepton_fed.secagg.client import pair_mask, self_mask
    from lepton_fed.secagg.plan import channels

    federation = Federation.of(10)
    targets = group(federation.names[2:], name="other")
    plan = federation.plan((group(federation.names), targets))
    call = Call(plan, tuple(federation.advertised()))
    first, second = channels(plan)
    assert self_mask(call, first, OTHER) != self_mask(call, second, OTHER)
    assert pair_mask(call, first, OTHER, "d02", "d03") != pair_mask(call, second, OTHER, "d02", "d03")
    assert pair_mask(call, first, OTHER, "d02", "d03") == pair_mask(call, first, OTHER, "d03", "d02")
    assert pair_mask(call, first, OTHER, "d02", "d03") != pair_mask(call, first, OTHER, "d02", "d04")
    assert plan.model_hash == MODEL
