"""The program with which the project began, word for word: it runs, and says what ran, in which order and why."""

from __future__ import annotations

from pathlib import Path

import pytest

PROGRAM = """
from lepton_fed import Graph, AutoPipeline, DataSharing
graph = Graph()
graph.add_node('研发部门'); graph.add_node('生产车间'); graph.add_node('供应链部门')
graph.add_edge('研发部门', '生产车间', '生产线数据')
graph.add_edge('研发部门', '供应链部门', '物料管理')
pipeline = AutoPipeline(graph)
pipeline.add_step('研发部门', '完成模型开发')
pipeline.add_step('生产车间', '验证模型')
pipeline.add_step('研发部门', '迭代优化')
data_sharing = DataSharing(graph)
data_sharing.add_node('生产车间', '生产线数据')
data_sharing.add_node('供应链部门', '物料管理')
data_sharing.add_edge('生产车间', '研发部门', '生产线数据')
data_sharing.add_edge('供应链部门', '研发部门', '物料管理')
data_sharing.add_access_control('生产线数据', '研发部门', '读取')
data_sharing.add_access_control('物料管理', '研发部门', '读取')
pipeline.run()
"""

SAID = """\
pipeline, run 1: 3 steps in 2 departments
1. 研发部门 完成模型开发: nothing comes before it
   生产线数据 flows from 生产车间 to 研发部门, who may: 读取 read
   物料管理 flows from 供应链部门 to 研发部门, who may: 读取 read
   by hand: recorded as a person's work, not done by this program
2. 生产车间 验证模型: after 研发部门 完成模型开发 (which was added before it)
   生产线数据 flows from 生产车间 to 研发部门, who may: 读取 read
   by hand: recorded as a person's work, not done by this program
3. 研发部门 迭代优化: after 生产车间 验证模型 (which was added before it)
   by hand: recorded as a person's work, not done by this program
finished: 3 by hand
"""


def test_the_program_runs_and_says_what_ran_in_which_order_and_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(PROGRAM, {})
    assert capsys.readouterr().out == SAID
    assert list(tmp_path.iterdir()) == [], "it keeps its runs in memory and leaves nothing"


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readme_shows_the_program_and_what_it_prints(page: str) -> None:
    text = (Path(__file__).parents[2] / page).read_text("utf-8")
    assert f"```python\n{PROGRAM.lstrip()}```\n\n```text\n{SAID}```\n" in text


def test_a_step_that_nothing_of_ours_does_is_never_taken_for_done(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(PROGRAM, names)
    status = names["pipeline"].status()  # type: ignore[attr-defined]
    assert [one.state.value for one in status.steps] == ["manual"] * 3
    assert (status.state, status.succeeded) == ("finished", True)


def test_a_finished_run_starts_anew(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(PROGRAM, names)
    names["pipeline"].run()  # type: ignore[attr-defined]
    assert "pipeline, run 2: 3 steps in 2 departments\n" in capsys.readouterr().out
