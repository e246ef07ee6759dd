"""The states of a step of a pipeline, and every move between them: one table.

    waiting ──freed──► ready ──started──► running ──finished──► done
       │                 ▲ │                 │ │ └──failed──► failed ──reopened──► waiting
       └─asked─► asking ─┘ └─recorded─► manual └──postponed, again, lost──► ready

A step that is done, manual, skipped or cancelled stays so: no move leads out of those.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a step is."""

    WAITING = "waiting"
    """For steps before it."""
    ASKING = "asking"
    """For somebody who approves it."""
    READY = "ready"
    RUNNING = "running"
    """Held by one worker, as long as it renews its lease."""
    DONE = "done"
    MANUAL = "manual"
    """Nothing of ours does it: recorded as a person's work, never as done."""
    SKIPPED = "skipped"
    """Its condition did not hold; what comes after it goes on."""
    REFUSED = "refused"
    """A policy or an approver said no."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """A step before it failed or was refused."""
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What happens to a step."""

    FREED = "freed"
    ASKED = "asked"
    APPROVED = "approved"
    DECLINED = "declined"
    STARTED = "started"
    FINISHED = "finished"
    AGAIN = "again"
    """A pass of a loop is over, and another one is due."""
    POSTPONED = "postponed"
    """A try failed, and another one is due after a pause."""
    LOST = "lost"
    """Its worker no longer renews its lease."""
    RECORDED = "recorded"
    """As a person's work."""
    OMITTED = "omitted"
    """Its condition does not hold."""
    DENIED = "denied"
    """By a policy."""
    BROKEN = "broken"
    """No further try will help, or none is left."""
    BARRED = "barred"
    """By what became of a step before it."""
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    """In a run that failed and goes on."""


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.WAITING, Move.FREED): State.READY,
    (State.WAITING, Move.ASKED): State.ASKING,
    (State.WAITING, Move.BARRED): State.BLOCKED,
    (State.WAITING, Move.CANCELLED): State.CANCELLED,
    (State.ASKING, Move.APPROVED): State.READY,
    (State.ASKING, Move.DECLINED): State.REFUSED,
    (State.ASKING, Move.CANCELLED): State.CANCELLED,
    (State.READY, Move.STARTED): State.RUNNING,
    (State.READY, Move.RECORDED): State.MANUAL,
    (State.READY, Move.DENIED): State.REFUSED,
    (State.READY, Move.CANCELLED): State.CANCELLED,
    (State.RUNNING, Move.FINISHED): State.DONE,
    (State.RUNNING, Move.AGAIN): State.READY,
    (State.RUNNING, Move.POSTPONED): State.READY,
    (State.RUNNING, Move.LOST): State.READY,
    (State.RUNNING, Move.OMITTED): State.SKIPPED,
    (State.RUNNING, Move.DENIED): State.REFUSED,
    (State.RUNNING, Move.BROKEN): State.FAILED,
    (State.RUNNING, Move.CANCELLED): State.CANCELLED,
    (State.REFUSED, Move.REOPENED): State.WAITING,
    (State.FAILED, Move.REOPENED): State.WAITING,
    (State.BLOCKED, Move.REOPENED): State.WAITING,
}

GOES_ON = frozenset({State.DONE, State.MANUAL, State.SKIPPED})
"""What comes after a step in one of these may begin."""

GAVE_UP = frozenset({State.REFUSED, State.FAILED, State.BLOCKED})
"""What comes after a step in one of these may not; a run that goes on opens them again."""

OVER = GOES_ON | GAVE_UP | {State.CANCELLED}


class IllegalMove(Exception):
    """A move that the table does not have; a defect of the caller, who has changed nothing by it."""


def moved(state: State, move: Move) -> State:
    """The state after a move; IllegalMove where there is no such move."""
    after = TRANSITIONS.get((state, move))
    if after is None:
        raise IllegalMove(f"a step that is {state} cannot be {move}")
    return after
