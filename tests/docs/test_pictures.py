"""Pictures that pages show are there, said in words, and made by a test; none is left over."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
MADE = Path(__file__).parents[1] / "portal" / "federation" / "test_documented_pictures.py"
LARGEST = 100_000
"""Bytes: they are in every clone."""


def test_every_picture_is_there_said_in_words_and_made_by_the_test_of_pictures() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")))
    shown = {path: words for words, path in re.findall(r"!\[([^]]*)\]\((pictures/[^)]+)\)", pages)}
    there = {path.relative_to(DOCS).as_posix() for path in (DOCS / "pictures").iterdir()}
    made = {f"pictures/{name}.png" for name in re.findall(r'"(portal-[a-z]+)"', MADE.read_text(encoding="utf-8"))}
    assert shown.keys() == there == made
    assert min(len(words) for words in shown.values()) > 20
    assert max((DOCS / path).stat().st_size for path in there) < LARGEST
