"""docs/knowledge.md, followed from its top: every command says what the page says, every program runs."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import pytest

from lepton_fed.cli import main
from lepton_fed.knowledge import KnowledgeGraph
from lepton_fed.policies.engine import translated

PAGE = (Path(__file__).parents[2] / "docs" / "knowledge.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)(?: (\S+))?\n(.*?)```", PAGE, flags=re.DOTALL)


def typed(console: str) -> list[tuple[list[str], str]]:
    """The commands of a block, each with what it says."""
    parts = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    return [(shlex.split(part.partition("\n")[0]), part.partition("\n")[2]) for part in parts]


def test_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEPTON_FED_KNOWLEDGE", raising=False)
    for name, text in ((name, text) for _, name, text in BLOCKS if name):
        Path(name).write_text(text, encoding="utf-8")
    for department in ("a", "b"):
        KnowledgeGraph(tmp_path / f"{department}.sqlite").close()
    known: dict[str, object] = {}
    for kind, _, text in BLOCKS:
        if kind == "console":
            for (program, *arguments), says in typed(text):
                assert program == "lepton-fed"
                with contextlib.suppress(SystemExit):
                    main(arguments)
                said = capsys.readouterr()
                assert said.err == ""
                assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "…", said.out) == says, arguments
        elif kind == "python":
            exec(compile(text, "knowledge.md", "exec"), known)
        elif kind == "cedar":
            assert translated(text)


def test_every_key_of_a_rule_is_described() -> None:
    from dataclasses import fields

    from lepton_fed.knowledge.rules import RelationRule

    described = re.search(r"\| key of `\[\[relation\]\]`.*?\n\n", PAGE, flags=re.DOTALL)
    assert described is not None
    assert all(f"`{field.name}`" in described[0] for field in fields(RelationRule))
