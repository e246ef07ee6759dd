"""An account of what one exchange summed: who is in which sum, and digests by which each can be recognised later.

    Account ── plan (none: added in the clear) ── survivors, what they signed ── ReleasedSum*

Names and digests only, made of what is in memory anyway. The audit log is written from them.
"""

from __future__ import annotations

from dataclasses import dataclass

MEASURED = "measurements"
"""How every group of sums begins that tells how good a model is, and from which no model is made."""

IN_THE_CLEAR = "in the clear"
"""How the groups of sums end that the coordinator made of addends which it saw."""


@dataclass(frozen=True)
class AgreedPlan:
    """What a secure sum's departments compared: digests (32 bytes) of the plan, the roster and the models."""

    digest: bytes
    roster: bytes
    models: bytes
    members: tuple[str, ...]
    threshold: int


@dataclass(frozen=True)
class ReleasedSum:
    """A sum that came out: in which group and cohort, whose addends are in it, its digest (32 bytes)."""

    group: str
    cohort: str
    departments: tuple[str, ...]
    result: bytes


@dataclass(frozen=True)
class Account:
    """One attempt at the sums of a round. `signed`: digest (32 bytes) of the set of survivors as they signed it.

    Without survivors, the attempt came to nothing. Without a plan, nothing was masked and nothing signed.
    """

    round: int
    attempt: int
    plan: AgreedPlan | None
    survivors: tuple[str, ...] = ()
    signed: bytes = bytes(32)
    released: tuple[ReleasedSum, ...] = ()
