"""How a run's numbers were summed, found from its settings: what held in every round, whoever was away.

    sums_of(result)                         Sums of a finished run, which sentences.py puts into words
    how_summed(settings, length, rounds)    the same from its file

Nothing here looks at data or at what rounds brought: a round that cannot keep this fails and gives nothing.
"""

from __future__ import annotations

from lepton_fed.cohorts import hubs
from lepton_fed.report.content import PLAIN, Sums
from lepton_fed.result import RunResult
from lepton_fed.secagg.plan import Group
from lepton_fed.secagg.skellam import Noise, Sampler, cost
from lepton_fed.settings import Settings
from lepton_fed.sums import UPDATES, Scheme, Turnout, colluders, fewest


def sums_of(result: RunResult) -> Sums:
    """How a finished run's numbers were summed, in the rounds that it really played."""
    if not result.settings.aggregation.secure:
        return PLAIN
    assert result.state.scheme is not None
    return how_summed(result.settings, result.state.scheme.length, result.state.round)


def how_summed(settings: Settings, length: int, rounds: int) -> Sums:
    """How a file's sums are made. `length`: of an update; `rounds`: as many as were played."""
    aggregation = settings.aggregation
    if not aggregation.secure:
        return PLAIN
    scheme = Scheme(settings, hubs(settings), length)
    everybody = scheme.everybody()
    members = len(everybody.members)
    crowd = least_crowd(scheme, members)
    epsilon, delta = privacy(scheme, everybody, rounds)
    return Sums(
        secure=True,
        recipients=scheme.recipients,
        members=members,
        colluders=colluders(settings),
        crowd=crowd,
        full_crowd=scheme.crowd(members),
        # Each department audits the sums over those who delivered, and signs only if each is over so many.
        fewest=crowd + scheme.beside,
        largest_share=1 / aggregation.crowd_soft,
        counts=settings.weights.counts,
        across_rounds=aggregation.across_rounds,
        rounds=rounds,
        epsilon=epsilon,
        delta=delta,
    )


def least_crowd(scheme: Scheme, members: int) -> int:
    """k of the smallest round that is possible: some may refuse, and the default asks less of fewer than six."""
    possible = [n for n in range(2, members + 1) if fewest(scheme, n) <= n]
    return min((scheme.crowd(n) for n in possible), default=scheme.crowd(members))


def privacy(scheme: Scheme, everybody: Turnout, rounds: int) -> tuple[float | None, float | None]:
    """(epsilon, delta) of so many rounds for the department that is in most sums; Nones without noise.

    A round may mask by atom or by cohort, depending on who is away. This counts a sum for every hub that a
    department writes to, which bounds both.
    """
    group = next((group for group in scheme.groups(everybody) if group.name == UPDATES), None)
    if group is None or group.noise is None or scheme.settings.aggregation.noise is None:
        return None, None
    delta = scheme.settings.aggregation.noise.delta
    often = max(sum(name in members for members in everybody.writes.values()) for name in everybody.members)
    noise, scale = group.noise, group.fixed.scale
    spent = cost(group.length, noise.norm, scale, noise.variance).times(rounds * often)
    return spent.epsilon(delta), min(1.0, delta + rounds * _table_distance(group, noise))


def _table_distance(group: Group, noise: Noise) -> float:
    """What the finite table that noise is drawn from adds to delta in one round: no more than this."""
    draws = group.length * sum(len(cohort.members) for cohort in group.cohorts)
    return draws * Sampler.of(noise.variance / noise.honest).distance
