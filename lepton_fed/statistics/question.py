"""What is asked of every department: the cells that it counts and the moments that it sums, in an agreed order.

    vector    per stratum: rows | per column: present, bins ...            (length,) float32, whole numbers
    scalars   per stratum and column with a range: sum of z, sum of z²     z = (x - middle) / half, within [-1, 1]

A stratum is a class of the label; there is one stratum where classes are not told apart. Sums over classes are added
up afterwards and not asked for beside them, since a difference of two would tell what a small class holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lepton_fed.settings import Column, DataContract, Settings, StatisticsSettings

EVERYBODY = ""
"""The one stratum where classes are not told apart."""


@dataclass(frozen=True)
class Question:
    """The statistics of a federation file that asks for some."""

    contract: DataContract
    asked: StatisticsSettings

    @classmethod
    def of(cls, settings: Settings) -> Question | None:
        """None where the file asks for none."""
        return cls(settings.data, settings.statistics) if settings.statistics is not None else None

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """In the contract's order."""
        chosen = self.asked.columns or [column.name for column in self.contract.columns]
        return tuple(column for column in self.contract.columns if column.name in chosen)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Of `columns` in the contract."""
        names = [column.name for column in self.contract.columns]
        return tuple(names.index(column.name) for column in self.columns)

    @property
    def strata(self) -> tuple[str, ...]:
        return self.contract.label.classes if self.asked.by_class else (EVERYBODY,)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How many cells each column has in a stratum, the one of present values included."""
        return tuple(1 + bins(column, self.asked.bins) for column in self.columns)

    @property
    def width(self) -> int:
        """Cells of one stratum."""
        return 1 + sum(self.widths)

    @property
    def length(self) -> int:
        """Cells of all strata."""
        return len(self.strata) * self.width

    @cached_property
    def measured(self) -> tuple[int, ...]:
        """Places in `columns` of those that have moments."""
        return tuple(k for k, column in enumerate(self.columns) if has_moments(column))

    @cached_property
    def scalars(self) -> tuple[str, ...]:
        """Names of the moments, in their order."""
        return tuple(
            f"{what} of column {k + 1} in stratum {stratum + 1}"
            for stratum in range(len(self.strata))
            for k in self.measured
            for what in ("sum", "square sum")
        )


def has_moments(column: Column) -> bool:
    """A mean needs a number whose size is bounded; of others it is not known how much one row may count."""
    return column.type in ("number", "integer") and column.range is not None


def bins(column: Column, wanted: int) -> int:
    """How many cells a histogram of this column has; 0 where its values have no bounds."""
    if column.type == "category":
        return len(column.codes)
    if column.type == "boolean":
        return 2
    if column.range is None:
        return 0
    return wanted if column.range[0] < column.range[1] else 1


def edges(column: Column, wanted: int) -> NDArray[np.float64]:
    """The bins' ends over a column's range: (bins + 1,), the last bin holds its right end too."""
    assert column.range is not None
    return np.linspace(*column.range, bins(column, wanted) + 1)


def scaling(column: Column) -> tuple[float, float]:
    """(middle, half) of a column's range: z = (x - middle) / half lies within [-1, 1]."""
    assert column.range is not None
    low, high = column.range
    return (low + high) / 2, max((high - low) / 2, np.finfo(np.float64).tiny) if low < high else 1.0
