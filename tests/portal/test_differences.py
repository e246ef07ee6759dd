"""Differences of two texts: both can be put together from them again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.portal.entries import differences as module
from lepton_fed.portal.entries.differences import CONTEXT, MOST_STEPS, Line, differences, steps

TEXT = st.lists(st.text(alphabet="甲乙丙 ab", max_size=6), min_size=1, max_size=8).map("\n".join)


def lines(found: tuple[Line, ...], *marks: str) -> list[str]:
    return ["".join(part.text for part in line.parts) for line in found if line.mark in marks]


@pytest.mark.parametrize("most", [MOST_STEPS, 0])
@given(TEXT, TEXT)
def test_what_went_and_what_came_are_the_two_texts(most: int, older: str, newer: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "MOST_STEPS", most)
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


def test_what_would_take_long_to_compare_is_gone_and_new_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = ["甲", "乙"] * 1000, ["乙", "乙", "甲"] * 700
    assert steps(before, after) > MOST_STEPS
    monkeypatch.setattr(module, "SequenceMatcher", lambda *given, **more: pytest.fail("compared"))
    found = differences("\n".join(["首", *before, "尾"]), "\n".join(["首", *after, "尾"]))
    assert lines(found, "gone") == before
    assert lines(found, "new") == after
    assert lines(found, "same") == ["首", "尾"]


def test_a_long_text_of_lines_that_differ_is_compared_line_by_line() -> None:
    before = [f"{k} 行" for k in range(3000)]
    after = ["新", *before[:1500], *before[1501:], "末"]
    found = differences("\n".join(before), "\n".join(after))
    assert (lines(found, "gone"), lines(found, "new")) == (["1500 行"], ["新", "末"])


def test_a_long_line_is_compared_from_its_ends_alone() -> None:
    gone, new = (line for line in differences("头" + "甲乙" * 50_000 + "尾", "头" + "乙乙甲" * 30_000 + "尾"))
    assert [(part.text[:1], part.changed) for part in gone.parts] == [("头", False), ("甲", True), ("尾", False)]
    assert new.parts[1].changed
