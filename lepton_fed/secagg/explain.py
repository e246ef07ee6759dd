"""What a plan means, in sentences for people who are no cryptographers: for `lepton-fed check` and for reports.

    explain(plan)                           who hides among how many, sum by sum; what members learn; noise
    exposed(finding, rule)                  who would be exposed, and by which combination of released sums

Everything said here is derived, nothing is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import reduce

from lepton_fed.secagg.audit import Finding, Rule, Verdict, coalition_leverage
from lepton_fed.secagg.plan import Channel, Group, Plan, channels, overflow, privacy, sampling_distance, verdicts
from lepton_fed.translation import Sentence, joined, sentence, term


def explain(plan: Plan, delta: float = 1e-5) -> tuple[Sentence, ...]:
    """One sentence each: crowd, absences, every group's verdict, overflow, what members learn, noise."""
    return (
        _crowd(plan),
        _absences(plan),
        *(said for group in plan.groups for said in _group(plan, group)),
        _overflow(plan),
        *_small(plan),
        *_noise(plan, delta),
    )


def exposed(finding: Finding, rule: Rule) -> Sentence:
    """Why sums are refused: the departments that would be exposed, and how."""
    exposure = finding.exposure
    if exposure is None:
        return sentence(
            "it could not be proved that every combination of sums involves {least} departments", least=rule.least
        )
    named = joined(", ", exposure.departments)
    if not exposure.combination:
        return _dominant(named, finding, rule)
    if len(exposure.combination) == 1:
        return sentence(
            "the sum {name!r} involves only {named}, and {least} departments are needed",
            name=exposure.combination[0][0], named=named, least=rule.least,
        )  # fmt: skip
    return sentence(
        "who sees the sums can compute {combined}, which involves only {named}, and {least} departments are needed",
        combined=_combined(exposure.combination), named=named, least=rule.least,
    )  # fmt: skip


def both(one: Sentence, other: Sentence) -> Sentence:
    """Two changes that are needed together."""
    return sentence("{one} and {other}", one=one, other=other)


def _dominant(named: Sentence, finding: Finding, rule: Rule) -> Sentence:
    said = sentence(
        "{named} can make up {leverage:.1%} of what sums tell (its leverage), and {accepted:.0%} are accepted",
        named=named, leverage=float(finding.leverage), accepted=_accepted(rule),
    )  # fmt: skip
    if rule.band <= 1:
        return said
    return sentence("{said}, when its weight is {band:g} times the others'", said=said, band=float(rule.band))


def _combined(combination: tuple[tuple[str, Fraction], ...]) -> Sentence:
    """`'a' - 2 x 'b'`."""
    (first, factor), *others = sorted(combination, key=lambda one: one[1] < 0)
    begun = _times(first, factor) if factor > 0 else _added(first, factor)
    return joined(" ", (begun, *(_added(name, factor) for name, factor in others)))


def _added(name: str, factor: Fraction) -> Sentence:
    one = _times(name, factor)
    return sentence("+ {one}", one=one) if factor > 0 else sentence("- {one}", one=one)


def _times(name: str, factor: Fraction) -> Sentence:
    if abs(factor) == 1:
        return sentence("{name!r}", name=name)
    return sentence("{factor} x {name!r}", name=name, factor=abs(factor))


# ---------------------------------------------------------------- everybody


def _crowd(plan: Plan) -> Sentence:
    c, many, least = plan.colluders, len(plan.members), Rule.of(plan.crowd, plan.colluders).least
    if not c:
        return sentence(
            "{many} departments take part, none of whom may collude with the coordinator: whatever sums tell, alone or "
            "combined, must involve at least {least}, so that a crowd of {crowd} is left when whoever reads a sum "
            "takes its own numbers away",
            many=many, least=least, crowd=plan.crowd,
        )  # fmt: skip
    if c == 1:
        return sentence(
            "{many} departments take part, 1 of whom may collude with the coordinator: whatever sums tell, alone or "
            "combined, must involve at least {least}, so that a crowd of {crowd} is left when one that colludes takes "
            "its own numbers away",
            many=many, least=least, crowd=plan.crowd,
        )  # fmt: skip
    return sentence(
        "{many} departments take part, {c} of whom may collude with the coordinator: whatever sums tell, alone or "
        "combined, must involve at least {least}, so that a crowd of {crowd} is left when {c} that collude take their "
        "own numbers away",
        many=many, c=c, least=least, crowd=plan.crowd,
    )  # fmt: skip


def _absences(plan: Plan) -> Sentence:
    many, least = len(plan.members), plan.survivors
    if many == least:
        return sentence(
            "all {many} must deliver in every round: no drop-outs can be survived, so one absence fails the round",
            many=many,
        )
    return sentence(
        "{least} of {many} must deliver in every round, and {threshold} must then help to open its sums: "
        "{spare:drop-out|drop-outs} can be survived",
        least=least, many=many, threshold=plan.threshold, spare=many - least,
    )  # fmt: skip


def _overflow(plan: Plan) -> Sentence:
    return overflow(plan) or sentence("no sum of honest contributions can overflow")


def _small(plan: Plan) -> tuple[Sentence, ...]:
    if len(plan.members) == 2:
        return (
            sentence("with two departments each learns the other's numbers: this protects from the coordinator only"),
        )
    if len(plan.members) == 3:
        return (
            sentence("with three departments each learns the sum of the other two, and two together learn the third's"),
        )
    return ()


def _noise(plan: Plan, delta: float) -> tuple[Sentence, ...]:
    cost = privacy(plan)
    if cost is None:
        return (sentence("no noise is added: sums are exact to the fixed point and say what sums say"),)
    return (
        sentence(
            "noise is added to every released word: one round is ({epsilon:.3g}, {delta:.3g})-differentially private "
            "for one department's contribution set to zero; whoever sees the sums can hardly tell whether it was in "
            "them: the odds change by at most e^ε, ε being the first number, but for a probability of the second, δ",
            epsilon=cost.epsilon(delta),
            delta=delta + sampling_distance(plan),
        ),
    )


# ---------------------------------------------------------------- a group of sums


def _group(plan: Plan, group: Group) -> Iterator[Sentence]:
    verdict, name = dict(verdicts(plan))[group.name], term(group.name)
    rule = plan.rule(group)
    if verdict.mode == "refused":
        why, way = exposed(verdict.finding, rule), _way_out(verdict)
        yield sentence("{group}: refused: {why}; {way}", group=name, why=why, way=way)
        return
    own = tuple(channel for channel in channels(plan) if channel.group.name == group.name)
    yield _atoms(name, verdict, rule) if verdict.mode == "atom" else _cohorts(name, verdict, rule)
    yield sentence(
        "{group}: each department sends {uploads:masked vector|masked vectors}; {loss}; {leverage}",
        group=name,
        uploads=max(sum(member in channel.members for channel in own) for member in plan.members),
        loss=_loss(rule, own),
        leverage=_leverage(plan, verdict, rule, own),
    )


def _atoms(group: Sentence, verdict: Verdict, rule: Rule) -> Sentence:
    if len(verdict.atoms) == 1:
        return sentence(
            "{group}: atom mode: all {many} departments are in the same sums, which makes them one atom, departments "
            "that no combination of sums can tell apart; an atom needs {least}",
            group=group, many=len(verdict.atoms[0]), least=rule.least,
        )  # fmt: skip
    return sentence(
        "{group}: atom mode: departments in the same sums form an atom, which no combination of sums can tell apart; "
        "there are {atoms}, the smallest has {smallest} departments, {least} are needed, and whole atoms only are ever "
        "opened",
        group=group, atoms=len(verdict.atoms), smallest=min(map(len, verdict.atoms)), least=rule.least,
    )  # fmt: skip


def _cohorts(group: Sentence, verdict: Verdict, rule: Rule) -> Sentence:
    return sentence(
        "{group}: cohort mode: departments differ in the sums they are in, so every sum is masked and opened by "
        "itself; no combination of them involves fewer than {least} departments ({why})",
        group=group, least=rule.least, why=_proved(verdict.finding.reason),
    )  # fmt: skip


def _proved(reason: str) -> str:
    if reason == "leverage":
        return sentence("nobody makes up enough of any combination to be singled out")
    return sentence("every combination was searched") if reason == "exact search" else reason


def _way_out(verdict: Verdict) -> Sentence:
    merged = [names for names in verdict.merge or () if len(names) > 1]
    if not merged:
        return sentence("no merge of these sums passes")
    return sentence(
        "the smallest change that passes: it passes with {merges}",
        merges=reduce(both, (sentence("{names} as one sum", names="+".join(names)) for names in merged)),
    )


def _loss(rule: Rule, own: tuple[Channel, ...]) -> Sentence:
    spare = min(len(channel.members) for channel in own) - rule.least
    if spare <= 0:
        return sentence("the smallest sum can lose no departments")
    return sentence("the smallest sum can lose {spare:department|departments}", spare=spare)


def _leverage(plan: Plan, verdict: Verdict, rule: Rule, own: tuple[Channel, ...]) -> Sentence:
    said = sentence(
        "one department makes up at most {alone:.0%} of what sums tell (its leverage; {accepted:.0%} are accepted)",
        alone=float(verdict.finding.leverage), accepted=_accepted(rule),
    )  # fmt: skip
    if rule.band > 1:
        said = sentence(
            "{said}, where its secret weight is {band:.3g} times the others'", said=said, band=float(rule.band)
        )
    c = plan.colluders
    if not c:
        return said
    worst = float(coalition_leverage(tuple(channel.released for channel in own), c))
    if c == 1:
        return sentence(
            "{said}, and {worst:.0%} or more once one that colludes takes its own part away", said=said, worst=worst
        )
    return sentence(
        "{said}, and {worst:.0%} or more once {c} that collude take their own part away", said=said, worst=worst, c=c
    )


def _accepted(rule: Rule) -> float:
    return float(1 / rule.soft)
