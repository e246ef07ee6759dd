"""A department's part in statistics: its yes or no to a plan, by its own rules, and its numbers.

examine(plan)         is this the plan that its own copy of the file makes, and may each reader aggregate?
contributions(plan)   what it counted, small cells left out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from lepton_fed.consent import Consent
from lepton_fed.secagg.contribution import Contribution
from lepton_fed.secagg.errors import Malformed, Refused
from lepton_fed.secagg.plan import Plan
from lepton_fed.secagg.roster import Roster
from lepton_fed.statistics.survey import STATISTICS, Survey
from lepton_fed.statistics.tallies import RawRows, tallied


@dataclass(frozen=True)
class Respondent:
    """One department that answers for its rows. `minimum`: its own smallest cell, whatever the file says."""

    consent: Consent
    survey: Survey
    rows: RawRows = field(repr=False)
    minimum: int = 1

    def examine(self, plan: Plan, roster: Roster) -> None:
        """Malformed where the plan is not the file's; secagg's Refused where its own rules forbid it."""
        expected = self.survey.plan(roster, plan.members, plan.attempt)
        if expected != plan:
            found = ", ".join(f.name for f in fields(plan) if getattr(plan, f.name) != getattr(expected, f.name))
            raise Malformed(f"the plan of statistics is not the one that the federation file makes ({found})")
        asked = self.survey.asked
        if asked.minimum < self.minimum:
            reason = (
                f"it lets no cell of fewer than {self.minimum} rows leave, and statistics.minimum is {asked.minimum}"
            )
            raise Refused(self.consent.owner, reason)
        for reader in self.survey.readers:
            if reader != self.consent.owner:
                self._ask(reader, asked.what, len(plan.members))

    def contributions(self, plan: Plan) -> Mapping[str, Contribution]:
        """By group, as `Shared.mask` takes them."""
        return {STATISTICS: tallied(self.survey.question, self.rows)}

    def _ask(self, reader: str, what: str, crowd: int) -> None:
        decision = self.consent.ask(who=reader, verb="aggregate", what=what, crowd=crowd)
        if not decision.permitted:
            raise Refused(self.consent.owner, decision.reasons[0])
