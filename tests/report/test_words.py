"""Numbers as words: which way is better, when a difference is worth a sentence, what is not measured."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.report import Comparison, words
from lepton_fed.report.words import gain, headline, sentence
from lepton_fed.settings import METRICS


def compared(metric: str, alone: float | None, federated: float | None, n: int | None = None) -> words.Gain:
    return gain(Comparison("内科", metric, alone, federated, examples=n))


@pytest.mark.parametrize("metric", METRICS)
def test_a_gain_is_positive_where_the_federation_is_better(metric: str) -> None:
    better, worse = (0.2, 0.6) if metric in ("loss", "log_loss", "mse", "mae") else (0.6, 0.2)
    assert compared(metric, worse, better).verdict == "gains"
    assert compared(metric, better, worse).verdict == "loses"


def test_a_board_reads_how_much_and_what_to_do() -> None:
    assert sentence(compared("auc", 0.77, 0.91)).startswith("gains 0.14 AUC")
    assert sentence(compared("auc", 0.91, 0.90)).endswith("consider beta or private parts.")
    assert sentence(compared("auc", 0.91, 0.90)).startswith("loses 0.01 AUC")
    assert sentence(compared("auc", 0.911, 0.912)) == "stays as it is alone, 0.912 AUC."


def test_what_was_not_measured_is_neither_gain_nor_loss() -> None:
    assert sentence(compared("auc", None, 0.8)) == "reaches 0.800 AUC; training alone was not measured."
    assert "was not measured" in sentence(compared("auc", 0.8, math.nan))
    assert compared("auc", math.nan, 0.8).verdict == "unknown"


def test_a_small_difference_on_few_examples_is_called_possible_chance() -> None:
    assert compared("auc", 0.80, 0.85, 100).may_be_chance
    assert not compared("auc", 0.80, 0.85, 10_000).may_be_chance
    assert not compared("auc", 0.80, 0.85, None).may_be_chance
    assert not compared("mse", 0.80, 0.70, 4).may_be_chance


def test_the_headline_counts_every_department_once() -> None:
    gains = [compared("auc", 0.5, 0.6)] * 3 + [compared("auc", 0.6, 0.5)] + [compared("auc", 0.5, 0.5)] * 2
    assert headline(gains) == "3 of 6 departments do better together than alone; 1 does worse; 2 stay the same."
    assert headline([compared("auc", 0.5, 0.6)] * 2).endswith("and none does worse.")
    assert headline([compared("auc", None, None)]) == "What taking part brings was not measured in this run."


@given(st.floats())
def test_every_float_has_a_short_text(value: float) -> None:
    for text in (words.number(value), words.signed(value), words.duration(value), words.weight(value)):
        assert 0 < len(text) <= 20
        assert "nan" not in text
        assert "inf" not in text


@given(st.floats(min_value=1e-3, max_value=1e5))
def test_a_gain_and_a_loss_of_one_size_read_alike_but_for_the_sign(value: float) -> None:
    assert words.signed(value) == "+" + words.amount(value)
    assert words.signed(-value) == "−" + words.amount(value)


@given(st.text(st.characters(codec=None)))
def test_visible_text_can_be_written_and_stays_on_one_line(text: str) -> None:
    seen = words.visible(text)
    seen.encode("utf-8")
    assert len(seen) == len(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in seen)
    assert words.visible(seen) == seen


@given(st.text(), st.floats(min_value=2, max_value=30))
def test_shortened_text_fits(text: str, widest: float) -> None:
    assert words.ems(words.shortened(text, widest)) <= widest + 0.5


def test_times_are_said_in_the_unit_that_fits() -> None:
    assert [words.duration(s) for s in (0.05, 3.14, 92.4, 600, 9000)] == [
        "50 ms",
        "3.1 s",
        "92.4 s",
        "10 min",
        "2.5 h",
    ]
