"""What would be refused is known before anything runs: explain, preflight, check, and the deployed coordinator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lepton_fed.assembly import guards_from
from lepton_fed.cli import main
from lepton_fed.config import Federation
from lepton_fed.preflight import Planned, foreseen
from lepton_fed.translation import speaks, translated
from tests.federations import LINES, TARGET, quick, write

NIGHT = '@id("night") forbid (principal, action == Action::"train", resource) unless { context.hour >= 20 };'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    access = [
        {"what": "updates", "who": ["*"], "action": "训练"},
        {"what": "updates", "who": [TARGET], "action": "评估"},
        {"what": "updates", "who": [TARGET], "action": "发布"},
    ]
    access.append({"what": "updates", "who": [TARGET], "action": "发布", "owner": [LINES[1]], "effect": "forbid"})
    return write(tmp_path / "小", quick({"access": access}, 3))


def give(place: Path, text: str, name: str = LINES[0]) -> None:
    own = Federation.load(place).department_file(name)
    own.write_text('policies = ["own.cedar"]\n' + own.read_text(encoding="utf-8"), encoding="utf-8")
    (own.parent / "own.cedar").write_text(text, encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(a) for a in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


# ---------------------------------------------------------------- preflight


def test_the_plan_is_training_for_each_reader_and_what_else_the_file_permits(place: Path) -> None:
    federation = Federation.load(place)
    steps = foreseen(federation, guards_from(federation))
    found = [(s.kind, s.owner, s.decision.request.who) for s in steps]
    assert found == [
        ("training", LINES[0], LINES[1]),
        ("training", LINES[0], TARGET),
        ("training", LINES[1], LINES[0]),
        ("training", LINES[1], TARGET),
        ("evaluation", LINES[0], TARGET),
        ("evaluation", LINES[1], TARGET),
        ("publishing", LINES[0], TARGET),
    ]
    assert all(step.decision.permitted for step in steps)


def test_a_pipelines_evaluations_are_part_of_the_plan_also_where_no_rule_permits_them(place: Path) -> None:
    federation = Federation.load(place)
    also = (Planned("验证模型", TARGET, LINES[0]), Planned("验证模型", LINES[1], LINES[0]))
    passes, refused = foreseen(federation, guards_from(federation), also)[-2:]
    assert (passes.kind, passes.what, passes.decision.permitted) == ("pipeline", "验证模型", True)
    assert speaks(passes.what, "zh")
    assert translated(passes.what, "zh") == "验证模型"
    assert refused.decision.reasons == (
        f"{LINES[1]} may not 评估 updates of {LINES[0]}: no rule of {LINES[0]} permits it",
    )
    assert refused.advice[-1].startswith("It would pass with one more [[access]]")


def test_a_plan_that_everybody_permits_passes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "preflight", place)
    assert code == 0
    assert "training: 4, all permitted" in out
    assert "What would be refused" not in out


def test_a_refusal_is_said_with_its_rule_and_what_would_make_it_pass(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give(place, NIGHT)
    code, out, _ = said(capsys, "preflight", place, "--hour", 12)
    assert code == 2
    text = " ".join(out.split())
    assert f"{TARGET} may not 训练 updates of {LINES[0]}: rule night of own.cedar forbids it" in text
    assert "It would pass with hour 20 instead of 12" in text
    assert said(capsys, "preflight", place, "--hour", 22)[0] == 0


def test_preflight_as_json_has_every_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give(place, NIGHT)
    code, out, _ = said(capsys, "preflight", place, "--hour", 12, "--json")
    assert code == 2
    found = json.loads(out)
    assert found["refused"] == sum(not step["permitted"] for step in found["steps"]) == 3
    first = found["steps"][0]
    assert first["rules"] == ["night of own.cedar"]
    assert first["advice"] == ["It would pass with hour 20 instead of 12"]
    assert (first["owner"], first["who"], first["verb"]) == (LINES[0], LINES[1], "训练")


def test_a_file_that_cannot_be_used_is_one_sentence_in_preflight_and_in_check(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give(place, "slip of the pen")
    code, out, _ = said(capsys, "preflight", place)
    assert code == 2
    assert f"{LINES[0]}: own.cedar: " in out
    code, _, err = said(capsys, "check", place)
    assert code == 2
    assert err.startswith(f"lepton-fed: {LINES[0]}: own.cedar: ")
    assert len(err.splitlines()) == 1


def test_check_says_who_would_refuse_to_train_now(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lepton_fed.own_policies.hour_here", lambda: 12)
    give(place, NIGHT)
    code, out, _ = said(capsys, "check", place)
    assert code == 0
    assert f"{LINES[0]} would refuse to train now: " in out
    assert "rule night of own.cedar forbids it" in out


# ---------------------------------------------------------------- explain


def test_explain_prints_the_decision_and_the_rules_of_every_owner(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.parent)
    code, out, _ = said(capsys, "explain", TARGET, "训练", "updates")
    assert code == 0
    assert [line for line in out.splitlines() if line] == [
        f"{TARGET} may 训练 updates of {name}: rule access[1] of federation.toml permits it" for name in LINES
    ]
    _, out, _ = said(capsys, "explain", TARGET, "读取", "updates", "--owner", LINES[1])
    assert out.splitlines()[:2] == [
        f"{TARGET} may not 读取 updates of {LINES[1]}: no rule of {LINES[1]} permits it",
        "It may 训练 it: rule access[1] of federation.toml",
    ]


def test_explain_goes_by_own_files_and_by_the_circumstances_that_are_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        '@id("week") permit (principal, action == Action::"read", resource is Statistic) when { context.crowd >= 10 && '
        'context.purpose == "周报" && context.epsilonMicro < 2000000 && principal.role == "工程师" && context.hour == 9'
        " && context.round == 2 };"
    )
    give(place, text)
    asked = ["explain", TARGET, "read", "均值", "--file", place, "--owner", LINES[0], "--kind", "Statistic"]
    asked += ["--of", "updates", "--crowd", 12, "--purpose", "周报", "--role", "工程师", "--hour", 9, "--round", 2]
    assert "rule week of own.cedar permits it" in said(capsys, *asked)[1]
    assert "may not" in said(capsys, *asked, "--epsilon", 2)[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("研发部", "读取", "updates"), "has no department '研发部'"),
        ((TARGET, "读取", "update"), "nobody gives anything called 'update'"),
        ((TARGET, "读取", "updates", "--owner", "谁"), "has no department '谁'"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_one_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    code, out, err = said(capsys, "explain", *arguments, "--file", place)
    assert (code, out) == (2, "")
    assert expected in err
    assert str(place) in err, "as it was typed"
    assert len(err.splitlines()) == 1


def test_a_verb_that_is_not_there_is_a_denial_that_says_which_there_are(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no action '看'" in said(capsys, "explain", TARGET, "看", "updates", "--file", place)[1]


# ---------------------------------------------------------------- graph


def test_graph_report_sets_what_flows_against_what_is_permitted(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "graph", "report", place)
    assert code == 0
    assert f"{TARGET} needs 生产线数据 from {LINES[0]}, and it does not flow" in out


def test_graph_draw_writes_what_is_asked_and_never_over_a_file(
    place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    svg, mermaid = tmp_path / "g.svg", tmp_path / "g.mmd"
    code, out, _ = said(capsys, "graph", "draw", place, "--svg", svg, "--mermaid", mermaid)
    assert (code, out.split()) == (0, [str(svg), str(mermaid)])
    assert "<svg" in svg.read_text(encoding="utf-8")
    assert mermaid.read_text(encoding="utf-8").startswith("flowchart LR")
    code, _, err = said(capsys, "graph", "draw", place, "--svg", svg)
    assert (code, "is left as it is" in err) == (2, True)
    assert said(capsys, "graph", "draw", place, "--svg", tmp_path / "x", "--mermaid", tmp_path / "x")[0] == 2
    assert said(capsys, "graph", "draw", place)[1].startswith("flowchart LR")


@pytest.mark.parametrize("name", ["report", "draw"])
def test_the_help_of_a_command_gives_an_example(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert f"Example: lepton-fed graph {name}" in said(capsys, "graph", name, "--help")[1]
