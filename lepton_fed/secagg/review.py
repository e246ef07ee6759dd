"""A department's own examination of a plan, before it trains: every rule it will not leave to the
coordinator.

    roster -> membership -> thresholds -> crowd -> recipients -> noise -> overflow -> audit -> audit across
    rounds

Each check returns None or the reason for a refusal, in words that the coordinator may show. The first reason
wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from lepton_fed.secagg.audit import Released
from lepton_fed.secagg.plan import (
    GRAPH,
    SUITE,
    Plan,
    default_crowd,
    fewest_survivors,
    overflow,
    realised,
    threshold,
    verdicts,
)
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.skellam import noise_multiplier
from lepton_fed.translation import joined, sentence, term


@dataclass(frozen=True)
class Terms:
    """What a department asks of every plan, whatever the coordinator proposes; from its own policy.

    `crowd` is its smallest k (None: 2, and 3 from six members). `coordinator_sees` is "sums" or "nothing".
    `recipients` names who may learn sums that contain this department (None: anybody). `across_rounds` is
    "off", "warn" or "enforce".
    """

    crowd: int | None = None
    crowd_soft: Fraction = Fraction(5, 4)
    coordinator_sees: str = "sums"
    recipients: frozenset[str] | None = None
    noise_multiplier: float = 0.0
    across_rounds: str = "off"

    def __post_init__(self) -> None:
        if self.coordinator_sees not in ("sums", "nothing"):
            raise ValueError(f'coordinator_sees is "sums" or "nothing", found {self.coordinator_sees!r}')
        if self.across_rounds not in ("off", "warn", "enforce"):
            raise ValueError(f'across_rounds is "off", "warn" or "enforce", found {self.across_rounds!r}')


@dataclass(frozen=True)
class Reviewer:
    """Who examines: the department, the roster it trusts, its terms, and the sums released before."""

    department: str
    roster: Roster
    terms: Terms
    past: tuple[Released, ...] = ()


def objection(plan: Plan, reviewer: Reviewer) -> str | None:
    """Why this department takes no part in `plan`; None if it does."""
    for check in CHECKS:
        reason = check(plan, reviewer)
        if reason is not None:
            return reason
    return None


def warning(plan: Plan, survivors: frozenset[str], reviewer: Reviewer) -> str | None:
    """What the release over `survivors` would disclose together with earlier rounds; None if nothing or if
    not asked for.
    """
    if reviewer.terms.across_rounds == "off" or _noised(plan):
        return None
    finding = realised(plan, survivors, reviewer.past)
    return None if finding.safe else f"together with sums of earlier rounds, {finding.reason}"


def check_roster(plan: Plan, reviewer: Reviewer) -> str | None:
    if plan.federation != reviewer.roster.federation or plan.roster_hash != reviewer.roster.hash:
        return "the plan is for another roster than the one this department trusts"
    if (plan.suite, plan.graph) != (SUITE, GRAPH):
        return f"masks {plan.suite!r} on a {plan.graph!r} graph are not what this version speaks"
    return None


def check_members(plan: Plan, reviewer: Reviewer) -> str | None:
    strangers = (set(plan.members) | set(plan.recipients)) - set(reviewer.roster.names)
    if strangers:
        return f"{', '.join(sorted(strangers))} not in the roster"
    return None if reviewer.department in plan.members else "this department is not a member of the plan"


def check_thresholds(plan: Plan, reviewer: Reviewer) -> str | None:
    colluders = reviewer.roster.colluders
    if plan.colluders != colluders:
        return f"the roster fixes c = {colluders}, the plan says {plan.colluders}"
    expected = threshold(len(plan.members), colluders)
    if plan.threshold != expected:
        return (
            f"the threshold must be {expected} for {len(plan.members)} members and c = {colluders}, "
            f"found {plan.threshold}"
        )
    least = fewest_survivors(expected, plan.crowd, colluders)
    if plan.survivors < least:
        return f"at least {least} members must survive, the plan accepts {plan.survivors}"
    return None


def check_crowd(plan: Plan, reviewer: Reviewer) -> str | None:
    wanted = reviewer.terms.crowd or default_crowd(len(plan.members))
    if plan.crowd < wanted:
        return sentence(
            "this department hides among at least {wanted}, the plan offers {offered}",
            wanted=wanted,
            offered=plan.crowd,
        )
    soft = reviewer.terms.crowd_soft
    if plan.crowd_soft < soft:
        return sentence(
            "this department asks for k_soft of {soft}, the plan offers {offered}", soft=soft, offered=plan.crowd_soft
        )
    return None


def check_recipients(plan: Plan, reviewer: Reviewer) -> str | None:
    terms = reviewer.terms
    if terms.coordinator_sees == "nothing" and not plan.sealed:
        return sentence("this department lets the coordinator see no sum, and the plan is not sealed")
    if terms.recipients is not None:
        too_many = set(plan.recipients or plan.members) - terms.recipients
        if too_many:
            names = joined(", ", sorted(too_many))
            return sentence("{names} may not learn sums that contain this department", names=names)
    return None


def check_noise(plan: Plan, reviewer: Reviewer) -> str | None:
    for group in plan.groups:
        noise = group.noise
        if noise is not None and noise.honest > plan.survivors - plan.colluders:
            return sentence(
                "the noise of {group!r} counts on {honest} honest survivors, more than are certain",
                group=term(group.name), honest=noise.honest,
            )  # fmt: skip
        offered = 0.0 if noise is None else noise_multiplier(noise.norm, group.fixed.scale, noise.variance)
        if noise is not None and group.scalars:
            steps = 2.0**group.fixed.scalar_bits
            offered = min(offered, noise_multiplier(noise.scalar_norm, steps, noise.scalar_variance))
        wanted = reviewer.terms.noise_multiplier
        if offered < wanted:
            return sentence(
                "this department asks for a noise multiplier of {wanted:g}, found {offered:g}",
                wanted=wanted, offered=offered,
            )  # fmt: skip
    return None


def check_audit(plan: Plan, reviewer: Reviewer) -> str | None:
    for name, verdict in verdicts(plan):
        if verdict.mode == "refused":
            return f"the sums of {name!r} can be differenced: {verdict}"
    finding = realised(plan, frozenset(plan.members))
    return None if finding.safe else finding.reason


def check_overflow(plan: Plan, reviewer: Reviewer) -> str | None:
    return overflow(plan)


def check_across_rounds(plan: Plan, reviewer: Reviewer) -> str | None:
    if reviewer.terms.across_rounds != "enforce":
        return None
    return warning(plan, frozenset(plan.members), reviewer)


def check_survivors(plan: Plan, survivors: frozenset[str], reviewer: Reviewer) -> str | None:
    """Why this department does not sign this survivor set; None if it does."""
    if len(survivors) < plan.survivors:
        return f"{len(survivors)} survivors are too few, the plan needs {plan.survivors}"
    finding = realised(plan, survivors)
    if not finding.safe:
        return f"the sums over the survivors can be differenced: {finding.reason}"
    return warning(plan, survivors, reviewer) if reviewer.terms.across_rounds == "enforce" else None


def _noised(plan: Plan) -> bool:
    return all(group.noise is not None for group in plan.groups)


Check = Callable[[Plan, Reviewer], str | None]

CHECKS: list[Check] = [
    check_roster, check_members, check_thresholds, check_crowd, check_recipients, check_noise,
    check_audit, check_overflow, check_across_rounds,
]  # fmt: skip
