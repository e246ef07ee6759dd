"""What a database has as English text is said again as the sentence that it was, and no other text is taken for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed import AutoPipeline
from lepton_fed.pipeline import Step, reasons, retelling
from lepton_fed.pipeline.claiming import MOST_LOST
from lepton_fed.pipeline.states import State
from lepton_fed.translation import Sentence, speaks, translated
from tests.federations import LINES, TARGET
from tests.pipeline.test_built_in import THREE, federation

BEFORE = (f"{TARGET}/训练", f"{LINES[0]}/验证")
STEP = Step(
    department=TARGET,
    description="上线",
    kind="work",
    work=lambda: 1,
    until=lambda _: True,
    budget=3,
    timeout=2.5,
    approve="质量经理",
)

REASONS = [
    (reasons.asked("质量经理"), "等待质量经理"),
    (reasons.answered("质量经理", True), "质量经理已批准"),
    (reasons.answered("质量经理", True, "已核对: 两次"), "质量经理已批准：已核对: 两次"),
    (reasons.answered("质量经理", False, "too early"), "质量经理已拒绝：too early"),
    (reasons.barred(BEFORE[1], State.REFUSED), f"步骤 {LINES[0]}/验证 被拒绝"),
    (reasons.barred(BEFORE[0], State.FAILED), f"步骤 {TARGET}/训练 失败"),
    (reasons.LOST, "执行它的进程没有响应"),
    (reasons.STOPPED, "执行它的进程被停止"),
    (reasons.lost_often(MOST_LOST), f"执行它的进程已有 {MOST_LOST} 个失去响应"),
    (reasons.BY_HAND, "由人完成"),
    (reasons.OMITTED, "其条件不成立"),
    (reasons.another_pass(2, 3), "第 2 遍，最多 3 遍"),
    (reasons.late(2.5), "用时超过 2.5 秒"),
    (reasons.tried(reasons.late(2.5), 4), "用时超过 2.5 秒（已尝试 4 次）"),
    (reasons.spent(3, reasons.NOT_YET), "3 遍的预算已用完：其结束条件尚未成立"),
    (reasons.spent(3, "在校准"), "3 遍的预算已用完：在校准"),
]


@pytest.mark.parametrize(("said", "chinese"), REASONS, ids=str)
def test_a_reason_that_was_stored_is_said_again(said: Sentence, chinese: str) -> None:
    again = retelling.reason(str(said), STEP, BEFORE, tries=4)
    assert again == said
    assert speaks(again, "zh")
    assert translated(again, "zh") == chinese


def stored(result: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(result, sort_keys=True))
    return read


def test_what_work_of_ours_came_to_is_said_again(tmp_path: Path) -> None:
    gated = {**THREE[2], "gate": {"metric": "loss", "at_most": 0.5}}
    publish = {"department": [TARGET], "step": "发布"}
    checked = {**THREE[1], "gate": {"metric": "auc", "at_least": 0.95}}
    made = AutoPipeline.of(federation(tmp_path, [THREE[0], checked, gated, publish]), folder=tmp_path / "runs")
    train, validate, _, iterate, published = made.steps
    values = f"loss {LINES[0]} 0.7, {LINES[1]} 0.2"
    measured = reasons.validated("auc 0.91, loss 0.25", "1,200")
    for step, result, chinese in (
        (train, {"rounds": 3, "metrics": {}, "why": reasons.trained(3, values)}, f"3 轮；{values}"),
        (
            validate,
            {"metrics": {LINES[0]: {"auc": 0.91, "loss": 0.25}}, "why": measured},
            "auc 0.91, loss 0.25，基于至少 1,200 行",
        ),
        (iterate, {"rounds": 5, "why": reasons.already(values)}, f"关卡已经通过：{values}"),
        (iterate, {"rounds": 5, "why": reasons.trained(5, values)}, f"5 轮；{values}"),
        (iterate, {"rounds": 5, "why": reasons.short(5, values, "at most 0.5")}, f"5 轮；{values}，要求不高于 0.5"),
        (published, {"published": "/出", "why": reasons.published("/出", "甲, 乙")}, "甲, 乙的模型已写入 /出"),
    ):
        again = retelling.came_to(stored(result), step)
        assert again == result["why"]
        assert translated(again, "zh") == chinese
    missed = reasons.not_passed(measured, "at least 0.95")
    again = retelling.reason(str(missed), validate, ())
    assert translated(again, "zh") == "关卡未通过：auc 0.91, loss 0.25，基于至少 1,200 行，要求不低于 0.95"
    assert retelling.reason(str(missed), train, ()) == missed
    assert not speaks(retelling.reason(str(missed), train, ()), "zh")
    short = reasons.spent(3, reasons.short(5, values, "at most 0.5"))
    again = retelling.reason(str(short), iterate, (), stored({"rounds": 5, "why": ""}))
    assert translated(again, "zh") == f"3 遍的预算已用完：5 轮；{values}，要求不高于 0.5"


@given(st.text())
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert retelling.reason(text, STEP, BEFORE) == text
    assert retelling.came_to({"why": text}, STEP) == text


def test_what_people_and_their_work_say_is_nobodys_to_translate() -> None:
    assert speaks(retelling.came_to({"why": "done"}, STEP), "zh")
    assert translated(retelling.came_to({"why": "train"}, STEP), "zh") == "train"
    for text in ("KeyError", "for 别的经理", "pass 3 of at most 4", f"{TARGET}/别的 is failed", "2 rounds; x"):
        assert not speaks(retelling.reason(text, STEP, BEFORE), "zh"), text
