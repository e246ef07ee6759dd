"""The coordinator's side of federated statistics: one secure sum, and what it says of all rows.

    keys, findings = drive(count(survey, roster, threads), transport)

A department that refuses or is away is left out and named; where too few are left there are no statistics, and
RoundError says why. Departments answer the question once, so an attempt whose numbers were out is the last.
"""

from __future__ import annotations

from collections.abc import Mapping

from lepton_fed.errors import RoundError
from lepton_fed.messages import Advertise
from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.messages import SignedKeys
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.server import Outcome
from lepton_fed.secure import ATTEMPTS, carried, with_keys
from lepton_fed.statistics import STATISTICS, Findings, Survey
from lepton_fed.statistics.survey import ROUND
from lepton_fed.tally import Gathered
from lepton_fed.transport import Flow


def count(
    survey: Survey, roster: Roster, threads: int = 1, first: int = 0
) -> Flow[tuple[Mapping[str, SignedKeys], Findings]]:
    """The statistics, and departments' keys for the next round. `first`: number of the first attempt."""
    members = tuple(name for name in survey.willing if name in roster.names)
    denied = {name: survey.denial(name) or "" for name in survey.owners if name not in members}
    gathered = Gathered(refusals=dict(denied))
    for attempt in range(first, first + ATTEMPTS):
        try:
            plan = survey.plan(roster, members, attempt)
            keys = yield from with_keys({}, set(plan.members), Advertise(ROUND, attempt), gathered)
            outcome = yield from carried(plan, roster, keys, {}, {}, gathered, threads)
        except Malformed as error:
            raise RoundError(f"there are no statistics: {error}{_said(gathered.refusals)}") from None
        except RoundFailed as failure:
            gathered.refusals |= failure.reasons
            left = tuple(name for name in members if name not in gathered.refusals)
            if failure.spent or left == members or attempt + 1 == first + ATTEMPTS:
                raise RoundError(f"there are no statistics: {failure}") from None
            members = left
        else:
            return outcome.next_keys, found(survey, outcome, gathered.refusals)
    raise AssertionError


def found(survey: Survey, outcome: Outcome, refusals: Mapping[str, str]) -> Findings:
    """What the sums say."""
    (total,) = (one for (group, _), one in outcome.sums.items() if group == STATISTICS)
    missing = {**refusals, **outcome.reasons}
    refused = tuple((name, why) for name, why in sorted(missing.items()) if name not in outcome.survivors)
    departments = tuple(name for name in survey.owners if name in outcome.survivors)
    return Findings.of(survey.question, total.vector, total.scalars, departments, refused)


def _said(refusals: Mapping[str, str]) -> str:
    return f" ({'; '.join(f'{name}: {why}' for name, why in sorted(refusals.items()))})" if refusals else ""
