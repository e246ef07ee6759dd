"""What secure sums promise for a federation file, or why they are refused: found before anybody trains.

    audit(settings).refused      None, or one sentence that says what to change
    audit(settings).sentences    who hides among how many, who could be exposed by what, what members learn

It drafts plans under stand-in keys: of a round in which everybody takes part, and of the rounds that would hide
least (few drawn, small hubs, no report). With departments' own terms it also says who would take no part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor, sqrt

from lepton_fed.cohorts import HubPlan, hubs
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.audit import Verdict
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.explain import explain, exposed
from lepton_fed.secagg.plan import Group, Plan, default_crowd, privacy, prove_no_overflow, sampling_distance, verdicts
from lepton_fed.secagg.review import Reviewer, Terms, objection
from lepton_fed.secagg.roster import LARGEST, Roster
from lepton_fed.settings import Settings
from lepton_fed.sums import (
    UPDATES,
    Scheme,
    Turnout,
    colluders,
    enrolled,
    fewest,
    public_weight,
    roster_of,
)


@dataclass(frozen=True)
class Audit:
    """`modes`: "atom", "cohort" or "refused" by group of sums. `epsilon`: of the whole run, where noise is added."""

    secure: bool
    refused: str | None = None
    sentences: tuple[str, ...] = ()
    modes: Mapping[str, str] = field(default_factory=dict)
    epsilon: float | None = None
    delta: float | None = None


def audit(settings: Settings, length: int | None = None, terms: Mapping[str, Terms] | None = None) -> Audit:
    """What would be summed and how well it hides.

    `length`: of an update; epsilon depends on it and on nothing else here. `terms`: what departments ask for
    themselves, by name.
    """
    if not settings.aggregation.secure:
        return Audit(False, None, ("sums are plain: the coordinator could see single updates",))
    plans = hubs(settings)
    for sentence in _misfits(settings, plans):
        return Audit(True, sentence)
    scheme = Scheme(settings, plans, length or 1)
    try:
        roster = _roster(settings)
        first, shown, refused = _searched(scheme, roster, terms or {})
    except Malformed as error:
        return Audit(True, f"secure sums cannot be made: {error}{_OR_PLAIN}")
    modes = {name: one.mode for name, one in verdicts(shown)}
    epsilon, delta = _privacy(settings, first) if length is not None else (None, None)
    sentences = (*_said(scheme, shown), *_spent(settings, epsilon, delta))
    return Audit(True, refused, sentences, modes, epsilon, delta)


def require_safe(settings: Settings, terms: Mapping[str, Terms] | None = None) -> None:
    """ConfigError where secure sums are asked for and would be refused, by the audit or by departments' own terms."""
    found = audit(settings, terms=terms)
    if found.refused is not None:
        raise ConfigError(found.refused)


_OR_PLAIN = "; or say aggregation.secure = false, and the report will say so"


# ---------------------------------------------------------------- settings


def _misfits(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[str]:
    """Settings that secure sums cannot do; each a sentence."""
    many = len(enrolled(settings))
    if not 2 <= many <= LARGEST:
        yield f"secure sums are for 2 to {LARGEST} departments, and {many} take part{_OR_PLAIN}"
        return
    yield from _uncrowded(settings, plans)
    yield from _uncounted(settings, plans)
    if settings.aggregation.sealed:
        yield from _unsealed(settings, plans)


def _uncrowded(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[str]:
    """Too few departments for the thresholds, whatever is summed."""
    scheme, c = Scheme(settings, plans, 1), colluders(settings)
    if c > len(enrolled(settings)) - 2:
        yield (
            f"aggregation.colluders is {c}, and of {len(enrolled(settings))} departments at most "
            f"{len(enrolled(settings)) - 2} may collude, or nobody would be left to protect{_OR_PLAIN}"
        )
        return
    many = min(len(turnout.members) for turnout in _turnouts(scheme))
    if fewest(scheme, many) <= many:
        return
    if len(enrolled(settings)) == 2:
        yield (
            "two departments can be protected from the coordinator only, since each finds the other's numbers by "
            "taking its own away: if that is enough, say aggregation.crowd = 1 here and crowd = 1 under [terms] in "
            f"both departments' own files{_OR_PLAIN}"
        )
        return
    yield (
        f"{many} departments take part in a round, and {fewest(scheme, many)} are needed for a crowd of "
        f"{scheme.crowd(many)} beside {c or 'no'} that may collude: let more be sources, or lower aggregation.crowd or "
        f"aggregation.colluders{_OR_PLAIN}"
    )


def _uncounted(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[str]:
    """Sources that weigh nothing; example counts without a public band, or under noise."""
    weights = settings.weights
    for department in settings.departments:
        if department.is_source and not public_weight(settings, department.name):
            yield (
                f"weights.alpha of {department.name} is 0, and in secure sums a department of weight 0 would hide "
                f"nobody: give it a weight, or only the role target{_OR_PLAIN}"
            )
    if weights.alpha != "examples":
        return
    if settings.aggregation.noise is not None:
        yield "aggregation.noise needs public weights: say weights.alpha = 'uniform', or a number for each source"
    if weights.counts is None:
        widest = _widest(settings, plans)
        most = f" with the largest at most {widest:g} times the smallest" if widest >= 1 else ""
        yield (
            "weights.counts is missing: example counts stay secret, so the file must say between which numbers they "
            f"are brought, as counts = [smallest, largest]{most}; or say alpha = 'uniform'{_OR_PLAIN}"
        )


def _unsealed(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[str]:
    """Why departments could not keep the common model themselves."""
    if settings.coupling.kind == "clusters":
        yield "coordinator_sees = 'nothing' needs one common model, and clusters has several"
    elif len(plans) > 1:
        yield "coordinator_sees = 'nothing' needs one common model; here sources differ from target to target"
    strangers = [n for p in plans for n in p.writers if n not in p.may_read]
    if strangers:
        yield f"coordinator_sees = 'nothing' needs sources that are targets too; {strangers[0]} is none"


def _widest(settings: Settings, plans: tuple[HubPlan, ...]) -> float:
    """How many times the smallest the largest count may be, for the smallest sum."""
    turnouts = _turnouts(Scheme(settings, plans, 1))
    many = min(len(members) for turnout in turnouts for members in turnout.writes.values())
    soft = Fraction(str(settings.aggregation.crowd_soft)) - 1
    return floor(10 * sqrt((many - 1) / soft)) / 10 if soft > 0 else float(LARGEST)


# ---------------------------------------------------------------- rounds


def _roster(settings: Settings) -> Roster:
    """Stand-in keys, since only their owners matter."""
    return roster_of(settings, {name: hashlib.sha256(name.encode()).digest() for name in enrolled(settings)})


def _searched(scheme: Scheme, roster: Roster, terms: Mapping[str, Terms]) -> tuple[Plan, Plan, str | None]:
    """The plan of a first round; the plan to be talked about, and why it is refused. Malformed if there is none."""
    first: Plan | None = None
    for turnout in _turnouts(scheme):
        plan = scheme.plan(roster, turnout, model=bytes(32), round=1)
        prove_no_overflow(plan)
        first = first or plan
        refused = _refusal(scheme, plan) or _unwilling(scheme, plan, roster, terms)
        if refused is not None:
            return first, plan, refused
    assert first is not None
    return first, first, None


def _turnouts(scheme: Scheme) -> Iterator[Turnout]:
    """A first round with everybody or as many as are drawn, and then the rounds that would hide least."""
    settings, everybody = scheme.settings, scheme.everybody()
    for chosen in _draws(scheme, everybody.writes):
        for writes in _hubs(scheme, {h: tuple(n for n in m if n in chosen) for h, m in everybody.writes.items()}):
            among = {hub: members for hub, members in writes.items() if members}
            yield Turnout(among, everybody.reports)
            if settings.rounds.evaluate_every > 1 and among:
                yield Turnout(among)


def _draws(scheme: Scheme, writes: Mapping[str, tuple[str, ...]]) -> Iterator[frozenset[str]]:
    """Who may be drawn: everybody, or so that as few as possible of those that always stand together are in it."""
    pool = tuple(n for n in scheme.settings.names if any(n in p.may_write for p in scheme.plans))
    drawn = scheme.settings.rounds.participants or len(pool)
    if drawn >= len(pool):
        yield frozenset(pool)
        return
    together: dict[tuple[str, ...], list[str]] = {}
    for name in pool:
        together.setdefault(tuple(hub for hub, members in writes.items() if name in members), []).append(name)
    for in_sums, block in together.items():
        if in_sums:
            others = [n for n in pool if n not in block]
            inside = max(1, drawn - len(others))
            yield frozenset((*_uneven(scheme, block)[:inside], *_uneven(scheme, others)[: drawn - inside]))


def _uneven(scheme: Scheme, names: Iterable[str]) -> list[str]:
    """The heaviest, then the others from the lightest up: who is beside it hides it least."""
    light = sorted(names, key=lambda n: public_weight(scheme.settings, n))
    return [*light[-1:], *light[:-1]]


def _hubs(scheme: Scheme, writes: dict[str, tuple[str, ...]]) -> Iterator[dict[str, tuple[str, ...]]]:
    """The writers to each hub; under `clusters` all that declare one, and then so few that two are just kept."""
    yield writes
    if scheme.settings.coupling.kind != "clusters" or len(scheme.plans) < 2:
        return
    everybody = next(iter(writes.values()))
    least = smallest_hub(scheme, len(everybody))
    if 2 * least <= len(everybody):
        few = _uneven(scheme, everybody)[:least]
        declared = {n: scheme.plans[n in few].name for n in everybody}
        yield scheme.assigned(declared)


def smallest_hub(scheme: Scheme, many: int) -> int:
    """How many of so many must declare a hub under `clusters` for it to be kept."""
    return scheme.crowd(many) + scheme.beside


# ---------------------------------------------------------------- refusals


def _refusal(scheme: Scheme, plan: Plan) -> str | None:
    """Why the audit refuses a plan, and the smallest change that would pass."""
    for group in plan.groups:
        verdict = dict(verdicts(plan))[group.name]
        if verdict.mode == "refused":
            why = exposed(verdict.finding, plan.rule(group))
            when = _when(scheme, plan) if group.name == UPDATES else ""
            return f"sums of {group.name} would not hide everybody: {when}{why}; {_remedy(scheme, group, verdict)}"
    return None


def _when(scheme: Scheme, plan: Plan) -> str:
    """Which round is meant, where not all are alike."""
    writes = scheme.turnout_of(plan).writes
    drawn = frozenset[str]().union(*writes.values())
    if drawn != frozenset[str]().union(*scheme.everybody().writes.values()):
        return f"in a round that draws {_few(n for n in scheme.settings.names if n in drawn)}, "
    sizes = " and ".join(str(len(members)) for members in writes.values())
    return (
        f"in a round with hubs of {sizes}, " if scheme.settings.coupling.kind == "clusters" and len(writes) > 1 else ""
    )


def _remedy(scheme: Scheme, group: Group, verdict: Verdict) -> str:
    """What to change in the file."""
    found = []
    merged = [part for part in verdict.merge or () if len(part) > 1] if group.name == UPDATES else []
    if merged:
        found.append("the smallest change that passes: " + " and ".join(_merge(scheme, part) for part in merged))
    exposure = verdict.finding.exposure
    if exposure is not None and not exposure.combination:
        found.append(_levelled(scheme))
    if not found:
        found.append("no merge of sums passes: let more departments be sources, or draw more for each round")
    return "; or ".join(found) + _OR_PLAIN


def _merge(scheme: Scheme, part: tuple[str, ...]) -> str:
    """One cohort in the place of several, in the federation file's words."""
    chosen = [p for p in scheme.plans if scheme.cohort(p.name) in part]
    names = scheme.settings.names
    readers = [n for n in names if any(n in p.may_read for p in chosen)]
    writers = [n for n in names if any(n in p.may_write for p in chosen)]
    return f"let {_few(readers)} all learn from {_few(writers)}"


def _levelled(scheme: Scheme) -> str:
    settings = scheme.settings
    if settings.weights.counts is None:
        return "make weights.alpha more even, or lower aggregation.crowd_soft"
    widest = _widest(settings, scheme.plans)
    if widest < 1:
        return "lower aggregation.crowd_soft"
    return f"bring weights.counts closer together, the largest at most {widest:g} times the smallest"


def _unwilling(scheme: Scheme, plan: Plan, roster: Roster, terms: Mapping[str, Terms]) -> str | None:
    """Which departments would take no part in such a plan, by their own terms."""
    pool = frozenset(n for p in scheme.plans for n in p.writers if public_weight(scheme.settings, n) > 0)
    found: dict[str, list[str]] = {}
    for name in scheme.settings.names:
        if name in terms and name in pool.union(plan.members):
            # Who is not drawn is asked as if it sat in another's place: its terms are about all plans alike.
            seat = name if name in plan.members else plan.members[0]
            reason = objection(plan, Reviewer(seat, roster, terms[name]))
            if reason is not None:
                found.setdefault(f"{reason}; {_agreed(plan, terms[name])}", []).append(name)
    return next((f"{_few(who)} would take no part: {why}{_OR_PLAIN}" for why, who in found.items()), None)


def _agreed(plan: Plan, terms: Terms) -> str:
    """How a department's own terms and the federation file could be brought together."""
    if plan.crowd < (terms.crowd or default_crowd(len(plan.members))):
        return (
            f"if that is enough for it, its own file must say crowd = {plan.crowd} under [terms]; "
            "otherwise raise aggregation.crowd"
        )
    if plan.crowd_soft < terms.crowd_soft:
        return f"say aggregation.crowd_soft = {float(terms.crowd_soft):g}, or less under [terms] in its own file"
    if terms.coordinator_sees == "nothing" and not plan.sealed:
        return "say aggregation.coordinator_sees = 'nothing', or take that out of [terms] in its own file"
    if terms.noise_multiplier:
        return "ask for as much under [aggregation.noise], or for less under [terms] in its own file"
    return "change [terms] in its own file, or the federation file"


# ---------------------------------------------------------------- promises


def _said(scheme: Scheme, plan: Plan) -> Iterator[str]:
    settings = scheme.settings
    if _when(scheme, plan):
        yield f"{_when(scheme, plan)}for example:"
    yield from explain(plan) if settings.aggregation.noise is None else explain(plan, settings.aggregation.noise.delta)
    if settings.weights.counts is not None:
        low, high = settings.weights.counts
        yield f"example counts are secret, and brought between {low:g} and {high:g} before they weigh"
    if settings.coupling.kind == "clusters":
        least = smallest_hub(scheme, settings.rounds.participants or len(plan.members))
        yield f"hubs are declared in public; who declares one that fewer than {least} do writes to the largest"
    yield from _learnt(scheme, plan)
    yield _ACROSS[settings.aggregation.across_rounds]


def _learnt(scheme: Scheme, plan: Plan) -> Iterator[str]:
    """What sums tell, and whom."""
    if len(plan.members) > 3:
        yield (
            "departments learn the sums that they start from, and so the sum of the others by taking their own "
            "numbers away; the others' single numbers stay hidden"
        )
    groups = {group.name: group for group in plan.groups}
    if not scheme.reporters:
        yield "the federation's own metrics and joint loss are not reported: " + (
            "they would cost privacy" if scheme.settings.aggregation.noise is not None else "too few targets have rows"
        )
    if UPDATES in groups and groups[UPDATES].scalars:
        yield from _spread(scheme, groups[UPDATES])
    if scheme.sealed:
        without = [n for p in scheme.plans for n in p.readers if not scheme.settings.department(n).is_source]
        if without:
            yield f"the joint loss leaves out {_few(without)}, who have no rows: only the sealed sums would tell theirs"
        yield (
            f"the coordinator sees no sum, only the report's totals: sums are sealed for {_few(_in_order(scheme))}, "
            "who step the common model themselves; one of them that colludes could open the seal, so nothing above "
            "relies on it"
        )


def _spread(scheme: Scheme, updates: Group) -> Iterator[str]:
    """What is summed beside the updates."""
    joint = " tells" if scheme.settings.coupling.kind == "clusters" else " and the joint loss tell"
    yield f"each sum's spread{joint} how far apart a crowd's models are; they tell nobody whose is where"
    if any(len(cohort.members) == 3 for cohort in updates.cohorts):
        yield "of a crowd of three each can find how far apart the other two's models are"


_ACROSS = {
    "off": "sums of different rounds are not compared: who joins or leaves late could show (across_rounds)",
    "warn": "departments compare sums with those of earlier rounds, and warn where who joined or left would show",
    "enforce": "departments compare sums with those of earlier rounds, and take no part where who joined or left "
    "would show",
}


def _privacy(settings: Settings, plan: Plan) -> tuple[float | None, float | None]:
    """Epsilon and delta of all rounds, over every released word; delta includes what the sampler leaves out."""
    cost, noise = privacy(plan), settings.aggregation.noise
    if cost is None or noise is None:
        return None, None
    rounds = settings.rounds.count
    return cost.times(rounds).epsilon(noise.delta), noise.delta + rounds * sampling_distance(plan)


def _spent(settings: Settings, epsilon: float | None, delta: float | None) -> Iterator[str]:
    if settings.aggregation.noise is None:
        return
    if epsilon is None:
        yield "what all rounds cost together depends on the length of an update, which is not known here"
        return
    rounds = settings.rounds.count
    yield (
        f"the whole run of {rounds} round{'' if rounds == 1 else 's'} is ({epsilon:.3g}, {delta:.3g})-differentially "
        "private for one department's contribution set to zero"
    )


def _in_order(scheme: Scheme) -> list[str]:
    """Who opens sealed sums, in the file's order."""
    return [n for n in scheme.settings.names if n in scheme.recipients]


def _few(names: Iterable[str], most: int = 8) -> str:
    """Names in a row; of a long row its beginning and how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:most])
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most} more"
