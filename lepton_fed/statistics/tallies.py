"""A department's own counts and moments, at home; cells of too few rows stay there.

    RawRows --tallied--> Contribution         every cell is 0, or at least `minimum`

A suppressed cell is told as 0, as an empty one is, and nobody is told which of the two it was. Where the suppressed
cells of one histogram hold fewer than `minimum` rows together, its next smallest cell goes too: all but one of the
cells and their total would otherwise tell the one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lepton_fed.secagg.contribution import Contribution
from lepton_fed.settings import Column
from lepton_fed.statistics.question import Question, bins, edges, scaling

Counts = NDArray[np.float64]
"""Whole numbers."""


@dataclass(frozen=True, eq=False)
class RawRows:
    """A department's rows as the contract reads them: columns (n,) float64, NaN where missing, in the contract's
    order; `classes` (n,) int64, or None where the label is a number.
    """

    columns: tuple[NDArray[np.float64], ...] = field(repr=False)
    classes: NDArray[np.int64] | None = field(repr=False)
    count: int


def tallied(question: Question, rows: RawRows) -> Contribution:
    """`(length,) float32` cells and `(moments,) float64`, small cells left out."""
    cells: list[Counts] = []
    moments: list[float] = []
    for stratum in range(len(question.strata)):
        chosen = _chosen(question, rows, stratum)
        counted, summed = _stratum(question, [rows.columns[place][chosen] for place in question.places], chosen)
        cells.append(counted)
        moments += summed
    return Contribution(np.concatenate(cells).astype(np.float32), np.array(moments, np.float64))


def _chosen(question: Question, rows: RawRows, stratum: int) -> NDArray[np.bool_]:
    if not question.asked.by_class:
        return np.ones(rows.count, dtype=bool)
    assert rows.classes is not None
    chosen: NDArray[np.bool_] = rows.classes == stratum
    return chosen


def _stratum(
    question: Question, columns: list[NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> tuple[Counts, list[float]]:
    least, found, moments = question.asked.minimum, [], list[float]()
    found.append(_at_least(np.array([float(np.count_nonzero(chosen))]), least))
    for k, (column, values) in enumerate(zip(question.columns, columns, strict=True)):
        present = values[~np.isnan(values)]
        enough = present.size >= least
        found.append(np.array([float(present.size)]) if enough else np.zeros(1))
        counts = _histogram(column, present, question.asked.bins)
        found.append(suppressed(counts, least) if enough else np.zeros(counts.size))
        if k in question.measured:
            moments += _moments(column, present) if enough else (0.0, 0.0)
    return np.concatenate(found), moments


def _at_least(counts: Counts, least: int) -> Counts:
    return np.where(counts >= least, counts, 0.0)


def suppressed(counts: Counts, least: int) -> Counts:
    """The cells of one histogram without those of fewer than `least` rows, and without what would tell them.

    >>> suppressed(np.array([40.0, 3.0, 0.0, 12.0]), 10)
    array([40.,  0.,  0.,  0.])
    """
    kept = _at_least(counts, least)
    for place in _smallest_first(kept):
        if not 0 < counts.sum() - kept.sum() < least:
            break
        kept[place] = 0.0
    return kept


def _smallest_first(counts: Counts) -> Iterator[int]:
    order = np.argsort(counts, kind="stable")
    return (int(place) for place in order if counts[place] > 0)


def _histogram(column: Column, present: NDArray[np.float64], wanted: int) -> Counts:
    size = bins(column, wanted)
    if column.type in ("category", "boolean"):
        return np.bincount(present.astype(np.int64), minlength=size).astype(np.float64)
    if not size:
        return np.zeros(0)
    if size == 1:
        return np.array([float(present.size)])
    return np.histogram(present, bins=edges(column, wanted))[0].astype(np.float64)


def _moments(column: Column, present: NDArray[np.float64]) -> tuple[float, float]:
    middle, half = scaling(column)
    z = (present - middle) / half
    return float(z.sum()), float(np.square(z).sum())
