"""Work of ours over a small federation: it trains, measures where the rows are, iterates, publishes, and asks first."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from lepton_fed import AutoPipeline, Federation, simulate
from lepton_fed.errors import ConfigError, PolicyError
from lepton_fed.pipeline import State, Status
from lepton_fed.pipeline.evaluation import measured
from tests.federations import LINES, TARGET, quick, write
from tests.pipeline.small import silent

PERMITTED = [
    {"what": "updates", "who": ["*"], "action": "训练"},
    {"what": "updates", "who": [TARGET], "action": "评估"},
    {"what": "updates", "who": [TARGET], "action": "发布"},
]
THREE = [
    {"department": [TARGET], "step": "完成模型开发", "rounds": 2},
    {"department": list(LINES), "step": "验证模型"},
    {"department": [TARGET], "step": "迭代优化", "rounds": 1, "budget": 3, "gate": {"metric": "auc", "at_least": 0.0}},
]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their reports, which take longer to draw than these runs to train."""
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)


def federation(folder: Path, steps: list[dict[str, Any]], access: list[dict[str, Any]] | None = None) -> Federation:
    changes = {"pipeline": steps, "access": PERMITTED if access is None else access}
    return Federation.load(write(folder / "小", quick(changes, 3)))


def ran(of: Federation, folder: Path) -> Status:
    return AutoPipeline.of(of, folder=folder / "runs", say=silent()[1]).run(by="张三")


def test_three_steps_train_measure_at_the_lines_and_train_on_until_the_gate_passes(tmp_path: Path) -> None:
    status = ran(federation(tmp_path, THREE), tmp_path)
    assert status.state == "finished", [one.reason for one in status.steps]
    first, *measured, last = status.steps
    assert first.result["rounds"] == 2
    assert [one.department for one in measured] == list(LINES)
    for one in measured:
        assert one.result["metrics"][one.department] == pytest.approx(first.result["metrics"][one.department])
        assert "on 5 rows or more" in one.result["why"]
    assert last.result["why"].startswith("the gate passes already: auc ")
    assert last.result["rounds"] == 2, "nothing is trained for nothing"


def test_the_gate_is_measured_after_each_pass_until_the_budget_is_spent(tmp_path: Path) -> None:
    gate = {"metric": "loss", "at_most": -1.0, "at": [LINES[0]]}
    steps = [*THREE[:2], {**THREE[2], "gate": gate, "budget": 2}, {"department": [TARGET], "step": "发布"}]
    of = federation(tmp_path, steps)
    status = ran(of, tmp_path)
    last, publish = status.steps[-2:]
    assert (status.state, last.state, publish.state) == ("failed", State.FAILED, State.BLOCKED)
    assert last.reason.startswith("its budget of 2 is spent: 4 rounds; loss ")
    assert last.reason.endswith("at most -1 is asked")
    assert last.turns == 1


def test_passes_of_an_iteration_end_with_the_model_of_one_long_run(tmp_path: Path) -> None:
    steps = [THREE[0], {"department": [TARGET], "step": "迭代优化", "rounds": 3}]
    of = federation(tmp_path, steps)
    status = ran(of, tmp_path)
    whole = simulate(of, rounds=5, out=tmp_path / "one")
    assert whole.folder is not None
    folder = Path(status.steps[-1].result["run_folder"])
    for name in (*LINES, TARGET):
        mine, theirs = (f / "models" / f"{name}.safetensors" for f in (folder, whole.folder))
        import safetensors.numpy as st

        one, other = st.load_file(mine), st.load_file(theirs)
        assert all((one[key] == other[key]).all() for key in other)


def test_training_that_was_broken_off_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = federation(tmp_path, THREE[:1])
    asked: list[int] = []

    def interrupted(self: Any, number: int, names: int) -> None:
        asked.append(number)
        if asked == [1, 2]:
            raise KeyError("the power fails")

    monkeypatch.setattr("lepton_fed.pipeline.built_in.Interruptible.asked", interrupted)
    monkeypatch.setattr("lepton_fed.pipeline.step.Retries.pause", lambda *_: 0.0)
    assert ran(of, tmp_path).state == "finished"
    assert asked == [1, 2, 2], "the first round is not trained again"


def test_a_step_that_a_policy_denies_is_refused_with_the_rule_and_not_tried_again(tmp_path: Path) -> None:
    status = ran(federation(tmp_path, THREE, PERMITTED[:1]), tmp_path)
    trained, first, second, last = status.steps
    assert trained.state is State.DONE
    assert (first.state, second.state, last.state) == (State.REFUSED, State.REFUSED, State.BLOCKED)
    assert first.reason == f"{TARGET} may not 评估 updates of {LINES[0]}: no rule of {LINES[0]} permits it"
    assert first.begun == 0


def test_the_department_refuses_on_its_own_whatever_the_pipeline_asked(tmp_path: Path) -> None:
    of = federation(tmp_path, THREE[:1], PERMITTED[:1])
    result = simulate(of, rounds=1, out=tmp_path / "run")
    assert result.folder is not None
    with pytest.raises(PolicyError, match=f"{LINES[0]} refused: {TARGET} may not 评估 updates"):
        measured(result.folder, of, at=LINES[0], asker=TARGET)


def test_publishing_copies_the_model_and_its_card_where_the_sources_permit(tmp_path: Path) -> None:
    steps = [THREE[0], {"department": [TARGET], "step": "发布", "to": str(tmp_path / "出")}]
    status = ran(federation(tmp_path, steps), tmp_path)
    assert status.state == "finished", status.steps[-1].reason
    assert {path.name for path in (tmp_path / "出").iterdir()} == {f"{TARGET}.safetensors", f"{TARGET}.md"}
    digest = hashlib.sha256((tmp_path / "出" / f"{TARGET}.safetensors").read_bytes()).hexdigest()
    assert status.steps[-1].result["models"] == {TARGET: digest}
    refused = ran(federation(tmp_path / "二", steps, PERMITTED[:2]), tmp_path / "二")
    assert refused.steps[-1].state is State.REFUSED
    assert "may not 发布 updates" in refused.steps[-1].reason


def test_a_gate_of_a_validation_that_does_not_pass_fails_it(tmp_path: Path) -> None:
    steps = [THREE[0], {"department": [LINES[0]], "step": "验证模型", "gate": {"metric": "auc", "at_least": 1.1}}]
    status = ran(federation(tmp_path, steps), tmp_path)
    assert status.steps[-1].reason.startswith("the gate does not pass: auc ")
    assert status.steps[-1].begun == 1


def test_without_a_federation_the_same_words_are_a_persons_work_and_with_one_they_are_ours(tmp_path: Path) -> None:
    made = AutoPipeline.of(federation(tmp_path, THREE), folder=tmp_path / "runs")
    assert [one.kind for one in made.steps] == ["train", "validate", "validate", "iterate"]
    assert made.add_step(TARGET, "写文档").kind == "manual"
    with pytest.raises(ConfigError, match="declares no pipeline"):
        AutoPipeline.of(federation(tmp_path / "二", []), folder=tmp_path / "runs")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"department": ["谁"], "step": "训练"}], "names '谁', which is no department"),
        ([{"department": list(LINES), "step": "训练"}], "'训练' is done once for all"),
        ([{"department": [LINES[0]], "step": "验证模型"}], "needs a trained model"),
        ([{"department": [TARGET], "step": "a"}, {"department": [TARGET], "step": "a"}], "two steps .* called 'a'"),
        ([{"department": [TARGET], "step": "a", "after": ["b"]}], "'b', which is no other step"),
        ([{"department": [TARGET], "step": "a", "needs": ["b"]}], "is 'b', which nobody makes"),
        (
            [{"department": [TARGET], "step": "a", "rounds": 2}],
            "rounds belongs to train and iterate, and 'a' is manual",
        ),
        ([{"department": [TARGET], "step": "a", "budget": 2}], "has a budget and no gate"),
        ([{"department": [], "step": "a"}], "needs at least one name in department"),
        ([THREE[0], {"department": [TARGET], "step": "验证"}], f"'{TARGET}' is no source"),
        ([THREE[0], {**THREE[2], "gate": {"metric": "r2", "at_least": 0.5}}], "'r2' needs a number as label"),
        ([THREE[0], {**THREE[2], "gate": {"metric": "auc"}}], "at_least or at_most, one of them"),
        ([THREE[0], {**THREE[2], "gate": {"metric": "auc", "at_least": 1, "at": [TARGET]}}], "no rows to measure on"),
    ],
)
def test_what_a_file_may_not_declare_is_one_sentence(tmp_path: Path, steps: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        federation(tmp_path, steps)
