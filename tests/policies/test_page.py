"""docs/policies.md: its Python runs and prints what stands below it, its policies can be used, its words exist."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from lepton_fed.cli import main
from lepton_fed.data.department_file import DepartmentFile
from lepton_fed.policies import Context
from lepton_fed.policies.request import WORDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run_in_their_order_and_print_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    (cedar,) = (text for language, text in BLOCKS if language == "cedar")
    names: dict[str, object] = {"cedar_text": cedar}
    compared = 0
    for (language, text), (after, expected) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if language != "python":
            continue
        exec(compile(text, "docs/policies.md", "exec"), names)
        printed = capsys.readouterr().out
        assert after == "text"
        whole = not PAGE.partition(expected)[2].startswith("```\n\nand so on")
        assert (printed == expected) if whole else printed.startswith(expected), printed
        compared += 1
    assert compared == 6


COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_works(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    program, *arguments = command.split()
    assert program == "lepton-fed"
    main_ended = 0
    try:
        main(arguments)
    except SystemExit as end:
        main_ended = int(end.code or 0)
    out, err = capsys.readouterr()
    assert (main_ended, err) == (0, "")
    if arguments[0] == "explain":
        # What the page shows of one owner.
        shown = next(
            text for language, text in BLOCKS if text.startswith("研发部门 may not 读取 生产线数据 of 生产车间-L")
        )
        assert out.startswith(shown.splitlines()[0])


def test_the_keys_of_the_page_are_a_department_files() -> None:
    (text,) = (text for language, text in BLOCKS if language == "toml")
    assert tomllib.loads(text).keys() <= {field.name for field in fields(DepartmentFile)}


def test_the_page_has_every_action_and_every_circumstance() -> None:
    assert all(f"{word} {verb}" in PAGE for word, verb in WORDS.items())
    assert all(f"`{field.name}`" in PAGE for field in fields(Context))


def test_nothing_is_left_to_be_filled_in_and_links_lead_somewhere() -> None:
    assert "@@" not in PAGE
    assert [p for p in re.findall(r"`((?:lepton_fed|configs)/\S+?)`", PAGE) if not (ROOT / p).exists()] == []
