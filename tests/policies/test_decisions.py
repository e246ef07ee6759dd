"""What is permitted and why: one line a decision, in the words that a person reads."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_fed.policies import CedarFile, Decision, Policies
from lepton_fed.translation import Sentence, speaks, translated
from tests.policies.asking import (
    CODE,
    FINANCE,
    LINE,
    MATERIALS,
    MODEL,
    QUALITY,
    RESEARCH,
    SOURCE,
    SUPPLY,
    WORKSHOP,
    request,
)
from tests.policies.asking import policies as made

TRAIN: dict[str, Any] = {"verb": "训练"}
PART: dict[str, Any] = {"kind": "Part", "what": MODEL, "owner": QUALITY}
LAST: dict[str, Any] = {"kind": "Part", "what": "末轮", "owner": QUALITY, "of": "检验记录", "part": "encoder"}
MEAN: dict[str, Any] = {"kind": "Statistic", "what": "均值", "of": MATERIALS, "owner": SUPPLY, "purpose": "周报"}
NOBODY = "no rule of {} permits it"


def by(number: int) -> str:
    return f"rule access[{number}] of {SOURCE} permits it"


PERMITTED: list[tuple[dict[str, Any], str]] = [
    ({}, by(1)),
    ({"verb": "read"}, by(1)),
    ({"purpose": "别的"}, by(1)),
    ({"hour": 12}, by(1)),
    ({"crowd": 0, "epsilon_spent": 99.0, "code": ""}, by(1)),
    ({"role": "外包"}, by(1)),
    ({"kind": "Statistic", "of": LINE}, by(1)),
    (TRAIN, by(2)),
    ({"verb": "train"}, by(2)),
    (TRAIN | {"who": QUALITY}, by(2)),
    (TRAIN | {"hour": 20}, by(2)),
    (TRAIN | {"hour": 5}, by(2)),
    (TRAIN | {"hour": 0}, by(2)),
    (TRAIN | {"code": "sha256:bb22"}, by(2)),
    (TRAIN | {"epsilon_spent": 8.0}, by(2)),
    (TRAIN | {"epsilon_spent": 0}, by(2)),
    (TRAIN | {"owner": SUPPLY, "hour": 12, "crowd": 0, "code": ""}, by(2)),
    ({"owner": SUPPLY, "what": MATERIALS}, by(3)),
    ({"verb": "评估"}, by(4)),
    ({"verb": "evaluate", "who": SUPPLY}, by(4)),
    ({"verb": "评估", "who": FINANCE, "owner": SUPPLY}, by(4)),
    ({"verb": "评估", "who": WORKSHOP}, by(4)),
    (PART | {"verb": "聚合"}, by(6)),
    (PART | {"verb": "aggregate", "who": FINANCE}, by(6)),
    (PART | {"verb": "发布", "who": SUPPLY}, by(7)),
    ({"verb": "publish", "who": SUPPLY, "what": MODEL}, by(7)),
    ({"verb": "接收"}, f"rule sharing[1] of {SOURCE} permits it"),
    (
        {"verb": "receive", "who": FINANCE, "owner": SUPPLY, "what": MATERIALS},
        f"rule sharing[2] of {SOURCE} permits it",
    ),
    (PART | {"verb": "发布", "role": "质量负责人"}, "rule 发布 of 模型.cedar permits it"),
    (PART | {"verb": "publish", "role": "质量负责人"}, "rule 发布 of 模型.cedar permits it"),
    (LAST | {"round": 20}, "rule last round of 模型.cedar permits it"),
    (LAST | {"round": 20, "who": FINANCE}, "rule last round of 模型.cedar permits it"),
    (LAST | {"verb": "评估", "plan": "sha256:0f"}, "rule policy 3 of 模型.cedar permits it"),
    (MEAN | {"crowd": 10}, "rule means of figures.cedar permits it"),
    (MEAN | {"crowd": 10, "who": FINANCE, "verb": "read"}, "rule means of figures.cedar permits it"),
    ({"who": SUPPLY, "owner": SUPPLY, "what": "账本", "verb": "发布"}, "rule own of figures.cedar permits it"),
]

DENIED: list[tuple[dict[str, Any], str]] = [
    ({"who": SUPPLY}, NOBODY.format(WORKSHOP)),
    ({"who": QUALITY}, NOBODY.format(WORKSHOP)),
    ({"owner": SUPPLY}, NOBODY.format(SUPPLY)),
    ({"what": "生产线"}, NOBODY.format(WORKSHOP)),
    ({"what": f"{WORKSHOP}/{LINE}"}, NOBODY.format(WORKSHOP)),
    ({"verb": "发布"}, NOBODY.format(WORKSHOP)),
    ({"who": WORKSHOP}, NOBODY.format(WORKSHOP)),
    (TRAIN | {"who": FINANCE}, NOBODY.format(WORKSHOP)),
    (TRAIN | {"hour": 6}, 'rule night of night.cedar forbids it ("白天机器忙")'),
    (TRAIN | {"hour": 19}, 'rule night of night.cedar forbids it ("白天机器忙")'),
    (TRAIN | {"crowd": 2}, "rule crowd of night.cedar forbids it"),
    (TRAIN | {"crowd": 0}, "rule crowd of night.cedar forbids it"),
    (TRAIN | {"epsilon_spent": 8.000001}, "rule budget of night.cedar forbids it"),
    (TRAIN | {"epsilon_spent": 8.0000001}, "rule budget of night.cedar forbids it"),
    ({"verb": "评估", "epsilon_spent": 9}, "rule budget of night.cedar forbids it"),
    (TRAIN | {"code": "sha256:cc33"}, "rule code of night.cedar forbids it"),
    (TRAIN | {"code": CODE + " "}, "rule code of night.cedar forbids it"),
    (TRAIN | {"who": FINANCE, "crowd": 1}, "rule crowd of night.cedar forbids it"),
    ({"verb": "评估", "who": FINANCE}, f"rule access[5] of {SOURCE} forbids it"),
    ({"owner": SUPPLY, "what": MATERIALS, "verb": "训练"}, NOBODY.format(SUPPLY)),
    ({"owner": SUPPLY, "what": MATERIALS, "who": FINANCE}, NOBODY.format(SUPPLY)),
    (PART | {"verb": "发布"}, NOBODY.format(QUALITY)),
    (PART | {"verb": "发布", "role": "质量"}, NOBODY.format(QUALITY)),
    (PART | {"verb": "发布", "role": "质量负责人", "who": FINANCE}, NOBODY.format(QUALITY)),
    (LAST | {"round": 19}, NOBODY.format(QUALITY)),
    (LAST | {"round": 0, "rounds": 0}, NOBODY.format(QUALITY)),
    (LAST | {"round": 20, "part": "head"}, NOBODY.format(QUALITY)),
    (LAST | {"round": 20, "of": "别的"}, NOBODY.format(QUALITY)),
    (LAST | {"verb": "评估", "plan": "sha256:0f", "federation": "sha256:00"}, NOBODY.format(QUALITY)),
    (MEAN | {"crowd": 9}, NOBODY.format(SUPPLY)),
    (MEAN | {"crowd": 10, "purpose": "周报 "}, NOBODY.format(SUPPLY)),
    (MEAN | {"crowd": 10, "of": None}, NOBODY.format(SUPPLY)),
    ({"verb": "接收", "who": FINANCE}, NOBODY.format(WORKSHOP)),
    ({"who": "研发部"}, "who is '研发部', which is no department of this federation"),
    ({"owner": "*"}, "owner is '*', which is no department of this federation"),
    ({"verb": "删除"}, "there is no action '删除'"),
    ({"kind": "Table"}, "there is no kind 'Table'; there are DataSet, Part, Statistic, Relation, EntityType"),
    ({"of": LINE}, "a data set is made from no other: leave out `of`"),
    ({"role": ""}, "role is no text: ''"),
    ({"hour": 24}, "hour is beyond 23: 24"),
    ({"hour": -1}, "hour is no whole number from 0 on: -1"),
    ({"crowd": "五"}, "crowd is no whole number from 0 on: '五'"),
    ({"crowd": True}, "crowd is no whole number from 0 on: True"),
    ({"epsilon_spent": float("nan")}, "epsilon_spent is no amount from 0 on: nan"),
    ({"epsilon_spent": float("inf")}, "epsilon_spent is no amount from 0 on: inf"),
    ({"epsilon_spent": -0.1}, "epsilon_spent is no amount from 0 on: -0.1"),
    ({"epsilon_spent": 1e300}, "the policies of 生产车间 cannot decide"),
    ({"round": 21}, "round 21 is beyond the last one, 20"),
    ({"purpose": 3}, "purpose is no text: 3"),
    ({"what": "\ud800"}, "the policies of 生产车间 cannot decide"),
    *(({key: None}, f"the request does not say: {key}") for key in ("purpose", "crowd", "epsilon_spent", "code")),
    *(({key: None}, f"the request does not say: {key}") for key in ("federation", "plan", "part", "hour", "round")),
    ({"round": None, "rounds": None}, "the request does not say: round, rounds"),
]


@pytest.fixture(scope="module")
def policies() -> Policies:
    found = made()
    assert found.problems == ()
    return found


@pytest.mark.parametrize(("changes", "why"), PERMITTED, ids=str)
def test_is_permitted_by(policies: Policies, changes: dict[str, Any], why: str) -> None:
    asked = request(**changes)
    decision = policies.decide(asked)
    expected = f"{asked.who} may {asked.verb} {asked.what} of {asked.owner}: {why}"
    assert (decision.permitted, decision.reasons) == (True, (expected,))
    assert decision.rules == (why.removeprefix("rule ").removesuffix(" permits it"),)


@pytest.mark.parametrize(("changes", "why"), DENIED, ids=str)
def test_is_denied_since(policies: Policies, changes: dict[str, Any], why: str) -> None:
    decision = policies.decide(request(**changes))
    assert not decision.permitted
    assert len(decision.reasons) == 1
    assert f": {why}" in decision.reasons[0]
    assert bool(decision.rules) == ("forbids" in why)
    assert decision.broken == ("forbids" not in why and "no rule" not in why)
    assert speaks(_why(decision), "zh")


def _why(decision: Decision) -> str:
    (reason,) = decision.reasons
    assert isinstance(reason, Sentence)
    why = reason.values["why"]
    assert isinstance(why, str)
    return why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hour": None, "epsilon_spent": None}, "请求没有说明：已用 ε、时刻"),
        ({"who": "研发部"}, "请求方是 '研发部'，而该联邦没有这个部门"),
        ({"crowd": "五"}, "群体不是从 0 开始的整数：'五'"),
        ({"of": LINE}, "数据集不是由其他内容得来的：请去掉 `of`"),
        ({"round": 21}, "第 21 轮超出了最后一轮（第 20 轮）"),
    ],
    ids=str,
)
def test_is_denied_in_chinese_since(policies: Policies, changes: dict[str, Any], why: str) -> None:
    assert translated(policies.decide(request(**changes)).reasons[0], "zh").endswith(f"：{why}")


def test_there_are_sixty_and_more() -> None:
    assert len(PERMITTED) + len(DENIED) > 90


def test_every_rule_that_forbids_is_named(policies: Policies) -> None:
    decision = policies.decide(request(verb="训练", crowd=1, hour=9, code=""))
    assert decision.rules == ("night of night.cedar", "crowd of night.cedar", "code of night.cedar")
    assert len(decision.reasons) == 3


def test_a_denial_is_false_where_somebody_forgets_to_ask_for_permitted(policies: Policies) -> None:
    assert not policies.decide(request(who=SUPPLY))
    assert policies.decide(request())


def test_only_the_owners_own_files_count(policies: Policies) -> None:
    """The workshop's night is not supply's, and its crowd is not quality's."""
    assert policies.decide(request(verb="训练", owner=SUPPLY, hour=9, crowd=1))
    assert policies.decide(request(**PART, verb="聚合", crowd=1))


def test_an_owner_is_not_outvoted_by_a_permit_in_somebody_elses_file() -> None:
    own = {RESEARCH: (CedarFile("all.cedar", "permit (principal, action, resource);"),)}
    assert made(own=own).decide(request(owner=RESEARCH, verb="发布"))
    assert not made(own=own).decide(request(verb="发布"))
