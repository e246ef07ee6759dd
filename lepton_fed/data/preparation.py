"""From a department's data to the arrays its model is fed: features in an agreed order, scaled at home.

Order of the features, the same at every department:
    numbers, integers and booleans in the contract's order | their missing-indicators |
    each category's one-hot columns in the order of its codes, and behind them its missing-indicator |
    of each column of [knowledge], the entity's vector and 1 where it is unknown (`entities`)
Everything learnt from rows (means for missing values, scaling) is learnt from the department's training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lepton_fed.data.contract import Checked, check, check_unlabelled
from lepton_fed.data.department_file import DataSource
from lepton_fed.data.entities import vector_features
from lepton_fed.data.sources import read
from lepton_fed.data.split import Parts, split_rows
from lepton_fed.errors import ConfigError
from lepton_fed.settings import Column, DataContract

COMMON_SET = "the common set"
"""Stands where a department's name would, in messages about the examples of `distill`."""

EPSILON = 1e-9
"""Added to every standard deviation, as published baselines on these data do."""

CONSTANT = 1e-12
"""Relative spread below which a column is constant: what filling in a computed mean leaves behind."""

ROWS_AT_A_TIME = 4096
"""Deviations of arrays are summed in blocks, or the float64 copy would be eight times a set of pictures."""


@dataclass(frozen=True)
class Part:
    """x: (n, *features) float32. y: (n,) float32 for a number or two classes (0, 1), int64 for more."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Scaling:
    """Prepared x = (raw - mean) / std. float32, (width,) for a table, () for arrays; None: not scaled.

    `std` is the divisor itself: epsilon is in it, and it is 1 where a column is constant in training.
    """

    mean: np.ndarray | None
    std: np.ndarray | None

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Raw to prepared: (n, *features) float32. What was undone comes back to float32's rounding."""
        if self.mean is None or self.std is None:
            return x.astype(np.float32)
        return ((x - self.mean.astype(np.float64)) / self.std.astype(np.float64)).astype(np.float32)

    def undo(self, x: np.ndarray) -> np.ndarray:
        """Prepared to raw: (n, *features) float64, missing values filled in."""
        if self.mean is None or self.std is None:
            return x.astype(np.float64)
        return x * self.std.astype(np.float64) + self.mean.astype(np.float64)


@dataclass(frozen=True)
class Prepared:
    """A department's data, ready for its device. Validation and test parts may be empty.

    `notes`: sentences about what is allowed but worth knowing; they hold counts at most, as breaches do.
    """

    train: Part
    validation: Part
    test: Part
    scaling: Scaling
    notes: tuple[str, ...] = ()
    checked: Checked | None = None
    """All rows as the contract reads them, where they were asked for: statistics are about these."""


def prepare_department(
    contract: DataContract,
    source: DataSource,
    *,
    department: str,
    label: str | None,
    seed: int,
    base: Path,
    keep: bool = False,
    vectors: Path | None = None,
) -> Prepared:
    """Read, check, split and prepare. `base`: the folder that the source's paths start from. `keep`: also the rows
    as they were read. `vectors`: the file of the department's entity vectors, where the contract joins some.

    DataError where the data cannot be read, ContractError where they break the contract, ConfigError where
    the department's file asks for what cannot be.
    """
    given = read(source, base, department)
    checked = check(contract, given, department, label)
    assert checked.y is not None
    entities, notes = vector_features(contract.entities, given, vectors, department, seed)
    classes = checked.y if contract.label.classes else None
    parts = split_rows(contract.split, checked.rows, classes, seed, department)
    x, scaling = _features(contract, checked, parts.train, entities)
    y = _labels(contract, checked.y)
    train, validation, test = (Part(x[rows], y[rows]) for rows in (parts.train, parts.validation, parts.test))
    notes = (*_notes(classes, parts, department), *notes)
    return Prepared(train, validation, test, scaling, notes, checked if keep else None)


def prepare_unlabelled(contract: DataContract, path: str | Path) -> np.ndarray:
    """The examples that all predict on under `distill`: (n, *features) float32, scaled by themselves."""
    path = Path(path)
    try:
        source = DataSource(path=path.name)
    except ValueError as error:
        raise ConfigError(f"{COMMON_SET}: {error}") from None
    checked = check_unlabelled(contract, read(source, path.parent, COMMON_SET), COMMON_SET)
    x, _ = _features(contract, checked, np.arange(checked.rows))
    return x


def _notes(classes: np.ndarray | None, parts: Parts, department: str) -> tuple[str, ...]:
    """One class in the training part is no error: others teach the other class, as in published splits."""
    if classes is None or np.unique(classes[parts.train]).size > 1:
        return ()
    return (f"{department}: its training part holds one class only; alone it could not learn",)


def _labels(contract: DataContract, y: np.ndarray) -> np.ndarray:
    return y if len(contract.label.classes) > 2 else y.astype(np.float32)


def _features(
    contract: DataContract, checked: Checked, train: np.ndarray, entities: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, Scaling]:
    """All rows' features, with statistics of the rows `train` alone. `entities`: blocks (n, w) that come behind."""
    if contract.array is None:
        plain = _table_features(contract, checked, train)
        x = np.concatenate([plain, *(_filled(block, train) for block in entities)], axis=1)
        return _scaled_table(contract, x, train, _unknown(plain.shape[1], entities))
    assert checked.x is not None
    x = checked.x.astype(np.float32)
    x *= np.float32(contract.array.scale)
    return _scaled_arrays(contract, x, train)


def _unknown(plain: int, entities: Sequence[np.ndarray]) -> np.ndarray:
    """The columns that say whether an entity is unknown, the last of each pair of blocks behind `plain` columns."""
    ends: np.ndarray = plain + np.cumsum([block.shape[1] for block in entities], dtype=np.int64)
    return ends[1::2] - 1


def _table_features(contract: DataContract, checked: Checked, train: np.ndarray) -> np.ndarray:
    """(n, width) float64, nothing missing."""
    pairs = list(zip(contract.columns, checked.columns, strict=True))
    plain = [(column, values) for column, values in pairs if column.type != "category"]
    blocks = [_filled(values[:, None], train) for _, values in plain]
    blocks += [_indicator(values) for column, values in plain if column.missing == "indicator"]
    for column, values in pairs:
        if column.type == "category":
            blocks += _category_features(column, values, train)
    return np.concatenate(blocks, axis=1)


def _category_features(column: Column, values: np.ndarray, train: np.ndarray) -> Iterator[np.ndarray]:
    """One column per code; a missing category is filled with the codes' shares among the training rows."""
    codes = np.arange(int(column.drop_first), len(column.codes))
    one_hot: np.ndarray = (values[:, None] == codes).astype(np.float64)
    one_hot[np.isnan(values)] = np.nan
    yield _filled(one_hot, train)
    if column.missing == "indicator":
        yield _indicator(values)


def _indicator(values: np.ndarray) -> np.ndarray:
    """1 where there is no value: (n, 1) float64."""
    absent: np.ndarray = np.isnan(values)
    return absent.astype(np.float64)[:, None]


def _filled(block: np.ndarray, train: np.ndarray) -> np.ndarray:
    """NaN becomes the column's mean over the training rows, or 0 where none of them has a value. (n, k)."""
    absent = np.isnan(block)
    if not absent.any():
        return block
    known = ~absent[train]
    sums = np.where(known, block[train], 0.0).sum(axis=0)
    return np.where(absent, sums / np.maximum(known.sum(axis=0), 1), block)


def _scaled_table(
    contract: DataContract, x: np.ndarray, train: np.ndarray, unscaled: np.ndarray
) -> tuple[np.ndarray, Scaling]:
    """`unscaled`: numbers of columns that stay as they are, since the model asks whether they are above 0."""
    if contract.scale == "none":
        return x.astype(np.float32), Scaling(None, None)
    known = x[train]
    mean = known.mean(axis=0)
    constant = np.ptp(known, axis=0) <= CONSTANT * np.abs(known).max(axis=0)
    # One row has no unbiased deviation; it is constant, so any divisor will do.
    std = np.where(constant, 1.0, known.std(axis=0, ddof=min(1, len(known) - 1)) + EPSILON)
    mean[unscaled], std[unscaled] = 0.0, 1.0
    return ((x - mean) / std).astype(np.float32), Scaling(mean.astype(np.float32), std.astype(np.float32))


def _scaled_arrays(contract: DataContract, x: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, Scaling]:
    """One mean and deviation over all values of the training rows; x is changed in place."""
    if contract.scale == "none":
        return x, Scaling(None, None)
    known = x[train]
    mean = float(known.mean(dtype=np.float64))
    squares = sum(
        float(np.square(known[start : start + ROWS_AT_A_TIME].astype(np.float64) - mean).sum())
        for start in range(0, len(known), ROWS_AT_A_TIME)
    )
    constant = float(np.ptp(known)) <= CONSTANT * float(np.abs(known).max())
    std = 1.0 if constant else float(np.sqrt(squares / (known.size - 1))) + EPSILON
    x -= np.float32(mean)
    x /= np.float32(std)
    return x, Scaling(np.array(mean, dtype=np.float32), np.array(std, dtype=np.float32))
