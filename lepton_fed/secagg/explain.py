"""What a plan means, in sentences for people who are no cryptographers: for `lepton-fed check` and for reports.

    explain(plan)                           who hides among how many, sum by sum; what members learn; noise
    exposed(finding, rule)                  who would be exposed, and by which combination of released sums

Everything said here is derived, nothing is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from lepton_fed.secagg.audit import Finding, Rule, Verdict, coalition_leverage
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.plan import (
    Channel,
    Group,
    Plan,
    channels,
    privacy,
    prove_no_overflow,
    sampling_distance,
    verdicts,
)


def explain(plan: Plan, delta: float = 1e-5) -> tuple[str, ...]:
    """One sentence each: crowd, absences, every group's verdict, overflow, what members learn, noise."""
    return (
        _crowd(plan),
        _absences(plan),
        *(sentence for group in plan.groups for sentence in _group(plan, group)),
        _overflow(plan),
        *_small(plan),
        *_noise(plan, delta),
    )


def exposed(finding: Finding, rule: Rule) -> str:
    """Why sums are refused: the departments that would be exposed, and how."""
    exposure = finding.exposure
    if exposure is None:
        return f"it could not be proved that every combination of sums involves {rule.least} departments"
    named = ", ".join(exposure.departments)
    if not exposure.combination:
        said = f"{named} can make up {float(finding.leverage):.1%} of what sums tell (its leverage), "
        said += f"and {_accepted(rule)} are accepted"
        return said + (f", when its weight is {float(rule.band):g} times the others'" if rule.band > 1 else "")
    only = f"involves only {named}, and {rule.least} departments are needed"
    if len(exposure.combination) == 1:
        return f"the sum {exposure.combination[0][0]!r} {only}"
    return f"who sees the sums can compute {_combined(exposure.combination)}, which {only}"


def _combined(combination: tuple[tuple[str, Fraction], ...]) -> str:
    """`'a' - 2 x 'b'`."""
    signed = [
        f"{'+' if factor > 0 else '-'} {'' if abs(factor) == 1 else f'{abs(factor)} x '}{name!r}"
        for name, factor in sorted(combination, key=lambda term: term[1] < 0)
    ]
    return " ".join(signed).removeprefix("+ ")


# ---------------------------------------------------------------- everybody


def _crowd(plan: Plan) -> str:
    c, least = plan.colluders, Rule.of(plan.crowd, plan.colluders).least
    away = {
        0: "whoever reads a sum takes its own numbers away",
        1: "one that colludes takes its own numbers away",
    }.get(c, f"{c} that collude take their own numbers away")
    return (
        f"{len(plan.members)} departments take part, {c or 'none'} of whom may collude with the coordinator: "
        f"whatever sums tell, alone or combined, must involve at least {least}, so that a crowd of {plan.crowd} is "
        f"left when {away}"
    )


def _absences(plan: Plan) -> str:
    many, least = len(plan.members), plan.survivors
    spare = many - least
    if not spare:
        return f"all {many} must deliver in every round: no drop-outs can be survived, so one absence fails the round"
    return (
        f"{least} of {many} must deliver in every round, and {plan.threshold} must then help to open its sums: "
        f"{spare} drop-out{'' if spare == 1 else 's'} can be survived"
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
        f"noise is added to every released word: one round is ({cost.epsilon(delta):.3g}, {total:.3g})-differentially "
        "private for one department's contribution set to zero; whoever sees the sums can hardly tell whether it was "
        "in them: the odds change by at most e^ε, ε being the first number, but for a probability of the second, δ",
    )


# ---------------------------------------------------------------- a group of sums


def _group(plan: Plan, group: Group) -> Iterator[str]:
    verdict = dict(verdicts(plan))[group.name]
    if verdict.mode == "refused":
        yield f"{group.name}: refused: {exposed(verdict.finding, plan.rule(group))}; {_way_out(verdict)}"
        return
    own = tuple(channel for channel in channels(plan) if channel.group.name == group.name)
    yield f"{group.name}: {_MODES[verdict.mode](verdict, plan.rule(group))}"
    yield f"{group.name}: {_sent(plan, group, own)}; {_leverage(plan, group, own)}"


def _atoms(verdict: Verdict, rule: Rule) -> str:
    if len(verdict.atoms) == 1:
        many = len(verdict.atoms[0])
        return (
            f"atom mode: all {many} departments are in the same sums, which makes them one atom, departments that no "
            f"combination of sums can tell apart; an atom needs {rule.least}"
        )
    smallest = min(map(len, verdict.atoms))
    return (
        "atom mode: departments in the same sums form an atom, which no combination of sums can tell apart; there are "
        f"{len(verdict.atoms)}, the smallest has {smallest} departments, {rule.least} are needed, and whole atoms only "
        "are ever opened"
    )


def _cohorts(verdict: Verdict, rule: Rule) -> str:
    why = {
        "leverage": "nobody makes up enough of any combination to be singled out",
        "exact search": "every combination was searched",
    }.get(verdict.finding.reason, verdict.finding.reason)
    return (
        "cohort mode: departments differ in the sums they are in, so every sum is masked and opened by itself; "
        f"no combination of them involves fewer than {rule.least} departments ({why})"
    )


_MODES = {"atom": _atoms, "cohort": _cohorts}


def _way_out(verdict: Verdict) -> str:
    merged = [names for names in verdict.merge or () if len(names) > 1]
    if not merged:
        return "no merge of these sums passes"
    sums = " and ".join(f"{'+'.join(names)} as one sum" for names in merged)
    return f"the smallest change that passes: it passes with {sums}"


def _sent(plan: Plan, group: Group, own: tuple[Channel, ...]) -> str:
    uploads = max(sum(name in channel.members for channel in own) for name in plan.members)
    spare = max(min(len(channel.members) for channel in own) - plan.rule(group).least, 0)
    sent = f"each department sends {uploads} masked vector{'' if uploads == 1 else 's'}"
    return f"{sent}; the smallest sum can lose {spare or 'no'} department{'' if spare == 1 else 's'}"


def _leverage(plan: Plan, group: Group, own: tuple[Channel, ...]) -> str:
    rule, c = plan.rule(group), plan.colluders
    alone = dict(verdicts(plan))[group.name].finding.leverage
    said = f"one department makes up at most {float(alone):.0%} of what sums tell (its leverage; {_accepted(rule)} "
    said += "are accepted)"
    if rule.band > 1:
        said += f", where its secret weight is {float(rule.band):.3g} times the others'"
    if not c:
        return said
    worst = float(coalition_leverage(tuple(channel.released for channel in own), c))
    return f"{said}, and {worst:.0%} or more once {_count_colluders(c)} away"


def _count_colluders(c: int) -> str:
    return "one that colludes takes its own part" if c == 1 else f"{c} that collude take their own part"


def _accepted(rule: Rule) -> str:
    return f"{float(1 / rule.soft):.0%}"
