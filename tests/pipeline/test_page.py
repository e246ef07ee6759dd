"""docs/pipelines.md: its Python runs and prints what stands below it, its TOML is the example's, its words exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from lepton_fed.cli import app
from lepton_fed.pipeline.descriptions import recognised
from tests.pipeline.test_seed_program import PROGRAM

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipelines.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run_in_their_order_and_print_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    compared = 0
    for (language, text), (after, expected) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if language == "python":
            exec(compile(text, "docs/pipelines.md", "exec"), names)
            assert after == "text"
            assert capsys.readouterr().out == expected
            compared += 1
    assert compared == 4


def test_the_first_example_is_the_program_word_for_word() -> None:
    assert BLOCKS[0] == ("python", PROGRAM.lstrip("\n"))


def test_the_declaration_is_that_of_the_shipped_example() -> None:
    (text,) = (text for language, text in BLOCKS if language == "toml")
    shipped = tomllib.loads((ROOT / "configs" / "manufacturing.toml").read_text("utf-8"))
    assert tomllib.loads(text)["pipeline"] == shipped["pipeline"]


def test_the_commands_exist() -> None:
    commands = get_command(app).commands["pipeline"].commands  # type: ignore[attr-defined]
    shown = [
        shlex.split(line, comments=True) for language, text in BLOCKS if language == "sh" for line in text.splitlines()
    ]
    assert shown
    for words in shown:
        assert words[:2] == ["lepton-fed", "pipeline"]
        options = {option for parameter in commands[words[2]].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_the_words_that_mean_work_of_ours_do() -> None:
    rows = re.findall(r"^\| (train|validate|iterate|publish) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for kind, listed in rows:
        assert {recognised(word.strip().strip("`")) for word in listed.split(",")} == {kind}


def test_nothing_is_left_to_be_filled_in_and_links_lead_somewhere() -> None:
    assert "@@" not in PAGE
    assert [p for p in re.findall(r"`((?:lepton_fed|configs)/\S+?)`", PAGE) if not (ROOT / p).exists()] == []
    assert [p for p in re.findall(r"\]\(([^)#]+)", PAGE) if not (ROOT / "docs" / p).exists()] == []
