"""What breaks the contract is counted and named, all of it at once, and never shown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lepton_fed.data.contract import check, check_unlabelled
from lepton_fed.data.sources import Arrays
from lepton_fed.errors import ConfigError, ContractError
from lepton_fed.settings import ArrayShape, Column, DataContract, Label


def contract(*columns: Column, classes: tuple[str, ...] = ("0", "1"), **more: Any) -> DataContract:
    return DataContract(label=Label(column="病", meaning="ill", classes=classes), columns=columns, **more)


def breaches(agreed: DataContract, given: pd.DataFrame | Arrays, label: str | None = None) -> list[str]:
    with pytest.raises(ContractError) as caught:
        check(agreed, given, "心内科", label)
    assert caught.value.department == "心内科"
    return list(caught.value.breaches)


def column_breaches(column: Column, cells: list[Any]) -> list[str]:
    labels = [0, 1] * len(cells)
    return breaches(contract(column), pd.DataFrame({column.name: cells, "病": labels[: len(cells)]}))


def values(column: Column, cells: list[Any]) -> list[float]:
    labels = ([0, 1] * len(cells))[: len(cells)]
    checked = check(contract(column), pd.DataFrame({column.name: cells, "病": labels}), "心内科")
    return checked.columns[0].tolist()


AGE = Column(name="年龄", range=(0, 120))


# ---------------------------------------------------------------- columns


def test_all_breaches_are_told_at_once() -> None:
    agreed = contract(
        AGE, Column(name="性别", type="category", codes=("男", "女")), Column(name="chol"), minimum_rows=9
    )
    rows = pd.DataFrame({"年龄": ["60", "-1", "abc", ""], "性别": ["男", "x", "女", "y"], "病": ["1", "", "7", "0"]})
    assert breaches(agreed, rows) == [
        "minimum_rows 9: it has 4 rows",
        "column '年龄' (type number): 1 of 4 rows are not numbers",
        "column '年龄' (range 0 to 120): 1 of 4 rows are outside",
        "column '年龄' (missing = refuse): 1 of 4 rows have no value",
        "column '性别' (codes): 2 of 4 rows hold a code that is not in the list",
        "column 'chol': its data have no such column",
        "label '病' (classes): 1 of 4 rows are in none of the classes",
        "label '病': 1 of 4 rows have no label",
    ]


def test_a_missing_column_is_told_with_the_nearest_present_one() -> None:
    rows = pd.DataFrame({"Cholesterol": ["1", "2"], "病": ["0", "1"]})
    [said] = breaches(contract(Column(name="cholesterol")), rows)
    assert "did you mean 'Cholesterol'" in said


@pytest.mark.parametrize(
    "cells",
    [
        ["1", " 2 ", "3e0"],
        [1, 2, 3],
        [1.0, 2.0, 3.0],
        [Decimal("1"), Decimal("2.0"), Decimal(3)],
        np.array([1, 2, 3], dtype=np.uint8),
    ],
)
def test_numbers_are_read_however_they_are_stored(cells: Any) -> None:
    assert values(Column(name="a"), list(cells)) == [1, 2, 3]


@pytest.mark.parametrize(
    "cells",
    [[True, False], [date(2020, 1, 1), pd.Timestamp("2021")], ["1 2", "1,5"], [1j, 2j], [[1], [2]]],
)
def test_times_booleans_and_words_are_no_numbers(cells: list[Any]) -> None:
    assert column_breaches(Column(name="a"), cells) == ["column 'a' (type number): 2 of 2 rows are not numbers"]


@pytest.mark.parametrize("cells", [["inf", "1", "-Infinity"], [np.inf, 1.0, -np.inf], [1e39, 1.0, -1e39]])
def test_infinite_values_are_in_breach_once(cells: list[Any]) -> None:
    [said] = column_breaches(Column(name="a", range=(0, 10)), cells)
    assert said == "column 'a' (type number): 2 of 3 rows are infinite or too large for float32"


def test_an_integer_is_whole() -> None:
    assert values(Column(name="a", type="integer"), ["1", "2.0", 3]) == [1, 2, 3]
    [said] = column_breaches(Column(name="a", type="integer"), [1.5, 2, 3])
    assert "1 of 3 rows are not whole" in said


def test_a_range_includes_its_ends() -> None:
    assert values(AGE, [0, 120]) == [0, 120]
    assert "(range 0 to 120): 2 of 3 rows" in column_breaches(AGE, [-0.001, 120.001, 1])[0]


def test_booleans_are_read_in_every_agreed_spelling() -> None:
    cells = ["true", "F", "YES", "no", "1", "0.0", True, 0, np.True_]
    assert values(Column(name="a", type="boolean"), cells) == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    [said] = column_breaches(Column(name="a", type="boolean"), ["true", "2", "y"])
    assert said == "column 'a' (type boolean): 2 of 3 rows are neither true nor false"


def test_missing_values_are_refused_only_where_the_contract_says_so() -> None:
    cells = ["1", "", "NA", None]
    assert "3 of 4 rows have no value" in column_breaches(Column(name="a"), cells)[0]
    assert np.isnan(values(Column(name="a", missing="mean"), cells)).tolist() == [False, True, True, True]
    codes = Column(name="a", type="category", codes=("1", "NA"), missing="mean")
    assert values(codes, cells)[2] == 1
    assert np.isnan(values(codes, cells)[1])


# ---------------------------------------------------------------- label


def label_breaches(cells: list[Any], classes: tuple[str, ...]) -> list[str]:
    rows = pd.DataFrame({"a": range(len(cells)), "病": cells})
    return breaches(contract(Column(name="a"), classes=classes), rows)


def test_labels_are_places_in_the_list_of_classes() -> None:
    rows = pd.DataFrame({"a": range(4), "病": [True, 0.0, "1", 0]})
    checked = check(contract(Column(name="a"), classes=("1", "0")), rows, "心内科")
    assert checked.y is not None
    assert checked.y.tolist() == [0, 1, 0, 1]
    assert checked.y.dtype == np.int64


def test_a_missing_label_is_in_breach() -> None:
    assert label_breaches([0, 1, float("nan")], ("0", "1")) == ["label '病': 1 of 3 rows have no label"]
    assert label_breaches(["0.5", ""], ()) == ["label '病': 1 of 2 rows have no label"]


def test_a_label_of_one_class_only_is_in_breach() -> None:
    [said] = label_breaches([1, 1], ("0", "1"))
    assert "all rows are in one class" in said


def test_a_number_as_label_must_be_finite() -> None:
    assert label_breaches(["1", "x", "inf"], ()) == [
        "label '病' (a number): 1 of 3 rows are not numbers",
        "label '病' (a number): 1 of 3 rows are infinite",
    ]


def test_a_department_may_call_its_label_otherwise() -> None:
    rows = pd.DataFrame({"a": [1, 2], "病": ["x", "y"], "disease": [0, 1]})
    checked = check(contract(Column(name="a")), rows, "心内科", "disease")
    assert checked.y is not None
    assert checked.y.tolist() == [0, 1]
    assert "label 'diseas'" in breaches(contract(Column(name="a")), rows, "diseas")[0]
    with pytest.raises(ConfigError, match="feature of the contract"):
        check(contract(Column(name="a")), rows, "心内科", "a")


# ---------------------------------------------------------------- arrays

PICTURES = DataContract(
    label=Label(meaning="digit", classes=("0", "1", "2")),
    array=ArrayShape(shape=(1, 2, 2), range=(0, 255)),
    minimum_rows=2,
)


def pictures(**changed: Any) -> Arrays:
    return Arrays(**({"x": np.zeros((3, 1, 2, 2), dtype=np.uint8), "y": np.array([0, 1, 2])} | changed))


def test_arrays_that_keep_the_contract_pass_as_they_are() -> None:
    given = pictures()
    checked = check(PICTURES, given, "心内科")
    assert checked.x is given.x
    assert checked.y is not None
    assert checked.y.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"x": np.zeros((3, 2, 2))}, "x has shape (3, 2, 2); (rows, 1, 2, 2) was expected"),
        ({"x": np.float64(3)}, "x has shape ()"),
        ({"x": np.full((3, 1, 2, 2), "4711")}, "not numbers"),
        ({"x": np.full((3, 1, 2, 2), np.nan)}, "3 of 3 rows have a missing value"),
        ({"x": np.full((3, 1, 2, 2), np.inf)}, "3 of 3 rows have an infinite value"),
        ({"x": np.full((3, 1, 2, 2), 4711)}, "(range 0 to 255): 3 of 3 rows have a value outside"),
        ({"x": np.zeros((1, 1, 2, 2)), "y": np.array([1])}, "minimum_rows 2: it has 1 rows"),
        ({"y": None}, "the array 'y' is missing"),
        ({"y": np.zeros((3, 1))}, "y has shape (3, 1)"),
        ({"y": np.zeros(2)}, "y has shape (2,)"),
        ({"y": np.array([0, 1, 4711])}, "1 of 3 rows are in none of the classes"),
        ({"y": np.array([0, 1, np.nan])}, "1 of 3 rows have no label"),
    ],
)
def test_arrays_in_breach_are_told_without_their_values(changed: dict[str, Any], why: str) -> None:
    told = breaches(PICTURES, pictures(**changed))
    assert any(why in one for one in told)
    assert "4711" not in " ".join(told)


def test_a_table_is_no_array_and_an_array_no_table() -> None:
    assert "its data are a table" in breaches(PICTURES, pd.DataFrame({"a": [1]}))[0]
    assert "its data are arrays" in breaches(contract(Column(name="a")), pictures())[0]


def test_a_label_column_means_nothing_to_arrays() -> None:
    with pytest.raises(ConfigError, match="leave it out"):
        check(PICTURES, pictures(), "心内科", "病")


def test_a_set_without_labels_is_checked_for_its_features_alone() -> None:
    agreed = contract(Column(name="a"), minimum_rows=100)
    assert check_unlabelled(agreed, pd.DataFrame({"a": ["1"]}), "the common set").y is None
    assert check_unlabelled(PICTURES, pictures(y=None), "the common set").rows == 3
    with pytest.raises(ContractError, match="the common set"):
        check_unlabelled(agreed, pd.DataFrame({"b": ["1"]}), "the common set")
