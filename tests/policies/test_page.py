"""docs/policies.md: its Python runs and prints what stands below it, its policies can be used, its words exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

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


def test_the_page_has_every_action_and_every_circumstance() -> None:
    assert all(f"{word} {verb}" in PAGE for word, verb in WORDS.items())
    assert all(f"`{field.name}`" in PAGE for field in fields(Context))


def test_nothing_is_left_to_be_filled_in_and_links_lead_somewhere() -> None:
    assert "@@" not in PAGE
    assert [p for p in re.findall(r"`((?:lepton_fed|configs)/\S+?)`", PAGE) if not (ROOT / p).exists()] == []
