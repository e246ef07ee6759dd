"""Does a department's data keep the data contract? All breaches are found, then told at once.

A breach names the line of the contract and counts rows; it shows no row and no value of one, since the
sentence may leave the department.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_fed.config.spelling import hinted
from lepton_fed.data.columns import LARGEST, Reading, breach, read_column, read_label
from lepton_fed.data.sources import Arrays
from lepton_fed.errors import ConfigError, ContractError
from lepton_fed.settings import ArrayShape, DataContract
from lepton_fed.translation import sentence

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Checked:
    """Data that keep the contract. `columns`: (n,) float64 each, NaN where missing, in the contract's order.

    `x`: the arrays (n, *shape) as they came, where the contract describes arrays. `y`: (n,) float64 numbers,
    or int64 places in the list of classes; None where labels were not asked for.
    """

    columns: tuple[np.ndarray, ...]
    x: np.ndarray | None
    y: np.ndarray | None
    rows: int


def check(contract: DataContract, given: pd.DataFrame | Arrays, department: str, label: str | None = None) -> Checked:
    """The data as numbers. ContractError with every breach; ConfigError where `label` cannot be meant."""
    if isinstance(given, Arrays):
        if label is not None:
            raise ConfigError(f"{department}: `label` names a column, but its data are arrays; leave it out")
        return _checked_arrays(contract, given, department, labelled=True)
    if label in [column.name for column in contract.columns]:
        raise ConfigError(f"{department}: its label {label!r} is a feature of the contract too; it can be one only")
    return _checked_table(contract, given, department, label or contract.label.column)


def check_unlabelled(contract: DataContract, given: pd.DataFrame | Arrays, owner: str) -> Checked:
    """As `check`, for examples of which only the features count."""
    if isinstance(given, Arrays):
        return _checked_arrays(contract, given, owner, labelled=False)
    return _checked_table(contract, given, owner, None)


def _checked_table(contract: DataContract, table: pd.DataFrame, department: str, label: str | None) -> Checked:
    if contract.array is not None:
        line = f"array {contract.array.shape}"
        raise ContractError(department, (f"{line}: its data are a table; give npz, or a callable's (x, y)",))
    breaches = list(_size_breaches(contract, len(table), label is not None))
    columns = []
    for column in contract.columns:
        if column.name in table.columns:
            columns.append(_collect(read_column(column, table[column.name]), breaches))
        else:
            breaches.append(_absent(sentence("column {name!r}", name=column.name), column.name, table.columns))
    y = None
    if label is not None and label not in table.columns:
        breaches.append(_absent(sentence("label {name!r}", name=label), label, table.columns))
    elif label is not None:
        y = _collect(read_label(contract.label, table[label], sentence("label {name!r}", name=label)), breaches)
    _raise_any(department, breaches)
    return Checked(tuple(columns), None, _as_classes(contract, y), len(table))


def _checked_arrays(contract: DataContract, given: Arrays, department: str, *, labelled: bool) -> Checked:
    if contract.array is None:
        raise ContractError(department, ("columns: its data are arrays; a table with these columns was expected",))
    breaches = list(_array_breaches(contract.array, given.x))
    y = None
    if not breaches:
        breaches += _size_breaches(contract, len(given.x), labelled)
        if labelled:
            y = _read_array_label(contract, given, breaches)
    _raise_any(department, breaches)
    return Checked((), given.x, _as_classes(contract, y), len(given.x))


def _array_breaches(array: ArrayShape, x: np.ndarray) -> Iterable[str]:
    line = f"array {array.shape}"
    if x.dtype.kind not in "buif":
        yield f"{line}: x holds {x.dtype.name}, not numbers"
    elif x.shape[1:] != array.shape or x.ndim == 0:
        yield f"{line}: x has shape {x.shape}; (rows, {', '.join(map(str, array.shape))}) was expected"
    else:
        yield from _array_value_breaches(array, x, line)


def _array_value_breaches(array: ArrayShape, x: np.ndarray, line: str) -> Iterable[str]:
    flat: np.ndarray = x.reshape(len(x), -1)
    if x.dtype.kind == "f":
        yield from breach(line, np.isnan(flat).any(axis=1), "have a missing value")
        yield from breach(line, (np.abs(flat) > LARGEST).any(axis=1), "have an infinite value")
    if array.range is not None:
        low, high = array.range
        outside = np.any((flat < low) | (flat > high), axis=1)
        yield from breach(f"{line} (range {low:g} to {high:g})", outside, "have a value outside")


def _read_array_label(contract: DataContract, given: Arrays, breaches: list[str]) -> np.ndarray | None:
    import pandas as pd

    if given.y is None:
        breaches.append("label: the array 'y' is missing")
    elif given.y.shape != given.x.shape[:1]:
        breaches.append(f"label: y has shape {given.y.shape}; ({len(given.x)},), one per row, was expected")
    else:
        cells: pd.Series[Any] = pd.Series(given.y)
        return _collect(read_label(contract.label, cells, sentence("label {name!r}", name="y")), breaches)
    return None


def _size_breaches(contract: DataContract, rows: int, labelled: bool) -> Iterable[str]:
    """A set without labels is nobody's training data: one row is enough there."""
    least = max(contract.minimum_rows, 1) if labelled else 1
    if rows < least:
        yield sentence("minimum_rows {least}: it has {rows} rows", least=least, rows=rows)


def _absent(line: str, name: str, present: Iterable[str]) -> str:
    absent = sentence("{line}: its data have no such column", line=line)
    found = hinted(absent, name, present)
    return found if found == absent else sentence("{said} (then `rename` it)", said=found)


def _collect(reading: Reading, breaches: list[str]) -> np.ndarray:
    breaches.extend(reading.breaches)
    return reading.values


def _as_classes(contract: DataContract, y: np.ndarray | None) -> np.ndarray | None:
    return y.astype(np.int64) if y is not None and contract.label.classes else y


def _raise_any(department: str, breaches: list[str]) -> None:
    if breaches:
        raise ContractError(department, tuple(breaches))
