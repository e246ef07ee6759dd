"""A federation file's sums, examined: first the settings, then plans of the rounds that would hide least.

misfits ──► rounds ──► refusals ──► promises
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lepton_fed.cohorts import hubs
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.plan import Plan, privacy, prove_no_overflow, sampling_distance, verdicts
from lepton_fed.secagg.review import Terms
from lepton_fed.secagg.roster import Roster
from lepton_fed.secrecy.misfits import misfits
from lepton_fed.secrecy.phrases import or_plain
from lepton_fed.secrecy.promises import promises, spent
from lepton_fed.secrecy.refusals import refusal, unwilling
from lepton_fed.secrecy.rounds import stand_ins, turnouts
from lepton_fed.settings import Settings
from lepton_fed.sums import Scheme
from lepton_fed.translation import sentence


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
    themselves, by name; with them it also says who would take no part.
    """
    if not settings.aggregation.secure:
        return Audit(False, None, (sentence("sums are plain: the coordinator could see single updates"),))
    plans = hubs(settings)
    for misfit in misfits(settings, plans):
        return Audit(True, misfit)
    scheme = Scheme(settings, plans, length or 1)
    try:
        first, shown, refused = _searched(scheme, stand_ins(settings), terms or {})
    except Malformed as error:
        # The first argument is the sentence, str(error) would be its English text alone.
        return Audit(True, or_plain(sentence("secure sums cannot be made: {error}", error=error.args[0])))
    modes = {name: one.mode for name, one in verdicts(shown)}
    epsilon, delta = _privacy(settings, first) if length is not None else (None, None)
    sentences = (*promises(scheme, shown), *spent(settings, epsilon, delta))
    return Audit(True, refused, sentences, modes, epsilon, delta)


def require_safe(settings: Settings, terms: Mapping[str, Terms] | None = None) -> None:
    """ConfigError where secure sums are asked for and would be refused, by the audit or by departments' own terms."""
    found = audit(settings, terms=terms)
    if found.refused is not None:
        raise ConfigError(found.refused)


def _searched(scheme: Scheme, roster: Roster, terms: Mapping[str, Terms]) -> tuple[Plan, Plan, str | None]:
    """The plan of a first round; the plan to be talked about, and why it is refused. Malformed if there is none."""
    first: Plan | None = None
    for turnout in turnouts(scheme):
        plan = scheme.plan(roster, turnout, model=bytes(32), round=1)
        prove_no_overflow(plan)
        first = first or plan
        refused = refusal(scheme, plan) or unwilling(scheme, plan, roster, terms)
        if refused is not None:
            return first, plan, refused
    assert first is not None
    return first, first, None


def _privacy(settings: Settings, plan: Plan) -> tuple[float | None, float | None]:
    """Epsilon and delta of all rounds, over every released word; delta includes what the sampler leaves out."""
    cost, noise = privacy(plan), settings.aggregation.noise
    if cost is None or noise is None:
        return None, None
    rounds = settings.rounds.count
    return cost.times(rounds).epsilon(noise.delta), noise.delta + rounds * sampling_distance(plan)
