"""Explanations: the words of the rules, what else is permitted, and a way out that has been tried."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from lepton_fed.policies import CedarFile, Policies, explain
from lepton_fed.policies.remedies import remedy
from lepton_fed.settings import Grant
from tests.policies.asking import (
    FINANCE,
    LINE,
    MATERIALS,
    MODEL,
    NAMES,
    QUALITY,
    RESEARCH,
    SUPPLY,
    WORKSHOP,
    ask,
    policies,
    request,
)
from tests.thoroughness import at_most

FOUND = policies()
NIGHT_RULE = 'rule night of night.cedar forbids it ("白天机器忙")'


def explained(among: Policies = FOUND, **changes: Any) -> list[str]:
    return list(explain(among, ask(among, **changes)))


def test_a_permit_names_its_rule_and_file() -> None:
    assert explained() == ["研发部门 may 读取 生产线数据 of 生产车间: rule access[1] of 工厂.toml permits it"]


def test_a_permit_for_what_does_not_flow_says_so() -> None:
    assert explained(verb="评估", who=SUPPLY) == [
        "供应链部门 may 评估 生产线数据 of 生产车间: rule access[4] of 工厂.toml permits it",
        "But no [[sharing]] lets it flow from 生产车间 to 供应链部门",
    ]


def test_without_a_rule_it_says_which_one_is_missing_and_what_is_permitted() -> None:
    assert explained(verb="发布") == [
        "研发部门 may not 发布 生产线数据 of 生产车间: no rule of 生产车间 permits it",
        "It may 读取 it: rule access[1] of 工厂.toml",
        "It may 训练 it: rule access[2] of 工厂.toml",
        "It may 评估 it: rule access[4] of 工厂.toml",
        'It would pass with one more [[access]]: what = "生产线数据", who = ["研发部门"], action = "发布", '
        'owner = ["生产车间"]',
    ]


@pytest.mark.parametrize(
    ("changes", "why", "way_out"),
    [
        ({"verb": "训练", "hour": 14}, NIGHT_RULE, "hour 20 instead of 14"),
        ({"verb": "训练", "hour": 7}, NIGHT_RULE, "hour 20 instead of 7"),
        ({"verb": "训练", "crowd": 1}, "rule crowd of night.cedar forbids it", "crowd 3 instead of 1"),
        ({"verb": "训练", "crowd": 2, "hour": 9}, NIGHT_RULE, "crowd 3 instead of 2 and hour 20 instead of 9"),
        (
            {"verb": "评估", "epsilon_spent": 9.5},
            "rule budget of night.cedar forbids it",
            "epsilon spent 8.0 instead of 9.5",
        ),
        ({"verb": "训练", "code": "x"}, "rule code of night.cedar forbids it", "code 'sha256:aa11' instead of 'x'"),
        (
            {"verb": "发布", "owner": QUALITY, "what": MODEL, "kind": "Part"},
            "no rule of 质检部门 permits it",
            "role '质量负责人' instead of '工程师'",
        ),
        (
            {"owner": SUPPLY, "what": "均值", "kind": "Statistic", "of": MATERIALS, "who": FINANCE, "crowd": 10},
            "no rule of 供应链部门 permits it",
            "purpose '周报' instead of '预测性维护'",
        ),
        (
            {"verb": "训练", "who": FINANCE, "hour": 9},
            NIGHT_RULE,
            'one more [[access]]: what = "生产线数据", who = ["财务部门"], action = "训练", owner = ["生产车间"] '
            "and hour 20 instead of 9",
        ),
    ],
    ids=str,
)
def test_a_denial_says_what_would_make_it_pass(changes: dict[str, Any], why: str, way_out: str) -> None:
    lines = explained(**changes)
    assert lines[0].endswith(f": {why}")
    assert lines[-1] == f"It would pass with {way_out}"


def test_a_forbid_that_nothing_else_lifts_is_named_as_what_stands_in_the_way() -> None:
    assert explained(verb="评估", who=FINANCE)[-1] == "It would pass without rule access[5] of 工厂.toml"


def test_the_day_goes_round() -> None:
    early = CedarFile("early.cedar", "forbid (principal, action, resource) unless { context.hour < 6 };")
    assert explained(policies(own={WORKSHOP: (early,)}), hour=9)[-1] == "It would pass with hour 0 instead of 9"


def test_of_two_things_in_the_way_both_are_named() -> None:
    closed = policies(own={WORKSHOP: (CedarFile("closed.cedar", "forbid (principal, action, resource);"),)}, access=())
    assert explained(closed)[-1] == (
        "It would pass without rule policy 1 of closed.cedar and with one more [[access]]: "
        'what = "生产线数据", who = ["研发部门"], action = "读取", owner = ["生产车间"]'
    )


def test_where_the_rules_fail_no_way_out_is_promised() -> None:
    failing = "permit (principal, action, resource) when { context.hour * 9223372036854775807 > 0 };"
    (line,) = explained(policies(own={WORKSHOP: (CedarFile("f.cedar", failing),)}))
    assert "cannot decide" in line


@pytest.mark.parametrize("changes", [{"hour": None}, {"who": "研发部"}, {"verb": "删除"}, {"owner": []}], ids=str)
def test_of_a_request_that_no_policy_was_asked_about_only_the_mistake_is_said(changes: dict[str, Any]) -> None:
    decision = ask(FOUND, **changes)
    assert explain(FOUND, decision) == decision.reasons
    assert remedy(FOUND, decision) is None


def test_files_that_cannot_be_used_are_named_and_nothing_is_promised() -> None:
    text = "forbid (principal, action, resource) when { context.x };"
    broken = policies(own={WORKSHOP: (CedarFile("b.cedar", text),)})
    why = "policy 1: attribute `x` in context not found"
    assert broken.problems == (f"生产车间: b.cedar: {why}",)
    assert explained(broken) == [
        f"研发部门 may not 读取 生产线数据 of 生产车间: 生产车间's policies cannot be used: b.cedar: {why}"
    ]


def test_a_group_where_an_action_belongs_is_explained() -> None:
    (problem,) = policies(
        own={WORKSHOP: (CedarFile("b.cedar", 'permit (principal, action == Action::"读取", resource);'),)}
    ).problems
    assert problem.endswith('; a Chinese action is a group: write `action in Action::"读取"`')


def test_a_name_that_could_steer_a_terminal_is_quoted() -> None:
    for line in explained(what="\x1b[2J\n生产线数据") + explained(who="\x1b[31m"):
        assert line.isprintable(), line


questions = st.fixed_dictionaries(
    {
        "who": st.sampled_from(NAMES),
        "owner": st.sampled_from(NAMES),
        "verb": st.sampled_from(["读取", "训练", "评估", "聚合", "publish"]),
        "what": st.sampled_from([LINE, MATERIALS, MODEL]),
        "hour": st.integers(0, 23),
        "crowd": st.integers(0, 5),
        "role": st.sampled_from(["工程师", "质量负责人"]),
    }
)


@given(questions)
@effort(max_examples=at_most(25), deadline=None)
def test_what_is_said_to_pass_passes(changes: dict[str, Any]) -> None:
    decision = ask(FOUND, **changes)
    said = remedy(FOUND, decision)
    if decision:
        assert said is None
        return
    assert said is not None
    gone = re.findall(r"(?:without rule| and) (\S+ of \S+)", said)
    changed = FOUND.without(gone)
    if "one more [[access]]" in said:
        verb = changes["verb"]
        changed = changed.with_grant(
            Grant(what=changes["what"], who=(changes["who"],), action=verb, owner=(changes["owner"],))
        )
    asked = decision.request
    for field, value in re.findall(r"(hour|crowd) (\d+) instead", said):
        asked = replace(asked, context=replace(asked.context, **{field: int(value)}))
    for value in re.findall(r"role '(.*?)' instead", said):
        asked = replace(asked, role=value)
    for value in re.findall(r"purpose '(.*?)' instead", said):
        asked = replace(asked, context=replace(asked.context, purpose=value))
    assert changed.decide(asked), (said, changed.decide(asked))


def test_explaining_changes_nothing() -> None:
    before = FOUND.digest(WORKSHOP), FOUND.text(WORKSHOP)
    explained(verb="发布")
    assert (FOUND.digest(WORKSHOP), FOUND.text(WORKSHOP)) == before
    assert request().who == RESEARCH
