"""What was asked of the coordinator's port, by whom and what came of it: one event per call, written before the answer.

    AuditEvent --AuditSink.record--> storage.AuditTable, or anything else that keeps it

Accepted calls that carry nothing (heartbeats, polls that find nothing) are not recorded; every refused call is, but
for those of a caller who is being refused already because there are too many of them: of these the first. So is a
connection that comes to no call, with the reason, such as what its TLS handshake failed by.
An event names departments and paths. It never holds a header, a body, a token or a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

Outcome = Literal["done", "refused", "failed"]


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One call. `actor`: a department, `operator`, `coordinator`, or empty for a stranger. `run`: Flower's number."""

    actor: str
    address: str
    action: str
    outcome: Outcome
    reason: str = ""
    run: str = ""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class AuditSink(Protocol):
    """Somewhere events are kept. `record` is called from several threads; what it raises refuses the call."""

    def record(self, event: AuditEvent) -> None:
        """Keep the event, before the call that it is about is answered."""
