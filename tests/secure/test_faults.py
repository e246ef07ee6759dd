"""Departments refuse, are lost or start anew at every exchange: the others complete the round, or it fails cleanly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from lepton_fed.coordinator import begin, join
from lepton_fed.department import Department
from lepton_fed.errors import RoundError, StorageError
from lepton_fed.messages import Advertise, Done, Message, Summed
from lepton_fed.secagg.ledger import Entries, MemoryLedger
from lepton_fed.secagg.messages import MaskedInput
from lepton_fed.secagg.review import Terms
from lepton_fed.settings import Aggregation, Settings, Weights
from lepton_fed.transport import drive
from tests.couplings.small import proximal
from tests.secure.builder import (
    FILE,
    FIVE,
    THREE,
    VICTIM,
    Federation,
    bound,
    contributions,
    departments_of,
    exact_mean,
    federation,
    largest_entry,
    loses,
    secure,
    step_of,
)

EXCHANGES = ("Advertise", "Call", "Delivery", "Survivors", "Quorum")
BEFORE_MASKED = EXCHANGES[:2]
SEALED = Aggregation(coordinator_sees="nothing")


def survivors_sum_is_exact(ours: Federation, done: Mapping[str, list[Done]], survivors: set[str]) -> None:
    (hub,) = ours.releases()
    release = ours.releases()[hub]
    exact = exact_mean({name: done[name][-1] for name in survivors}, hub)
    assert np.abs(release.mean - exact).max() <= bound(ours, hub, largest_entry(ours)) * 2
    assert release.mass == len(survivors)
    assert set(ours.news[-1].answered) == survivors


@pytest.mark.parametrize("how", ["the request is lost", "the reply is lost"])
@pytest.mark.parametrize("step", EXCHANGES)
def test_one_of_five_is_lost(step: str, how: str) -> None:
    ours = federation(secure(FIVE))
    done = contributions(ours)
    setattr(ours.transport, "lost" if how == "the request is lost" else "lost_reply", loses(step, VICTIM))
    ours.play()
    out = step in EXCHANGES[:3]
    survivors_sum_is_exact(ours, done, set(FIVE) - {VICTIM} if out else set(FIVE))
    assert (ours.refusals.get(VICTIM) == "did not answer") is out
    late = f"{VICTIM} is in the sums of round 1 and took no part in opening them: did not answer"
    # Signatures of those that were lost are not asked for shares, so each is missed once.
    assert (late in ours.news[-1].warnings) is not out
    ours.transport.lost = ours.transport.lost_reply = lambda *_: False
    ours.play()
    survivors_sum_is_exact(ours, done, set(FIVE))


def test_a_source_that_was_away_when_departments_joined_takes_part_later() -> None:
    ours = federation(secure(FIVE))
    done = contributions(ours)
    ours.transport.lost = loses("Join", VICTIM)
    first = begin(ours.settings, fingerprint=FILE, roster=ours.state.roster)
    ours.state = drive(join(ours.settings, first, absent=True), ours.transport)
    ours.play()
    survivors_sum_is_exact(ours, done, set(FIVE))


@pytest.mark.parametrize("step", EXCHANGES)
def test_one_of_three_is_lost(step: str) -> None:
    """Three are as few as can hide each other: the round gives nothing, and says who was missing."""
    ours = federation(secure(THREE))
    state = ours.state
    ours.transport.lost = loses(step, VICTIM)
    with pytest.raises(RoundError, match=f"{VICTIM}: did not answer"):
        ours.play()
    assert ours.state is state
    masked = [r for _, _, r in ours.transport.heard if isinstance(r, Summed) and isinstance(r.reply, MaskedInput)]
    assert bool(masked) is (step not in BEFORE_MASKED)


def test_what_is_refused_before_masked_numbers_is_tried_once_more_without_the_refusers() -> None:
    """Two of five refuse, so fewer than the four that the plan needs are left; three make a plan of their own."""
    picky = dict.fromkeys(FIVE[:2], Terms(crowd=3))
    ours = federation(secure(FIVE), terms=picky)
    done = contributions(ours)
    ours.play()
    assert [plan.attempt for plan in ours.transport.plans] == [0, 1]
    assert set(ours.transport.plans[1].members) == set(FIVE[2:])
    assert ours.refusals.keys() == picky.keys()
    assert all("hides among at least 3" in reason for reason in ours.refusals.values())
    survivors_sum_is_exact(ours, done, set(FIVE[2:]))
    ours.play()
    survivors_sum_is_exact(ours, done, set(FIVE[2:]))
    totals = {m.metric for m in ours.news[-1].measurements if not m.department}
    assert totals == {"loss", "accuracy", "joint_loss"}


def test_keys_that_do_not_come_are_done_without_as_well() -> None:
    ours = federation(secure(FIVE))
    done = contributions(ours)
    ours.transport.lost = loses("Advertise", *FIVE[:2])
    ours.play()
    assert ours.refusals == dict.fromkeys(FIVE[:2], "did not answer")
    survivors_sum_is_exact(ours, done, set(FIVE[2:]))


def test_where_those_who_are_there_would_not_do_everybody_is_asked_once_more() -> None:
    """Counts may be three times each other's: of three, one may be most of a sum, so all would refuse that plan."""
    counted = Weights(alpha="examples", counts=(8.0, 24.0))
    ours = federation(secure(FIVE, weights=counted, aggregation=Aggregation(colluders=1)))
    lost = loses("Advertise", *FIVE[:2])
    ours.transport.lost = lambda name, message: lost(name, message) and getattr(message, "attempt", 1) == 0
    ours.play()
    assert ours.transport.plans[-1].attempt == 1
    assert set(ours.news[-1].answered) == set(FIVE)


def test_what_fails_after_masked_numbers_is_not_tried_again_and_the_model_is_spent() -> None:
    ours = federation(secure(FIVE))
    state = ours.state
    ours.transport.lost_reply = loses("Delivery", *FIVE[:2])
    with pytest.raises(RoundError, match="ended at 'masked': 3 departments are left, 4 are needed"):
        ours.play()
    assert [plan.attempt for plan in ours.transport.plans] == [0]
    ours.transport.lost_reply = lambda *_: False
    ours.state = replace(state, keys={})
    with pytest.raises(RoundError, match="another would be a difference"):
        ours.play()
    masked = [r for _, _, r in ours.transport.heard if isinstance(r, Summed) and isinstance(r.reply, MaskedInput)]
    assert len(masked) == 5


def test_a_coordinator_that_starts_anew_before_masked_numbers_does_the_round() -> None:
    """All have taken part in attempt 0 already and refuse it; attempt 1 is new to them, and no model is spent."""
    ours = federation(secure(FIVE))
    done = contributions(ours)
    state = ours.state
    ours.transport.lost = loses("Delivery", *FIVE)
    with pytest.raises(RoundError, match="did not answer"):
        ours.play()
    ours.transport.lost = lambda *_: False
    ours.state = replace(state, keys={})
    ours.play()
    assert [plan.attempt for plan in ours.transport.plans] == [0, 1]
    survivors_sum_is_exact(ours, done, set(FIVE))
    assert ours.refusals == {}


def test_a_sum_is_not_unmasked_where_too_few_sign() -> None:
    ours = federation(secure(FIVE))
    ours.transport.lost = loses("Survivors", *FIVE[:2])
    with pytest.raises(RoundError, match="ended at 'consistency'"):
        ours.play()
    assert "Quorum" not in ours.transport.steps()


def restarted(ours: Federation, name: str) -> None:
    """The department in a new process: its identity and what it stored, and nothing else."""
    old = ours.departments[name]
    assert old.member is not None
    stored, state = old.member.stored(), {key: value.clone() for key, value in old.state().items()}
    party = replace(ours.parties[name], ledger=MemoryLedger(ours.settings.federation.name))
    (new,) = [d for n, d in departments_of(ours.settings, {name: party}).items() if n == name]
    assert new.member is not None
    new.restore(state)
    new.member.restore(stored)
    ours.departments[name] = ours.transport.departments[name] = new


def models_after(chosen: Settings, step: str = "") -> tuple[dict[str, bytes], dict[str, dict[str, bytes]]]:
    """Models and what departments keep after two rounds in which one starts anew before an exchange."""
    ours = federation(chosen)

    def before(name: str, message: Message) -> None:
        if name == VICTIM and step_of(message) == step:
            restarted(ours, name)

    ours.transport.before = before
    ours.play(2).close()
    assert all(news.refusals == {} for news in ours.news)
    kept = {n: {k: v.numpy().tobytes() for k, v in d.state().items()} for n, d in ours.departments.items()}
    return ours.models(), kept


@pytest.mark.parametrize("sees", ["sums", "nothing"])
def test_a_department_that_starts_anew_between_two_exchanges_goes_on(sees: str) -> None:
    aggregation = SEALED if sees == "nothing" else Aggregation()
    chosen = secure(FIVE, aggregation=aggregation, coupling=proximal("mr-mtl"))
    expected = models_after(chosen)
    sealed = ("GroupCall", "GroupOffer", "SealedSums") if sees == "nothing" else ()
    for step in (*EXCHANGES, *sealed):
        assert models_after(chosen, step) == expected, step


def test_the_leader_of_a_sealed_round_may_start_anew_too() -> None:
    ours = federation(secure(FIVE, aggregation=SEALED))
    leader = sorted(FIVE)[0]

    def before(name: str, message: Message) -> None:
        if name == leader and step_of(message) in ("GroupCall", "GroupOffer", "Call", "SealedSums"):
            restarted(ours, name)

    ours.transport.before = before
    ours.play(2)
    assert ours.refusals == {}


def test_who_does_not_open_a_sealed_sum_is_out_of_step_alone_and_is_named() -> None:
    ours = federation(secure(FIVE, aggregation=SEALED))
    ours.transport.lost = loses("SealedSums", VICTIM)
    ours.play()
    ours.transport.lost = lambda *_: False
    ours.play(2)
    assert "the models are not those of the plan" in ours.refusals[VICTIM]
    assert set(ours.news[-1].answered) == set(FIVE) - {VICTIM}


def test_what_one_department_says_it_holds_costs_nobody_else_the_round() -> None:
    ours = federation(secure(FIVE, aggregation=SEALED))
    liar = ours.departments[sorted(FIVE)[-1]]
    original = liar.handle

    def handle(message: Message) -> object:
        reply = original(message)
        if isinstance(reply, Summed) and reply.models:
            return replace(reply, models=dict.fromkeys(reply.models, bytes(32)))
        return reply

    liar.handle = handle  # type: ignore[method-assign, assignment]
    ours.play(2)
    assert ours.refusals == {}


def test_a_refusal_while_training_counts_as_lost_and_is_not_held_against_the_department() -> None:
    ours = federation(secure(FIVE))
    done = contributions(ours)
    victim: Department = ours.departments[VICTIM]
    victim.last_round = 1
    ours.play()
    assert "round 1 is over" in ours.refusals[VICTIM]
    survivors_sum_is_exact(ours, done, set(FIVE) - {VICTIM})
    assert ours.play().refusals == {}


class FullDisk:
    """A ledger whose disk takes nothing any more."""

    def read(self) -> Entries:
        return Entries("三科")

    def replace(self, old: Entries, new: Entries) -> None:
        raise StorageError("the ledger's file /srv/secret/ledger cannot be used: there is no space left")


def test_a_ledger_that_cannot_be_written_is_told_to_whoever_runs_the_department_and_not_to_the_coordinator() -> None:
    ours = federation(secure(FIVE))
    department = ours.departments[FIVE[0]]
    assert department.member is not None
    department.member.party = replace(department.member.party, ledger=FullDisk())
    with pytest.raises(StorageError, match="no space left"):
        department.handle(Advertise())
