"""What statistics and reads ask of a department's policies: may this be done with what it owns, as things are now?

consent.ask(who="研发部门", verb="read", what="物料管理") -> Decision
"""

from __future__ import annotations

from typing import Protocol

from lepton_fed.policies import Decision
from lepton_fed.policies.request import Kind


class Consent(Protocol):
    """Who decides for one owner: its `enforcement.Guard`."""

    owner: str

    def ask(
        self, *, who: str, verb: str, what: str, crowd: int = 1, purpose: str | None = None, kind: Kind = "DataSet"
    ) -> Decision:
        """The decision; default deny. `purpose`: as the asker says it, else the federation's."""
