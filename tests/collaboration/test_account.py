"""The report as text: every answer under its heading, lines that fit, and nothing about what is as it should be."""

from __future__ import annotations

import re
from datetime import date
from itertools import chain

from hypothesis import given
from rich.cells import cell_len

from lepton_fed.collaboration import DataSharing, Graph
from lepton_fed.collaboration.account import MOST
from tests.collaboration.graphs import RESEARCH, SUPPLY, WORKSHOP, graph_of, plant, shared

PLANT = """\
Collaboration of 3 departments: 2 dependencies, 2 flows

Who depends on whom
  - 研发部门 needs 生产线数据 from 生产车间
  - 研发部门 needs 物料管理 from 供应链部门

Order of work
  - 1. 生产车间, 供应链部门
  - 2. 研发部门

Critical path
  - 生产车间 → 研发部门: 5
  供应链部门   begins at 0   may wait 1

What stops if one is away
  - 生产车间: stops 研发部门
  - 供应链部门: stops 研发部门

What flows
  生产车间 → 研发部门     生产线数据   读取 read
  供应链部门 → 研发部门   物料管理     读取 read

What flows, what is permitted and what is needed agree.
"""


CHINESE = """\
3 个部门的协作：2 条依赖，2 条流动

谁依赖谁
  - 研发部门需要生产车间的生产线数据
  - 研发部门需要供应链部门的物料管理

工作顺序
  - 第 1 步：生产车间、供应链部门
  - 第 2 步：研发部门

关键路径
  - 生产车间 → 研发部门: 5
  供应链部门   最早 0 开始   可等待 1

一个部门缺席时会停止什么
  - 生产车间缺席：研发部门停止
  - 供应链部门缺席：研发部门停止

流动的内容
  生产车间 → 研发部门     生产线数据   读取
  供应链部门 → 研发部门   物料管理     读取

流动的、允许的和需要的内容一致。
"""


def sections(text: str) -> dict[str, list[str]]:
    """Headings and the lines below each."""
    blocks = [block.splitlines() for block in text.split("\n\n")[1:]]
    return {block[0]: [line.strip() for line in block[1:]] for block in blocks}


def test_the_plant_in_full() -> None:
    assert plant()[0].report({RESEARCH: 3, WORKSHOP: 2, SUPPLY: 1}) == PLANT


def test_the_plant_in_chinese() -> None:
    assert plant()[0].report({RESEARCH: 3, WORKSHOP: 2, SUPPLY: 1}, language="zh") == CHINESE


def amiss() -> Graph:
    """A graph in which flows, permissions and needs do not agree."""
    graph, sharing = plant()
    graph.add_node("质检部门", cores=8, memory=16, people=1, hours="08:00-16:00", skills=["探伤"], needs=["图纸"])
    graph.add_edge("质检部门", WORKSHOP, "产量", expires="2026-01-31", artefacts=["表"], weight_cap=0.5, purpose="抽检")
    graph.add_edge("质检部门", RESEARCH, "故障模型")
    sharing.add_edge(WORKSHOP, SUPPLY, "生产线数据")
    sharing.add_access_control("物料管理", WORKSHOP, "发布")
    return graph


def test_what_does_not_agree_is_told_under_its_heading() -> None:
    graph = amiss()
    told = sections(graph.report(day=date(2026, 1, 31)))
    assert [cell.strip() for cell in told["Departments"][-1].split("   ")[1:] if cell] == [
        "16 GiB, 8 cores, 08:00-16:00, 1 person",
        "skills: 探伤; needs: 图纸",
    ]
    edge = "质检部门 needs 产量 from 生产车间 (抽检; table; weight at most 0.5; until 2026-01-31)"
    assert f"- {edge}" in told["Who depends on whom"]
    assert told["Dependencies that others imply"] == [
        "- 质检部门 needs 产量 from 生产车间: implied by way of 研发部门; it adds nothing to the order of",
        "work",
    ]
    assert told["Flows that their owner permits nothing with"] == ["- 生产线数据 from 生产车间 to 供应链部门"]
    assert told["Permissions without a flow"] == ["- 生产车间 may 发布 publish 物料管理, which does not reach them"]
    assert "- 质检部门 needs 图纸 from anybody, and it does not flow" in told["Needs without a flow"]
    assert told["Flows that nobody needs"] == ["- 生产线数据 from 生产车间 to 供应链部门"]
    assert told["Departments on which everything hangs"] == [
        "- 生产车间: without it 2 of 3 others stop, 研发部门, 质检部门",
        "- 供应链部门: without it 2 of 3 others stop, 研发部门, 质检部门",
    ]
    assert "Expired" not in told
    later = sections(graph.report(day=date(2026, 2, 1)))
    assert later["Expired"] == ["- 质检部门 needs 产量 from 生产车间, until 2026-01-31"]
    assert "Dependencies that others imply" not in later


def test_what_does_not_agree_is_told_in_chinese() -> None:
    told = sections(amiss().report(day=date(2026, 1, 31), language="zh"))
    assert told["部门"][-1].endswith("16 GiB、8 个核心、08:00-16:00、1 人   技能：探伤；需要：图纸")
    edge = "质检部门需要生产车间的产量（条件：抽检；表；权重不高于 0.5；至 2026-01-31 止）"
    assert f"- {edge}" in told["谁依赖谁"]
    assert "- 质检部门需要任何部门的图纸，但它没有流动" in told["没有流动的需求"]
    cyclic = graph_of(("甲", "乙"), ("乙", "甲"), ("乙", "丙"), ("丙", "甲"))
    for text in (*chain(*told.values()), cyclic.report(language="zh")):
        assert not re.search("[a-z]{2,} [a-z]{2,}", text), text


def test_cycles_stand_in_place_of_the_order() -> None:
    graph = graph_of(("甲", "乙"), ("乙", "甲"))
    told = sections(graph.report({"甲": 1, "乙": 1}))
    assert told["Order of work"][-1] == "- cycle 1: 甲 depends on 乙 for x, 乙 depends on 甲 for x"
    assert "Critical path" not in told


def test_a_large_graph_is_counted_not_listed() -> None:
    graph = Graph()
    for k in range(40):
        graph.add_node(f"科{k}")
    sharing = DataSharing(graph)
    sharing.add_node("科0", "x")
    sharing.add_edge("科0", "*", "x")
    told = sections(graph.report())
    assert len(told["What flows"]) == MOST + 1
    assert told["What flows"][-1] == "and 27 more"
    listed = "科1, 科2, 科3, 科4, 科5, 科6, 科7, 科8 and 31 more"
    assert told["Flows that nobody needs"] == [f"- x from 科0 to {listed}"]


@given(shared())
def test_any_report_is_told_in_lines_that_fit(graph: Graph) -> None:
    text = graph.report(dict.fromkeys(graph.departments, 1.0))
    assert all(cell_len(line) <= 100 for line in text.splitlines())
    assert ("agree." in text) == graph.balance().sound
