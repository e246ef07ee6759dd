"""Which step is next, and how a worker comes to hold it: inside one transaction of a run.

ready, of an open department, with room for it ──► permitted? ──► Taken, with a Claim where a worker is to do it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select

from lepton_fed.errors import LeptonError
from lepton_fed.pipeline import reasons
from lepton_fed.pipeline.journal import EVENT, STEP, Journal, RunKey
from lepton_fed.pipeline.permission import Answer
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.room import Room
from lepton_fed.pipeline.states import Move, State
from lepton_fed.pipeline.step import Result, Step

MOST_LOST = 50
"""How often a step's workers may be lost before it is given up: it may be the step that kills them."""

Permit = Callable[[Step], tuple[tuple[Answer, ...], str | None]]
"""What the owners of data say to a step, and the objection if there is one."""


class LeaseLost(LeptonError):
    """Somebody else has the step by now, or it was cancelled; what was done for it is not recorded."""


@dataclass(frozen=True)
class Claim:
    """A step that a worker holds. `begun` tells it from every other time that it was taken up."""

    run: RunKey
    step: Step
    worker: str
    begun: int
    turn: int
    attempt: int
    since: datetime
    results: Mapping[str, Result]
    last: Result


@dataclass(frozen=True)
class Taken:
    """What became of a step that was next: held by the worker (`claim`), by hand, or refused."""

    step: Step
    state: State
    answers: tuple[Answer, ...] = ()
    claim: Claim | None = None
    reason: str = ""


def held(claim: Claim) -> Any:
    """The step's row, as long as it is the claim's."""
    return (
        claim.run.of(STEP)
        & (STEP.c.step == claim.step.name)
        & (STEP.c.state == State.RUNNING.value)
        & (STEP.c.worker == claim.worker)
        & (STEP.c.begun == claim.begun)
    )


def take_over(journal: Journal, holding: Iterable[Claim]) -> None:
    """Steps whose workers gave no sign of life are ready again. `holding`: those of whoever asks, who gives one."""
    wanted = select(STEP.c.step, STEP.c.worker, STEP.c.begun).where(
        journal.run.of(STEP), STEP.c.state == State.RUNNING.value, STEP.c.lease < journal.now
    )
    own = {(claim.step.name, claim.worker, claim.begun) for claim in holding}
    for name, worker, begun in journal.connection.execute(wanted.order_by(STEP.c.position)).all():
        if (name, worker, begun) in own:
            continue
        lost = select(func.count()).where(journal.run.of(EVENT), EVENT.c.step == name, EVENT.c.move == Move.LOST.value)
        if journal.connection.execute(lost).scalar_one() >= MOST_LOST:
            journal.move(name, Move.BROKEN, reason=reasons.lost_often(MOST_LOST))
        else:
            journal.move(name, Move.LOST, reason=reasons.LOST)


def next_step(journal: Journal, plan: Plan, rooms: Mapping[str, Room]) -> Step | None:
    """Of the open departments' next steps, each if there is room for it, the one of the highest rank.

    A step that finds no room is waited for, and none of a lower rank goes before it.
    """
    ready = _ready(journal.run, journal.now).where(STEP.c.department.in_(sorted(rooms)))
    first: dict[str, Step] = {}
    for name in journal.connection.execute(ready).scalars():
        first.setdefault(plan.step(name).department, plan.step(name))
    running = _running(journal, plan)
    for department, step in first.items():
        room = rooms[department]
        beside = [one.takes for one in running if one.department == department]
        if room.opens(journal.now) <= journal.now and (step.kind == "manual" or room.holds(step.takes, beside)):
            return step
    return None


def _ready(run: RunKey, now: datetime) -> Any:
    """Steps that may begin, as a query: the highest rank first."""
    due = or_(STEP.c.not_before.is_(None), STEP.c.not_before <= now)
    wanted = select(STEP.c.step).where(run.of(STEP), STEP.c.state == State.READY.value, due)
    return wanted.order_by(STEP.c.rank.desc(), STEP.c.position)


def _running(journal: Journal, plan: Plan) -> list[Step]:
    wanted = select(STEP.c.step).where(journal.run.of(STEP), STEP.c.state == State.RUNNING.value)
    return [plan.step(name) for name in journal.connection.execute(wanted).scalars()]


def take(journal: Journal, step: Step, worker: str, permit: Permit, lease: float) -> Taken:
    """Asks the owners of data, then gives the step to the worker, for so many seconds without a sign of life."""
    answers, objection = permit(step)
    journal.decided(answers)
    if objection is not None:
        state = journal.move(step.name, Move.DENIED, reason=objection, by=worker)
        return Taken(step, state, answers, reason=objection)
    row = journal.row(step.name)
    if step.kind == "manual":
        state = journal.move(step.name, Move.RECORDED, reason=reasons.BY_HAND, by=worker, started=journal.now)
        return Taken(step, state, answers)
    begun = row["begun"] + 1
    until = journal.now + timedelta(seconds=lease)
    started = row["started"] or journal.now
    state = journal.move(step.name, Move.STARTED, by=worker, worker=worker, begun=begun, lease=until, started=started)
    claim = Claim(
        run=journal.run,
        step=step,
        worker=worker,
        begun=begun,
        turn=row["turns"] + 1,
        attempt=row["failures"] + 1,
        since=journal.now,
        results=_results(journal, step),
        last=json.loads(row["result"]),
    )
    return Taken(step, state, answers, claim)


def _results(journal: Journal, step: Step) -> dict[str, Result]:
    """Of all that the step comes after, the nearest last: the same whichever steps happen to be over besides."""
    assert journal.plan is not None
    before = journal.plan.ancestors(step.name)
    wanted = select(STEP.c.step, STEP.c.result).where(journal.run.of(STEP), STEP.c.step.in_(before))
    found = {row.step: json.loads(row.result) for row in journal.connection.execute(wanted)}
    return {name: found[name] for name in before}
