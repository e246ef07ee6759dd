"""One column of a table, read by its line of the contract: numbers, and counts of what breaks the line.

A breach says how many rows break which rule, never which rows and never what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_fed.data.text import MISSING, UNKNOWN, is_missing_mark, positions, texts
from lepton_fed.settings import Column, Label
from lepton_fed.translation import Sentence, sentence, term

if TYPE_CHECKING:
    import pandas as pd

FALSE_AND_TRUE = ("false", "true", "no", "yes", "f", "t")
"""Even places are false. 0, 1 and 1.0 count as false and true; case does not matter."""

LARGEST = float(np.finfo(np.float32).max)
"""Features and labels become float32; what is larger would be infinite there."""

NUMERIC = frozenset({"integer", "floating", "mixed-integer-float", "decimal"})
"""What pandas calls columns that hold numbers and nothing else."""


@dataclass(frozen=True)
class Reading:
    """values: (n,) float64, NaN where there is none; of a category or class, the place in its list."""

    values: np.ndarray
    breaches: tuple[str, ...]


def read_column(column: Column, cells: pd.Series[Any]) -> Reading:
    """A feature column, and every rule of its line that it breaks."""
    name = f"column {column.name!r}"
    if column.type == "category":
        found = positions(cells, column.codes)
        values, absent = np.where(found >= 0, found, np.nan), found == MISSING
        breaches = breach(_ruled(name, "codes"), found == UNKNOWN, "hold a code that is not in the list")
    elif column.type == "boolean":
        found = positions(cells, FALSE_AND_TRUE, fold=True)
        values, absent = np.where(found >= 0, found % 2, np.nan), found == MISSING
        breaches = breach(_ruled(name, "type boolean"), found == UNKNOWN, "are neither true nor false")
    else:
        values, absent, unreadable = numbers(cells)
        breaches = breach(_ruled(name, f"type {column.type}"), unreadable, "are not numbers")
        breaches += _number_breaches(column, name, values)
    if column.missing == "refuse":
        breaches += breach(_ruled(name, "missing = refuse"), absent, "have no value")
    return Reading(values, breaches)


def read_label(label: Label, cells: pd.Series[Any], name: str) -> Reading:
    """The label under `name`; with classes, its values are places in their list."""
    if label.classes:
        found = positions(cells, label.classes)
        absent, values = found == MISSING, np.where(found >= 0, found, np.nan)
        breaches = breach(_ruled(name, "classes"), found == UNKNOWN, "are in none of the classes")
        if np.unique(found[found >= 0]).size == 1:
            breaches += (sentence("{line} (classes): all rows are in one class; two are needed to learn", line=name),)
    else:
        values, absent, unreadable = numbers(cells)
        breaches = breach(_ruled(name, "a number"), unreadable, "are not numbers") + breach(
            _ruled(name, "a number"), np.abs(values) > LARGEST, "are infinite"
        )
    return Reading(values, breaches + breach(name, absent, "have no label"))


def numbers(cells: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, missing, unreadable), each (n,); times and booleans are no numbers."""
    import pandas as pd

    if pd.api.types.infer_dtype(cells, skipna=True) in NUMERIC:
        values = pd.to_numeric(cells).to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.isnan(values), np.zeros(len(values), dtype=bool)
    written = texts(cells)
    absent = np.array([text is None or is_missing_mark(text) for text in written], dtype=bool)
    written[absent] = None
    read = pd.to_numeric(pd.Series(written, dtype=object), errors="coerce")
    values = read.to_numpy(dtype=np.float64, na_value=np.nan)
    return values, absent, np.isnan(values) & ~absent


def _ruled(line: str, rule: str) -> Sentence:
    """A line of the contract, and which rule of it: `column 'age' (type integer)`."""
    return sentence("{line} ({rule})", line=line, rule=rule)


def breach(line: str, rows: np.ndarray, text: str) -> tuple[str, ...]:
    """`line: 3 of 200 rows text`, or nothing where no row is in breach. rows: (n,) bool."""
    count = int(np.count_nonzero(rows))
    if not count:
        return ()
    return (sentence("{line}: {count} of {rows} rows {flaw}", line=line, count=count, rows=len(rows), flaw=term(text)),)


def _number_breaches(column: Column, name: str, values: np.ndarray) -> tuple[str, ...]:
    """NaN compares as False throughout, so that a missing value is in breach of nothing here."""
    infinite = np.abs(values) > LARGEST
    breaches = breach(_ruled(name, f"type {column.type}"), infinite, "are infinite or too large for float32")
    if column.type == "integer":
        broken = ~infinite & ~np.isnan(values) & (values != np.rint(values))
        breaches += breach(_ruled(name, "type integer"), broken, "are not whole numbers")
    if column.range is not None:
        low, high = column.range
        outside = ~infinite & ((values < low) | (values > high))
        breaches += breach(
            sentence("{line} (range {low:g} to {high:g})", line=name, low=low, high=high), outside, "are outside"
        )
    return breaches
