"""A piece of a text in Markdown as a snippet shows it: what is said, without the signs around it.

    "见 [手册](/entries/7)，\\n|---|---|\\n- [x] ~~旧~~"  ──►  "见 手册，\\n旧"

A piece may begin and end anywhere, within a link as well. The rules are rough: nothing is read as Markdown here, which
would take longer than to find it.
"""

from __future__ import annotations

import re

LONGEST_TARGET = 2000
"""Characters of a link's target that are looked over to find where it begins or ends."""

_TARGET = r"\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"
_WHOLE_TARGET = re.compile(_TARGET)
_LINK = re.compile(rf"!?\[([^\[\]\n]*){_TARGET}")
_REFERENCE = re.compile(r"\[\[(?:entity|model|run):(?:[^\[\]|\n]*\|)?([^\[\]|\n]*)\]\]")
_BEGUN_BEFORE = re.compile(rf"\A([^\[\]\n]*){_TARGET}")
_ENDS_AFTER = re.compile(
    r"\[\[[a-z]*(?::[^\[\]|\n]*(?:\|([^\[\]|\n]*))?\]?)?\Z"
    r"|!?\[([^\[\]\n]*)(?:\]\([^()\n]*(?:\([^()\n]*(?:\)[^()\n]*)?)*)?\Z"
)
_LINES = re.compile(
    r"^(?:(?=[ |]*(?::?-|[-_=]{3}))[ |:_=-]+$"  # A rule, of a table as well, or the line below a heading.
    r"| {0,3}(?:#{1,6} +|> ?)"
    r"| *(?:[-*+]|\d{1,9}[.)]) +\[[ xX]\](?: |$))",
    re.MULTILINE,
)
_SIGNS = re.compile(r"\*\*(?<!\*\*\*)(?!\*)|~~|`+|\|")
"""Four stars are a mask, and stay."""


def piece(text: str, start: int, end: int) -> str:
    """[start, end) of the text, without signs."""
    start = _before_target(text, start)
    cut = text[start:end]
    if "[" in cut or "](" in cut:
        cut = _REFERENCE.sub(r"\1", cut)
        # Twice, for a picture within a link.
        for _ in range(2):
            cut = _LINK.sub(r"\1", cut)
            cut = _BEGUN_BEFORE.sub(r"\1", cut) if start else cut
            cut = _ENDS_AFTER.sub(r"\1\2", cut) if end < len(text) else cut
    return _SIGNS.sub("", _LINES.sub("", cut))


def _before_target(text: str, start: int) -> int:
    """Where a target begins, if it is there that a piece would begin; else the place itself."""
    for begins, whole in (("[[", _REFERENCE), ("](", _WHOLE_TARGET)):
        opened = text.rfind(begins, max(0, start - LONGEST_TARGET), start + 1)
        found = whole.match(text, opened, start + LONGEST_TARGET) if opened >= 0 else None
        if found is not None and found.end() > start:
            return opened
    return start
