"""Differences of two texts: both can be put together from them again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.portal.entries.differences import CONTEXT, Line, differences

TEXT = st.lists(st.text(alphabet="甲乙丙 ab", max_size=6), min_size=1, max_size=8).map("\n".join)


def lines(found: tuple[Line, ...], *marks: str) -> list[str]:
    return ["".join(part.text for part in line.parts) for line in found if line.mark in marks]


@given(TEXT, TEXT)
def test_what_went_and_what_came_are_the_two_texts(older: str, newer: str) -> None:
    found = differences(older, newer)
    assert bool(found) == (older != newer)
    skipped = sum(line.skipped for line in found)
    for text, mark in ((older, "gone"), (newer, "new")):
        own = lines(found, "same", mark)
        assert len(own) + skipped <= len(text.split("\n"))
        rest = iter(text.split("\n"))
        assert all(any(line == one for one in rest) for line in own), "in order"


def test_within_a_changed_line_the_characters_are_told() -> None:
    gone, new = (line for line in differences("先停机，再检查", "先停机，后检查") if line.mark != "same")
    assert [(p.text, p.changed) for p in gone.parts] == [("先停机，", False), ("再", True), ("检查", False)]
    assert [p.text for p in new.parts if p.changed] == ["后"]


def test_unchanged_lines_far_away_are_left_out_and_counted() -> None:
    before = [str(k) for k in range(40)]
    after = [*before[:20], "新", *before[20:]]
    found = differences("\n".join(before), "\n".join(after))
    assert len(found) == 2 * CONTEXT + 1
    assert found[0].skipped == 20 - CONTEXT
