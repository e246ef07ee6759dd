"""Runs of pipelines in a database: begun, claimed step by step, finished; whoever is killed loses its lease, no more.

    begin ──► claim ──► Claim ──renew──► end(claim, move)       approve, cancel: at any time

Each method is one transaction, in which the step's state, the policies' decisions, the audit rows and the event are
committed together or not at all. Writers of one run queue up: SQLite's behind BEGIN IMMEDIATE, PostgreSQL's behind the
run's row (FOR UPDATE). Skipping what others have locked would let two of them fill a department's room twice, or each
miss that the other did what a step waited for; and all of them meet at the audit log's head anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from sqlalchemy import URL, Connection, RowMapping, Table, bindparam, func, insert, or_, select, text, update

from lepton_fed.errors import ConfigError, LeptonError
from lepton_fed.pipeline.clock import Clock
from lepton_fed.pipeline.journal import EVENT, RUN, STEP, Journal, RunKey
from lepton_fed.pipeline.permission import Answer
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.room import Room
from lepton_fed.pipeline.states import GAVE_UP, OVER, Move, State
from lepton_fed.pipeline.status import Event, Status, StepStatus
from lepton_fed.pipeline.step import Result, Step
from lepton_fed.storage import schema
from lepton_fed.storage.models import PipelineLinkRow, Utc

LINK = cast(Table, PipelineLinkRow.__table__)

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


class PipelineStore:
    """All runs of one pipeline. Close it, or use it in a `with`.

    `lease`: seconds for which a step is its worker's without a sign of life. StorageError, one sentence, if the
    database cannot be used; everything is as it was before then.
    """

    def __init__(
        self,
        where: str | URL | Path,
        pipeline: str,
        clock: Clock,
        *,
        log: str | None = None,
        purpose: str = "",
        lease: float = 30.0,
        patience: float = 30.0,
    ) -> None:
        url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else where
        self.database = schema.opened(url, patience=patience, durable=True)
        self.pipeline = pipeline
        self.clock = clock
        self.lease = lease
        self._log = pipeline if log is None else log
        self._purpose = purpose

    # ------------------------------------------------------------ a run

    def begin(self, plan: Plan, requester: str) -> RunKey:
        """The run to go on with: an unfinished one of the same plan, else a new one. ConfigError for another plan."""
        with self.database.writing() as connection:
            found = self._latest(connection)
            if found is not None and found["state"] in ("running", "failed"):
                run = RunKey(self.pipeline, found["number"])
                self._require_same(connection, run, found["definition"], plan)
                if found["state"] == "failed":
                    self._reopen(connection, run, plan)
                return run
            run = RunKey(self.pipeline, 1 if found is None else found["number"] + 1)
            if self._added(connection, run, plan, requester):
                self._add_steps(connection, run, plan)
            return run

    def status(self, number: int | None = None) -> Status | None:
        """The newest run, or the one of that number; None if there is none."""
        with self.database.reading() as connection:
            found = self._latest(connection, number)
            if found is None:
                return None
            run = RunKey(self.pipeline, found["number"])
            rows = connection.execute(select(STEP).where(run.of(STEP)).order_by(STEP.c.position)).mappings()
            return _status(found, [_step(row) for row in rows])

    def events(self, number: int) -> tuple[Event, ...]:
        """Every move of a run, in order."""
        run = RunKey(self.pipeline, number)
        with self.database.reading() as connection:
            rows = connection.execute(select(EVENT).where(run.of(EVENT)).order_by(EVENT.c.id)).mappings()
            return tuple(_event(row) for row in rows)

    def durations(self) -> dict[str, float]:
        """Seconds that steps took in earlier runs: of each the mean, where what was lately weighs half."""
        wanted = (
            select(STEP.c.step, STEP.c.started, STEP.c.ended)
            .where(STEP.c.pipeline == self.pipeline, STEP.c.state == State.DONE.value, STEP.c.started.is_not(None))
            .order_by(STEP.c.number)
        )
        found: dict[str, float] = {}
        with self.database.reading() as connection:
            for name, started, ended in connection.execute(wanted):
                seconds = (ended - started).total_seconds()
                found[name] = (found.get(name, seconds) + seconds) / 2
        return found

    # ------------------------------------------------------------ work

    def claim(self, run: RunKey, plan: Plan, worker: str, rooms: Mapping[str, Room], permit: Permit) -> Taken | None:
        """The step to do next of the departments that have a room here, the highest rank first; None if none can begin.

        Steps whose workers were lost are ready again, first of all.
        """
        with self._moving(run, plan) as journal:
            if self._state(journal) != "running":
                return None
            self._take_over(journal)
            step = self._next(journal, plan, rooms)
            return None if step is None else self._take(journal, step, worker, permit)

    def renew(self, claims: Iterable[Claim]) -> tuple[Claim, ...]:
        """Hold these for longer; returns those that are lost."""
        lost = []
        with self.database.writing() as connection:
            until = self.clock.now() + timedelta(seconds=self.lease)
            for claim in claims:
                done = connection.execute(update(STEP).where(_held(claim)).values(lease=until))
                if done.rowcount != 1:
                    lost.append(claim)
        return tuple(lost)

    def end(
        self,
        claim: Claim,
        plan: Plan,
        move: Move,
        *,
        result: Result = None,
        reason: str = "",
        pause: float = 0.0,
        within: Callable[[Connection], None] | None = None,
    ) -> State:
        """Record what a step came to; LeaseLost, with nothing recorded, if it is no longer the worker's.

        `within` is called in the same transaction: what it writes to this database is written once, or not at all.
        """
        with self._moving(claim.run, plan) as journal:
            row = journal.row(claim.step.name)
            mine = (row["state"], row["worker"], row["begun"]) == (State.RUNNING.value, claim.worker, claim.begun)
            if not mine:
                raise LeaseLost(f"{claim.step.name} is no longer this worker's; what it did is not recorded")
            changes: dict[str, Any] = {}
            if move is Move.AGAIN:
                changes = {"turns": claim.turn, "failures": 0}
            if move is Move.FINISHED:
                changes = {"turns": claim.turn}
            if move in (Move.POSTPONED, Move.BROKEN):
                changes = {"failures": claim.attempt}
            if move is Move.POSTPONED:
                changes["not_before"] = self.clock.now() + timedelta(seconds=pause)
            if within is not None:
                within(journal.connection)
            return journal.move(claim.step.name, move, reason=reason, result=result, **changes)

    def let_go(self, claims: Iterable[Claim], plan: Plan, reason: str) -> None:
        """Give steps back whose work was broken off, so that nobody waits for the lease to end."""
        for claim in claims:
            with self._moving(claim.run, plan) as journal:
                if journal.connection.execute(select(STEP.c.step).where(_held(claim))).first() is not None:
                    journal.move(claim.step.name, Move.LOST, reason=reason)

    # ------------------------------------------------------------ people

    def answer(self, plan: Plan, step: Step, *, role: str, by: str, approve: bool, why: str = "") -> RunKey:
        """Somebody in a role approves, or declines, a step that waits for it; ConfigError if he may not."""
        with self.database.writing() as connection:
            run, found = self._under_way(connection)
            self._require_same(connection, run, found["definition"], plan)
            if step.approve != role:
                asked = "nobody" if step.approve is None else step.approve
                raise ConfigError(f"{step.name} waits for {asked}, not for {role}")
            if by == found["requester"]:
                raise ConfigError(f"{by} began this run and cannot approve a step of it; somebody else must")
            with self._journal(connection, run, plan) as journal:
                state = State(journal.row(step.name)["state"])
                if state is not State.ASKING:
                    raise ConfigError(f"{step.name} does not wait for approval: it is {state}")
                said = f"{role} {'approved' if approve else 'declined'}" + (f": {why}" if why else "")
                journal.move(step.name, Move.APPROVED if approve else Move.DECLINED, reason=said, by=by)
            return run

    def cancel(self, by: str, why: str = "") -> RunKey:
        """End the run under way: what is done stays done, and nothing else is begun or recorded."""
        with self.database.writing() as connection:
            run, found = self._under_way(connection)
            with self._journal(connection, run, None, found["definition"]) as journal:
                rows = connection.execute(
                    select(STEP.c.step, STEP.c.state).where(run.of(STEP)).order_by(STEP.c.position)
                ).all()
                for name, state in rows:
                    if State(state) not in OVER:
                        journal.move(name, Move.CANCELLED, reason=why, by=by)
            ended = {"state": "cancelled", "finished": self.clock.now()}
            connection.execute(update(RUN).where(run.of(RUN)).values(**ended))
            return run

    def close(self) -> None:
        """Give back the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ inside a transaction

    @contextmanager
    def _moving(self, run: RunKey, plan: Plan) -> Iterator[Journal]:
        """A transaction of moves; the run's row is locked first, so that two of them never wait for each other."""
        with self.database.writing() as connection:
            connection.execute(select(RUN.c.number).where(run.of(RUN)).with_for_update())
            with self._journal(connection, run, plan) as journal:
                yield journal

    @contextmanager
    def _journal(
        self, connection: Connection, run: RunKey, plan: Plan | None, definition: str | None = None
    ) -> Iterator[Journal]:
        digest = definition if plan is None else plan.digest
        assert digest is not None
        journal = Journal(connection, run, digest, plan, self.clock.now(), self._purpose)
        yield journal
        journal.close(self._log)

    def _state(self, journal: Journal) -> str:
        state: str = journal.connection.execute(select(RUN.c.state).where(journal.run.of(RUN))).scalar_one()
        return state

    def _latest(self, connection: Connection, number: int | None = None) -> RowMapping | None:
        wanted = select(RUN).where(RUN.c.pipeline == self.pipeline).order_by(RUN.c.number.desc()).limit(1)
        if number is not None:
            wanted = wanted.where(RUN.c.number == number)
        return connection.execute(wanted).mappings().first()

    def _under_way(self, connection: Connection) -> tuple[RunKey, RowMapping]:
        """The run that is not over, locked."""
        found = self._latest(connection)
        if found is not None:
            run = RunKey(self.pipeline, found["number"])
            found = connection.execute(select(RUN).where(run.of(RUN)).with_for_update()).mappings().one()
            if found["state"] in ("running", "failed"):
                return run, found
        raise ConfigError(f"the pipeline {self.pipeline!r} has no run under way; run it first")

    def _added(self, connection: Connection, run: RunKey, plan: Plan, requester: str) -> bool:
        """Whether the run is new; no: another program began it just now."""
        statement = text(
            "INSERT INTO pipeline_run (pipeline, number, definition, state, requester, started) "
            "VALUES (:pipeline, :number, :definition, 'running', :requester, :started) ON CONFLICT DO NOTHING"
        ).bindparams(_moment("started", self.clock.now()))
        values = {**run.key, "definition": plan.digest, "requester": requester}
        return connection.execute(statement, values).rowcount == 1

    def _add_steps(self, connection: Connection, run: RunKey, plan: Plan) -> None:
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
        with self._journal(connection, run, plan) as journal:
            journal.free(step.name for step in plan.steps)

    def _reopen(self, connection: Connection, run: RunKey, plan: Plan) -> None:
        """A run that failed goes on: what failed, was refused or was barred waits again, with fresh tries."""
        wanted = select(STEP.c.step).where(run.of(STEP), STEP.c.state.in_([state.value for state in GAVE_UP]))
        names = list(connection.execute(wanted.order_by(STEP.c.position)).scalars())
        connection.execute(update(RUN).where(run.of(RUN)).values(state="running", finished=None))
        with self._journal(connection, run, plan) as journal:
            for name in names:
                journal.move(name, Move.REOPENED, failures=0, not_before=None, ended=None)
            journal.free(names)

    def _require_same(self, connection: Connection, run: RunKey, definition: str, plan: Plan) -> None:
        if definition == plan.digest:
            return
        stored = set(connection.execute(select(STEP.c.step).where(run.of(STEP))).scalars())
        new, gone = [s.name for s in plan.steps if s.name not in stored], sorted(stored - set(plan.places))
        what = f"{new[0]} is new" if new else f"{gone[0]} is gone" if gone else "a step or its order is another"
        raise ConfigError(
            f"run {run.number} of the pipeline {self.pipeline!r} is not over and was begun with other steps ({what}); "
            "finish it with those, or cancel it"
        )

    def _take_over(self, journal: Journal) -> None:
        """Steps whose workers gave no sign of life are ready again."""
        wanted = select(STEP.c.step).where(
            journal.run.of(STEP), STEP.c.state == State.RUNNING.value, STEP.c.lease < journal.now
        )
        for name in journal.connection.execute(wanted.order_by(STEP.c.position)).scalars().all():
            lost = select(func.count()).where(
                journal.run.of(EVENT), EVENT.c.step == name, EVENT.c.move == Move.LOST.value
            )
            if journal.connection.execute(lost).scalar_one() >= MOST_LOST:
                journal.move(name, Move.BROKEN, reason=f"{MOST_LOST} workers were lost at it")
            else:
                journal.move(name, Move.LOST, reason="its worker gave no sign of life")

    def _next(self, journal: Journal, plan: Plan, rooms: Mapping[str, Room]) -> Step | None:
        """Of the open departments' next steps, each if there is room for it, the one of the highest rank.

        A step that finds no room is waited for, and none of a lower rank goes before it.
        """
        ready = _ready(journal.run, journal.now).where(STEP.c.department.in_(sorted(rooms)))
        first: dict[str, Step] = {}
        for name in journal.connection.execute(ready).scalars():
            first.setdefault(plan.step(name).department, plan.step(name))
        running = self._running(journal, plan)
        for department, step in first.items():
            room = rooms[department]
            beside = [one.takes for one in running if one.department == department]
            if room.opens(journal.now) <= journal.now and (step.kind == "manual" or room.holds(step.takes, beside)):
                return step
        return None

    def _running(self, journal: Journal, plan: Plan) -> list[Step]:
        wanted = select(STEP.c.step).where(journal.run.of(STEP), STEP.c.state == State.RUNNING.value)
        return [plan.step(name) for name in journal.connection.execute(wanted).scalars()]

    def _take(self, journal: Journal, step: Step, worker: str, permit: Permit) -> Taken:
        answers, objection = permit(step)
        journal.decided(answers)
        if objection is not None:
            state = journal.move(step.name, Move.DENIED, reason=objection, by=worker)
            return Taken(step, state, answers, reason=objection)
        row = journal.row(step.name)
        if step.kind == "manual":
            state = journal.move(step.name, Move.RECORDED, reason="a person's work", by=worker, started=journal.now)
            return Taken(step, state, answers)
        begun = row["begun"] + 1
        lease = journal.now + timedelta(seconds=self.lease)
        started = row["started"] or journal.now
        state = journal.move(
            step.name, Move.STARTED, by=worker, worker=worker, begun=begun, lease=lease, started=started
        )
        claim = Claim(
            run=journal.run,
            step=step,
            worker=worker,
            begun=begun,
            turn=row["turns"] + 1,
            attempt=row["failures"] + 1,
            since=journal.now,
            results=self._results(journal, step),
            last=json.loads(row["result"]),
        )
        return Taken(step, state, answers, claim)

    def _results(self, journal: Journal, step: Step) -> dict[str, Result]:
        """Of all that the step comes after, the nearest last: the same whichever steps happen to be over besides."""
        assert journal.plan is not None
        before = journal.plan.ancestors(step.name)
        wanted = select(STEP.c.step, STEP.c.result).where(journal.run.of(STEP), STEP.c.step.in_(before))
        found = {row.step: json.loads(row.result) for row in journal.connection.execute(wanted)}
        return {name: found[name] for name in before}


def _ready(run: RunKey, now: datetime) -> Any:
    """Steps that may begin, as a query: the highest rank first."""
    due = or_(STEP.c.not_before.is_(None), STEP.c.not_before <= now)
    wanted = select(STEP.c.step).where(run.of(STEP), STEP.c.state == State.READY.value, due)
    return wanted.order_by(STEP.c.rank.desc(), STEP.c.position)


def _held(claim: Claim) -> Any:
    """The step's row, as long as it is the claim's."""
    return (
        claim.run.of(STEP)
        & (STEP.c.step == claim.step.name)
        & (STEP.c.state == State.RUNNING.value)
        & (STEP.c.worker == claim.worker)
        & (STEP.c.begun == claim.begun)
    )


def _moment(name: str, value: datetime) -> Any:
    """A time as a parameter of a statement that is written as text."""
    return bindparam(name, value, type_=Utc())


def _status(row: RowMapping, steps: Sequence[StepStatus]) -> Status:
    return Status(**row, steps=tuple(steps))


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
