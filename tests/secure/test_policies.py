"""Under secure sums a department asks its policies about the plan: who is in the sum, and who would learn from it."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_fed.enforcement import Guard
from lepton_fed.errors import RoundError
from lepton_fed.messages import Advertise, Advertised, Message, Refused
from lepton_fed.policies import CedarFile, Decision, Policies
from lepton_fed.settings import Aggregation, Coupling, Rounds
from tests.secure.builder import FIVE, Federation, federation, secure, step_of

CAREFUL = FIVE[0]
NIGHT = '@id("night") forbid (principal, action == Action::"train", resource) unless { context.hour >= 20 };'


def guarded(ours: Federation, text: str, **outside: Any) -> list[Decision]:
    """Gives the careful department a file of its own; the list of decisions that it will make."""
    heard: list[Decision] = []
    policies = Policies.of(ours.settings, {CAREFUL: (CedarFile("own.cedar", text),)})
    outside = {"hour": lambda: 21, "heard": heard.append} | outside
    ours.departments[CAREFUL].guard = Guard(CAREFUL, ours.settings, policies, **outside)
    return heard


def crowd(least: int) -> str:
    return f'@id("crowd") forbid (principal, action == Action::"train", resource) when {{ context.crowd < {least} }};'


def test_the_crowd_of_a_decision_is_who_must_be_in_the_sum_and_its_plan_is_the_plan() -> None:
    ours = federation(secure(FIVE))
    heard = guarded(ours, crowd(4) + '@id("none") forbid (principal, action, resource) when { context.plan == "a" };')
    ours.play()
    assert CAREFUL in ours.news[-1].answered
    last = heard[-1].request.context
    (plan,) = ours.transport.plans
    assert (last.crowd, last.round) == (plan.survivors, 1) == (4, 1)
    digests = {one.request.context.plan for one in heard}
    assert digests <= {"", f"sha256:{plan.hash.hex()}"}


def test_a_coordinator_cannot_make_a_crowd_larger_with_departments_that_are_away() -> None:
    """Of five in the plan one may be lost, so that four stand behind the sum, whoever is named."""
    ours = federation(secure(FIVE))
    guarded(ours, crowd(5))
    ours.play()
    assert CAREFUL not in ours.news[-1].answered
    assert "rule crowd of own.cedar forbids it" in ours.refusals[CAREFUL]


def test_a_department_that_trains_by_night_makes_no_keys_by_day() -> None:
    ours = federation(secure(FIVE, rounds=Rounds(count=3)))
    guarded(ours, NIGHT, hour=lambda: 12)
    reply = ours.departments[CAREFUL].handle(Advertise(1, 0))
    assert isinstance(reply, Refused)
    assert "rule night of own.cedar forbids it" in reply.reason
    assert isinstance(ours.departments[CAREFUL].handle(Advertise(4, 0)), Advertised)  # For the last report only.


@pytest.mark.parametrize("step", ["Call", "Delivery"])
def test_when_the_hour_strikes_within_a_round_nothing_more_leaves(step: str) -> None:
    ours, hour = federation(secure(FIVE)), [21]
    guarded(ours, NIGHT, hour=lambda: hour[0])

    def strikes(name: str, message: Message) -> None:
        if step_of(message) == step:
            hour[0] = 7

    ours.transport.before = strikes
    ours.play()
    replies = ours.transport.replies(step)
    assert isinstance(replies[CAREFUL], Refused)
    assert "rule night of own.cedar forbids it" in ours.refusals[CAREFUL]
    assert ours.departments[CAREFUL].last_round == 0


def test_sealed_sums_ask_the_same() -> None:
    ours = federation(secure(FIVE, aggregation=Aggregation(coordinator_sees="nothing")))
    guarded(ours, NIGHT, hour=lambda: 12)
    with pytest.raises(RoundError, match=r"rule night of own\.cedar forbids it"):
        ours.play()


def test_clusters_ask_about_the_hub_that_the_plan_has_it_write_to() -> None:
    ours = federation(secure(FIVE, coupling=Coupling(kind="clusters", hubs=2)))
    heard = guarded(ours, crowd(2))
    ours.play()
    assert CAREFUL in ours.news[-1].answered
    assert all(one.permitted for one in heard)


def test_without_the_department_asking_its_policies_it_would_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = federation(secure(FIVE))
    guarded(ours, NIGHT, hour=lambda: 12)
    monkeypatch.setattr(Guard, "training", lambda *_: None)
    ours.play()
    assert CAREFUL in ours.news[-1].answered
