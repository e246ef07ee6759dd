"""What a federation file says, as frozen values that check themselves.

One class per table of the file. `lepton_fed.config` turns TOML into these through pydantic, which checks
types, refuses unknown keys and names the line; `__post_init__` here checks what a type cannot say. The core
takes these values and knows no TOML, files or pydantic.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

EVERYONE = "*"
"""Stands for all departments wherever a list of names is expected."""


def _alias(name: str) -> str:
    """TOML key of a field: `lambda_` is written `lambda`, `from_` is written `from`."""
    return name.rstrip("_")


class _Strict:
    """Read by pydantic when it validates a dataclass: unknown keys are errors, `lambda_` reads `lambda`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "alias_generator": _alias,
        "validate_by_name": True,
        "validate_by_alias": True,
        "allow_inf_nan": False,
    }


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_words(key: str, text: str) -> None:
    """One line that can be printed and read: names, purposes, what is shared."""
    _require(text.strip() != "", f"{key} may not be blank")
    # The ideographic space counts as unprintable to Python and is at home in Chinese names.
    printable = text.replace("\u3000", " ").isprintable()
    _require(printable, f"{key} may hold no line break, tab or invisible character: {text!r}")


# ---------------------------------------------------------------- who, and who gives what to whom


@dataclass(frozen=True, kw_only=True)
class Identity(_Strict):
    """`[federation]`: what it is called, what it is for, and the seed everything random derives from."""

    name: str
    purpose: str
    seed: int = 0

    def __post_init__(self) -> None:
        _require_words("federation: name", self.name)
        _require_words("federation: purpose", self.purpose)
        _require(self.seed >= 0, f"federation: seed may not be negative: {self.seed}")


@dataclass(frozen=True, kw_only=True)
class ModelSettings(_Strict):
    """`[model]`: a built-in name (`linear`, `mlp`, `cnn`) or `module:callable`, and which parameters stay home.

    `shared` and `private` are patterns (`*` and `?`) over parameter and buffer names; private wins.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ("*",)
    private: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_words("model: name", self.name)
        _require(bool(self.shared), "model: shared is empty, so nothing would be learnt; the default is ['*']")


@dataclass(frozen=True, kw_only=True)
class DepartmentSettings(_Strict):
    """`[[departments]]`: one department; `source` gives updates, `target` receives a model."""

    name: str
    roles: tuple[Literal["source", "target"], ...] = ("source", "target")
    label: str | None = None
    """Which column of its table is the label, where it differs from `[data.label]`."""
    file: str | None = None
    """Its own file, relative to the federation file; default `<federation file's stem>/<name>.toml`."""
    model: ModelSettings | None = None
    """Its own architecture; with the `distill` coupling only."""
    description: str = ""

    def __post_init__(self) -> None:
        _require(
            self.name.strip() == self.name and self.name != "", f"a department's name may not be blank: {self.name!r}"
        )
        _require_words("a department's name", self.name)
        _require(self.name != EVERYONE, "a department may not be called '*'")
        # Files are named after departments: their own file, their model in the run folder.
        fit = self.name not in (".", "..") and not set(self.name) & set("/\\:")
        short = len(self.name.encode()) <= 120
        file_name = "must do as a file's name (no / \\ :, at most 120 bytes)"
        _require(fit and short, f"a department's name {file_name}: {self.name!r}")
        _require(len(set(self.roles)) == len(self.roles), f"{self.name}: a role is listed twice")

    @property
    def is_source(self) -> bool:
        return "source" in self.roles

    @property
    def is_target(self) -> bool:
        return "target" in self.roles


@dataclass(frozen=True, kw_only=True)
class Dependency(_Strict):
    """`[[graph]]`: an edge of the collaboration graph; `from` depends on `to` for `needs`."""

    from_: str
    to: str
    needs: str

    def __post_init__(self) -> None:
        _require_words("graph: needs", self.needs)


@dataclass(frozen=True, kw_only=True)
class Flow(_Strict):
    """`[[sharing]]`: `what` may flow from each of `from` to each of `to`, as far as the grants allow."""

    what: str
    from_: tuple[str, ...]
    to: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_words("sharing: what", self.what)
        named = bool(self.from_) and bool(self.to)
        _require(named, f"sharing: {self.what!r} needs at least one name in from and in to")


@dataclass(frozen=True, kw_only=True)
class Grant(_Strict):
    """`[[access]]`: the owners of `what` permit (or forbid) `who` to do `action` with it."""

    what: str
    who: tuple[str, ...]
    action: Literal["read", "train", "evaluate", "aggregate", "publish", "读取", "训练", "评估", "聚合", "发布"]
    owner: tuple[str, ...] = (EVERYONE,)
    """Whose rule this is; default: every department that gives `what`."""
    effect: Literal["permit", "forbid"] = "permit"
    kind: Literal["data", "relation", "type"] = "data"
    """What `what` is: something that flows, or a relation or a type of entities of the knowledge graph."""

    def __post_init__(self) -> None:
        _require_words("access: what", self.what)
        named = bool(self.who) and bool(self.owner)
        _require(named, f"access: {self.what!r} needs at least one name in who and in owner")


# ---------------------------------------------------------------- data contract


@dataclass(frozen=True, kw_only=True)
class Column(_Strict):
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
        _require_words("a column's name", self.name)
        _require(
            (self.type == "category") == bool(self.codes),
            f"column {self.name!r}: codes belong to a category, and only to it",
        )
        _require(len(set(self.codes)) == len(self.codes), f"column {self.name!r}: a code is listed twice")
        _require(
            self.range is None or self.range[0] <= self.range[1],
            f"column {self.name!r}: range must be [smallest, largest]",
        )
        _require(
            self.type in ("number", "integer") or self.range is None, f"column {self.name!r}: only numbers have a range"
        )


@dataclass(frozen=True, kw_only=True)
class ArrayShape(_Strict):
    """`[data.array]`: features that come as one array per example (pictures, signals) instead of columns."""

    shape: tuple[int, ...]
    range: tuple[float, float] | None = None
    scale: float = 1.0
    """Every value is multiplied by this (1/255 turns bytes into 0..1)."""

    def __post_init__(self) -> None:
        sizes = bool(self.shape) and all(n >= 1 for n in self.shape)
        _require(sizes, f"data.array: shape must be one example's sizes, each at least 1: {list(self.shape)}")
        ordered = self.range is None or self.range[0] <= self.range[1]
        _require(ordered, "data.array: range must be [smallest, largest]")
        _require(self.scale > 0, f"data.array: scale must be positive, not {self.scale}")


@dataclass(frozen=True, kw_only=True)
class Label(_Strict):
    """`[data.label]`: what is predicted. `classes` makes it a classification; without, a number is predicted."""

    column: str = "label"
    meaning: str
    classes: tuple[str, ...] = ()
    """Values of the label in the order of the model's outputs; compared as text (1, 1.0 and "1" are the same)."""

    def __post_init__(self) -> None:
        _require_words("data.label: column", self.column)
        _require_words("data.label: meaning", self.meaning)
        _require(len(self.classes) != 1, "data.label: one class only cannot be learnt; list two or more")
        _require(len(set(self.classes)) == len(self.classes), "data.label: a class is listed twice")


@dataclass(frozen=True, kw_only=True)
class Split(_Strict):
    """`[data.split]`: each department's own rows into training, validation and test parts."""

    test: float = 0.3
    validation: float = 0.0
    """Share of the rows that are left after the test part."""
    stratify: bool = True
    seed: int | None = None
    """Default: the federation's seed."""

    def __post_init__(self) -> None:
        _require(0.0 <= self.test < 1.0, f"data.split: test must be in [0, 1), not {self.test}")
        _require(0.0 <= self.validation < 1.0, f"data.split: validation must be in [0, 1), not {self.validation}")
        _require(self.seed is None or self.seed >= 0, f"data.split: seed may not be negative: {self.seed}")


@dataclass(frozen=True, kw_only=True)
class KnowledgeJoin(_Strict):
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
        _require(distinct, "knowledge: columns names at least one column, and none twice")
        for key, number in (("width", self.width), ("size", self.size)):
            _require(number >= 1, f"knowledge: {key} must be at least 1, not {number}")


@dataclass(frozen=True, kw_only=True)
class DataContract(_Strict):
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
        _require(bool(self.columns) != (self.array is not None), "data: give either columns or array, and one of them")
        _require(self.minimum_rows >= 1, f"data: minimum_rows must be at least 1, not {self.minimum_rows}")
        names = [c.name for c in self.columns]
        _require(len(set(names)) == len(names), "data: a column is listed twice")
        _require(self.label.column not in names, f"data: the label {self.label.column!r} is also listed as a feature")

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


# ---------------------------------------------------------------- training


@dataclass(frozen=True, kw_only=True)
class Optimiser(_Strict):
    """`[training.optimiser]`: a department's local optimiser."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_biases: bool = True
    """Whether weight decay also acts on parameters of fewer than two dimensions (biases, norm scales)."""
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    keep: bool = True
    """Momentum and moments last from round to round at the department; false starts them afresh every round."""

    def __post_init__(self) -> None:
        _require(
            self.learning_rate > 0, f"training.optimiser: learning_rate must be positive, not {self.learning_rate}"
        )
        _require(0 <= self.momentum < 1, f"training.optimiser: momentum must be in [0, 1), not {self.momentum}")
        _require(self.weight_decay >= 0, f"training.optimiser: weight_decay may not be negative: {self.weight_decay}")
        _require(self.epsilon > 0, f"training.optimiser: epsilon must be positive, not {self.epsilon}")
        _require(0 <= self.beta1 < 1 and 0 <= self.beta2 < 1, "training.optimiser: beta1 and beta2 must be in [0, 1)")
        _require(
            self.name == "sgd" or not (self.momentum or self.nesterov), "training.optimiser: momentum belongs to sgd"
        )
        _require(not self.nesterov or self.momentum > 0, "training.optimiser: nesterov needs momentum")


@dataclass(frozen=True, kw_only=True)
class Training(_Strict):
    """`[training]`: what a department does in one round. `steps` go on through the data across rounds."""

    loss: str = "auto"
    """`auto` (from the label), `binary_cross_entropy`, `cross_entropy`, `mse`, `huber`, or `module:callable`."""
    epochs: int | None = None
    steps: int | None = None
    batch: int = 32
    optimiser: Optimiser = field(default_factory=Optimiser)
    correction: Literal["none", "scaffold"] = "none"
    """`scaffold`: control variates against client drift (Karimireddy et al. 2020)."""

    def __post_init__(self) -> None:
        _require(self.epochs is None or self.steps is None, "training: give epochs or steps, not both")
        _require(self.epochs is None or self.epochs >= 1, f"training: epochs must be at least 1, not {self.epochs}")
        _require(self.steps is None or self.steps >= 1, f"training: steps must be at least 1, not {self.steps}")
        _require(self.batch >= 1, f"training: batch must be at least 1, not {self.batch}")
        plain = self.optimiser.name == "sgd" and not self.optimiser.momentum
        _require(
            self.correction == "none" or plain,
            "training: scaffold needs sgd without momentum (its update of c assumes it)",
        )


@dataclass(frozen=True, kw_only=True)
class Rounds(_Strict):
    """`[rounds]`: how many, who takes part in each, how often models are evaluated."""

    count: int = 20
    participants: int | None = None
    """Departments drawn per round; default: all of them."""
    evaluate_every: int = 1
    deadline: int = 3600
    """Seconds that one exchange with departments may take; in a simulation nobody is late."""

    def __post_init__(self) -> None:
        _require(self.deadline >= 1, f"rounds: deadline must be at least 1 second, not {self.deadline}")
        _require(self.count >= 1, f"rounds: count must be at least 1, not {self.count}")
        _require(self.participants is None or self.participants >= 1, "rounds: participants must be at least 1")
        _require(self.evaluate_every >= 1, "rounds: evaluate_every must be at least 1")


@dataclass(frozen=True, kw_only=True)
class CommonSet(_Strict):
    """`[coupling.common]`: the unlabelled examples that all departments predict on under `distill`."""

    path: str
    """`.csv`, `.parquet` (the contract's columns) or `.npz` (array `x`), relative to the federation file."""


@dataclass(frozen=True, kw_only=True)
class Coupling(_Strict):
    """`[coupling]`: how the departments' models pull on one another (docs/mathematics.md)."""

    kind: Literal["average", "proximal", "clusters", "distill"] = "average"
    lambda_: float = 1.0
    """Strength of the pull; `average` ignores it (it is the limit of an infinite one)."""
    method: Literal["mr-mtl", "ditto", "pfedme", "fedprox"] = "mr-mtl"
    """`proximal` only: what is uploaded, and from where a round starts."""
    inner_steps: int = 5
    """`pfedme` only: gradient steps on each batch's proximal problem (K of the paper)."""
    server_mix: float = 1.0
    """`pfedme` only: the server's mixing (beta of the paper)."""
    hubs: int = 2
    """`clusters` only: m, the number of hubs."""
    read: Literal["hard", "soft"] = "hard"
    """`clusters` only: `hard` reads the best hub (IFCA), `soft` a softmax mixture."""
    temperature: float = 1.0
    """`clusters` with soft reading: tau of the softmax; `distill`: of the predictions."""
    freeze: int = 1
    """`clusters` only: a declared hub stays fixed for this many rounds."""
    reset: bool = True
    """`clusters` only: start each round from what was read (beta infinite) rather than pull towards it."""
    direction: Literal["forward", "reverse"] = "forward"
    """`distill` only: forward KL(p_i || p_j), from probabilities; reverse KL(p_j || p_i), from log-probabilities."""
    common: CommonSet | None = None
    """`distill` only, and needed there."""

    def __post_init__(self) -> None:
        _require(self.lambda_ >= 0, f"coupling: lambda may not be negative: {self.lambda_}")
        _require(self.inner_steps >= 1, "coupling: inner_steps must be at least 1")
        _require(0 < self.server_mix <= 1, f"coupling: server_mix must be in (0, 1], not {self.server_mix}")
        _require(self.hubs >= 1, f"coupling: hubs must be at least 1, not {self.hubs}")
        _require(self.temperature > 0, f"coupling: temperature must be positive, not {self.temperature}")
        _require(self.freeze >= 1, "coupling: freeze must be at least 1")
        _require(
            (self.kind == "distill") == (self.common is not None),
            "coupling: distill needs [coupling.common], and only distill has it",
        )


@dataclass(frozen=True, kw_only=True)
class Weights(_Strict):
    """`[weights]`: alpha weighs the sources of each target, beta how strongly each target is pulled."""

    alpha: Literal["examples", "uniform"] | dict[str, float] = "examples"
    """`examples`: each source's own count, known to it alone; `uniform`; or a number per source by name."""
    beta: float | dict[str, float] = 1.0
    """One number, or a number per target by name (missing names take 1)."""
    counts: tuple[float, float] | None = None
    """`examples` only: the public band [smallest, largest] that a count is brought into before it weighs.

    Secure sums need it: the band is all that anybody learns of the counts, and bounds how much one source weighs.
    """

    def __post_init__(self) -> None:
        if self.counts is not None:
            low, high = self.counts
            _require(self.alpha == "examples", "weights: counts belong to alpha = 'examples', and only to it")
            _require(
                0 < low <= high, f"weights: counts must be [smallest, largest], both positive: {list(self.counts)}"
            )
        if isinstance(self.alpha, dict):
            _check_weights("alpha", self.alpha)
        if isinstance(self.beta, dict):
            _check_weights("beta", self.beta)
        else:
            _check_weights("beta", {"beta": self.beta})
            _require(self.beta > 0, _NOBODY.format("beta"))
        if isinstance(self.alpha, dict):
            _require(any(w > 0 for w in self.alpha.values()), _NOBODY.format("alpha"))


_NOBODY = "weights: {} is zero for everybody, so nobody would learn from anybody"


def _check_weights(name: str, table: dict[str, float]) -> None:
    for key, value in table.items():
        _require(
            math.isfinite(value) and value >= 0,
            f"weights: {name} of {key!r} must be a number of at least 0, not {value}",
        )


@dataclass(frozen=True, kw_only=True)
class NoiseSettings(_Strict):
    """`[aggregation.noise]`: each department adds a little Skellam noise; every sum is differentially private."""

    norm: float
    """L2 bound of one department's weighted update; a longer one is shortened."""
    multiplier: float
    """Standard deviation of the noise in a sum, in units of `norm`."""
    delta: float = 1e-5
    """At which epsilon is reported."""

    def __post_init__(self) -> None:
        _require(self.norm > 0, f"aggregation.noise: norm must be positive, not {self.norm}")
        _require(self.multiplier > 0, f"aggregation.noise: multiplier must be positive, not {self.multiplier}")
        _require(0 < self.delta < 1, f"aggregation.noise: delta must be between 0 and 1, not {self.delta}")


@dataclass(frozen=True, kw_only=True)
class Aggregation(_Strict):
    """`[aggregation]`: how departments' numbers are summed (docs/security.md)."""

    secure: bool = True
    """Nobody sees a single department's numbers; `false` must be asked for, and the report says so."""
    coordinator_sees: Literal["sums", "nothing"] = "sums"
    """`nothing`: only departments can open a sum, and they step the common model themselves."""
    colluders: int | None = None
    """c: how many departments may collude with the coordinator; default: a third of those with a role."""
    crowd: int | None = None
    """k: every sum hides each department among at least so many others; default 2, and 3 from six departments."""
    crowd_soft: float = 1.25
    """No department may make up more than 1 / crowd_soft of anything that the sums tell."""
    clip: float = 16.0
    """No entry of an update counts for more than this; entries cut off are counted and reported."""
    across_rounds: Literal["off", "warn", "enforce"] = "off"
    """Whether departments also look at what the sums of several rounds would tell together."""
    transport: Literal["float32", "float16", "int8"] = "float32"
    """As what updates travel where sums are plain; what rounding takes from one is added to the next."""
    noise: NoiseSettings | None = None

    def __post_init__(self) -> None:
        _require(
            self.colluders is None or self.colluders >= 0,
            f"aggregation: colluders may not be negative: {self.colluders}",
        )
        _require(self.crowd is None or self.crowd >= 1, f"aggregation: crowd must be at least 1, not {self.crowd}")
        _require(self.crowd_soft >= 1, f"aggregation: crowd_soft must be at least 1, not {self.crowd_soft}")
        _require(0 < self.clip <= 2.0**20, f"aggregation: clip must be positive and at most 2^20, not {self.clip}")
        asked = self.sealed or self.noise is not None
        _require(self.secure or not asked, "aggregation: coordinator_sees = 'nothing' and noise need secure = true")
        _require(
            not self.secure or self.transport == "float32",
            f"aggregation: transport = '{self.transport}' needs secure = false, since what departments add to secure "
            "sums is whole numbers under masks; take it out",
        )

    @property
    def sealed(self) -> bool:
        """Whether only departments can open a sum, and hold the common model themselves."""
        return self.coordinator_sees == "nothing"


@dataclass(frozen=True, kw_only=True)
class StatisticsNoise(_Strict):
    """`[statistics.noise]`: each department adds a little Skellam noise to what it counts."""

    norm: float
    """L2 bound of one department's counts, in rows, and of its moments; longer ones are shortened."""
    multiplier: float
    """Standard deviation of the noise in a sum, in units of `norm`."""

    def __post_init__(self) -> None:
        _require(self.norm > 0, f"statistics.noise: norm must be positive, not {self.norm}")
        _require(self.multiplier > 0, f"statistics.noise: multiplier must be positive, not {self.multiplier}")
        most = self.norm * self.multiplier <= 2.0**16
        _require(most, "statistics.noise: norm times multiplier may be 65536 at most; lower one of them")


@dataclass(frozen=True, kw_only=True)
class StatisticsSettings(_Strict):
    """`[statistics]`: what is counted over all departments' rows before training, through a secure sum."""

    what: str
    """The data set, as [[sharing]] names it: whoever gives it takes part, if its rules permit aggregating it."""
    to: tuple[str, ...] = (EVERYONE,)
    """Who gets the statistics; every owner must permit each of them to aggregate."""
    columns: tuple[str, ...] = ()
    """Columns of the contract; default: all."""
    by_class: bool = False
    """Apart for each class of the label."""
    bins: int = 20
    """Of equal width over a column's range, in a histogram of numbers."""
    minimum: int = 10
    """A department lets no count of fewer rows leave, and none of fewer is shown."""
    quantiles: tuple[float, ...] = (0.25, 0.5, 0.75)
    noise: StatisticsNoise | None = None

    def __post_init__(self) -> None:
        _require_words("statistics: what", self.what)
        _require(bool(self.to), "statistics: to is empty, so nobody would get them; the default is ['*']")
        _require(len(set(self.columns)) == len(self.columns), "statistics: a column is listed twice")
        _require(1 <= self.bins <= 1000, f"statistics: bins must be from 1 to 1000, not {self.bins}")
        _require(self.minimum >= 1, f"statistics: minimum must be at least 1, not {self.minimum}")
        inside = all(0 <= q <= 1 for q in self.quantiles)
        _require(inside, f"statistics: quantiles must be from 0 to 1: {list(self.quantiles)}")


@dataclass(frozen=True, kw_only=True)
class ServerOptimiser(_Strict):
    """`[server]`: what the coordinator does with a mean update (Reddi et al. 2021; FedAvgM: Hsu et al. 2019)."""

    optimiser: Literal["none", "momentum", "adam", "yogi", "adagrad"] = "none"
    learning_rate: float = 1.0
    momentum: float = 0.9
    beta2: float = 0.999
    tau: float = 1e-8
    """Added to the square root of the second moment."""

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, f"server: learning_rate must be positive, not {self.learning_rate}")
        _require(0 <= self.momentum < 1 and 0 <= self.beta2 < 1, "server: momentum and beta2 must be in [0, 1)")
        _require(self.tau > 0, "server: tau must be positive")


METRICS = ("loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss", "mse", "mae", "r2")


@dataclass(frozen=True, kw_only=True)
class Report(_Strict):
    """`[report]`: what is measured, and what a department's own result is set beside."""

    metrics: tuple[
        Literal[
            "loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss", "mse", "mae", "r2"
        ],
        ...,
    ] = ("loss",)
    """The first is the one that bars and tables compare by."""
    baselines: tuple[Literal["alone", "pooled"], ...] = ("alone", "pooled")
    alone_learning_rates: tuple[float, ...] = ()
    """Learning rates tried for training alone, chosen on a validation part; default: the federation's."""

    def __post_init__(self) -> None:
        _require(bool(self.metrics), "report: metrics is empty; name at least one")
        _require(len(set(self.metrics)) == len(self.metrics), "report: a metric is listed twice")
        _require(len(set(self.baselines)) == len(self.baselines), "report: a baseline is listed twice")
        rates = self.alone_learning_rates
        _require(all(rate > 0 for rate in rates), f"report: alone_learning_rates must be positive: {list(rates)}")


# ---------------------------------------------------------------- pipeline


@dataclass(frozen=True, kw_only=True)
class Gate(_Strict):
    """`[pipeline.gate]`: what must be measured, and where, before work goes on."""

    metric: Literal[
        "loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss", "mse", "mae", "r2"
    ]
    at_least: float | None = None
    at_most: float | None = None
    """For what is better when it is smaller."""
    at: tuple[str, ...] = (EVERYONE,)
    """At which departments; default: at all that have rows."""

    def __post_init__(self) -> None:
        _require(
            (self.at_least is None) != (self.at_most is None), "pipeline.gate: give at_least or at_most, one of them"
        )
        _require(bool(self.at), "pipeline.gate: at is empty; name a department, or leave it out for all")

    @property
    def bound(self) -> str:
        """What is asked, in words."""
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"

    def missed(self, values: dict[str, float]) -> tuple[str, ...]:
        """Departments, of those measured (by name), whose value does not pass; NaN passes nothing."""
        least = -math.inf if self.at_least is None else self.at_least
        most = math.inf if self.at_most is None else self.at_most
        return tuple(name for name, value in values.items() if not least <= value <= most)


@dataclass(frozen=True, kw_only=True)
class PipelineStep(_Strict):
    """`[[pipeline]]`: one step at each of its departments (docs/pipelines.md)."""

    department: tuple[str, ...]
    step: str
    """In a few words; some mean work of ours, such as 完成模型开发 or `train`."""
    work: Literal["train", "validate", "iterate", "publish", "manual"] | None = None
    """Default: what the words mean, else a person's work."""
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """Steps by their words; default: those of the entry before, unless needs or makes says otherwise."""
    rounds: int | None = None
    """`train`: how many, default `rounds.count`; `iterate`: how many more in one pass."""
    budget: int = 1
    """`iterate` only: how many passes at most until the gate passes."""
    gate: Gate | None = None
    """`validate` and `iterate` only."""
    approve: str | None = None
    """The role that must approve it before it begins; never who began the run."""
    retries: int = 2
    timeout: int | None = None
    """Seconds that one try may take."""
    to: str | None = None
    """`publish` only: the folder, relative to where the command is given; default: in the pipeline's run folder."""

    def __post_init__(self) -> None:
        _require_words("pipeline: step", self.step)
        _require(bool(self.department), f"pipeline: {self.step!r} needs at least one name in department")
        for key in ("rounds", "timeout"):
            number = getattr(self, key)
            _require(number is None or number >= 1, f"pipeline: {key} must be at least 1, not {number}")
        _require(self.budget >= 1, f"pipeline: budget must be at least 1, not {self.budget}")
        _require(self.retries >= 0, f"pipeline: retries may not be negative: {self.retries}")
        _require(self.budget == 1 or self.gate is not None, f"pipeline: {self.step!r} has a budget and no gate to pass")
        if self.approve is not None:
            _require_words("pipeline: approve", self.approve)


@dataclass(frozen=True, kw_only=True)
class Audit(_Strict):
    """`[audit]`: how the log of what was decided is kept."""

    every: int = 10
    """Rounds after which departments countersign the log again; they do at the end of a run anyway."""

    def __post_init__(self) -> None:
        _require(self.every >= 1, f"audit: every must be at least 1 round, not {self.every}")


@dataclass(frozen=True, kw_only=True)
class Settings(_Strict):
    """A whole federation file."""

    federation: Identity
    departments: tuple[DepartmentSettings, ...]
    data: DataContract
    model: ModelSettings
    graph: tuple[Dependency, ...] = ()
    sharing: tuple[Flow, ...] = ()
    access: tuple[Grant, ...] = ()
    training: Training = field(default_factory=Training)
    rounds: Rounds = field(default_factory=Rounds)
    coupling: Coupling = field(default_factory=Coupling)
    weights: Weights = field(default_factory=Weights)
    server: ServerOptimiser = field(default_factory=ServerOptimiser)
    aggregation: Aggregation = field(default_factory=Aggregation)
    report: Report = field(default_factory=Report)
    audit: Audit = field(default_factory=Audit)
    statistics: StatisticsSettings | None = None
    """Absent: nothing is counted."""
    pipeline: tuple[PipelineStep, ...] = ()
    knowledge: KnowledgeJoin | None = None
    """Absent: models take the contract's columns alone."""

    def __post_init__(self) -> None:
        _require(bool(self.departments), "departments is empty; a federation has at least two")
        if self.data.entities != self.knowledge:
            data = copy(self.data)
            object.__setattr__(data, "entities", self.knowledge)
            object.__setattr__(self, "data", data)

    def department(self, name: str) -> DepartmentSettings:
        """The department of that name; KeyError if there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, DepartmentSettings]:
        return {d.name: d for d in self.departments}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Departments' names in the file's order: the order of every sum."""
        return tuple(d.name for d in self.departments)
