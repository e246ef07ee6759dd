"""A worker: takes up what is next of its departments, does it in threads, renews its leases, records what came of it.

    claim ──► thread: condition, work ──► Outcome ──► end          the thread of `run` alone talks to the database
      ▲                                              │
      └──────────── until nothing is left ◄──────────┘

Killed at any moment, it leaves steps whose leases end; another worker, or the next run, takes those up again.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from lepton_fed.errors import LeptonError, PolicyError, StorageError
from lepton_fed.pipeline import reasons
from lepton_fed.pipeline.claiming import Claim, LeaseLost, Permit, Taken
from lepton_fed.pipeline.clock import Clock
from lepton_fed.pipeline.journal import RunKey, written
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.room import Room
from lepton_fed.pipeline.states import Move, State
from lepton_fed.pipeline.status import Status
from lepton_fed.pipeline.step import NOT_RETRIED, Call, GiveUp, Recorded, Result
from lepton_fed.pipeline.store import PipelineStore

POLL = 0.5
"""Seconds between two looks at what others do."""


class Watcher(Protocol):
    """Told what happens, as it happens."""

    def taken(self, taken: Taken) -> None: ...

    def ended(self, claim: Claim, move: Move, state: State, reason: str, result: Result) -> None: ...

    def idle(self, status: Status, until: float | None) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What a thread came to: the move that it means, and what goes with it."""

    move: Move
    result: Result = None
    reason: str = ""
    pause: float = 0.0
    recorded: Recorded | None = None


@dataclass
class _Task:
    """A claim under way."""

    claim: Claim
    stopping: threading.Event


@dataclass
class Worker:
    """Works through one run of a plan, for the departments in `rooms`.

    `wait`: go on looking where nothing can be done but by others (workers or people); without, `run` returns then.
    """

    store: PipelineStore
    plan: Plan
    name: str
    rooms: Mapping[str, Room]
    permit: Permit
    clock: Clock
    watcher: Watcher
    wait: bool = False
    _tasks: dict[str, _Task] = field(default_factory=dict, init=False)
    _renewed: datetime | None = field(default=None, init=False)
    _outcomes: queue.Queue[tuple[Claim, Outcome]] = field(default_factory=queue.Queue, init=False)

    def run(self, run: RunKey) -> Status:
        """Returns when the run is over, or nothing is left that this worker may do."""
        try:
            while True:
                self._begin(run)
                if self._tasks:
                    self._collect()
                    continue
                status = self.store.status(run.number)
                assert status is not None
                if status.state != "running" or not self._look_again(status):
                    return status
        finally:
            self._let_go()

    # ------------------------------------------------------------ steps

    def _begin(self, run: RunKey) -> None:
        """Takes up all that may begin now."""
        while (taken := self._claimed(run)) is not None:
            self.watcher.taken(taken)
            if taken.claim is not None:
                self._start(taken.claim)

    def _claimed(self, run: RunKey) -> Taken | None:
        return self.store.claim(run, self.plan, self.name, self.rooms, self.permit, self._held())

    def _held(self) -> list[Claim]:
        return [task.claim for task in self._tasks.values()]

    def _start(self, claim: Claim) -> None:
        if (lost := self._tasks.get(claim.step.name)) is not None:  # Taken over and given back before we knew.
            lost.stopping.set()
        task = _Task(claim, threading.Event())
        self._tasks[claim.step.name] = task
        # Not joined at the end of the process: work that hears of no end must not keep it alive.
        threading.Thread(target=self._work, args=(task,), name=claim.step.name, daemon=True).start()

    def _work(self, task: _Task) -> None:
        self._outcomes.put((task.claim, outcome_of(task.claim, task.stopping)))

    def _collect(self) -> None:
        """Waits for the next outcome, as long as leases hold without a sign of life; then gives one."""
        self._renew()
        try:
            claim, outcome = self._outcomes.get(timeout=min(POLL, self.store.lease / 3))
        except queue.Empty:
            self._end_late()
            return
        task = self._tasks.get(claim.step.name)
        if task is not None and task.claim is claim:
            del self._tasks[claim.step.name]
            self._end(claim, outcome)
        self._end_late()

    def _end(self, claim: Claim, outcome: Outcome) -> None:
        within = outcome.recorded.within if outcome.recorded is not None else None
        try:
            state = self.store.end(
                claim,
                self.plan,
                outcome.move,
                result=outcome.result,
                reason=outcome.reason,
                pause=outcome.pause,
                within=within,
            )
        except LeaseLost as lost:
            self.watcher.ended(claim, Move.LOST, State.READY, str(lost), None)
            return
        self.watcher.ended(claim, outcome.move, state, outcome.reason, outcome.result)

    def _renew(self) -> None:
        """A third of a lease after the last time."""
        now = self.clock.now()
        if self._renewed is None or (now - self._renewed).total_seconds() >= min(POLL, self.store.lease / 3):
            self._renewed = now
            for claim in self.store.renew(self._held()):
                self._tasks.pop(claim.step.name).stopping.set()
                self.watcher.ended(claim, Move.LOST, State.READY, "it was taken over or cancelled", None)

    def _end_late(self) -> None:
        """Ends what has taken too long; not while an outcome waits, which may be that of what was done in time."""
        now = self.clock.now()
        if not self._outcomes.empty():  # Looked at after the clock: what comes from now on is late.
            return
        for task in list(self._tasks.values()):
            limit = task.claim.step.timeout
            if limit is not None and now > task.claim.since + timedelta(seconds=limit):
                task.stopping.set()
                del self._tasks[task.claim.step.name]
                self._end(task.claim, failure(task.claim, reasons.late(limit)))

    def _let_go(self) -> None:
        """Broken off: the steps are free for whoever goes on."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.stopping.set()
        # Without the database the leases end by themselves, and the reason for that is on its way to the caller.
        with contextlib.suppress(StorageError):
            self.store.let_go([task.claim for task in tasks], self.plan, reasons.STOPPED)

    # ------------------------------------------------------------ waiting

    def _look_again(self, status: Status) -> bool:
        """Waits for a pause to end, a department to open or a worker elsewhere; no: nothing to wait for."""
        now = self.clock.now()
        mine = [one for one in status.steps if one.department in self.rooms]
        due = [
            self.rooms[one.department].opens(max(now, one.not_before or now))
            for one in mine
            if one.state is State.READY
        ]
        held = [one for one in mine if one.state is State.RUNNING]
        left = [one for one in mine if one.state in (State.WAITING, State.ASKING, State.READY, State.RUNNING)]
        if not left or not (due or held or self.wait):
            return False
        until = min(due, default=None)
        seconds = None if until is None else (until - now).total_seconds()
        self.watcher.idle(status, seconds)
        # A run may be cancelled and a step approved meanwhile, so nobody sleeps through the night in one piece.
        self.clock.sleep(POLL if seconds is None or held else max(0.001, min(seconds, 60.0)))
        return True


def outcome_of(claim: Claim, stopping: threading.Event) -> Outcome:
    """Does the work of a claim; whatever goes wrong is an outcome, too."""
    step = claim.step
    call = Call(
        run=str(claim.run),
        step=step.name,
        department=step.department,
        turn=claim.turn,
        attempt=claim.attempt,
        results=claim.results,
        last=claim.last,
        stopping=stopping,
    )
    try:
        if step.when is not None and claim.turn == 1 and not step.when(claim.results):
            return Outcome(Move.OMITTED, reason=reasons.OMITTED)
        assert step.work is not None
        return _worked(claim, step.work(call))
    except PolicyError as error:
        return Outcome(Move.DENIED, reason=str(error))
    except (GiveUp, *NOT_RETRIED) as error:
        return Outcome(Move.BROKEN, reason=str(error))
    except Exception as error:
        # Only our own sentences: those of other libraries may quote a row.
        return failure(claim, str(error) if isinstance(error, LeptonError) else type(error).__name__)


def _worked(claim: Claim, returned: object) -> Outcome:
    recorded = returned if isinstance(returned, Recorded) else None
    result = returned if recorded is None else recorded.result
    try:
        written(result)
    except (TypeError, ValueError):
        kind = type(result).__name__
        return Outcome(Move.BROKEN, reason=f"its work returned what JSON cannot hold ({kind}); return plain values")
    step = claim.step
    if step.until is None or step.until(result):
        return Outcome(Move.FINISHED, result, recorded=recorded)
    if claim.turn < step.budget:
        return Outcome(Move.AGAIN, result, reasons.another_pass(claim.turn, step.budget), recorded=recorded)
    return Outcome(Move.BROKEN, result, reasons.spent(step.budget, _why(result)), recorded=recorded)


def _why(result: Result) -> str:
    """What a result says of itself, else that the loop's condition does not hold."""
    said = result.get("why") if isinstance(result, dict) else None
    return said if isinstance(said, str) and said else reasons.NOT_YET


def failure(claim: Claim, reason: str) -> Outcome:
    """Another try after a pause, or the end of the step."""
    retries = claim.step.retries
    if claim.attempt > retries.times:
        return Outcome(Move.BROKEN, reason=reasons.tried(reason, claim.attempt) if retries.times else reason)
    key = f"{claim.run}/{claim.step.name}/{claim.turn}/{claim.attempt}"
    return Outcome(Move.POSTPONED, reason=reason, pause=retries.pause(claim.attempt, key))
