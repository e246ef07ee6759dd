"""The plan of the one secure sum of statistics, which the coordinator drafts and every department drafts again.

    group "statistics"      cells as a vector, moments as scalars; one cohort: whoever gives the data set and permits it

It is of round 0, before any training. Its burn-rule hash stands for what is asked and not for who takes part: a
department answers one question once, and two crowds cannot be set against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from math import floor, log2

from lepton_fed.errors import ConfigError
from lepton_fed.policy import decide, names
from lepton_fed.secagg.canonical import digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.fixedpoint import FixedPoint
from lepton_fed.secagg.plan import Cohort, Group, Plan, default_crowd, fewest_survivors, threshold
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.skellam import Noise, variance_for
from lepton_fed.settings import EVERYONE, Settings, StatisticsSettings
from lepton_fed.statistics.question import Question
from lepton_fed.sums import NOISE_STEPS, colluders

STATISTICS = "statistics"

ROUND = 0
"""Before any training."""

MOST_ROWS = 2.0**24
"""Of one department in one cell: float32 counts so far without a gap, and a hundred such fit a word."""

MOMENT_BITS = 32
"""Fractional bits of a moment: a mean is known to 2^-33 of a range for each department."""


def is_statistics(plan: Plan) -> bool:
    """Whether a plan claims to be of statistics."""
    return any(group.name == STATISTICS for group in plan.groups)


@dataclass(frozen=True)
class Survey:
    """What a federation file that asks for statistics says about their sum. `fingerprint`: of the file."""

    settings: Settings
    fingerprint: str

    def __post_init__(self) -> None:
        if self.settings.statistics is None:
            raise ConfigError("the federation file asks for no statistics; add the table [statistics]")

    @property
    def asked(self) -> StatisticsSettings:
        assert self.settings.statistics is not None
        return self.settings.statistics

    @cached_property
    def question(self) -> Question:
        return Question(self.settings.data, self.asked)

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """Who has rows of the data set and gives it, in the file's order."""
        giving = [flow for flow in self.settings.sharing if flow.what == self.asked.what]
        return tuple(
            d.name for d in self.settings.departments if d.is_source and any(names(f.from_, d.name) for f in giving)
        )

    @property
    def readers(self) -> tuple[str, ...]:
        """Who gets the statistics, in the file's order."""
        every = EVERYONE in self.asked.to
        return tuple(name for name in self.settings.names if every or name in self.asked.to)

    @cached_property
    def willing(self) -> tuple[str, ...]:
        """Owners whose rules in the federation file permit every reader to aggregate; each decides again itself."""
        return tuple(owner for owner in self.owners if self.denial(owner) is None)

    def denial(self, owner: str) -> str | None:
        """Why the federation file does not let an owner take part; None if it does."""
        for reader in self.readers:
            decision = decide(self.settings.access, owner=owner, who=reader, verb="aggregate", what=self.asked.what)
            if reader != owner and not decision.permitted:
                return decision.reason
        return None

    @cached_property
    def hash(self) -> bytes:
        """32 bytes that stand for the question, for the burn rule: not for the noise or for who is asked."""
        asked = {key: value for key, value in asdict(self.asked).items() if key in ("columns", "by_class", "bins")}
        columns = tuple((c.name, c.type, c.range, c.codes) for c in self.question.columns)
        return digest(STATISTICS, self.asked.what, repr(sorted(asked.items())), repr(columns), self.question.strata)

    def plan(self, roster: Roster, members: Iterable[str], attempt: int = 0) -> Plan:
        """The plan of one attempt; Malformed where these members are too few to hide in."""
        chosen = frozenset(members)
        among = tuple(name for name in self.owners if name in chosen)
        if not among:
            raise Malformed("nobody gives the statistics' data set and permits to aggregate it")
        aggregation = self.settings.aggregation
        return Plan.draft(
            roster,
            (self._group(among),),
            model_hash=self.hash,
            round=ROUND,
            attempt=attempt,
            crowd=aggregation.crowd,
            crowd_soft=Fraction(str(aggregation.crowd_soft)),
            deadline=self.settings.rounds.deadline,
            shown=digest("statistics of a file", self.fingerprint),
        )

    def _group(self, members: tuple[str, ...]) -> Group:
        cohort = Cohort.of("departments", dict.fromkeys(members, 1))
        asked, length, scalars = self.asked.noise, self.question.length, self.question.scalars
        if asked is None:
            fixed = FixedPoint(clip=MOST_ROWS, scale=1.0, scalar_bits=MOMENT_BITS)
            return Group(STATISTICS, length, scalars, (cohort,), fixed)
        bits = max(0, floor(log2(NOISE_STEPS / (asked.multiplier * asked.norm))))
        variance = variance_for(asked.multiplier, asked.norm, 2.0**bits)
        honest = max(1, self.fewest(len(members)) - colluders(self.settings))
        noise = Noise(asked.norm, variance, honest, scalar_norm=asked.norm, scalar_variance=variance)
        fixed = FixedPoint(clip=asked.norm, scale=2.0**bits, scalar_bits=bits)
        return Group(STATISTICS, length, scalars, (cohort,), fixed, noise)

    def fewest(self, members: int) -> int:
        """The fewest members that must deliver, of so many."""
        c = colluders(self.settings)
        chosen = self.settings.aggregation.crowd
        return fewest_survivors(threshold(members, c), default_crowd(members) if chosen is None else chosen, c)
