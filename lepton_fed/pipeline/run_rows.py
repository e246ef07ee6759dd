"""A run as rows: the newest one found, a new one added with its steps, one that failed opened again."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import Connection, RowMapping, Table, bindparam, insert, select, text, update

from lepton_fed.errors import ConfigError
from lepton_fed.pipeline.journal import RUN, STEP, Journal, RunKey
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.states import GAVE_UP, Move, State
from lepton_fed.storage.columns import Utc
from lepton_fed.storage.pipeline_tables import PipelineLinkRow
from lepton_fed.translation import sentence

LINK = cast(Table, PipelineLinkRow.__table__)


def latest(connection: Connection, pipeline: str, number: int | None = None) -> RowMapping | None:
    """The pipeline's newest run, or the one of that number."""
    wanted = select(RUN).where(RUN.c.pipeline == pipeline).order_by(RUN.c.number.desc()).limit(1)
    if number is not None:
        wanted = wanted.where(RUN.c.number == number)
    return connection.execute(wanted).mappings().first()


def under_way(connection: Connection, pipeline: str) -> tuple[RunKey, RowMapping]:
    """The run that is not over, locked."""
    found = latest(connection, pipeline)
    if found is not None:
        run = RunKey(pipeline, found["number"])
        found = connection.execute(select(RUN).where(run.of(RUN)).with_for_update()).mappings().one()
        if found["state"] in ("running", "failed"):
            return run, found
    raise ConfigError(f"the pipeline {pipeline!r} has no run under way; run it first")


def added(connection: Connection, run: RunKey, plan: Plan, requester: str, now: datetime) -> bool:
    """Whether the run is new; no: another program began it just now."""
    statement = text(
        "INSERT INTO pipeline_run (pipeline, number, definition, state, requester, started) "
        "VALUES (:pipeline, :number, :definition, 'running', :requester, :started) ON CONFLICT DO NOTHING"
    ).bindparams(bindparam("started", now, type_=Utc()))
    values = {**run.key, "definition": plan.digest, "requester": requester}
    return connection.execute(statement, values).rowcount == 1


def add_steps(connection: Connection, run: RunKey, plan: Plan) -> None:
    """Every step waits, until what may go on is freed."""
    rows = [
        {
            **run.key,
            "step": step.name,
            "position": k,
            "department": step.department,
            "state": State.WAITING.value,
            "rank": plan.critical.rank[step.name],
            **dict.fromkeys(("turns", "failures", "begun"), 0),
            **dict.fromkeys(("worker", "reason"), ""),
            "result": "null",
        }
        for k, step in enumerate(plan.steps)
    ]
    connection.execute(insert(STEP), rows)
    if plan.links:
        links = [{**run.key, "step": one.step, "after": one.after} for one in plan.links]
        connection.execute(insert(LINK), links)


def reopen(journal: Journal) -> None:
    """A run that failed goes on: what failed, was refused or was barred waits again, with fresh tries."""
    connection, run = journal.connection, journal.run
    wanted = select(STEP.c.step).where(run.of(STEP), STEP.c.state.in_([state.value for state in GAVE_UP]))
    names = list(connection.execute(wanted.order_by(STEP.c.position)).scalars())
    connection.execute(update(RUN).where(run.of(RUN)).values(state="running", finished=None))
    for name in names:
        journal.move(name, Move.REOPENED, failures=0, not_before=None, ended=None)
    journal.free(names)


def require_same(connection: Connection, run: RunKey, definition: str, plan: Plan) -> None:
    """ConfigError, saying how they differ, unless the run was begun with these steps."""
    if definition == plan.digest:
        return
    stored = set(connection.execute(select(STEP.c.step).where(run.of(STEP))).scalars())
    new, gone = [s.name for s in plan.steps if s.name not in stored], sorted(stored - set(plan.places))
    what = sentence("a step or its order is another")
    if new or gone:
        what = sentence("{step} is new", step=new[0]) if new else sentence("{step} is gone", step=gone[0])
    raise ConfigError(
        sentence(
            "run {number} of the pipeline {pipeline!r} is not over and was begun with other steps ({what}); "
            "finish it with those, or cancel it",
            number=run.number,
            pipeline=run.pipeline,
            what=what,
        )
    )
