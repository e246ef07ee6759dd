"""What the sums say is what NumPy says of the pooled rows; small cells never leave; bounds of quantiles hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lepton_fed.settings import Column, DataContract, Label, StatisticsSettings
from lepton_fed.statistics import Findings, Question, RawRows
from lepton_fed.statistics.findings import quantile
from lepton_fed.statistics.tallies import suppressed, tallied

CONTRACT = DataContract(
    columns=(
        Column(name="温度", range=(-10.0, 30.0), missing="mean"),
        Column(name="rounds", type="integer", range=(0, 7)),
        Column(name="kind", type="category", codes=("a", "b", "丙"), missing="mean"),
        Column(name="ok", type="boolean"),
        Column(name="free", missing="mean"),
        Column(name="fixed", range=(2.0, 2.0)),
    ),
    label=Label(meaning="it failed", classes=("0", "1")),
)


def question(**asked: object) -> Question:
    return Question(CONTRACT, StatisticsSettings(what="rows", **asked))  # type: ignore[arg-type]


@st.composite
def rows(draw: st.DrawFn, most: int = 40) -> RawRows:
    count = draw(st.integers(1, most))
    seed = draw(st.integers(0, 2**16))
    make = np.random.default_rng(seed)
    columns = [
        np.round(make.uniform(-10, 30, count), draw(st.integers(0, 3))),
        make.integers(0, 8, count).astype(np.float64),
        make.integers(0, 3, count).astype(np.float64),
        make.integers(0, 2, count).astype(np.float64),
        make.normal(size=count) * 1e6,
        np.full(count, 2.0),
    ]
    for place in (0, 2, 4):
        columns[place][make.random(count) < 0.2] = np.nan
    return RawRows(tuple(columns), make.integers(0, 2, count), count)


departments = st.lists(rows(), min_size=1, max_size=5)


def summed(asked: Question, parts: list[RawRows]) -> Findings:
    told = [tallied(asked, part) for part in parts]
    cells = np.sum([one.vector for one in told], axis=0)
    moments = np.sum([one.scalars for one in told], axis=0)
    return Findings.of(asked, cells, moments, tuple(f"部门 {k}" for k in range(len(parts))))


def pooled(parts: list[RawRows], place: int, stratum: int | None = None) -> NDArray[np.float64]:
    chosen = []
    for part in parts:
        assert part.classes is not None
        chosen.append(part.columns[place][slice(None) if stratum is None else part.classes == stratum])
    return np.concatenate(chosen)


@given(departments, st.booleans(), st.integers(1, 12))
def test_without_suppression_everything_is_as_numpy_says_of_the_pooled_rows(
    parts: list[RawRows], by_class: bool, bins: int
) -> None:
    asked = question(by_class=by_class, bins=bins, minimum=1)
    found = summed(asked, parts)
    assert found.undercount == 0
    for one in found.findings:
        place = [column.name for column in CONTRACT.columns].index(one.column)
        values = pooled(parts, place, None if one.stratum == "" else int(one.stratum))
        known = values[~np.isnan(values)]
        if not known.size:
            assert one.present is None
            continue
        assert (one.rows, one.present, one.missing) == (values.size, known.size, values.size - known.size)
        column = CONTRACT.columns[place]
        if column.type in ("number", "integer") and column.range is not None:
            assert one.mean == pytest.approx(known.mean(), abs=1e-9)
            if known.size > 1:
                assert one.variance == pytest.approx(known.var(ddof=1), rel=1e-9, abs=1e-9)
            wanted = bins if column.range[0] < column.range[1] else 1
            if wanted > 1:
                assert list(one.histogram) == np.histogram(known, wanted, column.range)[0].tolist()
            for q in one.quantiles:
                exact = np.quantile(known, q.q)
                assert q.low - 1e-9 <= exact <= q.high + 1e-9
                assert q.low <= q.value <= q.high
        elif column.type != "number":
            assert list(one.histogram) == np.bincount(known.astype(int), minlength=len(one.labels)).tolist()
        else:
            assert (one.mean, one.histogram, one.quantiles) == (None, (), ())


@given(departments, st.booleans(), st.integers(2, 15))
def test_no_cell_of_fewer_rows_leaves_and_no_result_of_fewer_is_shown(
    parts: list[RawRows], by_class: bool, minimum: int
) -> None:
    asked = question(by_class=by_class, minimum=minimum, bins=4)
    for part in parts:
        cells = tallied(asked, part).vector
        assert ((cells == 0) | (cells >= minimum)).all()
    found = summed(asked, parts)
    for one in found.findings:
        place = [column.name for column in CONTRACT.columns].index(one.column)
        values = pooled(parts, place, None if one.stratum == "" else int(one.stratum))
        counted = (one.rows, one.present, one.missing, *one.histogram)
        assert all(count is None or count == 0 or count >= minimum for count in counted)
        known = int(np.count_nonzero(~np.isnan(values)))
        assert one.present is None or known - found.undercount <= one.present <= known
        if one.present is None:
            assert (one.mean, one.variance, one.histogram, one.quantiles) == (None, None, (), ())


@given(departments, st.integers(2, 15))
def test_means_are_exact_over_departments_with_enough_rows(parts: list[RawRows], minimum: int) -> None:
    found = summed(question(minimum=minimum), parts).finding("温度")
    enough = [p for p in parts if np.count_nonzero(~np.isnan(p.columns[0])) >= minimum]
    values = pooled(enough, 0) if enough else np.zeros(0)
    known = values[~np.isnan(values)]
    assert found.present == (known.size or None)
    if found.present is not None:
        assert found.mean == pytest.approx(known.mean(), abs=1e-9)
        for q in found.quantiles:  # They are of the counted rows, and hold with bins left out, too.
            assert q.low - 1e-9 <= np.quantile(known, q.q) <= q.high + 1e-9


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 15))
def test_what_is_left_out_of_a_histogram_cannot_be_found_from_its_total(counts: list[int], minimum: int) -> None:
    told = suppressed(np.array(counts, np.float64), minimum)
    left_out = sum(counts) - told.sum()
    assert left_out == 0 or left_out >= minimum or told.sum() == 0
    assert all(cell in (0, count) for cell, count in zip(told, counts, strict=True))


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.floats(0, 1), st.integers(1, 20), st.data())
def test_the_bounds_of_a_quantile_hold_whatever_rows_are_in_no_bin(
    values: list[float], q: float, bins: int, data: st.DataObject
) -> None:
    counts, ends = np.histogram(values, bins, (0, 10))
    hidden = data.draw(st.lists(st.sampled_from(range(bins)), max_size=bins))
    counts = counts.astype(np.float64)
    counts[hidden] = 0.0
    found = quantile(q, counts, ends, float(len(values)))
    assert found.low - 1e-9 <= np.quantile(values, q) <= found.high + 1e-9


def test_findings_survive_json() -> None:
    part = RawRows(tuple(np.arange(20.0) % 2 for _ in CONTRACT.columns), np.arange(20) % 2, 20)
    found = summed(question(by_class=True, minimum=10), [part])
    assert Findings.read(json.loads(json.dumps(found.written()))) == found
