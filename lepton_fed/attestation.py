"""Shows a head of the audit log to departments, and hears what they have to tell it.

    Attest(head, proof from where each was last) ──► Attested(countersignature, entries of its docket)
                                                 └─ elsewhere ──► Attest(head, proof from there), once more

Nothing is waited for twice: a department that is away, or says no, is simply not among those who countersigned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lepton_fed.messages import Attest, Attested, Message, Refused, Reply
from lepton_fed.transport import Flow

Proofs = Callable[[int], tuple[bytes, ...]]
"""The proof that the head shown continues the log of so many entries."""


@dataclass(frozen=True)
class Standing:
    """How far the log and a department have come: `seen` entries by its last countersignature, `told` of its docket."""

    seen: int = 0
    told: int = 0


def attest(head: bytes, size: int, proofs: Proofs, standings: Mapping[str, Standing]) -> Flow[dict[str, Reply]]:
    """What each department answers to a head (canonical bytes) over `size` entries."""
    asked: dict[str, Message] = {
        name: Attest(head, at.seen, proofs(at.seen), at.told) for name, at in standings.items()
    }
    found = dict((yield asked)) if asked else {}
    again: dict[str, Message] = {}
    for name, reply in found.items():
        message = asked[name]
        assert isinstance(message, Attest)
        # A coordinator that was killed may not have heard the last countersignature.
        if isinstance(reply, Attested) and not reply.countersignature and reply.seen != message.since:
            if reply.seen > size:
                found[name] = Refused(
                    f"it has seen {reply.seen} entries of the log and is shown {size}: it was rolled back"
                )
            else:
                again[name] = replace(message, since=reply.seen, proof=proofs(reply.seen))
    return found | (dict((yield again)) if again else {})
