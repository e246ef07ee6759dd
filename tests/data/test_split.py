"""Splits: scikit-learn's own, every row once, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from lepton_fed.data.split import split_rows
from lepton_fed.errors import ContractError
from lepton_fed.settings import Split


def labels(rows: int, ones: int) -> np.ndarray:
    """`ones` ones, spread by a fixed shuffle."""
    y = np.zeros(rows, dtype=np.int64)
    y[np.random.default_rng(rows).permutation(rows)[:ones]] = 1
    return y


@pytest.mark.parametrize(
    ("rows", "train", "test", "rare"),
    [(303, 199, 104, 139), (261, 172, 89, 98), (46, 30, 16, 1), (130, 85, 45, 29)],
)
def test_the_published_split_is_met_exactly(rows: int, train: int, test: int, rare: int) -> None:
    y = labels(rows, rare)
    parts = split_rows(Split(test=0.34, seed=43), rows, y, 0, "心内科")
    expected = train_test_split(
        np.arange(rows),
        test_size=0.34,
        train_size=0.66,
        random_state=43,
        shuffle=True,
        stratify=y if rare > 2 else None,
    )
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (train, 0, test)
    assert parts.train.tolist() == sorted(expected[0])
    assert parts.test.tolist() == sorted(expected[1])


def test_the_validation_part_is_drawn_from_what_the_test_part_leaves() -> None:
    y = labels(200, 60)
    parts = split_rows(Split(test=0.3, validation=0.25), 200, y, 7, "心内科")
    rest, test = train_test_split(np.arange(200), test_size=0.3, random_state=7, stratify=y)
    rest.sort()
    train, validation = train_test_split(rest, test_size=0.25, random_state=7, stratify=y[rest])
    assert parts.train.tolist() == sorted(train)
    assert parts.validation.tolist() == sorted(validation)
    assert parts.test.tolist() == sorted(test)


@given(
    rows=st.integers(2, 120),
    ones=st.integers(1, 120),
    test=st.floats(0, 0.9),
    validation=st.floats(0, 0.9),
    stratify=st.booleans(),
    seed=st.integers(-(2**63), 2**63),
)
def test_every_row_is_in_exactly_one_part(
    rows: int, ones: int, test: float, validation: float, stratify: bool, seed: int
) -> None:
    y = labels(rows, min(ones, rows - 1))
    try:
        parts = split_rows(Split(test=test, validation=validation, stratify=stratify), rows, y, seed, "心内科")
    except ContractError:
        return  # Nothing left for training; the next test has that.
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(everything.tolist()) == list(range(rows))
    assert len(parts.train) >= 1


def test_no_row_is_lost_to_rounding() -> None:
    parts = split_rows(Split(test=0.34), 100, None, 0, "心内科")
    assert (len(parts.train), len(parts.test)) == (66, 34)


def test_a_split_of_nothing_keeps_everything_for_training() -> None:
    parts = split_rows(Split(test=0.0), 5, labels(5, 2), 0, "心内科")
    assert parts.train.tolist() == [0, 1, 2, 3, 4]


def test_stratified_parts_keep_the_shares_of_the_classes() -> None:
    y = labels(100, 10)
    parts = split_rows(Split(test=0.3), 100, y, 3, "心内科")
    assert y[parts.test].sum() == 3


def test_more_classes_than_places_are_drawn_plainly() -> None:
    y = np.repeat(np.arange(6), 3)
    parts = split_rows(Split(test=0.1), 18, y, 0, "心内科")
    assert len(parts.test) == 2


def test_a_split_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ContractError, match=r"心内科: .*no row of its 1 is left for training"):
        split_rows(Split(test=0.3), 1, None, 0, "心内科")
    with pytest.raises(ContractError, match="left for training"):
        split_rows(Split(test=0.3, validation=0.9), 2, None, 0, "心内科")
