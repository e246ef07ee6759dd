"""docs/knowledge-embedding.md describes every key as the code has it, and its short example runs."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from lepton_fed.knowledge.embedding.settings import (
    Embedding,
    EmbeddingCoupling,
    EmbeddingRounds,
    EmbeddingSettings,
    SharedEntities,
)

PAGE = (Path(__file__).parents[3] / "docs" / "knowledge-embedding.md").read_text(encoding="utf-8")
TABLES = {
    "embedding": Embedding,
    "rounds": EmbeddingRounds,
    "coupling": EmbeddingCoupling,
    "entities": SharedEntities,
}


def rows() -> dict[tuple[str, str], str]:
    """The default of each key as the page has it, by table and key."""
    found, table = {}, ""
    for line in PAGE.split("\n"):
        match = re.fullmatch(r"\| (?:`\[+(\w+)\]+`)? ?\| `(\w+)`(?:, .*)? \| (.*?) \| .* \|", line)
        if match is not None:
            table = match[1] or table
            found[table, match[2]] = match[3].strip("`")
    return found


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_described_with_its_default(table: str) -> None:
    for field in fields(TABLES[table]):
        assert field.default is not MISSING
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        written = {True: "true", False: "false"}.get(default) if isinstance(default, bool) else str(default)  # type: ignore[call-overload]
        assert rows()[table, field.name].strip('"') == written, field.name


def test_no_key_is_described_that_is_not_there() -> None:
    known = {(table, field.name) for table, kind in TABLES.items() for field in fields(kind)}
    assert set(rows()) == known
    assert {f.name for f in fields(EmbeddingSettings)} == {"federation", "departments", *TABLES}


def test_the_example_of_features_prints_what_the_page_says() -> None:
    code, said = re.findall(r"```python\n(import torch.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)[0]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "page", "exec"), {})
    assert out.getvalue() == said


@pytest.mark.long
def test_the_example_of_training_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.knowledge.embedding.test_commands import QUICK
    from tests.knowledge.embedding.test_file import write

    (code,) = re.findall(r"```python\n(from pathlib.*?)```", PAGE, re.DOTALL)
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs", QUICK).rename(tmp_path / "configs" / "knowledge.toml")
    (tmp_path / "configs" / "wissen").rename(tmp_path / "configs" / "knowledge")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "page", "exec"), {})
