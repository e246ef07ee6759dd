"""A department's yes or no to a request about what it owns, by its own policies, under the circumstances of now.

consent.ask(who="研发部门", verb="read", what="物料管理") -> Decision, which `heard` is told of
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lepton_fed.policies import ITSELF, Context, Decision, Policies, Request
from lepton_fed.policies.request import Kind


@dataclass(frozen=True)
class Consent:
    """Who decides for one owner. `hour` (0 to 23) and `spent` (epsilon so far, by data set) are asked each time."""

    owner: str
    policies: Policies = field(repr=False)
    purpose: str
    federation: str = ""
    """Fingerprint of the file."""
    hour: Callable[[], int] = lambda: 0
    spent: Callable[[str], float] = lambda _: 0.0
    heard: Callable[[Decision], None] = lambda _: None

    def ask(
        self, *, who: str, verb: str, what: str, crowd: int = 1, purpose: str | None = None, kind: Kind = "DataSet"
    ) -> Decision:
        """The decision; default deny. `purpose`: as the asker says it, else the federation's."""
        context = Context.outside_training(
            purpose=self.purpose if purpose is None else purpose,
            hour=self.hour(),
            federation=self.federation,
            crowd=crowd,
            epsilon_spent=self.spent(what),
        )
        request = Request(who=who, role=ITSELF, verb=verb, what=what, owner=self.owner, context=context, kind=kind)
        decision = self.policies.decide(request)
        self.heard(decision)
        return decision
