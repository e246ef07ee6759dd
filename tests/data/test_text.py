"""What is equal when values are compared as text, and what is not."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.data.text import MISSING, UNKNOWN, one_form, positions, texts


@pytest.mark.parametrize(
    "value", [1, 1.0, True, "1", "1.0", "1.00", " 1 ", "true", "TRUE", Decimal("1.0"), b"1", np.float32(1)]
)
def test_all_ways_of_writing_one_are_the_class_1(value: object) -> None:
    assert positions(pd.Series([value], dtype=object), ("0", "1")).tolist() == [1]
    assert positions(pd.Series([value], dtype=object), ("0.0", "1.0")).tolist() == [1]


@pytest.mark.parametrize("value", ["01", "+1", "1e0", "yes", "one", "1.5", 1.5, "-1"])
def test_nothing_else_is(value: object) -> None:
    assert positions(pd.Series([value], dtype=object), ("0", "1")).tolist() == [UNKNOWN]


def test_booleans_match_false_and_true_however_written() -> None:
    column = pd.Series([True, False, None], dtype="boolean")
    assert positions(column, ("false", "true")).tolist() == [1, 0, MISSING]
    assert positions(column, ("False", "True")).tolist() == [1, 0, MISSING]


def test_codes_that_differ_as_written_stay_different() -> None:
    column = pd.Series(["250", "250.0", "007", "7"])
    assert positions(column, ("250.0", "7", "250", "007")).tolist() == [2, 0, 3, 1]
    assert positions(column, ("250", "7", "250.0", "007")).tolist() == [0, 2, 3, 1]


def test_a_missing_mark_is_missing_unless_it_is_a_code() -> None:
    column = pd.Series(["NA", "none", "", "?", None, float("nan"), pd.NaT], dtype=object)
    assert positions(column, ("a", "b")).tolist() == [MISSING] * 7
    assert positions(column, ("NA", "none")).tolist() == [0, 1] + [MISSING] * 5


@pytest.mark.parametrize("dtype", ["float64", "Int64", "object", "category", "string"])
def test_the_storage_of_a_column_does_not_change_its_codes(dtype: str) -> None:
    column = pd.Series(["3", "1", None]) if dtype in ("string", "category") else pd.Series([3, 1, None])
    assert positions(column.astype(dtype), ("1", "2", "3")).tolist() == [2, 0, MISSING]


def test_numbers_are_written_in_their_shortest_form() -> None:
    assert texts(pd.Series([0.1, 5.0, 1e-7, -0.0])).tolist() == ["0.1", "5", "0.0000001", "-0"]
    assert texts(pd.Series([0.1], dtype=np.float32)).tolist() == ["0.1"]
    assert one_form("-0") == one_form("-0.0") == "0"


@given(st.text())
def test_one_form_is_reached_at_once(text: str) -> None:
    assert one_form(one_form(text)) == one_form(text)


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_a_whole_number_is_the_same_as_integer_float_or_text(number: int) -> None:
    for column in (pd.Series([number]), pd.Series([float(number)]), pd.Series([str(number)])):
        assert positions(column, ("x", str(number))).tolist() == [1]
