"""What a plan's sums promise and tell: how well they hide everybody, what members learn, what a run costs."""

from __future__ import annotations

from collections.abc import Iterator

from lepton_fed.secagg.explain import explain
from lepton_fed.secagg.plan import Group, Plan
from lepton_fed.secrecy.phrases import when
from lepton_fed.secrecy.rounds import smallest_hub
from lepton_fed.settings import Settings
from lepton_fed.sums import UPDATES, Scheme
from lepton_fed.translation import Sentence, sentence, some


def promises(scheme: Scheme, plan: Plan) -> Iterator[Sentence]:
    """One sentence each."""
    settings = scheme.settings
    which = when(scheme, plan)
    if which:
        yield sentence("{when}for example:", when=which)
    yield from explain(plan) if settings.aggregation.noise is None else explain(plan, settings.aggregation.noise.delta)
    if settings.weights.counts is not None:
        low, high = settings.weights.counts
        yield sentence(
            "example counts are secret, and brought between {low:g} and {high:g} before they weigh", low=low, high=high
        )
    if settings.coupling.kind == "clusters":
        least = smallest_hub(scheme, settings.rounds.participants or len(plan.members))
        yield sentence(
            "hubs are declared in public; who declares one that fewer than {least} do writes to the largest",
            least=least,
        )
    yield from _learnt(scheme, plan)
    yield _ACROSS[settings.aggregation.across_rounds]


def _learnt(scheme: Scheme, plan: Plan) -> Iterator[Sentence]:
    """What sums tell, and whom."""
    if len(plan.members) > 3:
        yield sentence(
            "departments learn the sums that they start from, and so the sum of the others by taking their own "
            "numbers away; the others' single numbers stay hidden"
        )
    groups = {group.name: group for group in plan.groups}
    if not scheme.reporters:
        yield _unreported(scheme.settings)
    if UPDATES in groups and groups[UPDATES].scalars:
        yield from _spread(scheme, groups[UPDATES])
    if scheme.sealed:
        yield from _sealed(scheme)


def _unreported(settings: Settings) -> Sentence:
    if settings.aggregation.noise is not None:
        return sentence("the federation's own metrics and joint loss are not reported: they would cost privacy")
    return sentence("the federation's own metrics and joint loss are not reported: too few targets have rows")


def _spread(scheme: Scheme, updates: Group) -> Iterator[Sentence]:
    """What is summed beside the updates."""
    if scheme.settings.coupling.kind == "clusters":
        yield sentence("each sum's spread tells how far apart a crowd's models are; they tell nobody whose is where")
    else:
        yield sentence(
            "each sum's spread and the joint loss tell how far apart a crowd's models are; they tell nobody whose is "
            "where"
        )
    if any(len(cohort.members) == 3 for cohort in updates.cohorts):
        yield sentence("of a crowd of three each can find how far apart the other two's models are")


def _sealed(scheme: Scheme) -> Iterator[Sentence]:
    """Who opens the sums, and whom only they would tell of."""
    without = [n for p in scheme.plans for n in p.readers if not scheme.settings.department(n).is_source]
    if without:
        yield sentence(
            "the joint loss leaves out {names}, who have no rows: only the sealed sums would tell theirs",
            names=some(without),
        )
    yield sentence(
        "the coordinator sees no sum, only the report's totals: sums are sealed for {names}, who step the common "
        "model themselves; one of them that colludes could open the seal, so nothing above relies on it",
        names=some(n for n in scheme.settings.names if n in scheme.recipients),
    )


_ACROSS = {
    "off": sentence("sums of different rounds are not compared: who joins or leaves late could show (across_rounds)"),
    "warn": sentence(
        "departments compare sums with those of earlier rounds, and warn where who joined or left would show"
    ),
    "enforce": sentence(
        "departments compare sums with those of earlier rounds, and take no part where who joined or left would show"
    ),
}


def spent(settings: Settings, epsilon: float | None, delta: float | None) -> Iterator[Sentence]:
    """What all rounds cost together, where noise is added."""
    if settings.aggregation.noise is None:
        return
    rounds = settings.rounds.count
    if epsilon is None:
        yield sentence("what all rounds cost together depends on the length of an update, which is not known here")
    elif rounds == 1:
        yield sentence(
            "the whole run of 1 round is ({epsilon:.3g}, {delta:.3g})-differentially private for one department's "
            "contribution set to zero",
            epsilon=epsilon, delta=delta,
        )  # fmt: skip
    else:
        yield sentence(
            "the whole run of {rounds} rounds is ({epsilon:.3g}, {delta:.3g})-differentially private for one "
            "department's contribution set to zero",
            rounds=rounds, epsilon=epsilon, delta=delta,
        )  # fmt: skip
