"""The plan of one attempt at one round: who sums what, under which thresholds, in which fixed point. All of
it is public.

    Plan --has--> Group (words that share their cohorts) --has--> Cohort (a named sum)
    channels(plan): the sums that are really unmasked, one vector of words each (an atom's, or a cohort's)

A plan is frozen and has canonical bytes; `plan.instance` (iid) stands for it in every key, signature and
mask, so two departments that were sent different plans, models or rosters produce shares that do not open
and masks that do not cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import chain

from lepton_fed.secagg.audit import Finding, Released, Rule, Verdict, atoms, distinct, examine, verdict
from lepton_fed.secagg.canonical import Wire, digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.fixedpoint import LIMB_BITS, LIMIT, FixedPoint
from lepton_fed.secagg.roster import LARGEST, Roster, check_name, check_names
from lepton_fed.secagg.skellam import NOTHING, Cost, Noise, Sampler, cost
from lepton_fed.translation import Sentence, sentence, term

SUITE = "X25519-HKDF-SHA256/AES-256-CTR/uint32"
GRAPH = "complete"


@dataclass(frozen=True)
class Cohort(Wire):
    """One named sum: its members, their public weights, and who may learn it (nobody named: every member)."""

    KIND = "cohort"
    name: str
    members: tuple[str, ...]
    weights: tuple[Fraction, ...]
    recipients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        check_names(self.members)
        check_names(self.recipients)
        if not self.members or len(self.weights) != len(self.members):
            raise Malformed(f"cohort {self.name!r} needs members and one weight for each of them")
        if min(self.weights) <= 0:
            raise Malformed(f"cohort {self.name!r}: a department with weight 0 is not a member; weights are positive")

    @classmethod
    def of(cls, name: str, weights: dict[str, Fraction | int], recipients: tuple[str, ...] = ()) -> Cohort:
        """A cohort in canonical order from {department: weight}."""
        names = tuple(sorted(weights))
        return cls(name, names, tuple(Fraction(weights[one]) for one in names), tuple(sorted(recipients)))

    @property
    def released(self) -> Released:
        return Released.of(self.name, self.members, self.weights)


@dataclass(frozen=True)
class Group(Wire):
    """Words that share their cohorts: a float32 vector of `length` entries and named float64 scalars.

    `opened` names the scalars that the coordinator may read when aggregates are sealed.
    """

    KIND = "group"
    name: str
    length: int
    scalars: tuple[str, ...]
    cohorts: tuple[Cohort, ...]
    fixed: FixedPoint
    noise: Noise | None = None
    opened: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.name, *self.scalars):
            check_name(name)
        names = tuple(cohort.name for cohort in self.cohorts)
        if "/" in self.name:
            raise Malformed(f"a group's name has no '/': it separates group and sum in {self.name!r}")
        if not names or len(set(names)) != len(names) or len(set(self.scalars)) != len(self.scalars):
            raise Malformed(f"group {self.name!r} needs cohorts and scalars with distinct names")
        if not 0 <= self.length < 2**40 or self.length + len(self.scalars) == 0:
            raise Malformed(f"group {self.name!r} has no words, or too many: length {self.length}")
        if not set(self.opened) <= set(self.scalars):
            raise Malformed(f"group {self.name!r} opens scalars that it does not have")

    @property
    def integers(self) -> int:
        """Integers sent in limbs: the scalars, and the count of clamped entries unless noise makes it a
        release of its own.
        """
        return len(self.scalars) + (self.noise is None)

    @property
    def words(self) -> int:
        """Words of one vector of this group."""
        return self.length + self.integers * self.fixed.limbs


@dataclass(frozen=True)
class Channel:
    """One sum that is unmasked: `parts` says how often it enters each cohort's sum. Derived from the plan,
    never sent.
    """

    name: str
    group: Group
    weights: tuple[tuple[str, Fraction], ...]
    parts: tuple[tuple[str, Fraction], ...]

    @cached_property
    def members(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.weights)

    @property
    def released(self) -> Released:
        return Released(self.name, self.weights)

    def weight(self, department: str) -> Fraction:
        return dict(self.weights)[department]


@dataclass(frozen=True)
class Plan(Wire):
    """One attempt at one round. `crowd` is k, `colluders` c, `threshold` t, `survivors` the fewest that must
    deliver.

    `model_hash` stands for the models that contributions are made on, and is what the burn rule goes by. `shown`
    stands for whatever else departments are shown of earlier rounds: all must be shown the same, but showing
    something else does not make a spent model fresh.
    """

    KIND = "plan"
    federation: str
    roster_hash: bytes
    model_hash: bytes
    round: int
    attempt: int
    members: tuple[str, ...]
    colluders: int
    threshold: int
    survivors: int
    crowd: int
    crowd_soft: Fraction
    groups: tuple[Group, ...]
    sealed: bool
    deadline: int
    shown: bytes = bytes(32)
    suite: str = SUITE
    graph: str = GRAPH

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.members)
        if not 2 <= len(self.members) <= LARGEST:
            raise Malformed(f"a round has 2 to {LARGEST} members, found {len(self.members)}")
        if {len(self.roster_hash), len(self.model_hash), len(self.shown)} != {32}:
            raise Malformed("the hashes of roster, model and what is shown have 32 bytes")
        if min(self.round, self.attempt, self.deadline, self.colluders) < 0 or self.crowd < 1 or self.crowd_soft < 1:
            raise Malformed("round, attempt, deadline and colluders are at least 0, crowd sizes at least 1")
        if not 1 <= self.threshold <= self.survivors <= len(self.members):
            raise Malformed(
                f"need 1 <= t <= survivors <= n, found {self.threshold}, {self.survivors}, {len(self.members)}"
            )
        self._check_groups()

    def _check_groups(self) -> None:
        names = [group.name for group in self.groups]
        taking_part = {name for cohort in self._cohorts for name in cohort.members}
        if len(set(names)) != len(names) or taking_part != set(self.members):
            raise Malformed("groups need distinct names, and cohorts the plan's members, each at least once")
        if self.sealed and (not self.recipients or len({cohort.recipients for cohort in self._cohorts}) > 1):
            raise Malformed(
                "all cohorts of a sealed plan name the same recipients; plan others as a round of their own"
            )

    @property
    def _cohorts(self) -> tuple[Cohort, ...]:
        return tuple(chain.from_iterable(group.cohorts for group in self.groups))

    @classmethod
    def draft(
        cls, roster: Roster, groups: tuple[Group, ...], *, model_hash: bytes, round: int, attempt: int = 0,
        crowd: int | None = None, crowd_soft: Fraction = Fraction(5, 4), sealed: bool = False,
        deadline: int = 600, shown: bytes = bytes(32),
    ) -> Plan:  # fmt: skip
        """The plan for these groups with the thresholds that the protocol prescribes."""
        members = tuple(sorted({name for group in groups for cohort in group.cohorts for name in cohort.members}))
        k = default_crowd(len(members)) if crowd is None else crowd
        t = threshold(len(members), roster.colluders)
        least = fewest_survivors(t, k, roster.colluders)
        if least > len(members):
            raise Malformed(
                f"{len(members)} members are too few: with c = {roster.colluders}, k = {k}, {least} must survive"
            )
        return cls(
            roster.federation, roster.hash, model_hash, round, attempt, members, roster.colluders, t, least,
            k, crowd_soft, groups, sealed, deadline, shown,
        )  # fmt: skip

    @cached_property
    def hash(self) -> bytes:
        return digest("plan", self)

    @cached_property
    def instance(self) -> bytes:
        """iid: 32 bytes that name this attempt."""
        about = (self.federation, self.roster_hash, self.hash, self.model_hash, self.round, self.attempt)
        return digest("instance", *about)

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody named as a recipient of some sum; of all sums if the plan is sealed."""
        return tuple(sorted({name for cohort in self._cohorts for name in cohort.recipients}))

    def rule(self, group: Group) -> Rule:
        """What the audit asks of this group."""
        return Rule.of(self.crowd, self.colluders, self.crowd_soft, group.fixed.band)

    def point(self, department: str) -> int:
        """The department's Shamir point, from 1 up."""
        return self.members.index(department) + 1


def default_crowd(members: int) -> int:
    """k unless somebody asks for more: 2, and 3 from six members."""
    return 2 if members < 6 else 3


def threshold(members: int, colluders: int) -> int:
    """t = floor((n + c) / 2) + 1, so that two quorums of t always share an honest department."""
    return (members + colluders) // 2 + 1


def fewest_survivors(threshold: int, crowd: int, colluders: int) -> int:
    """A sum over fewer is never unmasked."""
    return max(threshold, crowd + max(colluders, 1))


@lru_cache(64)
def verdicts(plan: Plan) -> tuple[tuple[str, Verdict], ...]:
    """The audit's verdict on each group."""
    return tuple(
        (group.name, verdict(tuple(cohort.released for cohort in group.cohorts), plan.rule(group)))
        for group in plan.groups
    )


@lru_cache(64)
def channels(plan: Plan) -> tuple[Channel, ...]:
    """The sums that are unmasked, in order; refused groups have none."""
    modes = {name: verdict.mode for name, verdict in verdicts(plan)}
    return tuple(chain.from_iterable(_BY_MODE[modes[group.name]](group) for group in plan.groups))


def realised(plan: Plan, survivors: frozenset[str], past: tuple[Released, ...] = ()) -> Finding:
    """The audit of what would really be released: every channel over the survivors only, beside what was
    released before.
    """
    now = releases(plan, survivors)
    for group in plan.groups:
        own = tuple(released for released in now if released.name.startswith(f"{group.name}/"))
        before = tuple(released for released in past if released.name.startswith(f"{group.name}/"))
        finding = examine(distinct((*before, *own)), plan.rule(group))
        if not finding.safe:
            return finding
        if group.noise is not None and any(len(one.weights) < group.noise.honest + plan.colluders for one in own):
            return Finding(False, sentence("too few survivors carry the noise of {group!r}", group=term(group.name)))
    return Finding(True, "every sum over the survivors passes")


def releases(plan: Plan, survivors: frozenset[str]) -> tuple[Released, ...]:
    """The non-empty sums that unmasking over these survivors releases."""
    among = (channel.released.among(survivors) for channel in channels(plan))
    return tuple(released for released in among if released.weights)


def prove_no_overflow(plan: Plan) -> None:
    """Raise `Malformed` unless no sum of honest contributions can leave the signed 32-bit range."""
    found = overflow(plan)
    if found is not None:
        raise Malformed(found)


def overflow(plan: Plan) -> Sentence | None:
    """Which sum of honest contributions can leave the signed 32-bit range, and what to change; None if none can.

    Noise is drawn from a bounded table, so its largest value enters the bound and nothing is left to chance.
    """
    for channel in channels(plan):
        worst = sum(vector_bound(channel, name) for name in channel.members)
        limbs = scalar_bound(channel.group) >> (LIMB_BITS * (channel.group.fixed.limbs - 1))
        worst = max(worst, len(channel.members) * (limbs + 1), len(channel.members) << LIMB_BITS)
        if worst > LIMIT:
            return sentence(
                "{channel!r} can overflow: sums reach {worst}, at most {most} fits; lower the scale or the clip by a "
                "factor of {factor:.2f}",
                channel=_called(plan, channel), worst=worst, most=LIMIT, factor=worst / LIMIT,
            )  # fmt: skip
    return None


def _called(plan: Plan, channel: Channel) -> Sentence:
    """A channel's name, as it can be said."""
    group = term(channel.group.name)
    if dict(verdicts(plan))[channel.group.name].mode == "atom":
        return sentence("{group}/atom of {head}", group=group, head=channel.members[0])
    return sentence("{group}/{sum}", group=group, sum=channel.name.removeprefix(f"{channel.group.name}/"))


def vector_bound(channel: Channel, department: str) -> int:
    """Largest magnitude of one vector word that an honest `department` sends before masking."""
    group = channel.group
    if group.noise is None:
        return group.fixed.word_bound(channel.weight(department))
    rounded = int(group.noise.norm * group.fixed.scale) + 2
    return rounded + Sampler.of(group.noise.variance / group.noise.honest).largest


def scalar_bound(group: Group) -> int:
    """Largest magnitude of one scalar's integer, noise included."""
    if group.noise is None:
        return group.fixed.scalar_limit
    return group.fixed.scalar_limit + 1 + Sampler.of(group.noise.scalar_variance / group.noise.honest).largest


def privacy(plan: Plan) -> Cost | None:
    """What the round costs the department that is in most channels, over every released word; None if a
    group has no noise.
    """
    costs = [cost_to(plan, name) for name in plan.members]
    known = [one for one in costs if one is not None]
    if len(known) < len(costs):
        return None
    return Cost(tuple(map(max, zip(*(cost.rdp for cost in known), strict=True))))


def cost_to(plan: Plan, department: str) -> Cost | None:
    """What the round costs one department, over every word that it has a part in; None if one of them has no
    noise.
    """
    spent = NOTHING
    for channel in channels(plan):
        if department in channel.members:
            one = _cost(channel.group)
            if one is None:
                return None
            spent += one
    return spent


def sampling_distance(plan: Plan) -> float:
    """What the finite tables of the noise add to delta: total variation distance over all words of a
    round.
    """
    total = 0.0
    for channel in channels(plan):
        group = channel.group
        if group.noise is not None:
            words = Sampler.of(group.noise.variance / group.noise.honest).distance * group.length
            scalars = Sampler.of(group.noise.scalar_variance / group.noise.honest).distance * len(group.scalars)
            total += (words + scalars) * len(channel.members)
    return total


def _cost(group: Group) -> Cost | None:
    if group.noise is None:
        return None
    total = NOTHING
    if group.length:
        total += cost(group.length, group.noise.norm, group.fixed.scale, group.noise.variance)
    if group.scalars:
        steps = 2.0**group.fixed.scalar_bits
        total += cost(len(group.scalars), group.noise.scalar_norm, steps, group.noise.scalar_variance)
    return total


def _atom_channels(group: Group) -> tuple[Channel, ...]:
    """A channel per atom; a cohort's sum is made of whole atoms, each times a public factor."""
    made = []
    for atom in atoms([cohort.released for cohort in group.cohorts]):
        head, weight = atom.weights[0]
        of = [cohort for cohort in group.cohorts if head in cohort.members]
        parts = tuple((cohort.name, dict(cohort.released.weights)[head] / weight) for cohort in of)
        made.append(Channel(f"{group.name}/{atom.name}", group, atom.weights, parts))
    return tuple(made)


def _cohort_channels(group: Group) -> tuple[Channel, ...]:
    """A channel per distinct cohort; a cohort that is a multiple of an earlier one is computed from it."""
    made = []
    for one in distinct([cohort.released for cohort in group.cohorts]):
        same = [cohort for cohort in group.cohorts if len(distinct((one, cohort.released))) == 1]
        parts = tuple((cohort.name, cohort.weights[0] / one.weights[0][1]) for cohort in same)
        made.append(Channel(f"{group.name}/{one.name}", group, one.weights, parts))
    return tuple(made)


_BY_MODE: dict[str, Callable[[Group], tuple[Channel, ...]]] = {
    "atom": _atom_channels,
    "cohort": _cohort_channels,
    "refused": lambda group: (),
}
