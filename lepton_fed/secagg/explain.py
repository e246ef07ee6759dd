"""What a plan means, in sentences: for `lepton-fed check` and for reports. Everything said here is derived,
nothing is decided.
"""

from __future__ import annotations

from lepton_fed.secagg.audit import coalition_leverage
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.plan import (
    Group,
    Plan,
    channels,
    privacy,
    prove_no_overflow,
    sampling_distance,
    verdicts,
)


def explain(plan: Plan, delta: float = 1e-5) -> tuple[str, ...]:
    """One sentence each: thresholds, every group's verdict, overflow, what members learn, noise."""
    return (
        _thresholds(plan),
        *(_group(plan, group) for group in plan.groups),
        _overflow(plan),
        *_small(plan),
        *_noise(plan, delta),
    )


def _thresholds(plan: Plan) -> str:
    spare = len(plan.members) - plan.survivors
    return (
        f"{len(plan.members)} departments, of whom {plan.colluders} may collude; every sum hides "
        f"each among at least "
        f"{plan.crowd}; {plan.threshold} must answer to unmask, {plan.survivors} must deliver: "
        f"{spare or 'no'} drop-out{'' if spare == 1 else 's'} can be survived"
    )


def _group(plan: Plan, group: Group) -> str:
    verdict = dict(verdicts(plan))[group.name]
    said = f"{group.name}: {verdict}"
    if verdict.mode == "refused":
        return said
    own = [channel for channel in channels(plan) if channel.group.name == group.name]
    worst = float(coalition_leverage(tuple(channel.released for channel in own), plan.colluders))
    spare = min(len(channel.members) for channel in own) - plan.rule(group).least
    uploads = max(sum(name in channel.members for channel in own) for name in plan.members)
    return (
        f"{said}; {uploads} masked vector{'' if uploads == 1 else 's'} per department; the smallest "
        f"sum can lose "
        f"{max(spare, 0)}; with {plan.colluders} colluders a department is up to {worst:.0%} of what they see"
    )


def _overflow(plan: Plan) -> str:
    try:
        prove_no_overflow(plan)
    except Malformed as error:
        return str(error)
    return "no sum of honest contributions can overflow"


def _small(plan: Plan) -> tuple[str, ...]:
    if len(plan.members) == 2:
        return ("with two departments each learns the other's numbers: this protects from the coordinator only",)
    if len(plan.members) == 3:
        return ("with three departments each learns the sum of the other two, and two together learn the third's",)
    return ()


def _noise(plan: Plan, delta: float) -> tuple[str, ...]:
    cost = privacy(plan)
    if cost is None:
        return ("no noise is added: sums are exact to the fixed point and say what sums say",)
    total = delta + sampling_distance(plan)
    return (
        f"one round is ({cost.epsilon(delta):.3g}, {total:.3g})-differentially private for one "
        f"department's contribution "
        "set to zero, over every released word",
    )
