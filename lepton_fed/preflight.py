"""The whole plan of a federation put to every department's policies: who would refuse which step, and what would help.

    steps = foreseen(federation, guards_from(federation))
    refused = [step for step in steps if not step.decision.permitted]

The plan is what the federation file lets happen: training for the readers of each hub, and whatever else its [[access]]
permits with what its [[sharing]] lets flow. Departments' own files can refuse of that whatever they like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lepton_fed.cohorts import HubPlan, hubs
from lepton_fed.config import Federation
from lepton_fed.config.layout import item, paragraph
from lepton_fed.enforcement import FEW, Guard, Moment
from lepton_fed.own_policies import troubles
from lepton_fed.policies import Decision, explain
from lepton_fed.policy import CHINESE, action, names
from lepton_fed.settings import Settings
from lepton_fed.sums import expected_crowds
from lepton_fed.translation import sentence, term, verbatim

ADVISED = 20
"""Denials for which it is tried what would let them pass; each takes up to some tenths of a second."""

SHOWN = 12
"""Refusals in full; of more only their number."""

_KINDS = {"evaluate": "evaluation", "aggregate": "statistics", "read": "reading", "publish": "publishing"}


@dataclass(frozen=True)
class Step:
    """One step of the plan at one department, and what it would decide. `advice`: what would make it pass."""

    kind: str
    what: str
    decision: Decision
    advice: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return self.decision.request.owner

    def written(self) -> dict[str, Any]:
        """As JSON has it."""
        request, decision = self.decision.request, self.decision
        return {
            "kind": self.kind,
            "step": self.what,
            "owner": request.owner,
            "who": request.who,
            "verb": request.verb,
            "what": request.what,
            "permitted": decision.permitted,
            "reasons": list(decision.reasons),
            "rules": list(decision.rules),
            "advice": list(self.advice),
        }


@dataclass(frozen=True)
class Planned:
    """A model to be measured on `owner`'s rows for `asker`, as a pipeline has it: `step` in a few words."""

    step: str
    asker: str
    owner: str


def foreseen(federation: Federation, guards: Mapping[str, Guard], also: Iterable[Planned] = ()) -> tuple[Step, ...]:
    """Every step of the plan with its decision, then those of `also`; what would help is tried for some denials."""
    settings = federation.settings
    steps = [*_training(settings, guards, hubs(settings)), *_others(settings, guards)]
    for one in also:
        found = guards[one.owner].evaluations(one.asker, None, settings.data.minimum_rows, 0)
        steps += [Step("pipeline", verbatim(one.step), decision) for decision in found]
    advised, left = [], ADVISED
    for step in steps:
        if not step.decision.permitted and not step.decision.broken and left:
            left -= 1
            step = replace(step, advice=_advice(guards[step.owner], step.decision))
        advised.append(step)
    return tuple(advised)


def _training(settings: Settings, guards: Mapping[str, Guard], plans: Sequence[HubPlan]) -> Iterator[Step]:
    """For each hub and who writes to it: may its readers learn? A broken file denies once, not once for each reader."""
    crowds = expected_crowds(settings, tuple(plans))
    for plan in plans:
        moment = Moment(1, crowds[plan.name])
        for name in plan.writers:
            for decision in guards[name].foreseen(plan, moment):
                what = sentence("{name} trains for hub {hub}", name=name, hub=plan.name)
                yield Step("training", what, decision)


def _others(settings: Settings, guards: Mapping[str, Guard]) -> Iterator[Step]:
    """What [[access]] permits besides training with what flows, at each owner; once, however many entries say it."""
    seen: set[tuple[str, str, str, str]] = set()
    for grant in settings.access:
        verb = action(grant.action)
        if grant.effect != "permit" or verb == "train":
            continue
        flows = [flow for flow in settings.sharing if flow.what == grant.what]
        for owner in settings.names:
            if not names(grant.owner, owner) or not any(names(flow.from_, owner) for flow in flows):
                continue
            given = [flow for flow in flows if names(flow.from_, owner)]
            takers = tuple(
                n
                for n in settings.names
                if n != owner and names(grant.who, n) and any(names(flow.to, n) for flow in given)
            )
            for who in _representatives(guards[owner], grant.what, verb, takers):
                if (owner, who, verb, grant.what) not in seen:
                    seen.add((owner, who, verb, grant.what))
                    yield from _asked(settings, guards[owner], who, verb, grant.what)


def _representatives(guard: Guard, what: str, verb: str, takers: tuple[str, ...]) -> tuple[str, ...]:
    """One of those that no rule tells apart, where there are many."""
    if len(takers) <= FEW:
        return takers
    rules = guard.policies.concerning(guard.owner, what, (verb,))
    return tuple(group[0] for group in guard.policies.alike(rules, takers))


def _asked(settings: Settings, guard: Guard, who: str, verb: str, what: str) -> Iterator[Step]:
    """The step, unless the federation file itself refuses it: then it is no part of the plan."""
    request = guard.request(who, verb, what, crowd=usual_crowd(settings, verb, what))
    if guard.policies.of_the_file.decide(request).permitted:
        chinese = {word: one for one, word in CHINESE.items()}[verb]
        step = sentence(
            "{who} may {verb} {what} of {owner}", who=who, verb=term(f"{chinese} {verb}"), what=what, owner=guard.owner
        )
        yield Step(_KINDS[verb], step, guard.expected(request))


def usual_crowd(settings: Settings, verb: str, what: str) -> int:
    """How many stand behind what leaves, as far as the file says: rows of an evaluation, givers of a statistic."""
    if verb == "evaluate":
        return settings.data.minimum_rows
    if verb in ("train", "aggregate", "receive") and settings.aggregation.secure:
        given = [flow for flow in settings.sharing if flow.what == what]
        return sum(1 for d in settings.departments if d.is_source and any(names(f.from_, d.name) for f in given))
    return 1


def _advice(guard: Guard, decision: Decision) -> tuple[str, ...]:
    return explain(guard.policies, decision)[len(decision.reasons) :]


# ---------------------------------------------------------------- for people


def account(federation: Federation, guards: Mapping[str, Guard], steps: Sequence[Step]) -> str:
    """The plan and what would be refused of it, for a terminal."""
    refused = [step for step in steps if not step.decision.permitted]
    lines = [f"{federation.settings.federation.name}: {len(steps)} steps asked of {len(guards)} departments"]
    for kind in dict.fromkeys(step.kind for step in steps):
        of_it = [step for step in steps if step.kind == kind]
        no = sum(1 for step in of_it if not step.decision.permitted)
        lines.append(f"  {kind}: {len(of_it)}, {f'{no} would be refused' if no else 'all permitted'}")
    code = next((guard.code for guard in guards.values()), "")
    lines.append(f"  code: {code}")
    for trouble in troubles(guards.values()):
        lines += ["", *item(trouble)]
    if refused:
        lines += ["", "What would be refused", *_refusals(refused)]
    return "\n".join(lines) + "\n"


def _refusals(refused: Sequence[Step]) -> Iterator[str]:
    for step in refused[:SHOWN]:
        yield from item(f"{step.what}:")
        for line in (*step.decision.reasons, *step.advice):
            yield from paragraph(line, "      ", "        ")
    if len(refused) > SHOWN:
        yield f"  and {len(refused) - SHOWN} more"


def refusals_now(guards: Mapping[str, Guard], settings: Settings) -> tuple[str, ...]:
    """A sentence for each department whose own files would have it refuse to train now; without any it costs nothing.

    A department whose files cannot be used is told of by `troubles`.
    """
    own = {n: guard for n, guard in guards.items() if guard.policies.own.get(n) is not None}
    if not own:
        return ()
    found = []
    plans = hubs(settings)
    crowds = expected_crowds(settings, plans)
    for name, guard in own.items():
        reasons = [
            reason
            for plan in plans
            if name in plan.may_write
            for one in guard.foreseen(plan, Moment(1, crowds[plan.name]))
            if not one.permitted and not one.broken
            for reason in one.reasons
        ]
        if reasons:
            found.append(f"{name} would refuse to train now: {'; '.join(dict.fromkeys(reasons))}")
    return tuple(found)
