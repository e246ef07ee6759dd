"""Dependencies: what is said, what is made and needed, the order of insertion, the graph; and ranks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed import DataSharing, Graph
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import Step, planned
from tests.pipeline.small import graph, plan_of, step


def by_hand(department: str, description: str, **more: object) -> Step:
    return Step(department=department, description=description, **more)  # type: ignore[arg-type]


def pairs(steps: list[Step], of: Graph | None = None) -> set[tuple[str, str]]:
    plan, _ = plan_of(steps, of)
    return {(link.step.split("/")[1], link.after.split("/")[1]) for link in plan.links}


def test_steps_without_work_or_dependencies_follow_the_order_of_insertion() -> None:
    steps = [by_hand("研发部门", "开发"), by_hand("生产车间", "试用"), by_hand("研发部门", "改进")]
    assert pairs(steps) == {("试用", "开发"), ("改进", "试用")}


def test_what_is_needed_comes_after_what_makes_it_whoever_was_added_first() -> None:
    steps = [step("研发部门", "装配", needs=("零件",)), step("供应链部门", "采购", makes=("零件",))]
    plan, _ = plan_of(steps)
    assert [link.why for link in plan.links] == ["it needs 零件, which that makes"]
    assert plan.links[0].after == "供应链部门/采购"


def test_after_names_one_step_or_all_with_that_description() -> None:
    steps = [
        step("研发部门", "训练"),
        step("生产车间", "验证", after=("训练",)),
        step("供应链部门", "验证", after=("研发部门/训练",)),
        step("研发部门", "迭代", after=("验证",)),
    ]
    plan, _ = plan_of(steps)
    assert {link.after for link in plan.before["研发部门/迭代"]} == {"生产车间/验证", "供应链部门/验证"}


def test_work_that_says_nothing_waits_for_the_departments_that_its_own_depends_on() -> None:
    made = graph()
    made.add_edge("研发部门", "生产车间", "生产线数据")
    plan, _ = plan_of([step("研发部门", "训练"), step("生产车间", "采集"), step("供应链部门", "盘点")], made)
    assert [(one.step, one.after, one.why) for one in plan.links] == [
        ("研发部门/训练", "生产车间/采集", "研发部门 depends on 生产车间 for 生产线数据")
    ]


def test_what_is_said_beats_the_graph() -> None:
    made = graph()
    made.add_edge("研发部门", "生产车间", "生产线数据")
    assert pairs([step("研发部门", "训练"), step("生产车间", "验证", after=("训练",))], made) == {("验证", "训练")}


def test_a_cycle_is_named_edge_by_edge() -> None:
    steps = [step("研发部门", "甲", after=("乙",)), step("生产车间", "乙", after=("甲",))]
    with pytest.raises(ConfigError, match=r"研发部门/甲 comes after 生产车间/乙 .*生产车间/乙 comes after 研发部门/甲"):
        plan_of(steps)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([step("研发部门", "训练", after=("训连",))], "'训连', which is no other step"),
        ([step("研发部门", "训练", needs=("零件",))], "needs '零件', which nobody makes or shares"),
        ([step("研发部", "训练")], "'研发部' is no department of the graph; did you mean '研发部门'"),
        ([step("研发部门", "训练"), step("研发部门", "训练")], "already has a step '训练'"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(bad: list[Step], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_of(bad)


def test_a_data_set_that_a_department_shares_may_be_needed_though_no_step_makes_it() -> None:
    made = graph()
    DataSharing(made).add_node("生产车间", "生产线数据")
    assert planned([step("研发部门", "训练", needs=("生产线数据",))], made).links == ()


def test_the_digest_is_of_what_defines_the_pipeline_and_not_of_estimates() -> None:
    one, two = (plan_of([step("研发部门", "训练", duration=seconds)])[0] for seconds in (1.0, 9.0))
    other, _ = plan_of([step("研发部门", "训练", approve="经理")])
    assert one.digest == two.digest != other.digest


def test_the_critical_path_is_the_longest_chain_and_its_ranks_fall() -> None:
    steps = [
        step("研发部门", "甲", duration=2.0, makes=("a",)),
        step("生产车间", "乙", duration=5.0, needs=("a",)),
        step("供应链部门", "丙", duration=1.0, needs=("a",)),
    ]
    plan, _ = plan_of(steps)
    assert plan.critical.path == ("研发部门/甲", "生产车间/乙")
    assert plan.critical.rank == {"研发部门/甲": 7.0, "生产车间/乙": 5.0, "供应链部门/丙": 1.0}
    assert plan.critical.slack["供应链部门/丙"] == 4.0


@given(st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 11))), min_size=1, max_size=12))
def test_every_step_has_a_higher_rank_than_what_comes_after_it(shape: list[tuple[int, set[int]]]) -> None:
    names = ("研发部门", "生产车间", "供应链部门")
    steps = [
        step(names[d], f"步{k}", after=tuple(f"步{j}" for j in sorted(before) if j < k), duration=1.0 + k % 3)
        for k, (d, before) in enumerate(shape)
    ]
    plan, _ = plan_of(steps)
    for link in plan.links:
        assert plan.critical.rank[link.after] > plan.critical.rank[link.step]
        assert link.after in plan.ancestors(link.step)
