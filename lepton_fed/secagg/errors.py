"""What secure aggregation raises on purpose.

LeptonError
├── PolicyError
│   └── Refused       this department says no, with its reason; nothing was sent
├── RoundError
│   └── RoundFailed   the round cannot be completed; says at which exchange, and who said what
├── PeerError
│   └── Misbehaved    a named peer (or the coordinator) sent what the protocol does not allow
└── Malformed         bytes that are no message of this protocol version
"""

from __future__ import annotations

from lepton_fed.errors import LeptonError, PeerError, PolicyError, RoundError


class Refused(PolicyError):
    """This department will not take the next step. It has sent nothing and its state is what it was."""


class Misbehaved(PeerError):
    """A named peer broke the protocol; the department that noticed has sent nothing."""


class Malformed(LeptonError):
    """Bytes or field values that no honest implementation of this protocol version produces."""


class RoundFailed(RoundError):
    """The round is over without a result.

    `spent` tells whether some department may already have sent its masked input: if so, those departments
    answer no other attempt on the same model hash (the burn rule); if not, the same round may be attempted
    again.
    """

    def __init__(self, exchange: str, what: str, *, spent: bool, reasons: dict[str, str] | None = None) -> None:
        self.exchange = exchange
        self.spent = spent
        self.reasons = dict(reasons or {})
        said = "; ".join(f"{name}: {reason}" for name, reason in sorted(self.reasons.items()))
        super().__init__(f"the round ended at {exchange!r}: {what}" + (f" ({said})" if said else ""))
