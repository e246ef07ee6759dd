"""Each department's own rows into training, validation and test parts; the same rows for the same seed.

The draw is scikit-learn's `train_test_split`, so that published splits can be met exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lepton_fed.errors import ContractError
from lepton_fed.settings import Split

FEWEST_TO_STRATIFY = 3
"""Rows that each class needs for a stratified draw; with fewer, a plain draw is taken."""

SEEDS = 2**32
"""scikit-learn takes seeds below this; larger ones are reduced."""


@dataclass(frozen=True)
class Parts:
    """Places of the rows, (k,) int64 each, in the order in which the source gives them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(split: Split, rows: int, classes: np.ndarray | None, seed: int, department: str) -> Parts:
    """The rows cut by `split`, stratified by `classes` (rows,) int64. ContractError: none left to train."""
    seed = (seed if split.seed is None else split.seed) % SEEDS
    strata = classes if split.stratify else None
    rest, test = _draw(np.arange(rows), split.test, strata, seed)
    train, validation = _draw(rest, split.validation, strata, seed)
    if not len(train):
        line = f"split (test {split.test:g}, validation {split.validation:g})"
        raise ContractError(department, (f"{line}: no row of its {rows} is left for training; more rows are needed",))
    return Parts(train, validation, test)


def _draw(places: np.ndarray, share: float, strata: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(what stays, what is drawn), both in the order of `places`."""
    drawn = math.ceil(share * len(places))
    if drawn == 0:
        return places, places[:0]
    if drawn >= len(places):
        return places[:0], places
    from sklearn.model_selection import train_test_split

    # What stays is left to scikit-learn: as a number, 1 - 0.34 is a little below 0.66 and loses a row of 100.
    stays, taken = train_test_split(
        np.arange(len(places)),
        test_size=share,
        random_state=seed,
        shuffle=True,
        stratify=_usable(None if strata is None else strata[places], drawn),
    )
    return places[np.sort(stays)], places[np.sort(taken)]


def _usable(strata: np.ndarray | None, drawn: int) -> np.ndarray | None:
    """What to stratify by; None where a class is too small or there are more classes than places."""
    if strata is None:
        return None
    _, counts = np.unique(strata, return_counts=True)
    fits = counts.size <= min(drawn, len(strata) - drawn)
    return strata if fits and counts.min() >= FEWEST_TO_STRATIFY else None
