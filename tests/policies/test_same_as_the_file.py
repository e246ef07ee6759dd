"""Compiled to Cedar the federation file says what it said before: as `policy.decide` and `cohorts.edges` have it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from lepton_fed.cohorts import edges
from lepton_fed.policies import Policies
from lepton_fed.policies.request import VERBS
from lepton_fed.policy import CHINESE, decide
from lepton_fed.settings import DepartmentSettings, Flow, Grant
from tests.couplings import small
from tests.policies.asking import OWN, request, settings
from tests.thoroughness import at_most

PEOPLE = ("内科", "外科", "药房", '"); permit (principal, action, resource); @x("')
THINGS = ("更新", 'Rule::"access[1]"')
ACTIONS = ("train", "训练", "read")
"""Few, so that rules about the same thing meet; every action is in the table of decisions."""

lists = st.lists(st.sampled_from([*PEOPLE, "*", "不在此"]), min_size=1, max_size=3).map(tuple)
grants = st.builds(
    Grant,
    what=st.sampled_from(THINGS),
    who=lists,
    owner=lists,
    action=st.sampled_from(ACTIONS),
    effect=st.sampled_from(["permit", "permit", "forbid"]),
)
flows = st.builds(Flow, what=st.sampled_from(THINGS), from_=lists, to=lists)


def hospital(access: list[Grant], sharing: tuple[Flow, ...] = (), roles: Any = ()) -> Any:
    members = [DepartmentSettings(name=n) for n in PEOPLE]
    if roles:
        members = [replace(m, roles=r) for m, r in zip(members, roles, strict=True)]
    return small.settings(departments=tuple(members), access=tuple(access), sharing=sharing)


@given(st.lists(grants, max_size=8), st.sampled_from(THINGS))
@effort(max_examples=at_most(30), deadline=None)
def test_the_compiled_rules_decide_as_the_file_for_everybody_and_every_action(access: list[Grant], what: str) -> None:
    file = hospital(access)
    policies = Policies.of(file)
    for owner, who, verb in product(file.names, file.names, ("训练", "读取")):
        asked = request(owner=owner, who=who, verb=verb, what=what)
        expected = decide(access, owner=owner, who=who, verb=verb, what=what)
        found = policies.decide(asked)
        assert found.permitted == expected.permitted, (found, expected)
        if owner == who:
            assert policies.decide(replace(asked, verb=CHINESE[verb])).rules == found.rules


@given(st.lists(grants, max_size=8), st.sampled_from(THINGS))
@effort(max_examples=at_most(25), deadline=None)
def test_the_rules_named_are_the_entries_that_say_so(access: list[Grant], what: str) -> None:
    file = hospital(access)
    policies = Policies.of(file)
    for owner, who in product(file.names, repeat=2):
        found = policies.decide(request(owner=owner, who=who, verb="train", what=what))
        effect = "permit" if found.permitted else "forbid"
        alone = (decide([grant], owner=owner, who=who, verb="train", what=what) for grant in access)
        deciding = [
            f"access[{k}] of the federation file"
            for k, (grant, answer) in enumerate(zip(access, alone, strict=True), 1)
            if grant.effect == effect and not answer.reason.startswith("no rule")
        ]
        assert sorted(found.rules) == sorted(deciding)


roles = st.lists(
    st.sampled_from([("source", "target"), ("source",), ("target",), ()]),
    min_size=4,
    max_size=4,
)


@given(st.lists(grants, max_size=6), st.lists(flows, max_size=3).map(tuple), roles)
@effort(max_examples=at_most(25), deadline=None)
def test_what_may_be_received_and_trained_on_is_what_training_uses(
    access: list[Grant], sharing: tuple[Flow, ...], roles: list[Any]
) -> None:
    file = hospital(access, sharing, roles)
    policies = Policies.of(file)

    def may(i: str, j: str, what: str) -> bool:
        return all(policies.decide(request(owner=i, who=j, verb=verb, what=what)) for verb in ("接收", "训练"))

    inside = {(e.source, e.target) for e in edges(file) if e.source != e.target}
    for i, j in product(file.departments, repeat=2):
        if i != j:
            expected = i.is_source and j.is_target and any(may(i.name, j.name, what) for what in THINGS)
            assert ((i.name, j.name) in inside) == expected


@given(st.data())
@effort(max_examples=at_most(25), deadline=None)
def test_rules_that_are_left_aside_would_not_have_had_a_say(data: st.DataObject) -> None:
    """All rules of everybody at once, as nobody asks them, decide the same."""
    policies = Policies.of(settings(), OWN)
    asked = request(
        owner=data.draw(st.sampled_from(sorted(policies.departments))),
        who=data.draw(st.sampled_from(sorted(policies.departments))),
        verb=data.draw(st.sampled_from(VERBS)),
        kind=(kind := data.draw(st.sampled_from(["DataSet", "Part", "Statistic"]))),
        what=data.draw(st.sampled_from(["生产线数据", "物料管理", "质检模型"])),
        of=None if kind == "DataSet" else data.draw(st.sampled_from([None, "物料管理", "检验记录"])),
        role=data.draw(st.sampled_from(["工程师", "质量负责人"])),
        hour=data.draw(st.integers(0, 23)),
        crowd=data.draw(st.integers(0, 12)),
        purpose=data.draw(st.sampled_from(["周报", "别的"])),
        round=data.draw(st.sampled_from([1, 20])),
        part=data.draw(st.sampled_from(["", "encoder"])),
    )
    found = policies.decide(asked)
    all_at_once = replace(policies)
    object.__setattr__(all_at_once, "_reached", lambda scope, own: (*policies.shared, *own))
    assert all_at_once.decide(asked) == found


def test_rules_of_different_owners_stay_apart() -> None:
    ours, theirs = (Grant(what="更新", who=("药房",), owner=(owner,), action="train") for owner in ("内科", "外科"))
    forbid = replace(ours, owner=("药房",), effect="forbid")
    for access in ([ours, theirs, forbid], [forbid, theirs, ours]):
        policies = Policies.of(hospital(access))
        asked = request(owner="内科", who="药房", verb="train", what="更新")
        assert policies.decide(asked)
        assert policies.decide(replace(asked, owner="外科"))
        assert not policies.decide(replace(asked, owner="药房"))
        assert len(policies.shared) == 3


def test_a_thousand_grants_for_one_thing_are_one_policy_over_one_set() -> None:
    many = [Grant(what="更新", who=(f"员工{k}",), action="train") for k in range(1000)]
    policies = Policies.of(hospital([*many, Grant(what="更新", who=("外科",), action="训练")]))
    (rule,) = policies.shared
    assert len(rule.entity["attrs"]["who"]) == 1001  # type: ignore[index]
    decision = policies.decide(request(owner="内科", who="外科", verb="train", what="更新"))
    assert decision.rules == ("access[1001] of the federation file",)
    assert not policies.decide(request(owner="内科", who="药房", verb="train", what="更新"))
