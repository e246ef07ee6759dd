"""Each attack works against a deliberately weakened copy and fails against ours.

A weakened copy is ours with one check taken out (`monkeypatch`), so the test also shows that this check is
what holds. The victim is d00 and the prize its vector, entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lepton_fed.secagg import audit, client, field, plan, review, server
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.client import Advertised, Hidden, Shared, Signed, pair_mask, self_mask, sign_between
from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.fixedpoint import Quantiser
from lepton_fed.secagg.keys import agree, derive
from lepton_fed.secagg.ledger import Entries
from lepton_fed.secagg.masks import Stream, add_streams
from lepton_fed.secagg.messages import (
    Call,
    Commitment,
    Delivery,
    MaskedInput,
    Quorum,
    Refusal,
    Reveal,
    SealedShares,
    SignedKeys,
    Survivors,
    SurvivorSignature,
)
from lepton_fed.secagg.plan import Cohort, Plan, channels
from tests.secagg.federation import (
    FIXED,
    LENGTH,
    MODEL,
    Department,
    Federation,
    expected,
    group,
    numbers,
    without,
)

VICTIM = "d00"


@contextmanager
def weakened(monkeypatch: pytest.MonkeyPatch, *changes: tuple[object, str, object]) -> Iterator[None]:
    """Inside, the named functions are replaced; nothing that was worked out inside is remembered outside."""
    with monkeypatch.context() as patch:
        for owner, name, value in changes:
            patch.setattr(owner, name, value)
        forget()
        yield
    forget()


def forget() -> None:
    for cached in (plan.verdicts, plan.channels, audit.examine):
        getattr(cached, "cache_clear", lambda: None)()


def accept(*_: object, **__: object) -> None:
    """A check that checks nothing."""


def unchecked(*names: str) -> list[review.Check]:
    return [check for check in review.CHECKS if check.__name__ not in names]


def is_victims(vector: np.ndarray) -> bool:
    return np.array_equal(vector, numbers(VICTIM).vector)


def zero(department: Department) -> None:
    own = department.contributions["model"]
    department.contributions = {"model": replace(own, vector=own.vector * 0, scalars=own.scalars * 0)}


def call_of(federation: Federation, keys: Iterable[SignedKeys], the_plan: Plan) -> Call:
    return Call(the_plan, tuple(sorted(keys, key=lambda one: one.department)))


def say(federation: Federation, names: Iterable[str], message: Wire) -> dict[str, Wire]:
    return federation.ask(dict.fromkeys(names, message))


def until_masked(
    federation: Federation, the_plan: Plan
) -> tuple[Call, Delivery, dict[str, SealedShares], dict[str, MaskedInput]]:
    """An honest round as far as the masked inputs."""
    call = call_of(federation, federation.advertised(), the_plan)
    shared = say(federation, federation.names, call)
    commitments = tuple(shared[name].commitment for name in federation.names)
    deliveries = {
        name: Delivery(the_plan.instance, commitments, server._sealed_for(name, shared)) for name in federation.names
    }
    masked = federation.ask(deliveries)
    return call, deliveries[VICTIM], shared, masked


def unmask_alone(call: Call, masked: MaskedInput, seed: bytes, secret: bytes, peers: Iterable[str]) -> np.ndarray:
    """What a coordinator with both of the victim's secrets computes from the victim's masked input."""
    (channel,) = channels(call.plan)
    words = masked.vectors[0][1].copy()
    streams = [Stream(self_mask(call, channel, seed), -1)]
    for peer in call.keys:
        if peer.department in peers and peer.department != VICTIM:
            mask = pair_mask(call, channel, agree(secret, peer.mask), VICTIM, peer.department)
            streams.append(Stream(mask, -sign_between(VICTIM, peer.department)))
    add_streams(words, streams)
    return (words[:LENGTH].view(np.int32) / FIXED.scale).astype(np.float32)


# Identities ----------------------------------------------------------


def test_substituted_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinator relays keys of its own making and plays every peer; the "sum" is the victim's
    vector.
    """

    def attacked() -> tuple[Federation, Plan]:
        real, fake = Federation.of(7), Federation.of(7, seed=b"fake")
        for name in real.names:
            if name != VICTIM:
                party = replace(fake.departments[name].party, roster=real.roster)
                real.departments[name] = replace(fake.departments[name], party=party)
                zero(real.departments[name])
        return real, real.plan()

    with weakened(
        monkeypatch,
        (SignedKeys, "verify", accept),
        (Commitment, "verify", accept),
        (SurvivorSignature, "verify", accept),
    ):
        federation, the_plan = attacked()
        assert is_victims(federation.run(the_plan).sums["model", "all"].vector)
    federation, the_plan = attacked()
    reply = federation.departments[VICTIM].handle(call_of(federation, federation.advertised(), the_plan))
    assert isinstance(reply, Refusal)
    assert "does not verify" in reply.reason


def test_sybil_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The victim is seated among departments that nobody but the coordinator has ever heard of."""

    def attacked() -> tuple[Federation, Plan]:
        real, sybils = Federation.of(4, colluders=1), Federation.of(9, colluders=1, seed=b"sybil")
        for name, sybil in sybils.departments.items():
            if name not in real.names:
                real.departments[name] = replace(sybil, party=replace(sybil.party, roster=real.roster))
                zero(real.departments[name])
        members = (VICTIM, *sorted(set(sybils.names) - {"d01", "d02", "d03", VICTIM}))
        real.departments = {name: real.departments[name] for name in members}
        return real, Plan.draft(real.roster, (group(members),), model_hash=MODEL, round=1)

    with weakened(
        monkeypatch,
        (SignedKeys, "verify", accept),
        (Commitment, "verify", accept),
        (SurvivorSignature, "verify", accept),
        (review, "CHECKS", unchecked("check_members")),
    ):
        federation, the_plan = attacked()
        assert is_victims(federation.run(the_plan).sums["model", "all"].vector)
    federation, the_plan = attacked()
    reply = federation.departments[VICTIM].handle(call_of(federation, federation.advertised(), the_plan))
    assert isinstance(reply, Refusal)
    assert "not in the roster" in reply.reason


# Secrets ----------------------------------------------------------


def both_secrets(federation: Federation) -> tuple[bytes, bytes, Call, MaskedInput]:
    """Announce everybody as surviving, then, from the states of before, everybody but the victim; collect
    both secrets.
    """
    the_plan = federation.plan()
    call, _delivery, _, masked = until_masked(federation, the_plan)
    before = {name: department.stored for name, department in federation.departments.items()}
    secrets = []
    for survivors in (federation.names, federation.names[1:]):
        for name in federation.names:
            federation.departments[name].stored = before[name]
        signed = say(federation, survivors, Survivors(the_plan.instance, survivors))
        refusals = [reply for reply in signed.values() if isinstance(reply, Refusal)]
        if refusals:
            raise RoundFailed("attack", refusals[0].reason, spent=True)
        reveals = say(federation, survivors, Quorum(the_plan.instance, tuple(signed.values())))
        shares = {
            the_plan.point(name): dict(reply.seeds if VICTIM in survivors else reply.keys)[VICTIM]
            for name, reply in reveals.items()
        }
        secrets.append(field.join(dict(list(shares.items())[: the_plan.threshold])))
    return secrets[0], secrets[1], call, masked[VICTIM]


def test_two_survivor_sets_for_one_instance_give_both_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    def sign_anything(
        self: Entries, instance: bytes, shares_hash: bytes, survivors: object, released: object
    ) -> Entries:
        return self

    with weakened(monkeypatch, (Entries, "sign", sign_anything), (Entries, "check_signed", accept)):
        seed, secret, call, masked = both_secrets(Federation.of(7))
        assert is_victims(unmask_alone(call, masked, seed, secret, Federation.of(7).names))
    with pytest.raises(RoundFailed, match="another survivor set was signed"):
        both_secrets(Federation.of(7))


def test_a_quorum_for_another_set_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the departments sign with the victim and half without; each half is shown the other half's
    signatures.
    """

    def attack(federation: Federation) -> dict[str, Wire]:
        the_plan = federation.plan()
        until_masked(federation, the_plan)
        halves = {
            name: federation.names if place % 2 else federation.names[1:] for place, name in enumerate(federation.names)
        }
        halves[VICTIM] = federation.names
        signed = federation.ask({n: Survivors(the_plan.instance, halves[n]) for n in federation.names})
        return say(federation, federation.names, Quorum(the_plan.instance, tuple(signed.values())))

    def both(replies: dict[str, Wire]) -> bool:
        reveals = [reply for reply in replies.values() if isinstance(reply, Reveal)]
        of_seed = any(VICTIM in dict(reply.seeds) for reply in reveals)
        return of_seed and any(VICTIM in dict(reply.keys) for reply in reveals)

    with weakened(monkeypatch, (client, "check_quorum", accept)):
        assert both(attack(Federation.of(7)))
    replies = attack(Federation.of(7))
    assert not any(isinstance(reply, Reveal) for reply in replies.values())


def test_a_department_never_reveals_both_shares_of_one_peer() -> None:
    share = bytes(33)
    with pytest.raises(Malformed, match="both secrets"):
        Reveal(bytes(32), "d01", ((VICTIM, share),), ((VICTIM, share),))


def test_a_threshold_chosen_by_the_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """With t = 1 a single colluding department's shares are the victim's secrets."""

    def low(federation: Federation) -> Plan:
        return replace(federation.plan(), threshold=1)

    with weakened(monkeypatch, (review, "CHECKS", unchecked("check_thresholds"))):
        federation = Federation.of(7)
        call, _, _, masked = until_masked(federation, low(federation))
        colluder = Hidden.from_bytes(federation.departments["d03"].stored)
        pair = dict(colluder.pairs)[VICTIM]
        assert is_victims(unmask_alone(call, masked[VICTIM], pair[1:33], pair[34:], federation.names))
    federation = Federation.of(7)
    reply = federation.departments[VICTIM].handle(call_of(federation, federation.advertised(), low(federation)))
    assert isinstance(reply, Refusal)
    assert "threshold must be 5" in reply.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"colluders": 0}, "fixes c = 2"),
        ({"survivors": 5, "threshold": 4}, "threshold must be 5"),
        ({"crowd": 1}, "hides among at least 3"),
        ({"crowd_soft": Fraction(1)}, "k_soft"),
        ({"graph": "k-regular"}, "k-regular"),
        ({"suite": "MT19937/32 bit"}, "MT19937"),
        ({"roster_hash": bytes(32)}, "another roster"),
        ({"federation": "other"}, "another roster"),
    ],
)
def test_a_plan_below_this_departments_minimum_is_refused_before_training(
    change: dict[str, object], reason: str
) -> None:
    federation = Federation.of(7)
    bad = replace(federation.plan(), **change)
    call = call_of(federation, federation.advertised(), bad)
    reply = federation.departments[VICTIM].handle(call)
    assert isinstance(reply, Refusal)
    assert reason in reply.reason


def test_a_plan_that_invites_fewer_cannot_lower_c() -> None:
    federation = Federation.of(10)
    with pytest.raises(Malformed, match="too few"):
        Plan.draft(federation.roster, (group(federation.names[:4]),), model_hash=MODEL, round=1)


def test_low_entropy_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 8 bits per pair the coordinator tries all masks until the victim's words are small, as real ones
    are.
    """

    def eight_bits(call: Call, channel: object, secret: bytes, one: str, other: str) -> bytes:
        return derive(secret[:1], "weak")

    def attack(federation: Federation) -> bool:
        call, _, _, masked = until_masked(federation, federation.plan())
        (channel,) = channels(call.plan)
        words = masked[VICTIM].vectors[0][1][:LENGTH].copy()
        state = Shared.from_bytes(stored[VICTIM])  # b is what the coordinator learns of every survivor.
        add_streams(words, [Stream(self_mask(call, channel, state.seed), -1)])
        guesses = [masks_of(byte) for byte in range(256)]
        for first in guesses:
            left = words - first
            for second in guesses:
                if np.abs((left - second).view(np.int32).astype(np.int64)).max() <= 2**19:
                    return is_victims(((left - second).view(np.int32) / FIXED.scale).astype(np.float32))
        return False

    def masks_of(byte: int) -> np.ndarray:
        words = np.zeros(LENGTH, np.uint32)
        add_streams(words, [Stream(derive(bytes([byte]), "weak"))])
        return words

    stored: dict[str, bytes] = {}
    keep_shared(monkeypatch, stored)
    with weakened(monkeypatch, (client, "pair_mask", eight_bits)):
        assert attack(Federation.of(3))
    assert not attack(Federation.of(3))


def keep_shared(monkeypatch: pytest.MonkeyPatch, stored: dict[str, bytes]) -> None:
    """Keep each department's state of before masking, as the coordinator's later knowledge of b stands in
    for it.
    """
    original = Shared.mask

    def mask(self: Shared, party: client.Party, *arguments: object) -> object:
        stored[party.name] = self.to_bytes()
        return original(self, party, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Shared, "mask", mask)


# Repetition ----------------------------------------------------------


def difference_of_two(federation: Federation, second: dict[str, int]) -> np.ndarray:
    """The sum over all, then another attempt or round on the same model without the victim."""
    everybody = federation.run(federation.plan()).sums["model", "all"]
    again = federation.run(federation.plan(**second), without(VICTIM, exchange=2)).sums["model", "all"]
    return everybody.vector - again.vector


@pytest.mark.parametrize("second", [{"attempt": 1}, {"round": 2}])
def test_a_retry_with_other_survivors_is_a_difference(monkeypatch: pytest.MonkeyPatch, second: dict[str, int]) -> None:
    with weakened(monkeypatch, (Entries, "check_unspent", accept)):
        difference = difference_of_two(Federation.of(10), second)
        assert np.allclose(difference, numbers(VICTIM).vector, atol=1e-4)
    with pytest.raises(RoundFailed, match="another would be a difference"):
        difference_of_two(Federation.of(10), second)


def test_a_replayed_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same plan and keys again, to departments restarted from a back-up of before the round."""

    def twice(federation: Federation) -> np.ndarray:
        the_plan, keys = federation.plan(), federation.advertised()
        backup = {name: department.stored for name, department in federation.departments.items()}
        sums = []
        for exchange_of_drop in (9, 2):
            for name, department in federation.departments.items():
                department.stored = backup[name]
            flow = server.secure_sum(the_plan, federation.roster, keys)
            replies, exchange = federation.ask(next(flow)), 1
            while True:
                if exchange == exchange_of_drop:
                    replies.pop(VICTIM)
                try:
                    requests = flow.send(replies)
                except StopIteration as end:
                    sums.append(end.value.sums["model", "all"].vector)
                    break
                replies, exchange = federation.ask(requests), exchange + 1
        return sums[0] - sums[1]

    def enter_anything(self: Entries, instance: bytes, *_: object) -> Entries:
        return replace(self, instance=instance, spent=False, survivors=())

    with weakened(monkeypatch, (Entries, "enter", enter_anything), (Entries, "check_unspent", accept)):
        assert np.allclose(twice(Federation.of(10)), numbers(VICTIM).vector, atol=1e-4)
    with pytest.raises(RoundFailed, match="is not after round 1, attempt 0"):
        twice(Federation.of(10))


def test_one_masked_input_per_attempt_even_from_a_restored_state() -> None:
    """Two inputs under the same masks would give the difference of the two."""
    federation = Federation.of(5)
    the_plan = federation.plan()
    keys = federation.advertised()
    call = call_of(federation, keys, the_plan)
    shared = say(federation, federation.names, call)
    backup = federation.departments[VICTIM].stored
    commitments = tuple(shared[name].commitment for name in federation.names)
    delivery = Delivery(the_plan.instance, commitments, server._sealed_for(VICTIM, shared))
    assert isinstance(federation.departments[VICTIM].handle(delivery), MaskedInput)
    federation.departments[VICTIM].stored = backup
    reply = federation.departments[VICTIM].handle(delivery)
    assert isinstance(reply, Refusal)
    assert "another would be a difference" in reply.reason


def test_different_models_to_different_departments(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the victim are sent a model on which their update is zero (Pasquini et al., CCS 2022)."""

    def attacked() -> Federation:
        federation = Federation.of(7)
        for name in federation.names[1:]:
            zero(federation.departments[name])
            federation.departments[name].model = b"\x01" * 32
        return federation

    original = Advertised.share
    with weakened(
        monkeypatch,
        (Advertised, "share", lambda self, party, call, _: original(self, party, call, call.plan.model_hash)),
    ):
        federation = attacked()
        assert is_victims(federation.run(federation.plan()).sums["model", "all"].vector)
    federation = attacked()
    with pytest.raises(RoundFailed, match="another model"):
        federation.run(federation.plan())


def test_a_plan_for_each_model_makes_shares_that_do_not_open() -> None:
    """When the plans fit what each department was sent, the plans differ, and so do all keys."""
    federation = Federation.of(5)
    keys = federation.advertised()
    plans = {name: federation.plan(model_hash=bytes([name == VICTIM]) * 32) for name in federation.names}
    for name in federation.names:
        federation.departments[name].model = plans[name].model_hash
    shared = federation.ask({n: call_of(federation, keys, plans[n]) for n in federation.names})
    commitments = tuple(shared[name].commitment for name in federation.names)
    for name in federation.names:
        delivery = Delivery(plans[name].instance, commitments, server._sealed_for(name, shared))
        reply = federation.departments[name].handle(delivery)
        assert isinstance(reply, Refusal)
        assert "does not verify" in reply.reason


# Cohorts ----------------------------------------------------------


def test_overlapping_cohorts(monkeypatch: pytest.MonkeyPatch) -> None:
    def nested(federation: Federation) -> Plan:
        cohorts = (
            Cohort.of("everybody", dict.fromkeys(federation.names, 1)),
            Cohort.of("friends", dict.fromkeys(federation.names[1:], 1)),
        )
        return federation.plan((group(federation.names, cohorts=cohorts),))

    def all_safe(released: object, rule: object) -> audit.Finding:
        return audit.Finding(True, "not looked at")

    with weakened(monkeypatch, (audit, "examine", all_safe), (plan, "examine", all_safe)):
        federation = Federation.of(7)
        sums = federation.run(nested(federation)).sums
        difference = sums["model", "everybody"].vector - sums["model", "friends"].vector
        assert np.allclose(difference, numbers(VICTIM).vector, atol=1e-4)
    federation = Federation.of(7)
    reply = federation.departments[VICTIM].handle(call_of(federation, federation.advertised(), nested(federation)))
    assert isinstance(reply, Refusal)
    assert f"involves only {VICTIM}" in reply.reason
    with pytest.raises(RoundFailed, match="it passes with everybody\\+friends"):
        federation.run(nested(federation))


def test_drop_outs_that_leave_a_hub_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that was large enough when planned is not any more when the coordinator loses its members'
    inputs.
    """

    def hubs(federation: Federation) -> Plan:
        cohorts = (
            Cohort.of("h1", dict.fromkeys(federation.names[:5], 1)),
            Cohort.of("h2", dict.fromkeys(federation.names[5:], 1)),
        )
        return federation.plan((group(federation.names, cohorts=cohorts),), crowd=3)

    def all_safe(*_: object) -> audit.Finding:
        return audit.Finding(True, "not looked at")

    lost = ("d01", "d02", "d03", "d04")
    with weakened(monkeypatch, (server, "realised", all_safe), (review, "realised", all_safe)):
        federation = Federation.of(12, colluders=2)
        sums = federation.run(hubs(federation), without(*lost, exchange=2)).sums
        assert is_victims(sums["model", "h1"].vector)
    federation = Federation.of(12, colluders=2)
    with pytest.raises(RoundFailed, match="can be differenced"):
        federation.run(hubs(federation), without(*lost, exchange=2))
    with weakened(monkeypatch, (server, "realised", all_safe)):  # And the departments find it themselves.
        federation = Federation.of(12, colluders=2)
        with pytest.raises(RoundFailed, match="d00: the sums over the survivors can be differenced"):
            federation.run(hubs(federation), without(*lost, exchange=2))


def test_weight_zero_is_no_membership_and_dominance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed, match="weight 0 is not a member"):
        Cohort.of("all", {"d00": 1, "d01": 0})

    def dominated(federation: Federation) -> Plan:
        weights = {name: Fraction(1 if name == VICTIM else Fraction(1, 10**6)) for name in federation.names}
        return federation.plan((group(federation.names, cohorts=(Cohort.of("all", weights),)),))

    with weakened(monkeypatch, (audit, "worst_leverage", lambda leverage, band: Fraction(0))):
        federation = Federation.of(7)
        vector = federation.run(dominated(federation)).sums["model", "all"].vector
        assert np.allclose(vector, numbers(VICTIM).vector, atol=1e-3)
    federation = Federation.of(7)
    reply = federation.departments[VICTIM].handle(call_of(federation, federation.advertised(), dominated(federation)))
    assert isinstance(reply, Refusal)
    assert "100.000% of one combination" in reply.reason


# Relays ----------------------------------------------------------


def relayed_under_another_name(federation: Federation) -> tuple[bytes, bytes, Call, MaskedInput, list[str]]:
    """A colluder claims the victim's sealing key, and the victim's sealed shares are relayed a second time
    as the colluder's.

    When the colluder "drops", its masking key is asked for, and the peers' shares of it are those of the
    victim's.
    """
    colluder = federation.names[-1]
    peers = [name for name in federation.names if name not in (VICTIM, colluder)]
    the_plan, keys = federation.plan(), {one.department: one for one in list(federation.advertised())}
    identity = federation.departments[colluder].party.identity
    keys[colluder] = SignedKeys.sign(identity, federation.roster, 2, keys[colluder].mask, keys[VICTIM].seal)
    call = call_of(federation, keys.values(), the_plan)
    shared = say(federation, [*peers, VICTIM], call)
    shared[colluder] = replace(
        shared[VICTIM],
        department=colluder,
        commitment=Commitment.sign(identity, the_plan.instance, call.keys_hash, bytes(32)),
    )
    honest = tuple(shared[name].commitment for name in federation.names[:-1])
    full = (*honest, shared[colluder].commitment)
    deliveries = {
        n: Delivery(
            the_plan.instance,
            full,
            tuple((sender, dict(shared[sender].sealed)[n]) for sender in federation.names if sender != n),
        )
        for n in peers
    }
    deliveries[VICTIM] = Delivery(
        the_plan.instance, honest, tuple((sender, dict(shared[sender].sealed)[VICTIM]) for sender in peers)
    )
    masked = federation.ask(deliveries)
    survivors = federation.names[:-1]
    signed = say(federation, peers, Survivors(the_plan.instance, survivors))
    quorum = Quorum(the_plan.instance, tuple(s for s in signed.values() if isinstance(s, SurvivorSignature)))
    reveals = [(the_plan.point(n), r) for n, r in say(federation, peers, quorum).items() if isinstance(r, Reveal)]
    if len(reveals) < the_plan.threshold:
        raise RoundFailed("attack", str([r.reason for r in masked.values() if isinstance(r, Refusal)]), spent=True)
    seed = field.join({x: dict(r.seeds)[VICTIM] for x, r in reveals[: the_plan.threshold]})
    secret = field.join({x: dict(r.keys)[colluder] for x, r in reveals[: the_plan.threshold]})
    return seed, secret, call, masked[VICTIM], [*peers]


def test_relays_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(secret: bytes, public: bytes, call: Call, sender: str, receiver: str) -> bytes:
        return derive(agree(secret, public), "shares", call.plan.instance)

    def about(call: Call, sender: str, receiver: str) -> tuple[object, ...]:
        return ("shares", call.plan.instance)

    with weakened(monkeypatch, (client, "_seal_key", key), (client, "_about", about)):
        seed, secret, call, masked, peers = relayed_under_another_name(Federation.of(10))
        assert is_victims(unmask_alone(call, masked, seed, secret, peers))
    with pytest.raises(RoundFailed, match="does not open under the key of this round and direction"):
        relayed_under_another_name(Federation.of(10))


def test_reordered_relays_are_noticed() -> None:
    federation = Federation.of(5)
    the_plan = federation.plan()
    shared = say(federation, federation.names, call_of(federation, federation.advertised(), the_plan))
    commitments = tuple(shared[name].commitment for name in federation.names)
    sealed = list(server._sealed_for(VICTIM, shared))
    swapped = ((sealed[0][0], sealed[1][1]), (sealed[1][0], sealed[0][1]), *sealed[2:])
    reply = federation.departments[VICTIM].handle(Delivery(the_plan.instance, commitments, swapped))
    assert isinstance(reply, Refusal)
    assert "d01: a sealed message does not open" in reply.reason


def test_two_views_of_who_shared_end_the_round() -> None:
    """Different U2 to different departments: the masks would not cancel, and the signatures do not match."""
    federation = Federation.of(10)
    the_plan = federation.plan()
    shared = say(federation, federation.names, call_of(federation, federation.advertised(), the_plan))
    views = {n: federation.names if place % 2 else federation.names[1:] for place, n in enumerate(federation.names)}
    views[VICTIM] = federation.names
    masked = federation.ask(
        {
            n: Delivery(
                the_plan.instance,
                tuple(shared[m].commitment for m in views[n]),
                tuple((m, dict(shared[m].sealed)[n]) for m in views[n] if m != n),
            )
            for n in federation.names
        }
    )
    assert all(isinstance(reply, MaskedInput) for reply in masked.values())
    survivors = federation.names[1:]
    signed = say(federation, survivors, Survivors(the_plan.instance, survivors))
    replies = say(federation, survivors, Quorum(the_plan.instance, tuple(signed.values())))
    assert all("another survivor set" in reply.reason for reply in replies.values())


def test_survivors_that_never_shared_or_without_oneself_are_refused() -> None:
    federation = Federation.of(7)
    the_plan = federation.plan()
    until_masked(federation, the_plan)
    backup = federation.departments[VICTIM].stored
    for survivors in (federation.names[1:], (*federation.names, "x")):
        reply = federation.departments[VICTIM].handle(Survivors(the_plan.instance, survivors))
        assert isinstance(reply, Refusal)
        assert federation.departments[VICTIM].stored == backup


def test_too_few_or_foreign_signatures_reveal_nothing() -> None:
    federation = Federation.of(7)
    the_plan = federation.plan()
    until_masked(federation, the_plan)
    signed = say(federation, federation.names, Survivors(the_plan.instance, federation.names))
    enough = [signed[name] for name in federation.names][: the_plan.threshold]
    forged = replace(enough[0], signature=bytes(64))
    for bad in (enough[:-1], [forged, *enough[1:]]):
        reply = federation.departments[VICTIM].handle(Quorum(the_plan.instance, tuple(bad)))
        assert isinstance(reply, Refusal)
        assert isinstance(Signed.from_bytes(federation.departments[VICTIM].stored), Signed)
    good = federation.departments[VICTIM].handle(Quorum(the_plan.instance, tuple(enough)))
    assert isinstance(good, Reveal)


# Departments that misbehave ----------------------------------------------------------


def test_a_truncated_vector_counts_as_a_drop_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word, added to a vector, would spread over all of it."""

    def truncate(exchange: int, replies: dict[str, Wire]) -> dict[str, Wire]:
        if exchange == 2:
            masked = replies["d05"]
            assert isinstance(masked, MaskedInput)
            ((name, words),) = masked.vectors
            replies["d05"] = MaskedInput(masked.instance, masked.department, ((name, words[:1]),))
        return replies

    with weakened(monkeypatch, (server, "_check_masked", accept)):
        federation = Federation.of(10)
        wrong = federation.run(federation.plan(), truncate)
        assert not np.array_equal(wrong.sums["model", "all"].vector, expected(federation, wrong.survivors).vector)
    federation = Federation.of(10)
    outcome = federation.run(federation.plan(), truncate)
    assert "d05" not in outcome.survivors
    assert "truncated" in outcome.reasons["d05"]
    right = expected(federation, outcome.survivors)
    assert np.array_equal(outcome.sums["model", "all"].vector, right.vector)


def test_nan_is_refused_by_who_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned() -> Federation:
        federation = Federation.of(10)
        federation.departments["d05"].contributions["model"].vector[3] = np.nan
        return federation

    with weakened(monkeypatch, (Quantiser, "_clamp", accept)), np.errstate(invalid="ignore"):
        federation = poisoned()
        vector = federation.run(federation.plan()).sums["model", "all"].vector
        assert np.isfinite(vector).all()  # A wrong sum that nobody notices.
    federation = poisoned()
    outcome = federation.run(federation.plan())
    assert outcome.reasons["d05"] == "the vector holds NaN or infinity"
    right = expected(federation, outcome.survivors)
    assert np.array_equal(outcome.sums["model", "all"].vector, right.vector)


def test_a_false_share_is_found_and_left_out() -> None:
    federation = Federation.of(10)

    def lie(exchange: int, replies: dict[str, Wire]) -> dict[str, Wire]:
        if exchange == 4:
            honest = replies["d02"]
            assert isinstance(honest, Reveal)
            replies["d02"] = replace(honest, seeds=tuple((name, bytes(33)) for name, _ in honest.seeds))
        return replies

    outcome = federation.run(federation.plan(), lie)
    right = expected(federation, federation.names)
    assert np.array_equal(outcome.sums["model", "all"].vector, right.vector)


def test_false_shares_from_too_many_end_the_round() -> None:
    federation = Federation.of(5)

    def lie(exchange: int, replies: dict[str, Wire]) -> dict[str, Wire]:
        if exchange == 4:
            for name in ("d00", "d02", "d04"):
                honest = replies[name]
                assert isinstance(honest, Reveal)
                replies[name] = replace(honest, seeds=tuple((one, bytes(33)) for one, _ in honest.seeds))
        return replies

    with pytest.raises(RoundFailed, match="false share"):
        federation.run(federation.plan(), lie)
