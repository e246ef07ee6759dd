"""What the sums say of all rows: counts, means, variances, histograms, quantiles, and how far each may be off.

    cells + moments --Findings.of--> one Finding per column and class, and per column over all classes

What too few rows stand behind is None. Departments leave small cells out, so rows and present values may be too few
(and missing ones too many), by less than `minimum` for each department and class; a bin may lack more, and `unbinned`
says how many all bins lack together. A mean is of the values that were counted. A quantile comes with the ends of
the bins that it certainly lies in, given the rows that were counted as present.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_fed.settings import Column
from lepton_fed.statistics.question import EVERYBODY, Question, edges, scaling

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Quantile:
    """`value` by straight lines within bins; the quantile of the counted rows lies between `low` and `high`."""

    q: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """One column among the rows of one class ("" for all). None: too few rows, or no such thing for this column.

    `histogram`: counts by bin; a None among them is a count below the minimum. `edges`: the bins' ends of a number,
    `labels`: the codes of a category. `unbinned`: counted rows that are in no shown bin.
    """

    column: str
    stratum: str
    rows: int | None
    present: int | None
    missing: int | None
    mean: float | None = None
    variance: float | None = None
    histogram: tuple[int | None, ...] = ()
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    unbinned: int | None = None
    quantiles: tuple[Quantile, ...] = ()

    @property
    def deviation(self) -> float | None:
        """The unbiased standard deviation."""
        return None if self.variance is None else max(self.variance, 0.0) ** 0.5


@dataclass(frozen=True)
class Findings:
    """The statistics of a federation. `departments`: whose rows were counted; `minimum`: of the smallest cell;
    `undercount`: rows, present and missing values are not off by more than this.
    """

    what: str
    departments: tuple[str, ...]
    minimum: int
    undercount: int
    findings: tuple[Finding, ...]
    noisy: bool = False
    refused: tuple[tuple[str, str], ...] = field(default=())
    """Who took no part, and why."""

    @classmethod
    def of(
        cls,
        question: Question,
        cells: NDArray[np.float32],
        moments: Numbers,
        departments: tuple[str, ...],
        refused: tuple[tuple[str, str], ...] = (),
    ) -> Findings:
        """From the sums over `departments`: `(length,) float32` and `(moments,) float64`."""
        strata, asked = len(question.strata), question.asked
        table = cells.astype(np.float64).reshape(strata, question.width)
        sums = moments.reshape(strata, len(question.measured), 2)
        found = list(_findings(question, EVERYBODY, table.sum(axis=0), sums.sum(axis=0)))
        if asked.by_class:
            for place, name in enumerate(question.strata):
                found += _findings(question, name, table[place], sums[place])
        undercount = len(departments) * strata * (asked.minimum - 1)
        noisy = asked.noise is not None
        return cls(asked.what, departments, asked.minimum, undercount, tuple(found), noisy, refused)

    def finding(self, column: str, stratum: str = EVERYBODY) -> Finding:
        """KeyError if there is none."""
        for one in self.findings:
            if (one.column, one.stratum) == (column, stratum):
                return one
        raise KeyError((column, stratum))

    def written(self) -> dict[str, Any]:
        """As JSON holds it; `Findings.read` takes it back."""
        return asdict(self)

    @classmethod
    def read(cls, written: dict[str, Any]) -> Findings:
        """The findings that `written` gave, also by way of JSON."""
        found = tuple(
            Finding(
                **{
                    **one,
                    "histogram": tuple(one["histogram"]),
                    "edges": tuple(one["edges"]),
                    "labels": tuple(one["labels"]),
                    "quantiles": tuple(Quantile(**q) for q in one["quantiles"]),
                }
            )
            for one in written["findings"]
        )
        departments = tuple(written["departments"])
        refused = tuple((name, why) for name, why in written["refused"])
        return cls(**{**written, "departments": departments, "findings": found, "refused": refused})


def _findings(question: Question, stratum: str, cells: Numbers, sums: Numbers) -> Iterator[Finding]:
    """One stratum's, by column. cells: (width,), sums: (measured, 2)."""
    least, place = question.asked.minimum, 1
    rows = _shown(cells[0], least)
    for k, column in enumerate(question.columns):
        present = float(cells[place])
        counts = cells[place + 1 : place + question.widths[k]]
        place += question.widths[k]
        if round(present) < least:
            yield Finding(column.name, stratum, rows, None, None)
            continue
        mean, variance = _mean_and_variance(column, present, sums, question.measured, k)
        yield Finding(
            column.name,
            stratum,
            rows,
            round(present),
            _shown(cells[0] - present, least),
            mean,
            variance,
            tuple(_shown(count, least) for count in counts),
            _edges(column, question.asked.bins),
            column.codes if column.type == "category" else ("false", "true") if column.type == "boolean" else (),
            round(present - counts.sum()) if counts.size else None,
            _quantiles(column, question, counts, present),
        )


def _shown(count: float, least: int) -> int | None:
    """The count, or None where it is of too few rows. Nothing at all is shown as such."""
    whole = round(float(count))
    return whole if whole >= least or whole == 0 else None


def _mean_and_variance(
    column: Column, present: float, sums: Numbers, measured: tuple[int, ...], k: int
) -> tuple[float | None, float | None]:
    """Unbiased; of one row there is no variance."""
    if k not in measured:
        return None, None
    first, second = sums[measured.index(k)]
    middle, half = scaling(column)
    mean = middle + half * float(first) / present
    if present < 2:
        return mean, None
    return mean, half**2 * max(float(second - first * first / present), 0.0) / (present - 1)


def _edges(column: Column, wanted: int) -> tuple[float, ...]:
    if column.type in ("category", "boolean") or column.range is None:
        return ()
    return tuple(edges(column, wanted).tolist())


def _quantiles(column: Column, question: Question, counts: Numbers, present: float) -> tuple[Quantile, ...]:
    ends = np.array(_edges(column, question.asked.bins))
    if not ends.size:
        return ()
    return tuple(quantile(q, counts, ends, present) for q in question.asked.quantiles)


def quantile(q: float, counts: Numbers, ends: Numbers, present: float) -> Quantile:
    """The q-quantile of `present` values, of which `counts` says in which bins they are and some may be in none.

    With C(e) values known to be below the end e of a bin, and M = present - sum(counts) of unknown place, between C(e)
    and C(e) + M values are below e. So the value of rank r lies above every e with C(e) + M <= r, and below every e
    with C(e) > r. The bounds are of the ranks that the quantile is between (`numpy.quantile`, method "linear").
    """
    counts = np.maximum(counts, 0.0)  # Noise may have gone below.
    below = np.concatenate(([0.0], np.cumsum(counts)))
    unknown = max(present - float(below[-1]), 0.0)
    rank = q * max(present - 1, 0.0)
    sure_above = np.flatnonzero(below + unknown <= floor(rank))
    sure_below = np.flatnonzero(below > ceil(rank))
    low = float(ends[sure_above[-1]]) if sure_above.size else float(ends[0])
    high = float(ends[sure_below[0]]) if sure_below.size else float(ends[-1])
    total = float(below[-1])
    value = (low + high) / 2 if not total else float(np.interp(q * total, below, ends))
    return Quantile(q, min(max(value, low), high), low, high)
