"""What the audit log raises on purpose.

LeptonError
├── Unproven        a proof does not lead to the root that it should
├── Tampered        entries or heads are not what was signed; carries the findings
└── PeerError
    └── Inconsistent    the coordinator showed a head that does not continue the one kept here
"""

from __future__ import annotations

from lepton_fed.errors import LeptonError, PeerError


class Unproven(LeptonError):
    """A proof of inclusion or consistency that does not hold."""


class Tampered(LeptonError):
    """A log that does not verify; `findings` are the sentences, the message is the first."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        self.findings = findings
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(findings[0] + more)


class Inconsistent(PeerError):
    """A head that forks the log, rolls it back or is not the coordinator's; the kept one stays."""
