"""`[data]` and `[knowledge]`: the contract that every department's rows keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from lepton_fed.settings.basis import Strict, negative, not_positive, outside, require, require_words, too_small
from lepton_fed.translation import sentence


@dataclass(frozen=True, kw_only=True)
class Column(Strict):
    """`[[data.columns]]`: one feature column of every department's table."""

    name: str
    type: Literal["number", "integer", "boolean", "category"] = "number"
    range: tuple[float, float] | None = None
    """Smallest and largest value allowed, both included."""
    codes: tuple[str, ...] = ()
    """The agreed code list of a category, in the order of the one-hot columns."""
    drop_first: bool = False
    """Leave out the first code's one-hot column (treatment coding)."""
    missing: Literal["refuse", "mean", "indicator"] = "refuse"
    """`mean`: the department's own training mean; `indicator`: that, and a 0/1 column that says so."""

    def __post_init__(self) -> None:
        require_words("a column's name", self.name)
        require(
            (self.type == "category") == bool(self.codes),
            sentence("column {name!r}: codes belong to a category, and only to it", name=self.name),
        )
        require(
            len(set(self.codes)) == len(self.codes), sentence("column {name!r}: a code is listed twice", name=self.name)
        )
        require(
            self.range is None or self.range[0] <= self.range[1],
            sentence("column {name!r}: range must be [smallest, largest]", name=self.name),
        )
        require(
            self.type in ("number", "integer") or self.range is None,
            sentence("column {name!r}: only numbers have a range", name=self.name),
        )


@dataclass(frozen=True, kw_only=True)
class ArrayShape(Strict):
    """`[data.array]`: features that come as one array per example (pictures, signals) instead of columns."""

    shape: tuple[int, ...]
    range: tuple[float, float] | None = None
    scale: float = 1.0
    """Every value is multiplied by this (1/255 turns bytes into 0..1)."""

    def __post_init__(self) -> None:
        sizes = bool(self.shape) and all(n >= 1 for n in self.shape)
        require(
            sizes,
            sentence("data.array: shape must be one example's sizes, each at least 1: {shape}", shape=list(self.shape)),
        )
        ordered = self.range is None or self.range[0] <= self.range[1]
        require(ordered, sentence("data.array: range must be [smallest, largest]"))
        require(self.scale > 0, not_positive("data.array: scale", self.scale))


@dataclass(frozen=True, kw_only=True)
class Label(Strict):
    """`[data.label]`: what is predicted. `classes` makes it a classification; without, a number is predicted."""

    column: str = "label"
    meaning: str
    classes: tuple[str, ...] = ()
    """Values of the label in the order of the model's outputs; compared as text (1, 1.0 and "1" are the same)."""

    def __post_init__(self) -> None:
        require_words("data.label: column", self.column)
        require_words("data.label: meaning", self.meaning)
        require(len(self.classes) != 1, sentence("data.label: one class only cannot be learnt; list two or more"))
        require(len(set(self.classes)) == len(self.classes), sentence("data.label: a class is listed twice"))


@dataclass(frozen=True, kw_only=True)
class Split(Strict):
    """`[data.split]`: each department's own rows into training, validation and test parts."""

    test: float = 0.3
    validation: float = 0.0
    """Share of the rows that are left after the test part."""
    stratify: bool = True
    seed: int | None = None
    """Default: the federation's seed."""

    def __post_init__(self) -> None:
        require(0.0 <= self.test < 1.0, outside("data.split: test", self.test, "[0, 1)"))
        require(0.0 <= self.validation < 1.0, outside("data.split: validation", self.validation, "[0, 1)"))
        require(self.seed is None or self.seed >= 0, negative("data.split: seed", self.seed))


@dataclass(frozen=True, kw_only=True)
class KnowledgeJoin(Strict):
    """`[knowledge]`: entities in departments' rows become vectors that their models take as further, gated inputs.

    Each department looks its own vectors up (`vectors` in its own file); neither they nor the names leave.
    """

    join: Literal["column"]
    """How rows name entities: `column`, a value of a column is the name of one."""
    columns: tuple[str, ...]
    """Columns of every department's table whose values name entities."""
    width: int
    """Numbers in a vector: the embedding's dimension; twice that under `rotate` and `complex`."""
    size: int = 16
    """Features that the model gets of each column."""
    vectors: Literal["own", "shuffled"] = "own"
    """`shuffled`: the control, the same vectors dealt out to other entities."""
    control: bool = True
    """A simulation also trains without vectors and with shuffled ones, and reports the gain."""

    def __post_init__(self) -> None:
        distinct = bool(self.columns) and len(set(self.columns)) == len(self.columns)
        require(distinct, sentence("knowledge: columns names at least one column, and none twice"))
        for key, number in (("width", self.width), ("size", self.size)):
            require(number >= 1, too_small(f"knowledge: {key}", number))


@dataclass(frozen=True, kw_only=True)
class DataContract(Strict):
    """`[data]`: what every department's data must look like; checked at the department before training."""

    label: Label
    columns: tuple[Column, ...] = ()
    array: ArrayShape | None = None
    minimum_rows: int = 1
    scale: Literal["standard", "none"] = "standard"
    """`standard`: (x - mean) / std of the department's own training rows; a constant column is only centred."""
    split: Split = field(default_factory=Split)
    entities: ClassVar[KnowledgeJoin | None] = None
    """`[knowledge]`, which stands beside `[data]` in the file and is given to the contract by `Settings`: no key."""

    def __post_init__(self) -> None:
        require(
            bool(self.columns) != (self.array is not None),
            sentence("data: give either columns or array, and one of them"),
        )
        require(self.minimum_rows >= 1, too_small("data: minimum_rows", self.minimum_rows))
        names = [c.name for c in self.columns]
        require(len(set(names)) == len(names), sentence("data: a column is listed twice"))
        require(
            self.label.column not in names,
            sentence("data: the label {column!r} is also listed as a feature", column=self.label.column),
        )

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one prepared example, the model's input: (width,) for columns, else the array's shape."""
        if self.array is not None:
            return self.array.shape
        return (self.plain + (0 if self.entities is None else len(self.entities.columns) * (self.entities.width + 1)),)

    @property
    def plain(self) -> int:
        """Features of the contract's own columns; each entity's vector, and whether it is unknown, come behind."""
        return sum(feature_width(c) for c in self.columns)

    @property
    def outputs(self) -> int:
        """Width of the model's output: 1 for a number or two classes, else the number of classes."""
        return len(self.label.classes) if len(self.label.classes) > 2 else 1


def feature_width(column: Column) -> int:
    """How many prepared features a column becomes."""
    base = len(column.codes) - int(column.drop_first) if column.type == "category" else 1
    return base + int(column.missing == "indicator")
