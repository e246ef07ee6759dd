"""What flows against what is permitted, needed and risked: each kind alone, and none where all agree."""

from __future__ import annotations

from datetime import date

from hypothesis import given

from lepton_fed.collaboration import DataSharing, Graph
from lepton_fed.collaboration.balance import Idle, Unmet
from tests.collaboration.graphs import RESEARCH, SUPPLY, WORKSHOP, graph_of, plant, shared


def test_where_everything_agrees_there_is_nothing_to_look_at() -> None:
    assert plant()[0].balance().sound
    assert Graph().balance().sound


def test_a_flow_without_permission() -> None:
    graph, sharing = plant()
    sharing.add_edge(WORKSHOP, SUPPLY, "生产线数据")
    graph.add_edge(SUPPLY, WORKSHOP, "生产线数据")
    found = graph.balance()
    assert [str(p) for p in found.unpermitted] == ["生产线数据 flows from 生产车间 to 供应链部门"]
    assert (found.idle, found.unmet, found.unneeded, found.expired) == ((), (), (), ())
    assert not found.sound


def test_that_everybody_also_covers_those_without_a_part_in_training_is_no_flow_without_permission() -> None:
    graph = Graph()
    graph.add_node("甲", roles=("source", "target"))
    graph.add_node("乙", roles=("source", "target"))
    graph.add_node("丙", roles=())
    sharing = DataSharing(graph)
    sharing.add_node("甲", "x")
    sharing.add_edge("甲", "*", "x")
    sharing.add_access_control("x", "乙", "训练")
    assert graph.balance().unpermitted == ()


def test_a_permission_without_a_flow() -> None:
    graph, sharing = plant()
    sharing.add_access_control("生产线数据", [RESEARCH, SUPPLY], "评估")
    found = graph.balance()
    assert found.idle == (Idle(sharing.grants[-1], (SUPPLY,)),)
    assert (found.unpermitted, found.unmet, found.unneeded) == ((), (), ())
    sharing.add_node(RESEARCH, "模型")
    sharing.add_access_control("模型", "*", "读取")
    assert graph.balance().idle[1].who == ("*",)


def test_a_forbid_that_meets_no_flow_is_no_idle_permission() -> None:
    graph, sharing = plant()
    sharing.add_access_control("生产线数据", SUPPLY, "读取", effect="forbid")
    assert graph.balance().sound


def test_a_need_without_a_flow_and_what_was_probably_meant() -> None:
    graph, _ = plant()
    graph.add_edge(RESEARCH, WORKSHOP, "生产线 数据")
    graph.add_edge(SUPPLY, WORKSHOP, "产量")
    found = graph.balance().unmet
    assert found == (
        Unmet(RESEARCH, WORKSHOP, "生产线 数据", "生产线数据"),
        Unmet(SUPPLY, WORKSHOP, "产量", None),
    )


def test_a_department_s_own_needs_are_met_by_whoever_gives_them() -> None:
    graph, sharing = plant()
    graph.add_node("质检部门", needs=["生产线数据", "图纸"])
    assert [one.what for one in graph.balance().unmet] == ["生产线数据", "图纸"]
    sharing.add_edge(WORKSHOP, "质检部门", "生产线数据")
    sharing.add_access_control("生产线数据", "质检部门", "读取")
    found = graph.balance()
    assert found.unmet == (Unmet("质检部门", None, "图纸", None),)
    assert found.unneeded == ()


def test_a_flow_nobody_needs_unless_training_learns_from_it() -> None:
    graph, sharing = plant()
    sharing.add_edge(WORKSHOP, SUPPLY, "生产线数据")
    sharing.add_access_control("生产线数据", SUPPLY, "读取")
    assert [(p.giver, p.taker) for p in graph.balance().unneeded] == [(WORKSHOP, SUPPLY)]
    sharing.add_access_control("生产线数据", SUPPLY, "训练")
    assert graph.balance().sound


def test_a_department_on_which_everything_hangs() -> None:
    graph = graph_of(("甲", "丙"), ("乙", "丙"))
    (found,) = graph.balance().hinges
    assert (found.away, tuple(found.stopped)) == (("丙",), ("甲", "乙"))


def test_what_has_expired_counts_for_nothing_else() -> None:
    graph, sharing = plant()
    graph.add_edge(SUPPLY, WORKSHOP, "产量", expires="2026-01-31")
    sharing.add_node(WORKSHOP, "产量")
    sharing.add_edge(WORKSHOP, SUPPLY, "产量", expires="2026-02-28")
    sharing.add_access_control("产量", SUPPLY, "读取")
    for day in (None, date(2026, 1, 31)):
        found = graph.balance(day)
        assert (found.unpermitted, found.idle, found.unmet, found.unneeded, found.expired) == ((), (), (), (), ())
    assert found.hinges[0].away == (WORKSHOP,)
    between = graph.balance(date(2026, 2, 1))
    assert between.expired == (graph.edges[2],)
    assert between.hinges == ()
    assert [str(p) for p in between.unneeded] == ["产量 flows from 生产车间 to 供应链部门"]
    after = graph.balance(date(2026, 3, 1))
    assert len(after.expired) == 2
    assert (after.unneeded, after.unpermitted, after.unmet) == ((), (), ())
    assert [one.who for one in after.idle] == [(SUPPLY,)]


def test_a_need_whose_flow_has_expired_is_unmet() -> None:
    graph, sharing = plant()
    graph.add_edge(SUPPLY, WORKSHOP, "产量")
    sharing.add_node(WORKSHOP, "产量")
    sharing.add_edge(WORKSHOP, SUPPLY, "产量", expires="2026-02-28")
    assert [one.what for one in graph.balance(date(2026, 3, 1)).unmet] == ["产量"]


@given(shared())
def test_every_flow_is_permitted_or_told_and_every_need_met_or_told(graph: Graph) -> None:
    assert graph.sharing is not None
    found, flows = graph.balance(), set(graph.sharing.passages())
    for p in flows:
        assert bool(graph.sharing.permitted(p.giver, p.taker, p.what)) == (p not in found.unpermitted)
    unmet = {(one.giver, one.who, one.what) for one in found.unmet}
    carried = {(p.giver, p.taker, p.what) for p in flows}
    assert unmet == {(e.on, e.dependent, e.what) for e in graph.edges} - carried
    asked = {(e.on, e.dependent, e.what) for e in graph.edges}
    assert not {(p.giver, p.taker, p.what) for p in found.unneeded} & asked
