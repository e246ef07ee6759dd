"""Why a plan is refused, and the smallest change that would pass: by the audit, or by departments' own terms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from lepton_fed.secagg.audit import Verdict
from lepton_fed.secagg.explain import both, exposed
from lepton_fed.secagg.plan import Group, Plan, default_crowd, verdicts
from lepton_fed.secagg.review import Reviewer, Terms, objection
from lepton_fed.secagg.roster import Roster
from lepton_fed.secrecy.misfits import widest
from lepton_fed.secrecy.phrases import or_plain, when
from lepton_fed.sums import UPDATES, Scheme, public_weight
from lepton_fed.translation import Sentence, joined, sentence, some, term


def refusal(scheme: Scheme, plan: Plan) -> Sentence | None:
    """Why the audit refuses a plan, with what to change in the file."""
    for group in plan.groups:
        verdict = dict(verdicts(plan))[group.name]
        if verdict.mode == "refused":
            return or_plain(
                sentence(
                    "sums of {group} would not hide everybody: {when}{why}; {remedy}",
                    group=term(group.name),
                    when=when(scheme, plan) if group.name == UPDATES else "",
                    why=exposed(verdict.finding, plan.rule(group)),
                    remedy=_remedy(scheme, group, verdict),
                )
            )
    return None


def _remedy(scheme: Scheme, group: Group, verdict: Verdict) -> Sentence:
    """What to change in the file."""
    found = []
    merged = [part for part in verdict.merge or () if len(part) > 1] if group.name == UPDATES else []
    if merged:
        changes = reduce(both, (_merge(scheme, part) for part in merged))
        found.append(sentence("the smallest change that passes: {changes}", changes=changes))
    exposure = verdict.finding.exposure
    if exposure is not None and not exposure.combination:
        found.append(_levelled(scheme))
    if not found:
        found.append(sentence("no merge of sums passes: let more departments be sources, or draw more for each round"))
    return joined("; or ", found)


def _merge(scheme: Scheme, part: tuple[str, ...]) -> Sentence:
    """One cohort in the place of several, in the federation file's words."""
    chosen = [p for p in scheme.plans if scheme.cohort(p.name) in part]
    names = scheme.settings.names
    readers = [n for n in names if any(n in p.may_read for p in chosen)]
    writers = [n for n in names if any(n in p.may_write for p in chosen)]
    return sentence("let {readers} all learn from {writers}", readers=some(readers), writers=some(writers))


def _levelled(scheme: Scheme) -> Sentence:
    settings = scheme.settings
    if settings.weights.counts is None:
        return sentence("make weights.alpha more even, or lower aggregation.crowd_soft")
    most = widest(settings, scheme.plans)
    if most < 1:
        return sentence("lower aggregation.crowd_soft")
    return sentence("bring weights.counts closer together, the largest at most {most:g} times the smallest", most=most)


def unwilling(scheme: Scheme, plan: Plan, roster: Roster, terms: Mapping[str, Terms]) -> Sentence | None:
    """Which departments would take no part in such a plan, by their own terms."""
    pool = frozenset(n for p in scheme.plans for n in p.writers if public_weight(scheme.settings, n) > 0)
    found: dict[Sentence, list[str]] = {}
    for name in scheme.settings.names:
        if name in terms and name in pool.union(plan.members):
            # Who is not drawn is asked as if it sat in another's place: its terms are about all plans alike.
            seat = name if name in plan.members else plan.members[0]
            reason = objection(plan, Reviewer(seat, roster, terms[name]))
            if reason is not None:
                found.setdefault(joined("; ", (reason, _agreed(plan, terms[name]))), []).append(name)
    for why, who in found.items():
        return or_plain(sentence("{who} would take no part: {why}", who=some(who), why=why))
    return None


def _agreed(plan: Plan, terms: Terms) -> Sentence:
    """How a department's own terms and the federation file could be brought together."""
    if plan.crowd < (terms.crowd or default_crowd(len(plan.members))):
        return sentence(
            "if that is enough for it, its own file must say crowd = {crowd} under [terms]; otherwise raise "
            "aggregation.crowd",
            crowd=plan.crowd,
        )
    if plan.crowd_soft < terms.crowd_soft:
        return sentence(
            "say aggregation.crowd_soft = {soft:g}, or less under [terms] in its own file", soft=float(terms.crowd_soft)
        )
    if terms.coordinator_sees == "nothing" and not plan.sealed:
        return sentence("say aggregation.coordinator_sees = 'nothing', or take that out of [terms] in its own file")
    if terms.noise_multiplier:
        return sentence("ask for as much under [aggregation.noise], or for less under [terms] in its own file")
    return sentence("change [terms] in its own file, or the federation file")
