"""Features in the agreed order, filled and scaled by the department's own training rows."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.data import DataSource, Prepared, Scaling, preparation, prepare_department, prepare_unlabelled
from lepton_fed.data.sources import Arrays
from lepton_fed.errors import ConfigError, ContractError, DataError
from lepton_fed.settings import ArrayShape, Column, DataContract, Label, Split, feature_width
from tests.thoroughness import at_most

READERS = "readers_of_preparation_tests"


def prepared(agreed: DataContract, given_: pd.DataFrame | Arrays, label: str | None = None) -> Prepared:
    module = ModuleType(READERS)
    module.rows = lambda: given_ if isinstance(given_, pd.DataFrame) else (given_.x, given_.y)  # type: ignore[attr-defined]
    sys.modules[READERS] = module
    return prepare_department(
        agreed, DataSource(call=f"{READERS}:rows"), department="心内科", label=label, seed=1, base=Path()
    )


def contract(*columns: Column, classes: tuple[str, ...] = ("0", "1"), **more: Any) -> DataContract:
    return DataContract(label=Label(column="病", meaning="ill", classes=classes), columns=columns, **more)


ALL_TRAIN = Split(test=0.0)


# ---------------------------------------------------------------- order and filling


def test_features_stand_in_the_agreed_order() -> None:
    agreed = contract(
        Column(name="cat", type="category", codes=("a", "b", "c"), drop_first=True, missing="indicator"),
        Column(name="n1", missing="indicator"),
        Column(name="flag", type="boolean"),
        Column(name="cat2", type="category", codes=("x", "y")),
        Column(name="n2", type="integer", missing="indicator"),
        scale="none",
        split=ALL_TRAIN,
    )
    rows = pd.DataFrame(
        {
            "unused": ["?", "?", "?"],
            "n2": ["1", "", "5"],
            "cat": ["b", "", "c"],
            "flag": ["t", "f", "t"],
            "n1": ["", "10", "20"],
            "cat2": ["y", "x", "y"],
            "病": ["0", "1", "1"],
        }
    )
    x = prepared(agreed, rows).train.x
    #          n1  flag n2  n1? n2?  cat=b cat=c cat? cat2=x cat2=y
    expected = [
        [15, 1, 1, 1, 0, 1.0, 0.0, 0, 0, 1],
        [10, 0, 3, 0, 1, 0.5, 0.5, 1, 1, 0],
        [20, 1, 5, 0, 0, 0.0, 1.0, 0, 0, 1],
    ]
    assert x.tolist() == expected
    assert agreed.features == (10,)


def test_means_for_missing_values_come_from_training_rows_alone() -> None:
    agreed = contract(Column(name="a", missing="mean"), scale="none", split=Split(test=0.5))
    y = [0, 1] * 10
    rows = pd.DataFrame({"a": [None] + [float(n) for n in range(1, 20)], "病": y})
    first = prepared(agreed, rows)
    filled = np.concatenate([first.train.x, first.test.x]).ravel()
    known = [value for value in first.train.x.ravel() if value in range(1, 20)]
    assert any(np.isclose(filled, np.mean(known)))
    changed = rows.copy()
    changed.loc[changed["a"].isin(first.test.x.ravel()), "a"] = 1000.0
    assert np.array_equal(prepared(agreed, changed).train.x, first.train.x)


def test_a_column_without_any_value_becomes_zero() -> None:
    agreed = contract(
        Column(name="a", missing="indicator"),
        Column(name="c", type="category", codes=("x", "y"), missing="mean"),
        split=ALL_TRAIN,
    )
    rows = pd.DataFrame({"a": [None, None], "c": ["", ""], "病": [0, 1]})
    assert prepared(agreed, rows).train.x.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(("linked", "unknown"), [(slice(0), [1, 1, 1]), (slice(1), [0, 1, 1]), (slice(3), [0, 0, 0])])
def test_what_says_that_an_entity_is_unknown_is_above_0_there_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, linked: slice, unknown: list[int]
) -> None:
    vectors = np.full((3, 2), np.nan)
    vectors[linked] = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])[linked]
    block = [vectors, np.isnan(vectors[:, :1]).astype(np.float64)]
    monkeypatch.setattr(preparation, "vector_features", lambda *_: (block + block, ()))
    agreed = contract(Column(name="a"), split=ALL_TRAIN)
    made = prepared(agreed, pd.DataFrame({"a": [1.0, 2.0, 4.0], "病": [0, 1, 1]}))
    assert made.train.x[:, [3, 6]].T.tolist() == [unknown, unknown]
    assert abs(made.train.x[:, [0, 1, 2]].mean(axis=0)).max() < 1e-6


COLUMNS = st.lists(
    st.builds(
        lambda kind, codes, drop, missing: (kind, codes, drop, missing),
        st.sampled_from(["number", "integer", "boolean", "category"]),
        st.integers(1, 4),
        st.booleans(),
        st.sampled_from(["refuse", "mean", "indicator"]),
    ),
    min_size=1,
    max_size=5,
)


def drawn(specs: list[tuple[Any, int, bool, Any]], rows: int, seed: int) -> tuple[list[Column], pd.DataFrame]:
    """Columns of those kinds and a table of text that keeps them."""
    generator = np.random.default_rng(seed)
    columns, table = [], {}
    for place, (kind, codes, drop, missing) in enumerate(specs):
        listed = tuple(f"码{code}" for code in range(codes)) if kind == "category" else ()
        columns.append(
            Column(
                name=f"列{place}",
                type=kind,
                codes=listed,
                drop_first=drop and kind == "category",
                missing=missing,
            )
        )
        cells = {
            "number": lambda: str(generator.normal()),
            "integer": lambda: str(generator.integers(9)),
            "boolean": lambda: str(generator.choice(["t", "f"])),
            "category": lambda listed=listed: str(generator.choice(listed)),
        }[kind]
        table[f"列{place}"] = ["" if missing != "refuse" and generator.random() < 0.3 else cells() for _ in range(rows)]
    table["病"] = [str(n % 2) for n in range(rows)]
    return columns, pd.DataFrame(table)


@settings(max_examples=at_most(40), deadline=None)
@given(COLUMNS, st.integers(8, 30), st.integers(0, 1000))
def test_the_width_is_the_contracts_and_training_features_have_mean_0_and_deviation_1(
    specs: list[tuple[Any, int, bool, Any]], rows: int, seed: int
) -> None:
    columns, table = drawn(specs, rows, seed)
    agreed = contract(*columns, split=Split(test=0.25))
    if sum(map(feature_width, columns)) == 0:
        return
    x = prepared(agreed, table).train.x.astype(np.float64)
    assert x.shape[1:] == agreed.features
    assert x.dtype == np.float64
    assert np.allclose(x.mean(axis=0), 0, atol=1e-5)
    constant = np.ptp(x, axis=0) < 1e-6
    assert np.allclose(x.std(axis=0, ddof=1)[~constant], 1, atol=1e-5)


@settings(max_examples=at_most(25), deadline=None)
@given(COLUMNS, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_unrelated_columns_and_the_order_of_a_table_change_nothing(
    specs: list[tuple[Any, int, bool, Any]], seed: int, random: Any
) -> None:
    columns, table = drawn(specs, 12, seed)
    agreed = contract(*columns, split=Split(test=0.25))
    other = table.assign(unrelated=["4711"] * 12, 另=range(12))
    names = list(other.columns)
    random.shuffle(names)
    first, second = prepared(agreed, table), prepared(agreed, other[names])
    assert np.array_equal(first.train.x, second.train.x)
    assert np.array_equal(first.test.x, second.test.x)
    assert np.array_equal(first.train.y, second.train.y)


# ---------------------------------------------------------------- scaling


def test_scaling_is_unbiased_and_learnt_from_training_rows() -> None:
    agreed = contract(Column(name="a"), split=Split(test=0.5))
    rows = pd.DataFrame({"a": np.arange(20.0) ** 2, "病": [0, 1] * 10})
    parts = prepared(agreed, rows)
    raw = parts.scaling.undo(parts.train.x)
    mean, std = raw.mean(), raw.std(ddof=1)
    assert np.allclose(parts.scaling.mean, mean, rtol=1e-6)
    assert np.allclose(parts.scaling.std, std, rtol=1e-6)
    assert parts.train.x.dtype == np.float32
    assert parts.scaling.std is not None
    assert parts.scaling.std.dtype == np.float32
    everything = np.sort(np.concatenate([raw, parts.scaling.undo(parts.test.x)]).ravel())
    assert np.allclose(everything, np.arange(20.0) ** 2, atol=1e-4)
    assert np.allclose(parts.scaling.apply(raw), parts.train.x, atol=1e-6)


def test_a_constant_column_is_only_centred() -> None:
    agreed = contract(Column(name="a"), Column(name="b", missing="mean"), split=Split(test=0.5))
    rows = pd.DataFrame({"a": [0.1] * 20, "b": [0.1, None] * 10, "病": [0, 0, 1, 1] * 5})
    rows.loc[3, ["a", "b"]] = 0.1
    parts = prepared(agreed, rows)
    assert np.abs(parts.train.x).max() < 1e-6
    assert parts.scaling.std is not None
    assert parts.scaling.std.tolist() == [1, 1]
    outlier = rows.copy()
    at = prepared(contract(Column(name="a"), split=Split(test=0.5)), rows.assign(a=range(20))).test.x
    assert len(at) == 10
    outlier["a"] = np.where(np.isin(np.arange(20), _test_rows(rows)), 2.1, 0.1)
    assert np.allclose(prepared(agreed, outlier).test.x[:, 0], 2.0, atol=1e-5)


def _test_rows(rows: pd.DataFrame) -> np.ndarray:
    numbered = contract(Column(name="n"), scale="none", split=Split(test=0.5))
    return prepared(numbered, rows.assign(n=range(len(rows)))).test.x.ravel().astype(int)


def test_one_training_row_is_centred() -> None:
    agreed = contract(Column(name="a"), classes=(), split=ALL_TRAIN)
    assert prepared(agreed, pd.DataFrame({"a": [3.0], "病": [1.5]})).train.x.tolist() == [[0.0]]


def test_without_scaling_there_is_nothing_to_undo() -> None:
    parts = prepared(
        contract(Column(name="a"), scale="none", split=ALL_TRAIN), pd.DataFrame({"a": [3, 4], "病": [0, 1]})
    )
    assert parts.scaling == Scaling(None, None)
    assert parts.scaling.undo(parts.train.x).tolist() == [[3], [4]]
    assert parts.scaling.apply(np.array([[3.0]])).tolist() == [[3]]


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("classes", "labels", "expected", "dtype"),
    [
        (("b", "a"), ["a", "b", "a"], [1, 0, 1], np.float32),
        (("a", "b", "c"), ["a", "c", "b"], [0, 2, 1], np.int64),
        ((), ["0.5", "-1", "2"], [0.5, -1, 2], np.float32),
    ],
)
def test_labels_are_numbers_or_places_of_classes(
    classes: tuple[str, ...], labels: list[str], expected: list[float], dtype: type
) -> None:
    y = prepared(
        contract(Column(name="a"), classes=classes, split=ALL_TRAIN),
        pd.DataFrame({"a": range(3), "病": labels}),
    ).train.y
    assert y.tolist() == expected
    assert y.dtype == dtype


def test_a_training_part_of_one_class_is_noted_and_not_refused() -> None:
    agreed = contract(Column(name="a"), split=Split(test=0.5))
    rows = pd.DataFrame({"a": range(8), "病": [0] * 8})
    noted = [prepared(agreed, rows.assign(病=[int(n == one) for n in range(8)])) for one in range(8)]
    for parts in noted:
        assert bool(parts.notes) == (np.unique(parts.train.y).size == 1)
    assert any(parts.notes for parts in noted)
    assert not all(parts.notes for parts in noted)


def test_parts_keep_the_order_of_the_source() -> None:
    agreed = contract(Column(name="a"), scale="none", split=Split(test=0.3, validation=0.3))
    parts = prepared(agreed, pd.DataFrame({"a": range(40), "病": [0, 1] * 20}))
    for part in (parts.train, parts.validation, parts.test):
        assert len(part) > 0
        assert (np.diff(part.x.ravel()) > 0).all()
        assert part.y.tolist() == [n % 2 for n in part.x.ravel()]


# ---------------------------------------------------------------- arrays


def pictures(kind: Any = "standard", **more: Any) -> DataContract:
    return DataContract(
        label=Label(meaning="digit", classes=("0", "1", "2")),
        array=ArrayShape(shape=(1, 2, 2), **more),
        scale=kind,
        split=Split(test=0.25),
    )


def test_arrays_are_multiplied_and_scaled_by_one_mean_and_deviation() -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 1, 2, 2)).astype(np.uint8)
    given_ = Arrays(x, np.arange(40) % 3)
    plain = prepared(pictures("none", scale=1 / 255), given_)
    assert plain.train.x.max() <= 1
    assert plain.train.x.shape == (30, 1, 2, 2)
    assert plain.train.x.dtype == np.float32
    parts = prepared(pictures(scale=1 / 255), given_)
    raw = plain.train.x.astype(np.float64)
    assert np.allclose(parts.train.x, (raw - raw.mean()) / raw.std(ddof=1), atol=1e-5)
    assert parts.scaling.mean is not None
    assert parts.scaling.mean.shape == ()
    assert np.allclose(parts.scaling.undo(parts.test.x), plain.test.x, atol=1e-6)
    assert x.max() == 255


def test_constant_arrays_are_only_centred() -> None:
    parts = prepared(pictures(), Arrays(np.full((12, 1, 2, 2), 7), np.arange(12) % 3))
    assert not parts.train.x.any()


# ---------------------------------------------------------------- the common set


def test_the_common_set_is_scaled_by_itself(tmp_path: Path) -> None:
    agreed = contract(Column(name="年龄"), Column(name="c", type="category", codes=("x", "y")), minimum_rows=50)
    pd.DataFrame({"c": ["x", "y", "x"], "年龄": [1, 2, 3]}).to_csv(tmp_path / "共同.csv", index=False)
    x = prepare_unlabelled(agreed, tmp_path / "共同.csv")
    assert x.shape == (3, 3)
    assert x.dtype == np.float32
    assert np.allclose(x[:, 0], [-1, 0, 1], atol=1e-6)
    np.savez(tmp_path / "p.npz", x=np.ones((4, 1, 2, 2)))
    assert prepare_unlabelled(pictures("none"), tmp_path / "p.npz").shape == (4, 1, 2, 2)


def test_a_common_set_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("b\n1\n")
    with pytest.raises(ContractError, match=r"the common set: .*column 'a'"):
        prepare_unlabelled(contract(Column(name="a")), tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"the common set: .*does not exist"):
        prepare_unlabelled(contract(Column(name="a")), tmp_path / "no.csv")
    with pytest.raises(ConfigError, match=r"the common set: .*format"):
        prepare_unlabelled(contract(Column(name="a")), tmp_path / "a.xlsx")
