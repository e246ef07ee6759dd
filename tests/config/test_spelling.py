"""The nearest word is found across scripts, width and case."""

from __future__ import annotations

import pytest

from lepton_fed.config.spelling import did_you_mean, folded, nearest, one_line


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("lamda", ["lambda", "kind", "method"], "lambda"),
        ("研发部", ["生产车间", "研发部门"], "研发部门"),
        ("LINE 1", ["line 1", "line 2"], "line 1"),
        ("lambda_", ["lambda"], "lambda"),
        ("zebra", ["lambda", "kind"], None),
        ("anything", [], None),
        ("", ["a"], None),
    ],
)
def test_the_nearest_word_is_offered_and_a_far_one_is_not(word: str, known: list[str], near: str | None) -> None:
    assert nearest(word, known) == near


def test_nothing_is_asked_where_nothing_is_near() -> None:
    assert did_you_mean("zebra", ["lambda"]) == ""
    assert did_you_mean("lamda", ["lambda"]) == "; did you mean 'lambda'?"


def test_width_case_and_composition_do_not_tell_names_apart() -> None:
    assert folded("Ｌine １") == folded("LINE 1")
    assert folded("e\u0301") == folded("É")
    assert folded("㎒") == folded("mhz")
    assert folded("一车间") != folded("二车间")


def test_a_line_cannot_steer_a_terminal() -> None:
    assert one_line("a\x1b[31m\nb\u202ec") == "a�[31m b�c"
