"""What two revisions differ in: lines that went and came, and within a changed line the characters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

Mark = Literal["same", "gone", "new"]
CONTEXT = 3
"""Unchanged lines that are shown around a change."""

_LONG = 2_000


@dataclass(frozen=True)
class Part:
    """Some characters of a line, and whether they changed."""

    text: str
    changed: bool = False


@dataclass(frozen=True)
class Line:
    """A line that is in both, only in the older, or only in the newer; `skipped`: unchanged ones left out before it."""

    mark: Mark
    parts: tuple[Part, ...]
    skipped: int = 0


def differences(older: str, newer: str) -> tuple[Line, ...]:
    """The changed lines with some around them; empty where nothing changed."""
    before, after = older.split("\n"), newer.split("\n")
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    shown: list[Line] = []
    last = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        skipped = group[0][1] - last
        for tag, i1, i2, j1, j2 in group:
            lines = _lines(tag, before[i1:i2], after[j1:j2])
            shown += _with_skipped(lines, skipped)
            skipped = 0
            last = i2
    return tuple(shown)


def _with_skipped(lines: Iterator[Line], skipped: int) -> Iterator[Line]:
    for line in lines:
        yield Line(line.mark, line.parts, skipped)
        skipped = 0


def _lines(tag: str, before: list[str], after: list[str]) -> Iterator[Line]:
    if tag == "equal":
        yield from (Line("same", (Part(line),)) for line in before)
        return
    pairs = [_within(a, b) for a, b in zip_longest(before, after)]
    yield from (Line("gone", parts) for parts, _ in pairs if parts is not None)
    yield from (Line("new", parts) for _, parts in pairs if parts is not None)


def _within(before: str | None, after: str | None) -> tuple[tuple[Part, ...] | None, tuple[Part, ...] | None]:
    """Both lines in parts; what one has alone is changed as a whole."""
    if before is None or after is None or max(len(before), len(after)) > _LONG:
        return tuple(None if line is None else (Part(line, True),) for line in (before, after))  # type: ignore[return-value]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    gone, new = [], []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        gone += [Part(before[i1:i2], tag != "equal")] * (i2 > i1)
        new += [Part(after[j1:j2], tag != "equal")] * (j2 > j1)
    return tuple(gone), tuple(new)
