"""Names exist, the graph has an order, and every target has a teacher."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from lepton_fed.config import Federation, consistency, require_consistent
from lepton_fed.errors import ConfigError
from lepton_fed.settings import Dependency
from tests.config.example import Tree, valid
from tests.speaking import told_in_chinese


def refusal(tree: Tree) -> str:
    with pytest.raises(ConfigError) as caught:
        Federation.parse(tomli_w.dumps(tree), Path("f.toml"))
    assert "\n" not in str(caught.value)
    told_in_chinese(caught.value)
    return str(caught.value)


def departments(*names: str) -> list[Tree]:
    return [{"name": name} for name in names]


def graph(*pairs: tuple[str, str]) -> list[Tree]:
    return [{"from": a, "to": b, "needs": "数据"} for a, b in pairs]


def flow(**keys: Any) -> list[Tree]:
    return [{"what": "updates", "from": ["生产车间", "质检部门"], "to": ["*"]} | keys]


def rule(**keys: Any) -> list[Tree]:
    return [{"what": "updates", "who": ["*"], "action": "train"} | keys]


def trained(**tables: Any) -> Tree:
    """The example with updates as its only flow."""
    return valid(**({"sharing": flow(), "access": rule()} | tables))


# ---------------------------------------------------------------- names


def test_the_example_is_consistent() -> None:
    Federation.parse(tomli_w.dumps(valid()), Path("f.toml"))
    Federation.parse(tomli_w.dumps(trained()), Path("f.toml"))


@pytest.mark.parametrize(
    ("twin", "said"),
    [
        ("生产车间 A", "two departments are called '生产车间 A'; give each its own name"),
        ("生产车间 Ａ", "'生产车间 A' and '生产车间 Ａ' differ only in width or case"),
        ("生产车间 a", "'生产车间 A' and '生产车间 a' differ only in width or case"),
    ],
)
def test_two_departments_may_not_have_one_name(twin: str, said: str) -> None:
    tree = trained(departments=departments("生产车间 A", twin), graph=[], sharing=flow(**{"from": ["*"]}))
    assert said in refusal(tree)


def test_two_departments_may_not_have_one_file() -> None:
    tree = valid()
    tree["departments"][0]["file"] = tree["departments"][1]["file"] = "own.toml"
    assert "'生产车间' and '质检部门' have the same file 'own.toml'" in refusal(tree)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"graph": graph(("研发部", "生产车间"))},
            "graph[1].from names '研发部', which is no department; did you mean '研发部门'?",
        ),
        (
            {"graph": graph(("研发部门", "*"))},
            "graph[1].to names '*', which is no department; there are 生产车间",
        ),
        (
            {"sharing": flow(to=["质检部", "研发部门"])},
            "sharing[1].to names '质检部', which is no department; did you mean",
        ),
        ({"sharing": flow(**{"from": ["*", "质检部门"]})}, "sharing[1].from lists '*' beside other names"),
        ({"sharing": flow(to=["质检部门", "质检部门"])}, "sharing[1].to lists '质检部门' twice"),
        (
            {"access": rule(who=["nobody"])},
            "access[1].who names 'nobody', which is no department; there are 生产车间",
        ),
        (
            {"access": rule(owner=["生产 车间"])},
            "access[1].owner names '生产 车间', which is no department; did you mean '生产车间'?",
        ),
        (
            {"access": rule(what="update")},
            "access[1].what is 'update', which no [[sharing]] names; did you mean 'updates'?",
        ),
        (
            {"weights": {"alpha": {"生产车间": 1, "质检": 1}}},
            "weights.alpha names '质检', which is no department; did you mean '质检部门'?",
        ),
        (
            {"weights": {"alpha": {"生产车间": 1, "质检部门": 1, "研发部门": 1}}},
            "weights.alpha names '研发部门', which is no source",
        ),
        ({"weights": {"beta": {"供应链部门": 1}}}, "weights.beta names '供应链部门', which is no target"),
        ({"weights": {"beta": {"*": 1}}}, "weights.beta names '*', which is no department"),
        (
            {"weights": {"alpha": {"生产车间": 1}}},
            "weights.alpha leaves out the source '质检部门'; give it a number (or 0)",
        ),
    ],
)
def test_an_unknown_name_is_refused_where_it_stands(change: Tree, said: str) -> None:
    assert said in refusal(trained(**change))


# ---------------------------------------------------------------- graph


def test_a_department_may_not_depend_on_itself() -> None:
    said = refusal(trained(graph=graph(("研发部门", "研发部门"))))
    assert "graph[1]: '研发部门' depends on itself" in said
    assert "more" not in said


def test_a_flow_from_one_department_to_itself_is_refused() -> None:
    assert "'updates' flows from '质检部门' to itself" in refusal(
        trained(sharing=flow(**{"from": ["质检部门"]}, to=["质检部门"]))
    )


def test_a_dependency_may_not_be_listed_twice() -> None:
    assert "研发部门 → 生产车间 for '数据' is listed twice" in refusal(
        trained(graph=graph(*[("研发部门", "生产车间")] * 2))
    )


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ([("研发部门", "生产车间"), ("生产车间", "研发部门")], "生产车间 → 研发部门 → 生产车间"),
        (
            [
                ("质检部门", "研发部门"),
                ("研发部门", "生产车间"),
                ("生产车间", "质检部门"),
                ("生产车间", "供应链部门"),
            ],
            "生产车间 → 质检部门 → 研发部门 → 生产车间",
        ),
        (
            [("生产车间", "供应链部门"), ("研发部门", "质检部门"), ("质检部门", "研发部门")],
            "质检部门 → 研发部门 → 质检部门",
        ),
    ],
)
def test_a_cycle_is_named_edge_by_edge(edges: list[tuple[str, str]], cycle: str) -> None:
    said = refusal(trained(graph=graph(*edges)))
    assert f"[[graph]] has a cycle, so there is no order of work: {cycle}; take one edge out" in said
    steps = cycle.split(" → ")
    assert all(step in edges for step in itertools.pairwise(steps))


def test_two_ways_to_one_department_are_no_cycle() -> None:
    edges = [
        ("研发部门", "生产车间"),
        ("研发部门", "质检部门"),
        ("生产车间", "供应链部门"),
        ("质检部门", "供应链部门"),
    ]
    Federation.parse(tomli_w.dumps(trained(graph=graph(*edges))), Path("f.toml"))


# ---------------------------------------------------------------- teaching


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"sharing": flow(to=["生产车间", "质检部门"])},
            "'研发部门': no [[sharing]] reaches it; add one from a source",
        ),
        (
            {"sharing": flow() + flow(what="表"), "access": rule(what="表", action="read")},
            "permits 生产车间 to train",
        ),
        (
            {"access": rule(who=["生产车间", "质检部门"])},
            "'研发部门': no rule of 生产车间 permits 研发部门 to train 'updates'",
        ),
        (
            {"access": rule() + rule(who=["研发部门"], effect="forbid")},
            "'研发部门': 生产车间 forbids 研发部门 to train 'updates'",
        ),
        (
            {"sharing": flow(to=["生产车间", "质检部门"]) + flow(**{"from": ["供应链部门"]}, to=["研发部门"])},
            "'研发部门': only 供应链部门 shares with it, which is no source",
        ),
        ({"sharing": [], "access": []}, "nobody may teach the target '生产车间': no [[sharing]] reaches it"),
        (
            {
                "sharing": flow() + flow(**{"from": ["质检部门"]}),
                "weights": {"alpha": {"生产车间": 1, "质检部门": 0}},
                "access": [*rule(), *rule(who=["研发部门"], owner=["生产车间"], effect="forbid")],
            },
            "weights.alpha is zero for all that teach '研发部门': 质检部门",
        ),
    ],
)
def test_a_target_that_nobody_may_teach_is_told_why(change: Tree, said: str) -> None:
    assert said in refusal(trained(**change))


def test_settings_made_in_python_are_checked_too() -> None:
    federation = Federation.parse(tomli_w.dumps(valid()), Path("f.toml"))
    require_consistent(federation.settings)
    unknown = Dependency(from_="研发部门", to="生产", needs="数据")
    with pytest.raises(ConfigError, match="did you mean '生产车间'"):
        require_consistent(dataclasses.replace(federation.settings, graph=(unknown,)))
    assert consistency.problems(federation.settings) == ()
