"""A department asks its policies about each message that lets something leave, and nobody can ask around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from lepton_fed.appraisal import rounded_down
from lepton_fed.coordinator import play
from lepton_fed.department import Department
from lepton_fed.enforcement import Guard, Moment
from lepton_fed.errors import RoundError
from lepton_fed.evaluation import evaluate
from lepton_fed.messages import (
    Consult,
    Consulted,
    Declare,
    Declared,
    Done,
    Evaluate,
    Evaluated,
    HubState,
    Join,
    Joined,
    Message,
    Refused,
    Reply,
    Work,
)
from lepton_fed.policies import CedarFile, Decision, Policies
from lepton_fed.policies.engine import Prepared
from lepton_fed.settings import Coupling, DataContract, DepartmentSettings, Flow, Grant, Rounds, Settings
from lepton_fed.transport import InProcess, drive
from tests.couplings.small import NAMES, PERMIT, Small, federation, settings
from tests.thoroughness import at_most

OWNER, OTHER = "内科", "外科"
NIGHT = """@id("night") @reason("machines are busy by day")
forbid (principal, action == Action::"train", resource) unless { context.hour >= 20 || context.hour < 6 };"""
BY_NIGHT = 'rule night of own.cedar forbids it ("machines are busy by day")'


def guarded(ours: Small, text: str, name: str = OWNER, **outside: Any) -> Guard:
    """Gives a department a file of its own; `outside`: its clock, what was spent, who hears of decisions."""
    policies = Policies.of(ours.settings, {name: (CedarFile("own.cedar", text),)}, source="the file")
    guard = Guard(name, ours.settings, policies, "sha256:指纹", **({"hour": lambda: 12} | outside))
    ours.departments[name].guard = guard
    return guard


def work(ours: Small, name: str = OWNER, **changes: Any) -> Work:
    write = tuple(p.name for p in ours.state.plans if name in p.may_write)
    return replace(Work(ours.state.round + 1, ours.state.visible, write, True, "指纹"), **changes)


def answer(ours: Small, message: Message, name: str = OWNER) -> Reply:
    return ours.departments[name].handle(message)


def reason(reply: Reply) -> str:
    assert isinstance(reply, Refused), reply
    return reply.reason


# ---------------------------------------------------------------- training


def test_a_rule_of_its_own_keeps_a_department_from_training_and_says_which() -> None:
    ours = federation(settings())
    guarded(ours, NIGHT)
    assert reason(answer(ours, work(ours))) == (
        f"{OTHER} may not 训练 更新 of {OWNER}: {BY_NIGHT}; 儿科 may not 训练 更新 of {OWNER}: {BY_NIGHT}; "
        f"{OWNER} may not 训练 更新 of {OWNER}: {BY_NIGHT}"
    )


def test_by_night_it_trains_and_the_round_is_decided_anew_each_hour() -> None:
    ours, hours = federation(settings()), iter((12, 21, 3, 7))
    guarded(ours, NIGHT, hour=lambda: next(hours))
    outcome = [answer(ours, work(ours, round=k)) for k in (1, 2, 3, 4)]
    assert [type(one) for one in outcome] == [Refused, Done, Done, Refused]


def test_a_refused_round_changes_nothing_and_can_be_asked_for_again() -> None:
    ours, hours = federation(settings()), iter((12, 21))
    guarded(ours, NIGHT, hour=lambda: next(hours))
    before = ours.departments[OWNER].state()
    assert isinstance(answer(ours, work(ours)), Refused)
    after = ours.departments[OWNER].state()
    assert before.keys() == after.keys()
    assert ours.departments[OWNER].last_round == 0
    assert isinstance(answer(ours, work(ours)), Done)


def test_a_message_that_writes_nothing_needs_no_permit() -> None:
    ours = federation(settings())
    guarded(ours, NIGHT)
    assert isinstance(answer(ours, work(ours, write=())), Done)


def test_after_the_last_round_nothing_is_trained_whatever_was_permitted_before() -> None:
    ours = federation(settings(rounds=Rounds(count=1))).play()
    assert reason(answer(ours, work(ours, round=2))) == "the federation file has 1 rounds to train in, not 2"
    assert isinstance(answer(ours, work(ours, round=2, write=())), Done)


FORBIDS = {
    "purpose": 'unless { context.purpose == "another" }',
    "crowd": "when { context.crowd < 2 }",
    "budget": "when { context.epsilonMicro > 2000000 }",
    "code": 'unless { context.code == "sha256:looked at" }',
    "federation": 'unless { context.federation == "sha256:signed" }',
    "part": 'when { context.part == "*" }',
    "round": "when { context.round > 0 }",
    "rounds": "when { context.rounds > 10 }",
    "hour": "when { context.hour == 12 }",
    "whole context": 'when { {"hour": 12}.hour == 12 && context == context }',
    "role": 'when { principal.role == "department" }',
    "owner": "unless { principal == resource.owner }",
    "flow": "",
}


@pytest.mark.parametrize("name", FORBIDS)
def test_every_circumstance_of_a_message_can_forbid_it(name: str) -> None:
    ours = federation(settings())
    action = 'action in Action::"接收"' if name == "flow" else 'action == Action::"train"'
    guarded(ours, f'@id("{name}") forbid (principal, {action}, resource) {FORBIDS[name]};', spent=lambda what: 2.5)
    assert f"rule {name} of own.cedar forbids it" in reason(answer(ours, work(ours)))


def test_circumstances_that_a_rule_does_not_forbid_let_it_train() -> None:
    ours = federation(settings())
    conditions = (
        'context.purpose != "test" || context.crowd != 1 || context.epsilonMicro > 2500000'
        ' || context.code != "sha256:c" || context.federation != "sha256:指纹" || context.plan != ""'
        ' || context.part != "*" || context.round != 1'
        " || context.rounds != 20 || context.hour != 12"
    )
    text = f'forbid (principal, action == Action::"train", resource) when {{ {conditions} }};'
    guarded(ours, text, spent=lambda what: {"更新": 2.5}[what], code="sha256:c")
    assert isinstance(answer(ours, work(ours)), Done)


def test_a_forbid_about_one_reader_refuses_every_hub_that_it_reads() -> None:
    flows = (Flow(what="更新", from_=("内科", "外科"), to=("外科",)), Flow(what="更新", from_=("内科",), to=("儿科",)))
    ours = federation(settings(sharing=flows))
    guarded(ours, 'forbid (principal == Department::"儿科", action == Action::"train", resource);')
    both = work(ours)
    assert len(both.write) == 2
    assert "儿科 may not 训练" in reason(answer(ours, both))
    assert isinstance(answer(ours, replace(both, write=("外科",))), Done)


def test_own_files_never_widen_training() -> None:
    """A permit of 内科's own for 儿科, which the federation file forbids, changes neither hubs nor answers."""
    forbid = Grant(what="更新", who=("儿科",), action="训练", owner=("内科",), effect="forbid")
    ours = federation(settings(access=(*PERMIT, forbid)))
    guarded(ours, 'permit (principal, action in [Action::"训练", Action::"接收"], resource);')
    theirs = next(p.name for p in ours.state.plans if "儿科" in p.readers)
    assert f"its policy does not let its update reach hub {theirs!r}" == reason(
        answer(ours, work(ours, write=(theirs,)))
    )


def test_a_hub_whose_reader_the_file_does_not_permit_is_refused_even_where_an_own_file_permits_it() -> None:
    """Hubs are handed in where many departments share a process; the guard does not believe them."""
    ours = federation(settings(access=(Grant(what="更新", who=("外科",), action="训练"),)))
    guard = guarded(ours, 'permit (principal, action in [Action::"训练", Action::"接收"], resource);')
    wrong = replace(ours.state.plans[0], readers=NAMES)
    assert "儿科 may not 训练 更新 of 内科: no rule of 内科 permits it" in str(guard.training([(wrong, Moment(1))]))


def test_data_that_the_file_does_not_let_train_need_no_permit() -> None:
    """A table that is only read flows to the same department, and does not stand in training's way."""
    flows = (*settings().sharing, Flow(what="表", from_=("*",), to=("*",)))
    ours = federation(settings(sharing=flows))
    guarded(ours, 'forbid (principal, action, resource == DataSet::"内科/表");')
    assert isinstance(answer(ours, work(ours)), Done)


def test_of_two_names_for_the_same_rows_none_may_be_forbidden() -> None:
    flows = (*settings().sharing, Flow(what="病历", from_=("*",), to=("*",)))
    access = (*PERMIT, Grant(what="病历", who=("*",), action="训练"))
    ours = federation(settings(sharing=flows, access=access))
    guarded(ours, '@id("no") forbid (principal, action == Action::"train", resource == DataSet::"内科/病历");')
    assert "rule no of own.cedar forbids it" in reason(answer(ours, work(ours)))


BROKEN = {
    "no cedar": "forbid everything by day",
    "an attribute that nobody has": "forbid (principal, action, resource) when { context.croud < 3 };",
    "somebody who is not there": 'forbid (principal == Department::"骨科", action, resource);',
    "empty": "",
    "a template": "forbid (principal == ?principal, action, resource);",
    "never applies": "forbid (principal, action, resource) when { context has croud && context.croud < 3 };",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_denies_everything_that_its_department_owns_and_nothing_of_others(text: str) -> None:
    ours = federation(settings())
    guarded(ours, text)
    for message in (work(ours), Join("指纹"), asked(ours)):
        assert f"{OWNER}'s policies cannot be used: own.cedar" in reason(answer(ours, message))
    assert isinstance(answer(ours, work(ours, OTHER), OTHER), Done)


def test_a_rule_that_fails_while_it_is_asked_denies() -> None:
    ours = federation(settings())
    guarded(ours, "forbid (principal, action, resource) when { context.hour * 9223372036854775807 > 3 };")
    assert "the policies of 内科 cannot decide" in reason(answer(ours, work(ours)))


@pytest.mark.parametrize("outside", ["hour", "spent", "heard", "renewed"])
def test_whatever_fails_outside_denies_and_says_no_more_than_what_kind_of_failure(outside: str) -> None:
    ours = federation(settings())

    def fails(*_: object) -> Any:
        raise OSError("a row of somebody's, or a place on the disk")

    given: dict[str, Any] = {"hour": lambda: 21, outside: fails}
    guarded(ours, NIGHT.replace("context.hour < 6", "context.epsilonMicro < 6"), **given)
    assert reason(answer(ours, work(ours))) == "denied, since deciding failed: OSError"


def test_a_rule_about_the_hour_denies_where_there_is_no_clock() -> None:
    ours = federation(settings())
    guarded(ours, NIGHT, hour=None)
    assert "the request does not say: hour" in reason(answer(ours, work(ours)))


def test_a_department_without_a_guard_of_its_own_goes_by_the_federation_file() -> None:
    ours = federation(settings())
    assert ours.departments[OWNER].policies.policies.departments == frozenset(NAMES)
    assert isinstance(answer(ours, work(ours)), Done)


def test_a_file_that_changes_counts_from_the_next_message_on() -> None:
    ours, open_ = federation(settings()), Policies.of(settings())
    closed = Policies.of(ours.settings, {OWNER: (CedarFile("own.cedar", NIGHT),)})
    now = [open_]
    guarded(ours, NIGHT, renewed=lambda: now[0])
    assert isinstance(answer(ours, work(ours)), Done)
    now[0] = closed
    assert BY_NIGHT in reason(answer(ours, work(ours, round=2)))
    now[0] = open_
    assert isinstance(answer(ours, work(ours, round=2)), Done)


# ---------------------------------------------------------------- joining, declaring


def test_who_may_never_train_does_not_join() -> None:
    ours = federation(settings())
    guarded(ours, '@id("never") forbid (principal, action == Action::"train", resource);')
    assert "rule never of own.cedar forbids it" in reason(answer(ours, Join("指纹")))


def test_who_may_train_at_another_hour_joins() -> None:
    ours = federation(settings())
    heard: list[Decision] = []
    guarded(ours, NIGHT, heard=heard.append)
    assert isinstance(answer(ours, Join("指纹")), Joined)
    assert heard == []


def test_a_hub_is_declared_only_where_its_readers_may_learn() -> None:
    ours, hours = federation(settings(coupling=Coupling(kind="clusters", hubs=2))), iter((12, 22))
    guarded(ours, NIGHT, hour=lambda: next(hours))
    assert BY_NIGHT in reason(answer(ours, Declare(1, ours.state.visible, "指纹")))
    assert isinstance(answer(ours, Declare(1, ours.state.visible, "指纹")), Declared)


# ---------------------------------------------------------------- nobody else can say yes


def test_a_coordinator_that_knows_of_a_refusal_and_asks_all_the_same_gets_no_update() -> None:
    """The early check is there, and says no; it is the department that keeps its update."""
    ours = federation(settings())
    guarded(ours, NIGHT)
    said = answer(ours, Consult(training=True, fingerprint="指纹"))
    assert isinstance(said, Consulted)
    assert not any(one.permitted for one in said.expected)
    before = ours.departments[OWNER].state()
    ours.play()
    assert OWNER not in ours.news[-1].answered
    assert BY_NIGHT in ours.news[-1].refusals[OWNER]
    assert ours.departments[OWNER].state().keys() == before.keys()


def test_without_the_department_asking_its_policies_the_early_check_keeps_nothing_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the test above sees the enforcement, and not the check."""
    monkeypatch.setattr(Department, "_forbidden", lambda self, message: None)
    ours = federation(settings())
    guarded(ours, NIGHT)
    said = answer(ours, Consult(training=True, fingerprint="指纹"))
    assert isinstance(said, Consulted)
    assert not any(one.permitted for one in said.expected)
    ours.play()
    assert OWNER in ours.news[-1].answered


def test_a_round_in_which_all_refuse_ends_with_their_reasons() -> None:
    ours = federation(settings())
    for name in NAMES:
        guarded(ours, NIGHT, name)
    with pytest.raises(RoundError, match=r"rule night of own\.cedar"):
        drive(play(ours.settings, ours.state), InProcess(ours.departments))


# ---------------------------------------------------------------- how often


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each question to Cedar."""
    made: list[object] = []
    ask = Prepared.verdict

    def counted(self: Prepared, *question: Any) -> Any:
        made.append(question[0])
        return ask(self, *question)

    monkeypatch.setattr(Prepared, "verdict", counted)
    return made


def test_without_own_files_a_round_asks_cedar_nothing(calls: list[object]) -> None:
    ours = federation(settings()).play()
    first = len(calls)
    assert first == 3 * 2 * 2  # Three departments, each about two readers, of two actions.
    ours.play(5)
    assert len(calls) == first


def test_a_rule_about_the_hour_asks_once_an_hour(calls: list[object]) -> None:
    ours, hour = federation(settings()), [21]
    guarded(ours, NIGHT, hour=lambda: hour[0])
    ours.play()
    made = [len(calls)]
    for hour[0] in (21, 22, 22, 21, 22):
        ours.play()
        made.append(len(calls))
    assert [later - earlier > 0 for earlier, later in pairwise(made)] == [False, True, False, False, False]


def many(count: int, **tables: Any) -> Settings:
    names = tuple(f"车间{k}" for k in range(count))
    return settings(names, departments=tuple(DepartmentSettings(name=n) for n in names), **tables)


def test_a_thousand_readers_that_no_rule_tells_apart_cost_two_questions(calls: list[object]) -> None:
    chosen = many(1000)
    guard = Guard("车间7", chosen, Policies.of(chosen))
    (hub,) = hubs_of(chosen)
    assert guard.training([(hub, Moment(1))]) is None
    assert len(calls) == 2  # Receive and train, of all others as one.
    assert guard.training([(hub, Moment(2))]) is None
    assert len(calls) == 2


def hubs_of(chosen: Settings) -> Any:
    from lepton_fed.cohorts import hubs

    return hubs(chosen)


def test_of_a_thousand_readers_one_summarised_decision_is_heard() -> None:
    chosen, heard = many(1000), list[Decision]()
    guard = Guard("车间7", chosen, Policies.of(chosen), heard=heard.append)
    (hub,) = hubs_of(chosen)
    for number in (1, 2, 3):
        assert guard.training([(hub, Moment(number))]) is None
    assert [(d.permitted, d.request.who) for d in heard] == [(True, "车间0")]
    assert heard[0].reasons[-1] == "the same holds for 998 others"


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=0, max_size=4, unique=True),
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=2, unique=True),
    st.sampled_from(["==", "in", "role", "owner"]),
)
@tries(max_examples=at_most(25), deadline=None)
def test_readers_decided_as_one_are_decided_as_each_of_them_would_be(
    listed: list[str], named: list[str], way: str
) -> None:
    extra = [f"x{k}" for k in range(12)]
    names = ("a", "b", "c", "d", *extra)
    grants = [Grant(what="更新", who=tuple(listed) or ("*",), action="train")]
    grants += [Grant(what="更新", who=("*",), action="train", owner=("d",))]
    chosen = settings(names, departments=tuple(DepartmentSettings(name=n) for n in names), access=tuple(grants))
    conditions = {
        "==": f'principal == Department::"{named[0]}"',
        "in": "[{}].contains(principal)".format(", ".join(f'Department::"{n}"' for n in named)),
        "role": 'principal.role == "department" && principal != Department::"a"',
        "owner": "principal == resource.owner",
    }
    text = f'@id("some") forbid (principal, action == Action::"train", resource) when {{ {conditions[way]} }};'
    policies = Policies.of(chosen, {"d": (CedarFile("own.cedar", text),)})
    guard = Guard("d", chosen, policies, hour=lambda: 1)
    for hub in hubs_of(chosen):
        found = guard.foreseen(hub, Moment(1))
        each = [
            all(
                policies.decide(guard.request(who, verb, "更新", crowd=1)).permitted
                or (who == "d" and not _own(policies.decide(guard.request(who, verb, "更新", crowd=1))))
                for verb in ("receive", "train")
            )
            for who in hub.readers
        ]
        assert all(one.permitted for one in found) == all(each)


def _own(decision: Decision) -> bool:
    return any("own.cedar" in rule for rule in decision.rules)


# ---------------------------------------------------------------- who hears of it


def test_a_decision_is_heard_when_it_is_new_or_another_and_not_otherwise() -> None:
    ours, hour, heard = federation(settings()), [21], list[Decision]()
    guarded(ours, NIGHT, hour=lambda: hour[0], heard=heard.append)
    ours.play(2)
    assert [(d.permitted, d.request.who) for d in heard] == [(True, OTHER), (True, "儿科"), (True, OWNER)]
    heard.clear()
    hour[0] = 9
    ours.play(2)
    assert [(d.permitted, d.rules) for d in heard] == [(False, ("night of own.cedar",))] * 3
    heard.clear()
    hour[0] = 22
    ours.play()
    assert [d.permitted for d in heard] == [True] * 3


def test_what_could_not_be_put_on_record_is_not_done_and_is_told_again() -> None:
    ours, full, heard = federation(settings()), [True], list[Decision]()

    def record(decision: Decision) -> None:
        if full[0]:
            raise OSError("the disk is full")
        heard.append(decision)

    guarded(ours, NIGHT, hour=lambda: 21, heard=record)
    assert "since deciding failed" in reason(answer(ours, work(ours)))
    full[0] = False
    assert isinstance(answer(ours, work(ours)), Done)
    assert len(heard) == 3


# ---------------------------------------------------------------- asking ahead


def test_a_department_says_what_it_would_decide_about_its_own_and_nothing_about_others() -> None:
    ours = federation(settings())
    guard = guarded(ours, NIGHT)
    requests = (
        guard.request("儿科", "读取", "更新", crowd=1),
        replace(guard.request("儿科", "训练", "更新", crowd=1), owner="外科"),
    )
    said = answer(ours, Consult(requests, fingerprint="指纹"))
    assert isinstance(said, Consulted)
    assert [(one.permitted, one.reasons) for one in said.expected] == [
        (False, ("儿科 may not 读取 更新 of 内科: no rule of 内科 permits it",)),
        (False, ("内科 decides about what is its own, and not about what is 外科's",)),
    ]


def test_what_a_consulting_coordinator_leaves_unsaid_is_as_it_is_at_the_department() -> None:
    from lepton_fed.policies import ITSELF, Context, Request

    ours = federation(settings())
    guarded(ours, NIGHT, hour=lambda: 13)
    asked = Request(who=OTHER, role=ITSELF, verb="训练", what="更新", owner=OWNER, context=Context())
    hypothetical = replace(asked, context=Context(hour=23))
    said = answer(ours, Consult((asked, hypothetical), fingerprint="指纹"))
    assert isinstance(said, Consulted)
    assert [one.permitted for one in said.expected] == [False, True]


def test_a_consultation_lets_nothing_leave_that_a_department_does_not_decide_about() -> None:
    ours = federation(settings())
    guarded(ours, NIGHT)
    assert "differs from this department's copy" in reason(answer(ours, Consult(training=True)))
    request = ours.departments[OWNER].policies.request("儿科", "读取", "更新", crowd=1)
    assert "ask about 256" in reason(answer(ours, Consult((request,) * 257, fingerprint="指纹")))
    assert "20 rounds, not 21" in reason(answer(ours, Consult(round=21, fingerprint="指纹")))


# ---------------------------------------------------------------- evaluating for others

EVALUATE = Grant(what="更新", who=(OTHER,), action="评估")


def measured(**tables: Any) -> Small:
    """A federation in which 外科 may have models evaluated."""
    return federation(settings(access=(*PERMIT, EVALUATE), **tables)).play()


def asked(ours: Small, **changes: Any) -> Evaluate:
    return replace(Evaluate(ours.state.visible, OTHER, "test", "指纹", ours.state.round), **changes)


def test_a_model_is_measured_on_a_departments_rows_for_who_may_ask() -> None:
    ours = measured()
    found = drive(evaluate(ours.settings, ours.state, asker=OTHER, departments=NAMES), ours.transport)
    (hub,) = ours.state.visible
    assert found[OWNER].refused == ""
    assert set(found[OWNER].metrics[hub]) == {"loss", "accuracy"}
    assert found[OWNER].rows == rounded_down(len(ours.departments[OWNER].rows.test))  # type: ignore[arg-type]
    refused = drive(evaluate(ours.settings, ours.state, asker="儿科", departments=NAMES), ours.transport)
    assert "儿科 may not 评估 更新 of 内科: no rule of 内科 permits it" in refused[OWNER].refused
    assert refused[OWNER].metrics == {}


def test_what_is_measured_is_the_shown_model_as_the_department_itself_would_measure_it() -> None:
    ours = measured()
    department = ours.departments[OWNER]
    reply = answer(ours, asked(ours))
    assert isinstance(reply, Evaluated)
    own = ours.close().measurements
    expected = {m.metric: m.value for m in own if m.department == OWNER and m.part == "test"}
    (hub,) = ours.state.visible
    assert reply.metrics == pytest.approx({f"{hub}/{metric}": value for metric, value in expected.items()})
    assert department.last_round == 2


def test_evaluating_changes_nothing_that_lasts() -> None:
    ours, other = measured(), measured()
    answer(ours, asked(ours))
    ours.play()
    other.play()
    assert (ours.hub() == other.hub()).all()


def test_own_files_narrow_and_widen_who_may_have_models_evaluated() -> None:
    ours = measured()
    guarded(ours, 'permit (principal == Department::"儿科", action == Action::"evaluate", resource);')
    assert isinstance(answer(ours, asked(ours, asker="儿科")), Evaluated)
    guarded(ours, '@id("few") forbid (principal, action == Action::"evaluate", resource) when { context.crowd < 99 };')
    assert "rule few of own.cedar" in reason(answer(ours, asked(ours)))


def test_evaluation_needs_as_many_rows_as_the_data_contract_asks_for() -> None:
    base = settings()
    contract = DataContract(label=base.data.label, columns=base.data.columns, minimum_rows=100)
    ours = measured(data=contract)
    assert "fewer test rows than the data contract asks for, 100" in reason(answer(ours, asked(ours)))


ODD: dict[str, tuple[Callable[[Small], dict[str, Any]], str]] = {
    "another file": (lambda ours: {"fingerprint": "another"}, "differs from this department's copy"),
    "a round to come": (lambda ours: {"round": 21}, "has 20 rounds, not 21"),
    "a negative round": (lambda ours: {"round": -1}, "has 20 rounds, not -1"),
    "training rows": (lambda ours: {"part": "train"}, "there are no 'train' rows"),
    "no model": (lambda ours: {"hubs": {}}, "no model is shown"),
    "a strange hub": (lambda ours: {"hubs": {"陌生": next(iter(ours.state.visible.values()))}}, "has no hub '陌生'"),
    "half a model": (
        lambda ours: {"hubs": {n: HubState(h.model[:-1]) for n, h in ours.state.visible.items()}},
        "not finite or has the wrong size",
    ),
    "nobody": (lambda ours: {"asker": "无名"}, "which is no department of this federation"),
    "no rows of that part": (lambda ours: {"part": "validation"}, "fewer validation rows"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_message_that_makes_no_sense_is_refused_before_anything_is_measured(odd: str) -> None:
    changes, because = ODD[odd]
    ours = measured()
    assert because in reason(answer(ours, asked(ours, **changes(ours))))


def test_models_are_measured_once_a_round_and_asker_so_that_nobody_can_try_model_after_model() -> None:
    ours = measured()
    assert isinstance(answer(ours, asked(ours)), Evaluated)
    assert isinstance(answer(ours, asked(ours)), Evaluated)  # The same question has the same answer.
    others = {name: HubState(hub.model + 1) for name, hub in ours.state.visible.items()}
    assert "does so once a round" in reason(answer(ours, asked(ours, hubs=others)))
    assert "does so once a round" in reason(answer(ours, asked(ours, round=0)))
    assert isinstance(answer(ours, asked(ours, hubs=others, round=2)), Evaluated)


def test_a_hub_is_shown_only_to_who_takes_part_in_it() -> None:
    flows = (Flow(what="更新", from_=("内科", "外科"), to=("外科",)), Flow(what="更新", from_=("内科",), to=("儿科",)))
    ours = measured(sharing=flows)
    found = drive(evaluate(ours.settings, ours.state, asker=OTHER, departments=NAMES), ours.transport)
    assert found[OWNER].metrics
    assert "is not shown to it" in found["儿科"].refused


@pytest.mark.parametrize(
    ("count", "said"), [(0, 0), (1, 1), (3, 2), (9, 5), (10, 10), (19, 10), (317, 200), (5000, 5000), (99999, 50000)]
)
def test_row_counts_are_said_in_steps(count: int, said: int) -> None:
    assert rounded_down(count) == said


# ---------------------------------------------------------------- no input turns a missing or broken rule into a yes


def texts() -> Iterator[str]:
    yield NIGHT
    yield "permit (principal, action, resource) when { context.hour < 24 };"


PIECES = st.sampled_from(
    [
        "permit",
        "forbid",
        "(principal, action, resource)",
        "when {",
        "}",
        ";",
        "context.crowd",
        "<",
        "3",
        '"',
        "//",
        "\0",
    ]
) | st.text(max_size=4)


NUMBERS = (Done, Declared, Evaluated)


@given(st.sampled_from(list(texts())), st.lists(PIECES, min_size=1, max_size=4), st.integers(0, 60), st.data())
@tries(max_examples=at_most(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_damaged_file_and_no_odd_message_make_a_department_train_or_answer_with_numbers(
    text: str, pieces: list[str], place: int, data: st.DataObject
) -> None:
    """By the federation file nobody learns here; whatever becomes of a text that forbids or widens, nobody does."""
    ours = _untaught()
    guard = guarded(ours, text[:place] + "".join(pieces) + text[place:], hour=lambda: 21)
    number = data.draw(st.integers(-2, 25))
    hubs = data.draw(st.sampled_from([ours.state.visible, {}, {"陌生": next(iter(ours.state.visible.values()))}]))
    print_ = data.draw(st.sampled_from(["指纹", "another", ""]))
    write = data.draw(st.sampled_from([tuple(ours.state.visible), ("陌生",), ("",)]))
    assert not isinstance(answer(ours, Work(number, hubs, write, data.draw(st.booleans()), print_)), NUMBERS)
    assert not isinstance(answer(ours, Declare(number, hubs, print_)), NUMBERS)
    if guard.policies.own[OWNER].problems:
        asker = data.draw(st.sampled_from([*NAMES, "无名", ""]))
        part = data.draw(st.sampled_from(["test", "train", ""]))
        assert not isinstance(answer(ours, Evaluate(hubs, asker, "test", print_, number, part)), NUMBERS)
        requests = tuple(guard.request(asker, verb, "更新", crowd=1) for verb in ("读取", "train", "看", ""))
        said = answer(ours, Consult(requests, True, 1, "指纹"))
        assert isinstance(said, Consulted)
        assert not any(one.permitted for one in said.expected)


def _untaught() -> Small:
    """The hubs of a federation in which all learn from all, at departments whose file permits that to nobody."""
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2)))
    access = (Grant(what="别的", who=("*",), action="训练"),)
    ours.settings = ours.departments[OWNER].settings = replace(ours.settings, access=access)
    return ours
