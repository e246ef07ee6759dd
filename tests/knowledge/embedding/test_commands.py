"""`lepton-fed knowledge train`: what it prints and keeps, and that what is wrong costs one sentence and no files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from typer.main import get_command

from lepton_fed.cli import app, main
from lepton_fed.knowledge.embedding.commands import COMMANDS
from tests.knowledge.embedding.test_file import NAMES, write

QUICK = "[embedding]\ndimension = 4\n[rounds]\ncount = 2\nevaluate_every = 1\n"


def run(*arguments: object) -> int:
    try:
        main(["knowledge", "train", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("options", [(), ("--clear",)], ids=["secure sums", "in the clear"])
def test_training_prints_alone_beside_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert run(write(tmp_path, QUICK), *options) == 0
    said = capsys.readouterr()
    assert "alone" in said.out
    assert all(name in said.out for name in (*NAMES, "all"))
    assert "round 2 of 2" in said.err


def test_each_department_has_its_tables_in_a_folder_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(write(tmp_path, QUICK), "--out", out, "--quiet") == 0
    assert set(json.loads((out / "results.json").read_text("utf-8"))) == set(NAMES)
    for name in NAMES:
        assert (out / name).stat().st_mode & 0o077 == 0
        with safe_open(out / name / "embedding.safetensors", "pt") as kept:
            assert json.loads(kept.metadata()["relations"]) == ["装在"]
            assert kept.get_tensor("entities").shape == (len(json.loads(kept.metadata()["entities"])), 8)


def test_a_folder_that_is_in_use_is_refused_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write(tmp_path, QUICK), "--out", tmp_path) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_missing_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.toml") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_insecure_reproduction_is_called_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = QUICK + "[entities]\nowners = 1\ninsecure_reproduction = true\n"
    assert run(write(tmp_path, text), "--quiet") == 0
    assert "insecure reproduction" in capsys.readouterr().err


def test_every_command_has_an_example() -> None:
    for command, example in COMMANDS.items():
        assert example.startswith(f"lepton-fed knowledge {command.__name__} ")


def test_the_help_describes_every_option_and_gives_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert "Example: lepton-fed knowledge train " in said
    command = get_command(app).commands["knowledge"].commands["train"]  # type: ignore[attr-defined]
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert all(word in said for word in parameter.help.split()), parameter.name
