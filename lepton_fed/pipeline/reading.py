"""Runs read back as values: where one is, what happened in it, how long steps took."""

from __future__ import annotations

import json

from sqlalchemy import Connection, RowMapping, select

from lepton_fed.pipeline.journal import EVENT, STEP, RunKey
from lepton_fed.pipeline.run_rows import latest
from lepton_fed.pipeline.states import State
from lepton_fed.pipeline.status import Event, Status, StepStatus


def status(connection: Connection, pipeline: str, number: int | None) -> Status | None:
    """The newest run, or the one of that number; None if there is none."""
    found = latest(connection, pipeline, number)
    if found is None:
        return None
    run = RunKey(pipeline, found["number"])
    rows = connection.execute(select(STEP).where(run.of(STEP)).order_by(STEP.c.position)).mappings()
    return Status(**found, steps=tuple(_step(row) for row in rows))


def events(connection: Connection, run: RunKey) -> tuple[Event, ...]:
    """Every move of a run, in order."""
    rows = connection.execute(select(EVENT).where(run.of(EVENT)).order_by(EVENT.c.id)).mappings()
    return tuple(_event(row) for row in rows)


def durations(connection: Connection, pipeline: str) -> dict[str, float]:
    """Seconds that steps took in earlier runs: of each the mean, where what was lately weighs half."""
    wanted = (
        select(STEP.c.step, STEP.c.started, STEP.c.ended)
        .where(STEP.c.pipeline == pipeline, STEP.c.state == State.DONE.value, STEP.c.started.is_not(None))
        .order_by(STEP.c.number)
    )
    found: dict[str, float] = {}
    for name, started, ended in connection.execute(wanted):
        seconds = (ended - started).total_seconds()
        found[name] = (found.get(name, seconds) + seconds) / 2
    return found


def _step(row: RowMapping) -> StepStatus:
    taken = ("department", "turns", "failures", "begun", "worker", "reason", "started", "ended", "not_before", "lease")
    return StepStatus(
        name=row["step"],
        description=row["step"].partition("/")[2],
        state=State(row["state"]),
        result=json.loads(row["result"]),
        **{key: row[key] for key in taken},
    )


def _event(row: RowMapping) -> Event:
    taken = ("step", "at", "move", "turn", "attempt", "begun", "worker", "reason")
    return Event(before=State(row["before"]), after=State(row["after"]), **{key: row[key] for key in taken})
