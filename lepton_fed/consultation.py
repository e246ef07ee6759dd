"""Asks every department ahead whether it would train now, so that a run says who would refuse before it begins.

    warnings = drive(consult(settings, state), transport)

For good messages only: who is asked may answer otherwise an hour later, and nobody is bound by it. Each department
decides again when it is asked to work (`enforcement`).
"""

from __future__ import annotations

from lepton_fed.coordinator import State
from lepton_fed.messages import Consult, Consulted, Expected, Message, Refused
from lepton_fed.settings import Settings
from lepton_fed.transport import Flow

SHOWN = 3
"""Reasons of one department in a sentence."""


def consult(settings: Settings, state: State) -> Flow[tuple[str, ...]]:
    """A sentence for each department that would refuse to train now, in the file's order."""
    number = min(state.round + 1, settings.rounds.count)
    there = settings.names if state.roster is None else state.roster.names
    asked = [n for n in settings.names if n in there and any(n in plan.may_write for plan in state.plans)]
    messages: dict[str, Message] = {n: Consult((), True, number, state.fingerprint) for n in asked}
    replies = dict((yield messages))
    sentences = []
    for name in asked:
        reasons = _reasons(replies.get(name))
        if reasons:
            more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
            sentences.append(f"{name} would refuse to train now: {'; '.join(reasons[:SHOWN])}{more}")
    return tuple(sentences)


def _reasons(reply: object) -> tuple[str, ...]:
    """Why it would refuse; nothing where it would not, or did not say."""
    if isinstance(reply, Refused):
        return (reply.reason,)
    denials: list[Expected] = []
    if isinstance(reply, Consulted):
        denials = [one for one in reply.expected if not one.permitted]
    return tuple(dict.fromkeys(reason for one in denials for reason in one.reasons))
