"""`lepton-fed pipeline ...`: what it prints, its exit codes, and every usual mistake answered with one sentence."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from lepton_fed.cli import app, main
from lepton_fed.pipelines import COMMANDS
from tests.federations import LINES, TARGET, quick, write
from tests.pipeline.test_built_in import PERMITTED, THREE

ROOT = Path(__file__).parents[2]
APPROVED = [THREE[0], {"department": [TARGET], "step": "上线", "approve": "质量经理"}]


class Said(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The command in this process, in an empty folder."""
    monkeypatch.delenv("LEPTON_FED_DATABASE", raising=False)
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Said:
        code = 0
        try:
            main(["pipeline", *(str(one) for one in arguments)])
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *capsys.readouterr())

    return call


def file_of(tmp_path: Path, steps: list[dict[str, Any]]) -> Path:
    return write(tmp_path / "小", quick({"pipeline": steps, "access": PERMITTED}, 2))


def test_run_says_what_goes_on_on_stderr_and_what_came_of_it_on_stdout(cli: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, THREE)
    said = cli("run", file, "--by", "张三")
    assert said.code == 0, said
    assert said.out.startswith("小联邦, run 1, begun by 张三: finished\n")
    assert said.out.count(" done ") == 4
    assert f"1. {TARGET} 完成模型开发: nothing comes before it" in said.err
    assert "permitted: " in said.err
    page = Path(said.out.rpartition("report: ")[2].strip())
    assert page.name == "pipeline.html"
    text = page.read_text("utf-8")
    assert all(name in text for name in (*LINES, TARGET, "验证模型"))
    assert "http:" not in text
    assert cli("status", file).out.startswith("小联邦, run 1, begun by 张三: finished\n")


def test_a_gate_is_approved_by_somebody_else_and_the_run_goes_on(cli: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, APPROVED)
    first = cli("run", file, "--by", "张三")
    assert first.code == 0
    assert f"waits for 质量经理 to approve {TARGET}/上线" in first.err
    assert f"waits for 质量经理 to approve {TARGET}/上线" in cli("status", file).out
    refused = cli("approve", file, "上线", "--role", "质量经理", "--by", "张三")
    assert refused.code == 2
    assert "张三 began this run and cannot approve" in refused.err
    approved = cli("approve", file, "上线", "--role", "质量经理", "--by", "李四")
    assert approved.code == 0
    assert shlex.join(["lepton-fed", "pipeline", "run", str(file)]) in approved.out
    last = cli("run", file, "--by", "张三", "--quiet")
    assert (last.code, last.err) == (0, "")
    assert "finished: 1 done, 1 by hand" in last.out


def test_a_declined_step_fails_the_run_with_code_1(cli: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, APPROVED)
    cli("run", file, "--by", "张三")
    assert cli("decline", file, "上线", "--role", "质量经理", "--by", "李四", "--why", "too early").code == 0
    assert "质量经理 declined: too early" in cli("status", file).out


def test_a_cancelled_run_is_over(cli: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, APPROVED)
    cli("run", file, "--by", "张三")
    assert cli("cancel", file, "--by", "李四").code == 0
    assert ": cancelled" in cli("status", file).out
    assert "has no run under way" in cli("cancel", file).err


def test_a_run_that_fails_ends_with_code_1(cli: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, [THREE[0], {**THREE[2], "gate": {"metric": "auc", "at_least": 2.0}, "budget": 1}])
    said = cli("run", file)
    assert said.code == 1
    assert "its budget of 1 is spent" in said.out


def test_ctrl_c_says_how_to_go_on(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path, THREE)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lepton_fed.pipeline.worker.Worker._collect", interrupted)
    said = cli("run", file, "--as", TARGET)
    assert said.code == 130
    again = shlex.join(["lepton-fed", "pipeline", "run", str(file), "--as", TARGET])
    assert said.err.endswith(f"stopped; go on with: {again}\n")


@pytest.mark.long
def test_two_workers_share_one_run_each_with_the_steps_of_its_own_departments(tmp_path: Path) -> None:
    file = file_of(tmp_path, THREE)
    command = [sys.executable, "-m", "lepton_fed.cli", "pipeline", "run", str(file), "--by", "张三"]
    shares = ([TARGET], list(LINES))
    workers = [
        subprocess.Popen(
            [*command, *(word for name in share for word in ("--as", name))],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
        )
        for share in shares
    ]  # fmt: skip
    said = [worker.communicate(timeout=280)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    for share, lines in zip(shares, said, strict=True):
        assert set(re.findall(r"^\d+\. (\S+) ", lines, re.MULTILINE)) == set(share)
    assert said[0].endswith("finished: 4 done\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "none.toml"), "none.toml: there is no such file"),
        (("run", "FILE", "--as", "谁"), "'谁' is no department"),
        (("approve", "FILE", "上线", "--role", "质量经理"), "no run under way"),
        (("approve", "FILE", "下线", "--role", "质量经理"), "'下线' is no step of the pipeline"),
        (("cancel", "FILE"), "no run under way"),
    ],
)
def test_a_mistake_is_one_sentence(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    file = file_of(tmp_path, APPROVED)
    found = cli(*(str(file) if one == "FILE" else one for one in arguments))
    assert found.code == 2
    assert found.out == ""
    assert found.err.startswith("lepton-fed: ")
    assert found.err.count("\n") == 1
    assert said in found.err


def test_a_file_without_a_pipeline_says_how_to_declare_one(cli: Cli, tmp_path: Path) -> None:
    assert "declares no pipeline; [[pipeline]] adds a step" in cli("run", file_of(tmp_path, [])).err


def test_a_pipeline_that_was_not_run_says_so_and_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, THREE)
    assert "has not been run yet" in cli("status", file).out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", [command.__name__ for command in COMMANDS])
def test_the_help_of_a_command_describes_it_its_options_and_gives_an_example(cli: Cli, name: str) -> None:
    said = cli(name, "--help")
    assert said.code == 0
    command = get_command(app).commands["pipeline"].commands[name]  # type: ignore[attr-defined]
    assert f"Example: lepton-fed pipeline {name}" in said.out
    for parameter in command.params:
        assert parameter.help, parameter.name
        for word in parameter.help.split():
            assert word in said.out, (parameter.name, word)
