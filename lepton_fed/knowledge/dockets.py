"""What departments decide about their facts goes on record: each into a docket of its own, beside the database.

    audit-keys/knowledge/<department>.docket      mode 600, as that of a simulation (`audit.key_folder`)

What cannot be noted is not answered: the error goes through to whoever asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lepton_fed.audit.key_folder import KeyFolder
from lepton_fed.audit.own_log import DepartmentLog, policy_digest
from lepton_fed.knowledge.graph import LOG
from lepton_fed.policies import Decision, Policies


@dataclass(eq=False)
class Dockets:
    """Those of all departments of a federation. `heard` is told of each decision."""

    beside: Path
    policies: Policies
    _logs: dict[str, DepartmentLog] = field(default_factory=dict, init=False, repr=False)

    def heard(self, decision: Decision) -> None:
        """Note it in its owner's docket; who is no department owns nothing and has none."""
        owner = decision.request.owner
        if owner in self.policies.departments:
            self._log(owner).heard(decision)

    def _log(self, owner: str) -> DepartmentLog:
        if owner not in self._logs:
            keys = KeyFolder(self.beside, LOG)
            coordinator = keys.signers(sorted(self.policies.departments)).coordinator.public
            self._logs[owner] = keys.department(owner, coordinator, "")
            self._logs[owner].policy = policy_digest(self.policies, owner)
        return self._logs[owner]
