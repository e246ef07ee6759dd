"""What sums and statistics give away, and under what noise: `[aggregation]`, `[statistics]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lepton_fed.settings.basis import (
    EVERYONE,
    Strict,
    beyond,
    negative,
    not_positive,
    require,
    require_words,
    too_small,
)
from lepton_fed.translation import sentence


@dataclass(frozen=True, kw_only=True)
class NoiseSettings(Strict):
    """`[aggregation.noise]`: each department adds a little Skellam noise; every sum is differentially private."""

    norm: float
    """L2 bound of one department's weighted update; a longer one is shortened."""
    multiplier: float
    """Standard deviation of the noise in a sum, in units of `norm`."""
    delta: float = 1e-5
    """At which epsilon is reported."""

    def __post_init__(self) -> None:
        require(self.norm > 0, not_positive("aggregation.noise: norm", self.norm))
        require(self.multiplier > 0, not_positive("aggregation.noise: multiplier", self.multiplier))
        require(0 < self.delta < 1, beyond("aggregation.noise: delta", self.delta))


@dataclass(frozen=True, kw_only=True)
class Aggregation(Strict):
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
        require(
            self.colluders is None or self.colluders >= 0,
            negative("aggregation: colluders", self.colluders),
        )
        require(self.crowd is None or self.crowd >= 1, too_small("aggregation: crowd", self.crowd))
        require(self.crowd_soft >= 1, too_small("aggregation: crowd_soft", self.crowd_soft))
        require(
            0 < self.clip <= 2.0**20,
            sentence("aggregation: clip must be positive and at most 2^20, not {clip}", clip=self.clip),
        )
        asked = self.sealed or self.noise is not None
        require(
            self.secure or not asked, sentence("aggregation: coordinator_sees = 'nothing' and noise need secure = true")
        )
        require(
            not self.secure or self.transport == "float32",
            sentence(
                "aggregation: transport = '{transport}' needs secure = false, since what departments add to "
                "secure sums is whole numbers under masks; take it out",
                transport=self.transport,
            ),
        )

    @property
    def sealed(self) -> bool:
        """Whether only departments can open a sum, and hold the common model themselves."""
        return self.coordinator_sees == "nothing"


@dataclass(frozen=True, kw_only=True)
class StatisticsNoise(Strict):
    """`[statistics.noise]`: each department adds a little Skellam noise to what it counts."""

    norm: float
    """L2 bound of one department's counts, in rows, and of its moments; longer ones are shortened."""
    multiplier: float
    """Standard deviation of the noise in a sum, in units of `norm`."""

    def __post_init__(self) -> None:
        require(self.norm > 0, not_positive("statistics.noise: norm", self.norm))
        require(self.multiplier > 0, not_positive("statistics.noise: multiplier", self.multiplier))
        most = self.norm * self.multiplier <= 2.0**16
        require(most, sentence("statistics.noise: norm times multiplier may be 65536 at most; lower one of them"))


@dataclass(frozen=True, kw_only=True)
class StatisticsSettings(Strict):
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
        require_words("statistics: what", self.what)
        require(bool(self.to), sentence("statistics: to is empty, so nobody would get them; the default is ['*']"))
        require(len(set(self.columns)) == len(self.columns), sentence("statistics: a column is listed twice"))
        require(1 <= self.bins <= 1000, sentence("statistics: bins must be from 1 to 1000, not {bins}", bins=self.bins))
        require(self.minimum >= 1, too_small("statistics: minimum", self.minimum))
        inside = all(0 <= q <= 1 for q in self.quantiles)
        require(
            inside, sentence("statistics: quantiles must be from 0 to 1: {quantiles}", quantiles=list(self.quantiles))
        )
