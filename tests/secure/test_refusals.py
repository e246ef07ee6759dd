"""A department says no to every plan that its own file would not make, and to work that is not the plan's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from lepton_fed.errors import RoundError
from lepton_fed.messages import Advertise, Advertised, Message, Refused, Sum, Summed, Work
from lepton_fed.parties import throw_away
from lepton_fed.secagg.messages import Call, Delivery, Survivors
from lepton_fed.secagg.plan import Cohort, Plan
from lepton_fed.secagg.review import Terms
from lepton_fed.settings import (
    Aggregation,
    DepartmentSettings,
    Flow,
    NoiseSettings,
    Rounds,
    Settings,
    Weights,
)
from lepton_fed.sums import Scheme, Turnout
from tests.secure.builder import (
    FILE,
    FIVE,
    FOUR,
    VICTIM,
    Federation,
    bends,
    departments_of,
    federation,
    secure,
    step_of,
)

DEPARTMENTS = (*(DepartmentSettings(name=n) for n in FIVE), DepartmentSettings(name="研发", roles=("target",)))
HONEST = secure(FIVE, departments=DEPARTMENTS)
SEALED = replace(HONEST, aggregation=Aggregation(coordinator_sees="nothing"))
MEMBER = replace(HONEST, departments=tuple(DepartmentSettings(name=n) for n in (*FIVE, "研发")))
"""A file in which the target without rows is a source as well."""


def plan_of(ours: Federation, theirs: Settings | None = None, turnout: Turnout | None = None, **options: Any) -> Plan:
    """The plan that a file makes; by default the one that everybody has."""
    mine = ours.state.scheme
    assert mine is not None and ours.state.roster is not None
    scheme = mine if theirs is None else Scheme(theirs, mine.plans, mine.length, mine.reference)
    chosen = {"model": bytes(32), "round": 1, **options}
    return scheme.plan(ours.state.roster, turnout or scheme.everybody(), **chosen)


def answer(ours: Federation, plan: Plan) -> Summed | Refused:
    """What the victim says to a plan that comes with everybody's keys."""
    keys = []
    for name in sorted(plan.members):
        reply = ours.departments[name].handle(Advertise())
        assert isinstance(reply, Advertised)
        keys.append(reply.keys)
    said = ours.departments[VICTIM].handle(Sum(Call(plan, tuple(keys))))
    assert isinstance(said, Summed | Refused)
    return said


def refusal(ours: Federation, plan: Plan) -> str:
    said = answer(ours, plan)
    assert isinstance(said, Refused)
    return said.reason


def test_the_plan_of_the_file_is_answered() -> None:
    ours = federation(HONEST)
    assert isinstance(answer(ours, plan_of(ours)), Summed)


ANOTHER_FILE: dict[str, tuple[dict[str, Any], str]] = {
    "weights": ({"weights": Weights(alpha={n: 2.0 if n == VICTIM else 1.0 for n in FIVE})}, "(groups)"),
    "a band of counts": ({"weights": Weights(alpha="examples", counts=(15.0, 30.0))}, "(groups)"),
    "clip and scale": ({"aggregation": Aggregation(clip=2.0**-8)}, "(groups)"),
    "a smaller crowd": ({"aggregation": Aggregation(crowd=1)}, "(crowd)"),
    "a softer crowd": ({"aggregation": Aggregation(crowd_soft=1.0)}, "(crowd_soft)"),
    "sealed although the file is open": ({"aggregation": Aggregation(coordinator_sees="nothing")}, "(groups, sealed)"),
    "noise": ({"aggregation": Aggregation(noise=NoiseSettings(norm=1.0, multiplier=1.0))}, "(groups, members)"),
}


@pytest.mark.parametrize("change", ANOTHER_FILE)
def test_a_plan_by_another_file_is_refused_and_the_reason_says_what_differs(change: str) -> None:
    tables, reason = ANOTHER_FILE[change]
    ours = federation(secure(FIVE, departments=DEPARTMENTS))
    found = refusal(ours, plan_of(ours, replace(HONEST, **tables)))
    if change != "noise":
        assert found.endswith(f"of who takes part {reason}")
    assert "the plan is not the one that the federation file makes" in found


def test_an_open_plan_is_refused_where_the_file_lets_the_coordinator_see_nothing() -> None:
    ours = federation(SEALED)
    assert "(groups, sealed)" in refusal(ours, plan_of(ours, HONEST))


def test_other_members_hubs_and_reporters_are_refused() -> None:
    ours = federation(HONEST)
    (hub,) = ours.state.visible
    everybody = Turnout({hub: FIVE}, FIVE)
    stranger = Turnout({hub: (*FIVE, "研发")}, FIVE)
    plan = plan_of(ours, MEMBER, stranger)
    assert "departments in the sum of hub" in refusal(ours, plan)
    asked = Turnout({hub: FIVE}, (*FIVE, "研发"))
    assert "asks others for measurements" in refusal(ours, plan_of(ours, MEMBER, asked))
    right = plan_of(ours, turnout=everybody)
    updates, measurements = right.groups
    elsewhere = replace(updates, cohorts=(replace(updates.cohorts[0], name="another"),))
    assert "no hub 'another'" in refusal(ours, replace(right, groups=(elsewhere, measurements)))


BENT: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "threshold": (lambda plan: replace(plan, threshold=plan.threshold - 1), "(threshold)"),
    "fewest survivors": (lambda plan: replace(plan, threshold=3, survivors=3), "(threshold, survivors)"),
    "colluders": (lambda plan: replace(plan, colluders=0), "(colluders)"),
    "deadline": (lambda plan: replace(plan, deadline=1), "(deadline)"),
    "suite": (lambda plan: replace(plan, suite="MT19937/32 bit"), "(suite)"),
    "graph": (lambda plan: replace(plan, graph="k-regular"), "(graph)"),
    "roster": (lambda plan: replace(plan, roster_hash=bytes(32)), "(roster_hash)"),
    "federation": (lambda plan: replace(plan, federation="another"), "(federation)"),
    "round 0": (lambda plan: replace(plan, round=0), "has 20 rounds"),
    "a round after the last": (lambda plan: replace(plan, round=22), "has 20 rounds"),
    "a group more": (
        lambda plan: replace(plan, groups=(*plan.groups, replace(plan.groups[1], name="more"))),
        "(groups)",
    ),
    "the same members in two sums": (
        lambda plan: replace(
            plan,
            groups=(
                replace(
                    plan.groups[1],
                    cohorts=(*plan.groups[1].cohorts, Cohort.of("again", dict.fromkeys(plan.members, 1))),
                ),
            ),
        ),
        "(groups)",
    ),
}


@pytest.mark.parametrize("change", BENT)
def test_a_bent_plan_is_refused(change: str) -> None:
    how, reason = BENT[change]
    ours = federation(HONEST)
    assert reason in refusal(ours, how(plan_of(ours)))


TERMS: dict[str, tuple[Terms, str]] = {
    "crowd": (Terms(crowd=3), "this department hides among at least 3, the plan offers 2"),
    "soft crowd": (Terms(crowd_soft=Fraction(2)), "this department asks for k_soft of 2"),
    "sealed": (Terms(coordinator_sees="nothing"), "this department lets the coordinator see no sum"),
    "noise": (Terms(noise_multiplier=1.0), "this department asks for a noise multiplier of 1, found 0"),
    "recipients": (Terms(recipients=frozenset(FOUR)), "药房 may not learn sums"),
}


@pytest.mark.parametrize("asked", TERMS)
def test_terms_of_its_own_that_ask_for_more_cost_the_round_that_department_alone(asked: str) -> None:
    terms, reason = TERMS[asked]
    ours = federation(HONEST, terms={VICTIM: terms}).play()
    assert reason in ours.refusals[VICTIM]
    assert set(ours.news[-1].answered) == set(FIVE) - {VICTIM}
    assert ours.departments[VICTIM].last_round == 0


def test_terms_of_too_many_end_the_round_with_all_their_reasons() -> None:
    picky = dict.fromkeys(FIVE[:3], Terms(crowd=3))
    with pytest.raises(RoundError) as failure:
        federation(HONEST, terms=picky).play()
    assert all(f"{name}: this department hides among at least 3" in str(failure.value) for name in picky)


def work_of(message: Sum) -> Work:
    assert message.work is not None
    return message.work


DELIVERIES: dict[str, tuple[Callable[[Sum], Message], str]] = {
    "without work": (lambda m: replace(m, work=None), "without the work that makes them"),
    "nothing to write": (
        lambda m: replace(m, work=replace(work_of(m), write=())),
        "the work is not what the plan says",
    ),
    "no report": (lambda m: replace(m, work=replace(work_of(m), report=False)), "the work is not what the plan says"),
    "of another round": (lambda m: replace(m, work=replace(work_of(m), round=2)), "the work is of round 2"),
    "by another file": (lambda m: replace(m, work=replace(work_of(m), fingerprint="other")), "differs from this dep"),
    "without the model": (lambda m: replace(m, work=replace(work_of(m), hubs={})), "not of the hubs"),
    "with another model": (
        lambda m: replace(
            m,
            work=replace(work_of(m), hubs={n: replace(h, model=h.model + 1) for n, h in work_of(m).hubs.items()}),
        ),
        "the models are not those of the plan",
    ),
    "with the model's digest only": (
        lambda m: replace(
            m,
            work=replace(work_of(m), hubs={}),
            unseen={n: bytes(64) for n in work_of(m).hubs},
        ),
        "the models are not those of the plan",
    ),
}


@pytest.mark.parametrize("change", DELIVERIES)
def test_work_that_is_not_the_plans_costs_the_round_that_department_alone(change: str) -> None:
    how, reason = DELIVERIES[change]
    ours = federation(HONEST)
    before = ours.departments[VICTIM].state()
    ours.transport.bend = bends("Delivery", VICTIM, how)
    ours.play()
    assert reason in ours.refusals[VICTIM]
    assert set(ours.news[-1].answered) == set(FIVE) - {VICTIM}
    assert ours.departments[VICTIM].last_round == 0
    assert ours.departments[VICTIM].state().keys() == before.keys()
    ours.transport.bend = lambda _, message: message
    assert ours.play().refusals == {}


@pytest.mark.parametrize("step", ["Call", "Delivery", "Survivors", "Quorum"])
def test_the_same_exchange_twice_is_refused(step: str) -> None:
    ours = federation(HONEST)
    said: list[Message] = []
    ours.transport.before = lambda name, message: said.append(message) if name == VICTIM else None
    ours.play()
    message = next(m for m in said if step_of(m) == step)
    reply = ours.departments[VICTIM].handle(message)
    assert isinstance(reply, Refused)
    assert reply.reason.startswith(f"it is not at that point of the protocol ({step})") or "own keys" in reply.reason


def test_a_replayed_round_is_refused() -> None:
    ours = federation(HONEST).play(2)
    plan = ours.transport.plans[0]
    assert "round 1, attempt 0 is not after round 2" in refusal(ours, plan)


def test_a_plan_for_a_roster_of_other_keys_is_refused() -> None:
    ours, foreign = federation(HONEST), throw_away(HONEST)
    other = replace(ours.state, roster=next(iter(foreign.values())).roster)
    ours.state = other
    with pytest.raises(RoundError, match="keys"):
        ours.play()


def test_sums_over_fewer_than_agreed_are_not_signed() -> None:
    ours = federation(HONEST)
    few: list[str] = []

    def bend(name: str, message: Message) -> Message:
        if isinstance(message, Sum) and isinstance(message.request, Survivors) and name == VICTIM:
            survivors = tuple(sorted((VICTIM, "内科", "儿科")))
            reply = ours.departments[VICTIM].handle(Sum(Survivors(message.request.instance, survivors)))
            assert isinstance(reply, Refused)
            few.append(reply.reason)
        return message

    ours.transport.bend = bend
    assert ours.play().refusals == {}
    assert few == ["3 survivors are too few, the plan needs 4"]


def test_a_delivery_before_the_call_is_refused() -> None:
    ours = federation(HONEST)
    request = Delivery(bytes(32), (), ())
    reply = ours.departments[VICTIM].handle(Sum(request))
    assert isinstance(reply, Refused)
    assert "not at that point of the protocol (Delivery)" in reply.reason


def test_a_department_without_keys_says_so_and_the_others_go_on() -> None:
    parties = throw_away(HONEST)
    ours = federation(HONEST, parties=parties)
    keyless = departments_of(HONEST, {n: p for n, p in parties.items() if n != VICTIM})
    ours.transport.departments[VICTIM] = keyless[VICTIM]
    ours.play()
    assert "it has no keys for secure sums" in ours.refusals[VICTIM]
    assert VICTIM not in ours.news[-1].answered
    reply = keyless[VICTIM].handle(Sum(Delivery(bytes(32), (), ())))
    assert isinstance(reply, Refused) and "no keys" in reply.reason


def test_departments_of_another_file_refuse_the_whole_round_before_they_train() -> None:
    """Two hubs in the departments' file and one in the coordinator's: nobody is talked out of its own policy."""
    mine = replace(HONEST, sharing=(Flow(what="更新", from_=FOUR, to=("*",)),))
    parties = throw_away(HONEST)
    ours = federation(HONEST, parties=parties)
    ours.transport.departments |= departments_of(HONEST, parties, own_file=mine)
    with pytest.raises(RoundError, match=r"no hub|may not be in it|not the one that the federation file makes"):
        ours.play()
    assert all(d.last_round == 0 for d in ours.transport.departments.values())


def test_work_that_writes_in_the_clear_is_refused_in_any_round() -> None:
    ours = federation(replace(HONEST, rounds=Rounds(count=3))).play()
    (hub,) = ours.state.visible
    for name in FIVE:
        reply = ours.departments[name].handle(Work(2, ours.state.visible, (hub,), True, FILE))
        assert isinstance(reply, Refused)
        assert "asks for secure sums" in reply.reason
