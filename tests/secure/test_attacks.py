"""Attacks on the integrated department: each works against a copy with one check taken out, and fails against ours.

The coordinator lies: it bends what it sends, keeps a federation file of its own, or goes back to an old state. The
victim is one department and the prize its update, or entries of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lepton_fed import coordinator, member, sums
from lepton_fed.digests import models_hash
from lepton_fed.errors import RoundError
from lepton_fed.hub import Hub
from lepton_fed.member import Member
from lepton_fed.messages import Done, HubState, Message, Refused, Release, Summed, Work
from lepton_fed.messages import Sum as Asked
from lepton_fed.objections import Objections
from lepton_fed.parties import throw_away
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.canonical import decode as values_in
from lepton_fed.secagg.contribution import Contribution
from lepton_fed.secagg.messages import Call, Delivery, Quorum, Survivors, SurvivorSignature
from lepton_fed.settings import Coupling, Optimiser, Settings, Training, Weights
from lepton_fed.sums import Scheme, Turnout
from tests.couplings.small import proximal
from tests.secure.builder import (
    FILE,
    FIVE,
    FOUR,
    VICTIM,
    Federation,
    bends,
    contributions,
    federation,
    loses,
    secure,
    step_of,
)

HIDDEN = slice(0, 25)
"""Weights and biases of the hidden layer of 4 x 5; five weights and a bias of the head follow."""

ONE_STEP = Training(epochs=1, batch=100, optimiser=Optimiser(learning_rate=0.2))
"""One step over all rows: a department's update is a function of the model it starts from."""


@contextmanager
def weakened(monkeypatch: pytest.MonkeyPatch, *changes: tuple[object, str, object]) -> Iterator[None]:
    """Inside, the named functions are replaced."""
    with monkeypatch.context() as patch:
        for owner, name, value in changes:
            patch.setattr(owner, name, value)
        yield


def accept(*_: object, **__: object) -> None:
    """A check that checks nothing."""


def shown(hubs: Callable[[str], Mapping[str, HubState]]) -> Callable[[str, Message], Message]:
    """A coordinator that shows each department hubs of its own choice in the exchange that asks for numbers."""

    def bend(name: str, message: Message) -> Message:
        if not isinstance(message, Asked) or message.work is None:
            return message
        chosen = hubs(name)
        digests = {**message.unseen, **{n: coordinator.hub_digest(hub) for n, hub in message.work.hubs.items()}}
        unseen = {n: digest for n, digest in digests.items() if n not in chosen}
        return replace(message, work=replace(message.work, hubs=chosen), unseen=unseen)

    return bend


def dead(model: np.ndarray) -> np.ndarray:
    """The model with a hidden layer that answers 0 to everything, so that nothing trains it."""
    changed = model.copy()
    changed[20:25] = -10.0
    return changed


def victims_update(done: dict[str, list[Done]], round: int = 1) -> np.ndarray:
    (addend,) = done[VICTIM][round - 1].addends.values()
    return addend.vector


# What departments are shown ----------------------------------------------------------


def of_model_and_control(hub: HubState) -> bytes:
    """A digest that leaves the release out."""
    parts = [v.tobytes() if v is not None else b"" for v in (hub.model, hub.control)]
    return hashlib.sha256(b"|".join(parts)).digest() + bytes(32)


def test_a_release_of_its_own_reads_one_entry_of_one_department(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of the joint loss is an inner product with the mean that was sent: to the victim a long unit vector, to
    the others what it should be, and the sum of rows is an entry of the victim's update.
    """
    size, entry = 2.0**20, 7

    def attack() -> tuple[float, float, str]:
        ours = federation(secure(FOUR))
        done = contributions(ours)
        ours.play()
        (hub,) = ours.state.visible
        mean = np.zeros(31, np.float32)
        mean[entry] = size

        def hubs(name: str) -> dict[str, HubState]:
            real = ours.state.visible[hub]
            assert real.release is not None
            release = replace(real.release, mean=mean) if name == VICTIM else real.release
            return {hub: replace(real, release=release)}

        ours.transport.bend = shown(hubs)
        ours.play()
        total = ours.measured()[1, "", "federation", "joint_loss"]
        return -total / size, float(victims_update(done)[entry]), ours.refusals.get(VICTIM, "")

    with weakened(
        monkeypatch, (coordinator, "hub_digest", of_model_and_control), (member, "hub_digest", of_model_and_control)
    ):
        read, true, _ = attack()
        assert read == pytest.approx(true, abs=1e-5)
        assert abs(true) > 1e-3
    read, true, refusal = attack()
    assert refusal == "the models are not those of the plan"
    assert abs(read) < 1e-5


def test_a_model_of_its_own_for_everybody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others train a model whose hidden layer cannot move, so in the sum it moves by the victim's update alone."""

    def attack() -> tuple[np.ndarray, np.ndarray]:
        ours = federation(secure(FOUR))
        done = contributions(ours)
        (hub,) = ours.state.visible
        real = ours.state.visible[hub]
        ours.transport.bend = shown(
            lambda name: {hub: real if name == VICTIM else replace(real, model=dead(real.model))}
        )
        ours.play()
        return 4 * ours.releases()[hub].mean[HIDDEN], victims_update(done)[HIDDEN]

    with weakened(monkeypatch, (Member, "_check_models", accept)):
        read, true = attack()
        assert np.allclose(read, true, atol=1e-5)
        assert np.abs(true).max() > 1e-3
    with pytest.raises(RoundError, match="the models are not those of the plan"):
        attack()


def test_a_hub_that_the_others_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `clusters` who is shown one hub trains from that one; only the victim sees the one that can be trained."""

    def attack() -> tuple[np.ndarray, np.ndarray]:
        ours = federation(secure(FOUR, coupling=Coupling(kind="clusters", hubs=2, read="hard", freeze=5)))
        one, two = ours.state.hubs
        model = dead(np.zeros(31, np.float32))
        model[30] = 10.0  # Nobody who sees the other hub reads this one.
        hubs: dict[str, Hub] = {one: Hub(HubState(model)), two: ours.state.hubs[two]}
        ours.state = replace(ours.state, round=1, hubs=hubs, declared=dict.fromkeys(FOUR, one))
        for each in ours.departments.values():
            each.declared = one
        done = contributions(ours)
        visible = ours.state.visible
        ours.transport.bend = shown(lambda name: visible if name == VICTIM else {one: visible[one]})
        ours.play()
        return 4 * ours.releases()[one].mean[HIDDEN], victims_update(done)[HIDDEN]

    complete = Objections.to_work

    def lenient(self: Objections, work: Work, declared: str) -> str | None:
        reason = complete(self, work, declared)
        return None if reason is not None and "lacks the model" in reason else reason

    with weakened(monkeypatch, (Objections, "to_work", lenient)):
        read, true = attack()
        assert np.allclose(read, true, atol=1e-5)
        assert np.abs(true).max() > 1
    with pytest.raises(RoundError, match="lacks the model of hub"):
        attack()


# Repetition ----------------------------------------------------------


def with_a_name_too_many(ours: Federation, junk: bytes) -> None:
    """The coordinator pretends that there is one more hub, so that the models of the plan have another hash."""
    digests = {name: coordinator.hub_digest(hub) for name, hub in ours.state.visible.items()}
    ours.state = replace(ours.state, models={**digests, "junk": hashlib.sha256(junk).digest()})


def names_unchecked(self: Member, plan: Any, hubs: Mapping[str, HubState], unseen: Mapping[str, bytes]) -> None:
    """The check of the models without that of the hubs' names."""
    digests = {**unseen, **{name: member.hub_digest(hub) for name, hub in hubs.items()}}
    assert models_hash(digests) == plan.model_hash


def test_one_model_under_two_hashes_is_summed_with_and_without_the_victim(monkeypatch: pytest.MonkeyPatch) -> None:
    def attack() -> tuple[np.ndarray, np.ndarray]:
        ours = federation(secure(FIVE, training=ONE_STEP))
        done = contributions(ours)
        before = ours.state
        with_a_name_too_many(ours, b"first")
        with_all = next(iter(ours.play().releases().values()))
        ours.state = replace(before, round=1, keys=ours.state.keys)
        with_a_name_too_many(ours, b"second")
        ours.transport.lost = loses("Delivery", VICTIM)
        without = next(iter(ours.play().releases().values()))
        return with_all.mean * with_all.mass - without.mean * without.mass, victims_update(done)

    with weakened(monkeypatch, (Member, "_check_models", names_unchecked)):
        read, true = attack()
        assert np.allclose(read, true, atol=1e-5)
    with pytest.raises(RoundError, match="not of the hubs that the federation file has"):
        attack()


def test_the_same_model_is_not_summed_twice() -> None:
    ours = federation(secure(FIVE, training=ONE_STEP))
    before = ours.state
    ours.play()
    ours.state = replace(before, round=1, keys=ours.state.keys)
    with pytest.raises(RoundError, match="another would be a difference"):
        ours.play()


def release_with_the_model(hub: HubState) -> bytes:
    """A digest that takes whatever is shown for part of the model."""
    whole = hashlib.sha256(coordinator_digest(hub)).digest()
    return whole + bytes(32)


coordinator_digest = coordinator.hub_digest


def test_a_spent_model_is_not_made_fresh_by_showing_something_else_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same model with an invented release: if the burn rule went by both, the victim's update would be the
    difference of a sum with it and one without.
    """

    def attack() -> tuple[np.ndarray, np.ndarray]:
        ours = federation(secure(FIVE, training=ONE_STEP))
        done = contributions(ours)
        before = ours.state
        with_all = next(iter(ours.play().releases().values()))
        invented = Release(np.full(31, 0.5, np.float32), 5.0, 1.0)
        hubs = {n: replace(h, state=replace(h.state, release=invented)) for n, h in before.hubs.items()}
        ours.state = replace(before, round=1, keys=ours.state.keys, hubs=hubs)
        ours.transport.lost = loses("Delivery", VICTIM)
        without = next(iter(ours.play().releases().values()))
        return with_all.mean * with_all.mass - without.mean * without.mass, victims_update(done)

    changed = release_with_the_model
    with weakened(monkeypatch, (coordinator, "hub_digest", changed), (member, "hub_digest", changed)):
        read, true = attack()
        assert np.allclose(read, true, atol=1e-5)
    with pytest.raises(RoundError, match="another would be a difference"):
        attack()


def call_for(ours: Federation, plan: Any) -> Call:
    keys = [ours.departments[name].member.advertise().keys for name in sorted(plan.members)]  # type: ignore[union-attr]
    return Call(plan, tuple(keys))


def test_a_huge_round_does_not_lock_a_department_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def attack(ours: Federation) -> None:
        scheme = ours.state.scheme
        assert scheme is not None
        assert ours.state.roster is not None
        plan = scheme.plan(ours.state.roster, scheme.everybody(), model=bytes(32), round=10**6)
        reply = ours.departments[VICTIM].handle(Asked(call_for(ours, plan)))
        assert isinstance(reply, (Summed, Refused))
        if isinstance(reply, Refused):
            assert "has 20 rounds, and the plan is of round 1000000" in reply.reason

    with weakened(monkeypatch, (Member, "examine", accept)):
        ours = federation(secure(FIVE))
        attack(ours)
    assert "is not after round 1000000" in ours.play().refusals[VICTIM]
    ours = federation(secure(FIVE))
    attack(ours)
    assert ours.play().refusals == {}


def rolled_back(self: Member, stored: bytes) -> None:
    """A restart from a back-up that takes the ledger back with it."""
    values = values_in(stored)
    assert isinstance(values, tuple)
    state, _, _, entries = (Wire.from_bytes(part) if part else None for part in values)
    self.state = state
    self.party.ledger.replace(self.party.ledger.read(), entries)  # type: ignore[arg-type]


def test_a_department_restored_from_a_back_up_does_not_sign_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two survivor sets for one attempt give both secrets of whoever is in one and not in the other."""

    def attack() -> list[tuple[str, ...]]:
        ours = federation(secure(FIVE))
        backups: dict[str, bytes] = {}

        def before(name: str, message: Message) -> None:
            if step_of(message) == "Survivors":
                backups[name] = ours.departments[name].member.stored()  # type: ignore[union-attr]

        ours.transport.before = before
        ours.play()
        instance = ours.transport.plans[0].instance
        others = tuple(sorted(n for n in FIVE if n != VICTIM))
        signed = [tuple(sorted(FIVE))]
        for name in others:
            one = ours.departments[name]
            assert one.member is not None
            one.member.restore(backups[name])
            reply = one.handle(Asked(Survivors(instance, others)))
            if isinstance(reply, Refused):
                raise RoundError(reply.reason)
            assert isinstance(reply, Summed) and isinstance(reply.reply, SurvivorSignature)
            signed.append(reply.reply.survivors)
        return signed

    with weakened(monkeypatch, (Member, "restore", rolled_back)):
        assert len(set(attack())) == 2
    with pytest.raises(RoundError, match="another survivor set was signed"):
        attack()


def test_a_department_started_anew_from_an_old_state_repeats_no_exchange() -> None:
    """The state goes back and the ledger does not: nothing that was said is said a second time in another way."""
    ours = federation(secure(FIVE))
    backups: list[tuple[str, bytes, Message]] = []

    def before(name: str, message: Message) -> None:
        if name == VICTIM and isinstance(message, Asked):
            backups.append((step_of(message), ours.departments[name].member.stored(), message))  # type: ignore[union-attr]

    ours.transport.before = before
    ours.play()
    expected = {"Call": "is not after round 1, attempt 0", "Delivery": "another would be a difference"}
    ours.transport.before = accept
    for step, stored, message in backups:
        victim = ours.departments[VICTIM]
        assert victim.member is not None
        victim.restore({key: value for key, value in victim.state().items() if key != "last round"})
        victim.member.restore(stored)
        reply = victim.handle(message)
        if step in expected:
            assert isinstance(reply, Refused) and expected[step] in reply.reason
        else:  # The same signature and the same shares again tell nobody anything new.
            assert isinstance(reply, Summed)


# A coordinator with a file of its own ----------------------------------------------------------


def lying(ours: Federation, theirs: Settings) -> Federation:
    """The coordinator plans by another file than the departments have."""
    scheme = ours.state.scheme
    assert scheme is not None
    ours.settings = theirs
    ours.state = replace(ours.state, scheme=Scheme(theirs, scheme.plans, scheme.length, scheme.reference))
    return ours


def test_weights_that_make_the_sum_the_victims(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much weight as the audit lets pass: the department compares with its own file and not only with the audit."""
    fair = secure(FIVE)
    heavy = secure(FIVE, weights=Weights(alpha={n: 4.0 if n == VICTIM else 1.0 for n in FIVE}))

    def attack(theirs: Settings = heavy) -> float:
        ours = lying(federation(fair), theirs)
        done = contributions(ours)
        (release,) = ours.play().releases().values()
        return float(np.corrcoef(release.mean, victims_update(done))[0, 1])

    with weakened(monkeypatch, (Member, "examine", accept)):
        assert attack() > attack(fair) + 0.3
    with pytest.raises(RoundError, match="the plan is not the one that the federation file makes"):
        attack()


def test_a_plain_round_in_a_secure_federation(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = federation(secure(FOUR))
    (hub,) = ours.state.visible
    victim = ours.departments[VICTIM]
    work = Work(1, ours.state.visible, (hub,), True, FILE)
    reply = victim.handle(work)
    assert isinstance(reply, Refused)
    assert "asks for secure sums, and this would show its update to the coordinator" in reply.reason
    with weakened(monkeypatch, (victim, "secure", False)):
        open_ = victim.handle(work)
    assert isinstance(open_, Done)
    assert open_.addends[hub].vector.any()


def test_measurements_of_one_department_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain message without anything to write gives no scores, whoever asks."""
    ours = federation(secure(FOUR))
    victim = ours.departments[VICTIM]
    victim.disclose = False
    work = Work(1, ours.state.visible, (), True, FILE)
    reply = victim.handle(work)
    assert isinstance(reply, Done)
    assert (reply.addends, reply.scores, reply.disclosed) == ({}, {}, {})
    victim.last_round = 0
    with weakened(monkeypatch, (victim, "secure", False)):
        open_ = victim.handle(work)
    assert isinstance(open_, Done)
    assert open_.scores["sum of loss"] > 0


def test_a_roster_of_the_coordinators_own() -> None:
    """Keys of departments that it made itself are not in the roster that this department trusts."""
    ours = federation(secure(FIVE))
    strangers = throw_away(ours.settings)
    foreign = next(iter(strangers.values())).roster
    scheme = ours.state.scheme
    assert scheme is not None
    plan = scheme.plan(foreign, scheme.everybody(), model=bytes(32), round=1)
    reply = ours.departments[VICTIM].handle(Asked(call_for(ours, plan)))
    assert isinstance(reply, Refused)
    assert "(roster_hash)" in reply.reason


def test_a_cohort_that_singles_the_victim_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody, and everybody but the victim: refused before anybody trains, by the victim itself."""
    ours = federation(secure(FIVE))
    scheme = ours.state.scheme
    assert scheme is not None and ours.state.roster is not None
    two = tuple(replace(plan, name=name) for plan in scheme.plans for name in ("all", "friends"))
    nested = Scheme(ours.settings, two, scheme.length)
    turnout = Turnout({"all": FIVE, "friends": tuple(n for n in FIVE if n != VICTIM)})
    plan = nested.plan(ours.state.roster, turnout, model=bytes(32), round=1)
    reply = ours.departments[VICTIM].handle(Asked(call_for(ours, plan)))
    assert isinstance(reply, Refused)
    assert "the federation file has no hub 'all'" in reply.reason
    with weakened(monkeypatch, (Member, "examine", accept)):
        reply = ours.departments[VICTIM].handle(Asked(call_for(ours, plan)))
        assert isinstance(reply, Refused)
        assert f"involves only {VICTIM}" in reply.reason


def test_a_quorum_of_the_coordinators_own_reveals_nothing() -> None:
    ours = federation(secure(FIVE))
    seen: list[Refused] = []

    def bend(name: str, message: Message) -> Message:
        if isinstance(message, Asked) and isinstance(message.request, Quorum) and name == VICTIM:
            few = message.request.signatures[:2]
            reply = ours.departments[name].handle(Asked(Quorum(message.request.instance, few)))
            assert isinstance(reply, Refused)
            seen.append(reply)
        return message

    ours.transport.bend = bend
    assert ours.play().refusals == {}  # And the honest message that follows is answered.
    assert "fewer than" in seen[0].reason


def test_what_a_department_did_is_undone_where_its_numbers_could_not_leave() -> None:
    """Shares that do not open are found after training; then the department is as it was before it."""
    ours = federation(secure(FIVE, coupling=proximal("mr-mtl")))
    victim = ours.departments[VICTIM]
    before: list[dict[str, bytes]] = []

    def kept() -> dict[str, bytes]:
        return {key: value.numpy().tobytes() for key, value in victim.state().items()}

    def spoil(message: Asked) -> Message:
        before.append(kept())
        request = message.request
        assert isinstance(request, Delivery)
        (first, sealed), *rest = request.sealed
        return replace(message, request=replace(request, sealed=((first, sealed[::-1]), *rest)))

    ours.play()
    ours.transport.bend = bends("Delivery", VICTIM, spoil)
    ours.play()
    assert "does not open" in ours.refusals[VICTIM]
    assert kept() == before[0]
    assert victim.last_round == 1
    ours.transport.bend = lambda _, message: message
    assert ours.play().refusals == {}


# A department that lies ----------------------------------------------------------


class Heavy(Scheme):
    """Adds a weight that takes nearly all the others' weights away again."""

    def _update(self, done: Any, hubs: Any, scalars: bool) -> Contribution:
        honest = super()._update(done, hubs, scalars)
        return replace(honest, scalars=np.array([-3.0 + 2.0**-40, 1.0]))


def test_a_weight_that_makes_the_mean_too_large_for_anybody_ends_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def attack() -> np.ndarray:
        ours = federation(secure(FOUR))
        member_of = ours.departments[VICTIM].member
        assert member_of is not None
        honest = member_of.scheme
        member_of.scheme = Heavy(honest.settings, honest.plans, honest.length, honest.reference)
        ours.play()
        return next(iter(ours.state.visible.values())).model

    with weakened(monkeypatch, (sums, "_check_mass", lambda *_: None)):
        assert np.abs(attack()).max() > 1e6
    with pytest.raises(RoundError, match=r"round 1: the weights in the sum of hub .* some department lies"):
        attack()
