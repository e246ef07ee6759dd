"""Moves of steps inside one transaction: the row, the event, the decisions and the audit entries, all or nothing.

with store.journal(run, plan) as journal:
    journal.move("研发部门/训练", Move.FINISHED, result={...})     frees, or bars, what comes after it
──► pipeline_step, pipeline_event, audit_entry; and pipeline_run once nothing is left
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, Table, insert, select, update

from lepton_fed.audit import Decided, Entry, Openings, StepMoved, append, moment
from lepton_fed.pipeline.permission import Answer
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.reasons import asked, barred
from lepton_fed.pipeline.states import GAVE_UP, GOES_ON, OVER, Move, State, moved
from lepton_fed.pipeline.step import Result
from lepton_fed.storage.pipeline_tables import PipelineEventRow, PipelineRunRow, PipelineStepRow

STEP = cast(Table, PipelineStepRow.__table__)
RUN = cast(Table, PipelineRunRow.__table__)
EVENT = cast(Table, PipelineEventRow.__table__)


@dataclass(frozen=True)
class RunKey:
    """A run: the pipeline's name and the run's number."""

    pipeline: str
    number: int

    def __str__(self) -> str:
        return f"{self.pipeline}#{self.number}"

    def of(self, table: Any) -> Any:
        """The rows of a table that belong to the run."""
        return (table.c.pipeline == self.pipeline) & (table.c.number == self.number)

    @property
    def key(self) -> dict[str, object]:
        """As columns."""
        return {"pipeline": self.pipeline, "number": self.number}


@dataclass
class Journal:
    """Made for one transaction. `plan` is None where only moves are made that free and bar nothing."""

    connection: Connection
    run: RunKey
    definition: str
    plan: Plan | None
    now: datetime
    purpose: str = ""
    entries: list[Entry] = field(default_factory=list)
    openings: Openings = field(default_factory=Openings)
    ended: bool = False

    def row(self, step: str) -> RowMapping:
        """The step as it is, locked until the transaction ends."""
        wanted = select(STEP).where(self.run.of(STEP), STEP.c.step == step).with_for_update()
        return self.connection.execute(wanted).mappings().one()

    def move(
        self, step: str, move: Move, *, reason: str = "", by: str = "", result: Result = None, **changes: object
    ) -> State:
        """Take a step to its next state, with what follows from it for others. IllegalMove changes nothing."""
        row = self.row(step)
        before = State(row["state"])
        after = moved(before, move)
        reason = str(reason)  # A database takes a sentence for its text alone.
        values: dict[str, object] = {"state": after.value, "reason": reason, **changes}
        if after is not State.RUNNING:
            values |= {"worker": "", "lease": None}
        if after in OVER:
            values["ended"] = self.now
        if result is not None or move in (Move.FINISHED, Move.AGAIN):
            values["result"] = written(result)
        self.connection.execute(update(STEP).where(self.run.of(STEP), STEP.c.step == step).values(**values))
        self._record(row, move, before, after, reason, by or row["worker"], values)
        if after in OVER:
            self.ended = True
            self._follow(step, after)
        return after

    def decided(self, answers: Sequence[Answer]) -> None:
        """What the owners of data said, for the audit log."""
        for one in answers:
            asked = one.asked
            self.entries.append(
                Decided(
                    time=moment(self.now),
                    run=str(self.run),
                    department=asked.owner,
                    principal=asked.who,
                    action=asked.verb,
                    resource=asked.what,
                    purpose=self.purpose,
                    allowed=one.permitted,
                    rules=one.rules,
                    policy=one.policy,
                    context=self.openings.commit(""),
                    reason=self.openings.commit(one.reason),
                )
            )

    def free(self, steps: Iterable[str]) -> None:
        """Let those of these waiting steps go on that have nothing unfinished before them."""
        assert self.plan is not None
        wanted = [name for name in steps if self.plan.step(name)]
        before = {link.after for name in wanted for link in self.plan.before[name]}
        states = self._states({*wanted, *before})
        for name in sorted(wanted, key=self.plan.places.__getitem__):
            if states[name] is State.WAITING and all(states[k.after] in GOES_ON for k in self.plan.before[name]):
                role = self.plan.step(name).approve
                if role is None:
                    self.move(name, Move.FREED)
                else:
                    self.move(name, Move.ASKED, reason=asked(role))

    def close(self, log: str) -> None:
        """Append what happened to the audit log, and end the run if nothing is left of it."""
        if self.ended:
            self._end_run()
        if self.entries:
            append(self.connection, log, self.entries, self.openings)

    # ------------------------------------------------------------ what follows

    def _follow(self, step: str, state: State) -> None:
        if self.plan is None or state is State.CANCELLED:
            return
        followers = self.plan.followers[step]
        if state in GOES_ON:
            self.free(followers)
            return
        for name in followers:
            # One by one: two ways may lead to one step, and the first has barred it already.
            if State(self.row(name)["state"]) is State.WAITING:
                self.move(name, Move.BARRED, reason=barred(step, state))

    def _states(self, steps: set[str]) -> dict[str, State]:
        wanted = select(STEP.c.step, STEP.c.state).where(self.run.of(STEP), STEP.c.step.in_(sorted(steps)))
        return {row.step: State(row.state) for row in self.connection.execute(wanted)}

    def _end_run(self) -> None:
        found = {State(state) for (state,) in self.connection.execute(select(STEP.c.state).where(self.run.of(STEP)))}
        if not found <= OVER:
            return
        state = "finished" if found <= GOES_ON else "failed" if found & GAVE_UP else "cancelled"
        self.connection.execute(update(RUN).where(self.run.of(RUN)).values(state=state, finished=self.now))

    def _record(
        self,
        row: RowMapping,
        move: Move,
        before: State,
        after: State,
        reason: str,
        by: str,
        values: dict[str, object],
    ) -> None:
        turn, attempt = int(row["turns"]) + 1, int(row["failures"]) + 1
        self.connection.execute(
            insert(EVENT).values(
                **self.run.key,
                step=row["step"],
                at=self.now,
                move=move.value,
                before=before.value,
                after=after.value,
                turn=turn,
                attempt=attempt,
                begun=values.get("begun", row["begun"]),
                worker=by,
                reason=reason,
            )
        )
        self.entries.append(
            StepMoved(
                time=moment(self.now),
                run=str(self.run),
                department=row["department"],
                step=row["step"],
                move=move.value,
                before=before.value,
                after=after.value,
                turn=turn,
                attempt=attempt,
                definition=bytes.fromhex(self.definition),
                result=hashlib.sha256(str(values.get("result", "")).encode()).digest(),
                reason=self.openings.commit(reason),
                by=self.openings.commit(by),
            )
        )


def written(result: Result) -> str:
    """A result as it is stored; TypeError for what JSON cannot hold."""
    return json.dumps(result, ensure_ascii=False, sort_keys=True)
