"""A round's secure sums: the plan that the file makes of who takes part, what a department adds, what totals mean.

    group "updates"        a vector, its weight and its spread; a cohort per hub: who writes to it
    group "measurements"   totals of the report; one cohort: the targets that have rows

The plan is a function of the federation file and of who takes part, never of data: the coordinator drafts it, and
every department drafts it again from its own copy of the file and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor, log2

import numpy as np

from lepton_fed.cohorts import HubPlan
from lepton_fed.messages import Done, HubState, Release, Vector
from lepton_fed.secagg import Cohort, Contribution, FixedPoint, Group, Malformed, Noise, Plan, Roster, variance_for
from lepton_fed.secagg.fixedpoint import LIMIT
from lepton_fed.secagg.plan import default_crowd, fewest_survivors, threshold
from lepton_fed.secagg.results import Sums
from lepton_fed.settings import Settings

UPDATES, MEASUREMENTS = "updates", "measurements"
WEIGHT, SPREAD = "weight", "spread"

SCALAR_BITS = 48
"""Fractional bits of a scalar: near convergence a spread is small, and the joint loss is a difference of two."""

NOISE_STEPS = 2.0**14
"""Standard deviation of the noise in one sum, in steps of the fixed point: fine enough to cost nothing."""

MASS_ERROR = 1e-6
"""How far rounding may take a sum of weights from what it should be, relatively."""

LONGEST_NAME = 100


@dataclass(frozen=True)
class Turnout:
    """Who takes part in a round: who writes to each hub, and who reports. All of it is public."""

    writes: Mapping[str, tuple[str, ...]]
    reports: tuple[str, ...] = ()

    @property
    def members(self) -> frozenset[str]:
        return frozenset(self.reports).union(*self.writes.values())


@dataclass(frozen=True)
class Scheme:
    """What the federation file says about its sums, for departments and coordinator alike.

    `length`: of an update. `reference`: (length,) what updates are relative to where there are several hubs, which
    share one vector a department; None where there is one, whose model it is.
    """

    settings: Settings
    plans: tuple[HubPlan, ...]
    length: int
    reference: Vector | None = field(default=None, repr=False)

    # ---------------------------------------------------------------- who

    @property
    def reporters(self) -> tuple[str, ...]:
        """Targets that have rows, or nobody where they would be too few to hide in."""
        settings = self.settings
        if settings.aggregation.noise is not None:
            return ()
        reading = {name for plan in self.plans for name in plan.readers}
        found = tuple(d.name for d in settings.departments if d.is_source and d.name in reading)
        # The plan has one crowd for all its sums, so it goes by everybody who may be in one of them.
        return found if len(found) >= self.crowd(len(enrolled(settings))) + self.beside else ()

    @property
    def beside(self) -> int:
        """How many are never part of the crowd that a sum hides somebody in: colluders, and who receives it."""
        return max(colluders(self.settings), 1)

    def crowd(self, members: int) -> int:
        """k of a round with so many members."""
        chosen = self.settings.aggregation.crowd
        return default_crowd(members) if chosen is None else chosen

    def writers(self, plan: HubPlan, among: Iterable[str]) -> tuple[str, ...]:
        """Who of `among` is in a hub's sum: a department of weight 0 would hide nobody."""
        chosen = frozenset(among)
        return tuple(n for n in plan.writers if n in chosen and public_weight(self.settings, n) > 0)

    def everybody(self) -> Turnout:
        """A round in which all take part; under `clusters`, as if all had declared one hub."""
        plans = self.plans[:1] if self.settings.coupling.kind == "clusters" else self.plans
        return Turnout({p.name: self.writers(p, p.writers) for p in plans}, self.reporters)

    def assigned(self, declared: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """Who writes to each hub after declaring: who declared a hub too small to hide in writes to the largest."""
        groups = {p.name: self.writers(p, (n for n, hub in declared.items() if hub == p.name)) for p in self.plans}
        many = sum(map(len, groups.values()))
        least = self.crowd(many) + self.beside
        large = {name: members for name, members in groups.items() if len(members) >= least}
        largest = max(large or groups, key=lambda name: len(groups[name]))
        moved = {n for name, members in groups.items() if name not in large for n in members}
        large[largest] = self.writers(self._plan(largest), {*groups[largest], *moved})
        return {p.name: large[p.name] for p in self.plans if large.get(p.name)}

    def _plan(self, name: str) -> HubPlan:
        return next(p for p in self.plans if p.name == name)

    # ---------------------------------------------------------------- what

    def groups(self, turnout: Turnout) -> tuple[Group, ...]:
        """The groups of a round."""
        found = []
        recipients = self.recipients
        cohorts = tuple(
            Cohort.of(self.cohort(hub), {n: public_weight(self.settings, n) for n in members}, recipients)
            for hub, members in turnout.writes.items()
            if members
        )
        if cohorts:
            found.append(self._updates(cohorts, len(turnout.members)))
        if turnout.reports:
            everybody = Cohort.of("departments", dict.fromkeys(turnout.reports, 1), recipients)
            fixed = FixedPoint(clip=1.0, scale=1.0, scalar_bits=SCALAR_BITS)
            scalars = score_names(self.settings)
            opened = scalars if self.sealed else ()
            found.append(Group(MEASUREMENTS, 0, scalars, (everybody,), fixed, opened=opened))
        return tuple(found)

    def _updates(self, cohorts: tuple[Cohort, ...], members: int) -> Group:
        asked = self.settings.aggregation.noise
        if asked is None:
            return Group(UPDATES, self.length, (WEIGHT, SPREAD), cohorts, self._fixed_point(cohorts))
        scale = 2.0 ** floor(log2(NOISE_STEPS / (asked.multiplier * asked.norm)))
        honest = max(1, fewest(self, members) - colluders(self.settings))
        noise = Noise(asked.norm, variance_for(asked.multiplier, asked.norm, scale), honest)
        return Group(UPDATES, self.length, (), cohorts, FixedPoint(clip=asked.norm, scale=scale), noise)

    def _fixed_point(self, cohorts: tuple[Cohort, ...]) -> FixedPoint:
        """The finest power of two at which no sum can overflow."""
        clip, band = self.settings.aggregation.clip, self.settings.weights.counts
        low = Fraction(1) if band is None else Fraction(band[0]) / Fraction(band[1])
        heaviest = max(sum(cohort.weights) for cohort in cohorts)
        scale = 2.0 ** floor(log2((LIMIT - 200) / (clip * float(heaviest))))
        return FixedPoint(clip, scale, weight_low=low, scalar_bits=SCALAR_BITS)

    def cohort(self, hub: str) -> str:
        """A hub's name as a sum's, which is bounded in length."""
        place = [p.name for p in self.plans].index(hub)
        return hub if len(hub) <= LONGEST_NAME else f"hub {place + 1}"

    def hub(self, cohort: str) -> str:
        """The hub of a sum; Malformed if there is none."""
        for plan in self.plans:
            if self.cohort(plan.name) == cohort:
                return plan.name
        raise Malformed(f"the federation file has no hub {cohort!r}")

    @property
    def sealed(self) -> bool:
        return self.settings.aggregation.sealed

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who opens sealed sums: every reader. Nobody is named otherwise."""
        if not self.sealed:
            return ()
        return tuple(sorted({name for plan in self.plans for name in plan.readers}))

    def plan(
        self, roster: Roster, turnout: Turnout, *, model: bytes, round: int, attempt: int = 0, shown: bytes = bytes(32)
    ) -> Plan:
        """The plan of one attempt at one round; Malformed where it cannot be made."""
        aggregation = self.settings.aggregation
        return Plan.draft(
            roster,
            self.groups(turnout),
            model_hash=model,
            round=round,
            attempt=attempt,
            crowd=aggregation.crowd,
            crowd_soft=Fraction(str(aggregation.crowd_soft)),
            sealed=self.sealed,
            deadline=self.settings.rounds.deadline,
            shown=shown,
        )

    def turnout_of(self, plan: Plan) -> Turnout:
        """Who takes part according to a plan; Malformed where it names a hub that the file does not have."""
        found = {group.name: group.cohorts for group in plan.groups}
        writes = {self.hub(c.name): self._in_order(c.members) for c in found.get(UPDATES, ())}
        reports = self._in_order(found[MEASUREMENTS][0].members) if MEASUREMENTS in found else ()
        return Turnout({p.name: writes[p.name] for p in self.plans if p.name in writes}, reports)

    def _in_order(self, members: tuple[str, ...]) -> tuple[str, ...]:
        chosen = frozenset(members)
        return tuple(n for n in self.settings.names if n in chosen)

    # ---------------------------------------------------------------- a department's numbers, and their sums

    def contributions(self, done: Done, hubs: Mapping[str, HubState], plan: Plan) -> dict[str, Contribution]:
        """A department's numbers by group, multiplied by its own secret weight."""
        found = {}
        for group in plan.groups:
            if group.name == UPDATES and done.addends:
                found[UPDATES] = self._update(done, hubs, scalars=bool(group.scalars))
            elif group.name == MEASUREMENTS:
                scores = np.array([done.scores.get(name, 0.0) for name in group.scalars], np.float64)
                found[MEASUREMENTS] = Contribution(np.zeros(0, np.float32), scores)
        return found

    def _update(self, done: Done, hubs: Mapping[str, HubState], scalars: bool) -> Contribution:
        hub, addend = next(iter(done.addends.items()))
        vector, spread = addend.vector, addend.spread
        if self.reference is not None:
            size = hubs[hub].model.size
            vector = vector.copy()
            vector[:size] += hubs[hub].model - self.reference[:size]
            spread = squared_norm(vector[:size])
        weight = self._secret_weight(addend.weight)
        values = np.array([weight, weight * spread] if scalars else [], np.float64)
        return Contribution(vector if weight == 1.0 else vector * np.float32(weight), values)

    def _secret_weight(self, raw: float) -> float:
        """What the department itself multiplies by; a weight that the file says is multiplied in by the plan."""
        band = self.settings.weights.counts
        return 1.0 if band is None else raw / band[1]

    def releases(
        self, plan: Plan, sums: Sums, survivors: Iterable[str], hubs: Mapping[str, HubState]
    ) -> dict[str, Release]:
        """What each hub's sum came to, relative to the hub's model. The sums are consumed."""
        alive, found = frozenset(survivors), {}
        for group in plan.groups:
            for cohort in group.cohorts if group.name == UPDATES else ():
                total = sums.get((UPDATES, cohort.name))
                if total is None:
                    continue
                hub = self.hub(cohort.name)
                public = sum(float(w) for n, w in zip(cohort.members, cohort.weights, strict=True) if n in alive)
                mass, spread = (float(total.scalars[0]), float(total.scalars[1])) if group.scalars else (public, 0.0)
                _check_mass(hub, mass, public, float(group.fixed.weight_low))
                mean = np.divide(total.vector, np.float32(mass), out=total.vector)
                found[hub] = self._relative(mean, mass * self._unit, spread / mass, hubs[hub].model)
        return found

    @property
    def _unit(self) -> float:
        """What a weight of 1 in the sum stands for."""
        band = self.settings.weights.counts
        if band is not None:
            return band[1]
        alpha = self.settings.weights.alpha
        return max(alpha.values()) if isinstance(alpha, dict) else 1.0

    def _relative(self, mean: Vector, mass: float, spread: float, model: Vector) -> Release:
        """Relative to the hub's model, not the reference: ‖θ-h‖² = ‖θ-r‖² - 2 (h-r)·(θ-r) + ‖h-r‖²."""
        if self.reference is None:
            return Release(mean, mass, spread)  # Under `distill` a negative entropy, which is below 0.
        moved = model - self.reference[: model.size]
        inner = inner_product(moved, mean[: model.size])
        mean[: model.size] -= moved
        return Release(mean, mass, max(spread - 2 * inner + squared_norm(moved), 0.0))


def _check_mass(hub: str, mass: float, public: float, low: float) -> None:
    """Malformed where no honest weights come to this: dividing by it could give a model that nobody can use."""
    if not low * public * (1 - MASS_ERROR) <= mass <= public * (1 + MASS_ERROR):
        raise Malformed(f"the weights in the sum of hub {hub!r} are not what the file allows: some department lies")


def scores_in(plan: Plan, sums: Sums) -> dict[str, float]:
    """The report's totals by name."""
    for group in plan.groups:
        if group.name == MEASUREMENTS:
            (cohort,) = group.cohorts
            total = sums.get((MEASUREMENTS, cohort.name))
            return {} if total is None else dict(zip(group.scalars, total.scalars.tolist(), strict=True))
    return {}


def score_names(settings: Settings) -> tuple[str, ...]:
    """Names of the report's totals: a sum and a weight per metric, and the joint loss where rows make it up."""
    names = [f"{what} of {metric}" for metric in settings.report.metrics for what in ("sum", "weight")]
    return (*names, "joint_loss") if settings.coupling.kind != "clusters" else tuple(names)


def public_weight(settings: Settings, name: str) -> Fraction:
    """A source's weight as the plan says it: of the largest in the file, or 1 where its own count decides."""
    alpha = settings.weights.alpha
    if not isinstance(alpha, dict):
        return Fraction(1)
    return Fraction(str(alpha.get(name, 0.0))) / Fraction(str(max(alpha.values())))


def fewest(scheme: Scheme, members: int) -> int:
    """The fewest members that must deliver in a round of so many."""
    c = colluders(scheme.settings)
    return fewest_survivors(threshold(members, c), scheme.crowd(members), c)


def standing_behind(scheme: Scheme, turnout: Turnout, hub: str) -> int:
    """How many are in a hub's sum at least when it is opened: its members, less those who may be lost on the way.

    Not how many are asked: a coordinator could name departments that are away.
    """
    members = len(turnout.members)
    lost = max(0, members - fewest(scheme, members))
    return max(1, len(turnout.writes.get(hub, ())) - lost)


def expected_crowds(settings: Settings, plans: tuple[HubPlan, ...]) -> dict[str, int]:
    """By hub, how many stand behind its sum in a round in which everybody takes part.

    1 where sums are plain, since the coordinator sees each update; under `clusters` as if all had declared one hub.
    """
    if not settings.aggregation.secure:
        return {plan.name: 1 for plan in plans}
    scheme = Scheme(settings, plans, 1)
    turnout = scheme.everybody()
    crowds = {hub: standing_behind(scheme, turnout, hub) for hub in turnout.writes}
    return {plan.name: crowds.get(plan.name, max(crowds.values(), default=1)) for plan in plans}


def enrolled(settings: Settings) -> tuple[str, ...]:
    """Who belongs to the roster: departments with a role."""
    return tuple(d.name for d in settings.departments if d.roles)


def colluders(settings: Settings) -> int:
    """c of the roster."""
    chosen = settings.aggregation.colluders
    return len(enrolled(settings)) // 3 if chosen is None else chosen


def roster_of(settings: Settings, publics: Mapping[str, bytes]) -> Roster:
    """The roster of a federation: public keys by department. Malformed where the file's numbers do not fit."""
    return Roster.of(settings.federation.name[:LONGEST_NAME].strip(), dict(publics), colluders(settings))


def squared_norm(vector: Vector) -> float:
    """In float64, block by block."""
    return sum(float(np.dot(part, part)) for part in _blocks(vector))


def inner_product(one: Vector, other: Vector) -> float:
    """Of two vectors of one size, in float64, block by block."""
    return sum(float(np.dot(a, b)) for a, b in zip(_blocks(one), _blocks(other), strict=True))


def _blocks(vector: Vector, size: int = 1 << 16) -> Iterable[np.ndarray]:
    return (vector[k : k + size].astype(np.float64) for k in range(0, vector.size, size))
