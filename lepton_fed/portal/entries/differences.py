"""What two revisions differ in: lines that went and came, and within a changed line the characters.

Whatever two texts are, the answer comes at once: where comparing every line with every other could take long, what lies
between the first change and the last is shown as gone and new, line by line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

Mark = Literal["same", "gone", "new"]
CONTEXT = 3
"""Unchanged lines that are shown around a change."""

MOST_STEPS = 200_000_000
"""Of comparing; difflib takes at most so many as lines times pairs of equal lines."""


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
    shown: list[Line] = []
    last = 0
    for group in _groups(before, after):
        skipped = group[0][1] - last
        for tag, i1, i2, j1, j2 in group:
            lines = _lines(tag, before[i1:i2], after[j1:j2])
            shown += _with_skipped(lines, skipped)
            skipped = 0
            last = i2
    return tuple(shown)


def _groups(before: Sequence[str], after: Sequence[str]) -> Iterator[Sequence[tuple[str, int, int, int, int]]]:
    """As difflib groups changes: (tag, lines [i1, i2) of `before`, lines [j1, j2) of `after`)."""
    if before == after:
        return
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    first, i, j = max(0, head - CONTEXT), len(before) - tail, len(after) - tail
    more = min(CONTEXT, tail)
    one, other = before[first : i + more], after[first : j + more]
    if steps(one, other) > MOST_STEPS:
        yield (
            ("equal", first, head, first, head),
            ("replace", head, i, head, j),
            ("equal", i, i + more, j, j + more),
        )
        return
    for group in SequenceMatcher(None, one, other, autojunk=False).get_grouped_opcodes(CONTEXT):
        yield [(tag, i1 + first, i2 + first, j1 + first, j2 + first) for tag, i1, i2, j1, j2 in group]


def steps(before: Sequence[str], after: Sequence[str]) -> int:
    """More than difflib takes to compare these."""
    one, other = Counter(before), Counter(after)
    pairs = sum(count * other[line] for line, count in one.items())
    return min(len(before), len(after)) * (len(before) + pairs)


def _alike(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines, or characters, both begin with."""
    count = 0
    for a, b in zip(before, after, strict=False):
        if a != b:
            break
        count += 1
    return count


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
    """Both lines in parts: from the first character that differs to the last; what one has alone is all of it new."""
    if before is None or after is None:
        return _one(before), _one(after)
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    return _parts(before, head, tail), _parts(after, head, tail)


def _one(line: str | None) -> tuple[Part, ...] | None:
    return None if line is None else (Part(line, True),)


def _parts(line: str, head: int, tail: int) -> tuple[Part, ...]:
    end = len(line) - tail
    parts = (Part(line[:head]), Part(line[head:end], True), Part(line[end:]))
    return tuple(part for part in parts if part.text)
