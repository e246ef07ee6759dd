"""Runs of pipelines in a database: begun, claimed step by step, finished; whoever is killed loses its lease, no more.

    begin ──► claim ──► Claim ──renew──► end(claim, move)       approve, cancel: at any time

Each method is one transaction, in which the step's state, the policies' decisions, the audit rows and the event are
committed together or not at all. Writers of one run queue up: SQLite's behind BEGIN IMMEDIATE, PostgreSQL's behind the
run's row (FOR UPDATE). Skipping what others have locked would let two of them fill a department's room twice, or each
miss that the other did what a step waited for; and all of them meet at the audit log's head anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, select, update

from lepton_fed.closing import Closing
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import reading, run_rows
from lepton_fed.pipeline.claiming import Claim, LeaseLost, Permit, Taken, held, next_step, take, take_over
from lepton_fed.pipeline.clock import Clock
from lepton_fed.pipeline.given import kept
from lepton_fed.pipeline.journal import RUN, STEP, Journal, RunKey
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.reasons import answered
from lepton_fed.pipeline.room import Room
from lepton_fed.pipeline.states import OVER, Move, State
from lepton_fed.pipeline.status import Event, Status
from lepton_fed.pipeline.step import Result, Step
from lepton_fed.storage import schema


class PipelineStore(Closing):
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
            found = run_rows.latest(connection, self.pipeline)
            if found is not None and found["state"] in ("running", "failed"):
                run = RunKey(self.pipeline, found["number"])
                run_rows.require_same(connection, run, found["definition"], plan)
                if found["state"] == "failed":
                    with self._journal(connection, run, plan) as journal:
                        run_rows.reopen(journal)
                return run
            run = RunKey(self.pipeline, 1 if found is None else found["number"] + 1)
            if run_rows.added(connection, run, plan, requester, self.clock.now()):
                run_rows.add_steps(connection, run, plan)
                with self._journal(connection, run, plan) as journal:
                    journal.free(step.name for step in plan.steps)
            return run

    def status(self, number: int | None = None) -> Status | None:
        """The newest run, or the one of that number; None if there is none."""
        with self.database.reading() as connection:
            return reading.status(connection, self.pipeline, number)

    def events(self, number: int) -> tuple[Event, ...]:
        """Every move of a run, in order."""
        with self.database.reading() as connection:
            return reading.events(connection, RunKey(self.pipeline, number))

    def durations(self) -> dict[str, float]:
        """Seconds that steps took in earlier runs: of each the mean, where what was lately weighs half."""
        with self.database.reading() as connection:
            return reading.durations(connection, self.pipeline)

    # ------------------------------------------------------------ work

    def claim(
        self,
        run: RunKey,
        plan: Plan,
        worker: str,
        rooms: Mapping[str, Room],
        permit: Permit,
        holding: Iterable[Claim] = (),
    ) -> Taken | None:
        """The step to do next of the departments that have a room here, the highest rank first; None if none can begin.

        Steps whose workers were lost are ready again, first of all. `holding`: what the worker has under way, and keeps
        however long its last sign of life is ago.
        """
        with self._moving(run, plan) as journal:
            if self._state(journal) != "running":
                return None
            take_over(journal, holding)
            step = next_step(journal, plan, rooms)
            return None if step is None else take(journal, step, worker, permit, self.lease)

    def renew(self, claims: Iterable[Claim]) -> tuple[Claim, ...]:
        """Hold these for longer; returns those that are lost."""
        lost = []
        with self.database.writing() as connection:
            until = self.clock.now() + timedelta(seconds=self.lease)
            for claim in claims:
                done = connection.execute(update(STEP).where(held(claim)).values(lease=until))
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
                if journal.connection.execute(select(STEP.c.step).where(held(claim))).first() is not None:
                    journal.move(claim.step.name, Move.LOST, reason=reason)

    # ------------------------------------------------------------ people

    def answer(self, plan: Plan, step: Step, *, role: str, by: str, approve: bool, why: str = "") -> RunKey:
        """Somebody in a role approves, or declines, a step that waits for it; ConfigError if he may not."""
        reason = answered(role, approve, kept(why))
        with self.database.writing() as connection:
            run, found = run_rows.under_way(connection, self.pipeline)
            run_rows.require_same(connection, run, found["definition"], plan)
            if step.approve != role:
                asked = "nobody" if step.approve is None else step.approve
                raise ConfigError(f"{step.name} waits for {asked}, not for {role}")
            if by == found["requester"]:
                raise ConfigError(f"{by} began this run and cannot approve a step of it; somebody else must")
            with self._journal(connection, run, plan) as journal:
                state = State(journal.row(step.name)["state"])
                if state is not State.ASKING:
                    raise ConfigError(f"{step.name} does not wait for approval: it is {state}")
                move = Move.APPROVED if approve else Move.DECLINED
                journal.move(step.name, move, reason=reason, by=by)
            return run

    def cancel(self, by: str, why: str = "") -> RunKey:
        """End the run under way: what is done stays done, and nothing else is begun or recorded."""
        reason = kept(why)
        with self.database.writing() as connection:
            run, found = run_rows.under_way(connection, self.pipeline)
            with self._journal(connection, run, None, found["definition"]) as journal:
                rows = connection.execute(
                    select(STEP.c.step, STEP.c.state).where(run.of(STEP)).order_by(STEP.c.position)
                ).all()
                for name, state in rows:
                    if State(state) not in OVER:
                        journal.move(name, Move.CANCELLED, reason=reason, by=by)
            ended = {"state": "cancelled", "finished": self.clock.now()}
            connection.execute(update(RUN).where(run.of(RUN)).values(**ended))
            return run

    def close(self) -> None:
        """Give back the connections."""
        self.database.close()

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
