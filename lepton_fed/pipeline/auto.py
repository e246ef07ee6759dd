"""AutoPipeline: the work of the departments of a graph, step by step, in the order that follows from what they need.

    pipeline = AutoPipeline(graph)
    pipeline.add_step("研发部门", "完成模型开发")
    pipeline.add_step("生产车间", "验收", work=accept, needs=["模型"], approve="质量经理")
    pipeline.run()

A finished run starts anew; one that was killed, stopped or failed goes on, and what is done is not done again.
"""

from __future__ import annotations

import getpass
import inspect
import os
import socket
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_fed.collaboration import Graph
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import permission
from lepton_fed.pipeline import plan as planning
from lepton_fed.pipeline.account import Account, ending
from lepton_fed.pipeline.clock import Clock, SystemClock
from lepton_fed.pipeline.descriptions import recognised
from lepton_fed.pipeline.plan import Plan, planned
from lepton_fed.pipeline.room import rooms
from lepton_fed.pipeline.step import Result, Retries, Step, Takes, Work
from lepton_fed.translation import said_by, sentence

if TYPE_CHECKING:
    from lepton_fed.config import Federation
    from lepton_fed.pipeline.built_in import BuiltIn
    from lepton_fed.pipeline.permission import Answer
    from lepton_fed.pipeline.status import Event, Status
    from lepton_fed.pipeline.store import PipelineStore

Names = str | Iterable[str]
"""One name, or several."""


class AutoPipeline:
    """Steps of the departments of a graph.

    `database`: a SQLAlchemy URL or a file of SQLite; default: beside the run folders where the graph has a federation,
    else in memory, for as long as the object lives. `folder`: where run folders go. `say`: takes each line; `show`:
    the names of the steps under way, whenever they change.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        name: str | None = None,
        database: str | Path | None = None,
        folder: str | Path = "runs",
        clock: Clock | None = None,
        lease: float = 30.0,
        say: Callable[[str], None] = print,
        show: Callable[[Collection[str]], None] | None = None,
    ) -> None:
        self.graph = graph
        self.name = name if name is not None else _name_of(graph)
        _check_name(self.name)
        self.folder = Path(folder)
        self._database = database
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._lease = lease
        self._say, self._show = say, show
        self._steps: list[Step] = []
        self._memory: PipelineStore | None = None
        self._built_in: BuiltIn | None = None

    @classmethod
    def of(cls, federation: Federation, **options: Any) -> AutoPipeline:
        """The pipeline that a federation file declares in its [[pipeline]]; options are those of the class."""
        from lepton_fed.pipeline.declared import add_declared

        made = cls(Graph.of(federation), **options)
        add_declared(made, federation.settings)
        return made

    # ------------------------------------------------------------ saying it

    def add_step(
        self,
        department: str,
        description: str,
        *,
        work: Callable[..., Result] | None = None,
        needs: Names = (),
        makes: Names = (),
        after: Names = (),
        when: Callable[..., bool] | None = None,
        until: Callable[..., bool] | None = None,
        budget: int = 1,
        approve: str | None = None,
        retries: int | Retries = 2,
        timeout: float | None = None,
        duration: float = 1.0,
        takes: Takes | None = None,
        action: str | None = None,
    ) -> Step:
        """A department's next step. Without `work`, a description that means work of ours does it (docs/pipelines.md).

        `work`: a function of its `Call`, or of nothing. `after`: steps by name or description. `when`: asked with the
        results so far. `until`, `budget`: over and over, until it is true of the result. `approve`: a role.
        """
        self.graph.require(department, everyone=False)
        common: dict[str, Any] = {
            "needs": _names(needs),
            "makes": _names(makes),
            "after": _names(after),
            "approve": approve,
            "retries": retries if isinstance(retries, Retries) else Retries(times=retries),
            "timeout": timeout,
            "duration": duration,
            "takes": takes,
        }
        kind = recognised(description) if work is None and self.graph.federation is not None else None
        if kind is not None and when is None and until is None and budget == 1 and action is None:
            return self.append(self.built_in.step(kind, department, description, **common))
        return self.append(
            Step(
                department=department,
                description=description,
                kind="manual" if work is None else "work",
                work=None if work is None else _of_a_call(work),
                when=when,
                until=until,
                budget=budget,
                action=action or "读取",
                **common,
            )
        )

    def append(self, step: Step) -> Step:
        """A step that was made elsewhere."""
        if any(one.name == step.name for one in self._steps):
            raise ConfigError(f"{step.department} already has a step {step.description!r}; give each its own words")
        self._steps.append(step)
        return step

    @property
    def steps(self) -> tuple[Step, ...]:
        """In the order in which they were added."""
        return tuple(self._steps)

    def plan(self) -> Plan:
        """What comes after what and why, ranks and the critical path; ConfigError where there is no order."""
        if not self._steps:
            raise ConfigError("the pipeline has no steps; add_step adds one")
        return planned(self._steps, self.graph)

    @property
    def built_in(self) -> BuiltIn:
        """The work that is ours; ConfigError without a federation."""
        if self._built_in is None:
            from lepton_fed.pipeline.built_in import BuiltIn

            if self.graph.federation is None:
                raise ConfigError("only a graph of a federation has work of its own: Graph.of(federation)")
            from lepton_fed.storage import sqlite_url

            where = self._where()
            url = str(where) if not isinstance(where, Path) else sqlite_url(where)
            in_memory = url == "sqlite://"
            self._built_in = BuiltIn(self.graph.federation, self.folder, None if in_memory else url)
        return self._built_in

    # ------------------------------------------------------------ doing it

    def run(self, *, by: str | None = None, only: Names | None = None, wait: bool = False) -> Status:
        """Do all that can be done, and say what and why; goes on where a run is not over.

        `by`: who asks for it, and therefore approves nothing of it. `only`: departments whose steps are taken up here.
        `wait`: stay until the run is over, rather than return when only others, or people, can go on.
        """
        from lepton_fed.pipeline.worker import Worker

        plan = self._estimated()
        mine = self._mine(plan, only)
        room = rooms(self.graph, plan.steps)
        decide = permission.decider(self.graph)

        def permit(step: Step) -> tuple[tuple[Answer, ...], str | None]:
            asked = permission.questions(step, plan, self.graph)
            now = self._clock.now()
            answers = tuple(decide(one, now) for group in asked for one in dict.fromkeys(group))
            return answers, permission.objection(asked, answers)

        with self._store() as store:
            before = store.status()
            run = store.begin(plan, by if by is not None else somebody())
            account = Account(plan, self.graph, self._say, self._show)
            now = store.status(run.number)
            assert now is not None
            account.begun(now, fresh=before is None or before.number != run.number)
            worker = Worker(
                store, plan, _worker_name(), {n: room[n] for n in mine}, permit, self._clock, account, wait=wait
            )
            try:
                status = worker.run(run)
            finally:
                self._sealer(store)()
            self._say(ending(status, plan))
            return status

    def status(self) -> Status | None:
        """The newest run; None if there was none."""
        if self._unwritten:
            return None
        with self._store() as store:
            return store.status()

    def events(self) -> tuple[Event, ...]:
        """Every move of the newest run, in order."""
        if self._unwritten:
            return ()
        with self._store() as store:
            found = store.status()
            return () if found is None else store.events(found.number)

    def approve(self, step: str, *, role: str, by: str | None = None, why: str = "") -> None:
        """Somebody in a role approves a step that waits for it; ConfigError if he began the run or it does not wait."""
        self._answer(step, role, by, why, approve=True)

    def decline(self, step: str, *, role: str, by: str | None = None, why: str = "") -> None:
        """Likewise, and says no: the step is refused, and what comes after it blocked."""
        self._answer(step, role, by, why, approve=False)

    def cancel(self, *, by: str | None = None, why: str = "") -> None:
        """End the run under way; what is done stays done."""
        self._require_written()
        with self._store() as store:
            seal = self._sealer(store)
            store.cancel(by if by is not None else somebody(), why)
            seal()

    def report(self, path: str | Path) -> Path:
        """Write the newest run's timeline and its steps as one HTML file."""
        from lepton_fed.pipeline.report import write_report

        status = self.status()
        if status is None:
            raise ConfigError(f"the pipeline {self.name!r} has no run yet, so there is nothing to report")
        return write_report(Path(path), status, self.events(), self.plan())

    # ------------------------------------------------------------ inside

    def _answer(self, name: str, role: str, by: str | None, why: str, *, approve: bool) -> None:
        plan = self.plan()
        found = planning.named(plan.steps, name)
        if len(found) != 1:
            known = [one.name for one in plan.steps]
            hint = did_you_mean(name, known)
            several = f"; name one of {', '.join(one.name for one in found)}" if found else hint
            raise ConfigError(f"{name!r} is {'more than one step' if found else 'no step'} of the pipeline{several}")
        self._require_written()
        with self._store() as store:
            seal = self._sealer(store)
            who = by if by is not None else somebody()
            store.answer(plan, found[0], role=role, by=who, approve=approve, why=why)
            seal()

    def _sealer(self, store: PipelineStore) -> Callable[[], object]:
        """When it is called, nobody can change afterwards what a federation's pipeline has written until then."""
        federation = self.graph.federation
        if federation is None:
            return lambda: None
        from lepton_fed.pipeline.sealing import sealer
        from lepton_fed.record import DATABASE, folder_of

        where = self._where()
        beside = where.parent if isinstance(where, Path) else folder_of(self.folder / DATABASE, where)
        return sealer(store.database, self.name, beside, federation.settings.names)

    @property
    def _unwritten(self) -> bool:
        """Whether there is no database yet, which whoever only asks does not make."""
        where = self._where()
        return isinstance(where, Path) and not where.exists()

    def _require_written(self) -> None:
        if self._unwritten:
            raise ConfigError(f"the pipeline {self.name!r} has no run under way; run it first")

    def _mine(self, plan: Plan, only: Names | None) -> Collection[str]:
        if only is None:
            return plan.departments
        listed = _names(only)
        self.graph.require(*listed, everyone=False)
        idle = next((name for name in listed if name not in plan.departments), None)
        if idle is not None:
            raise ConfigError(f"{idle} has no step in this pipeline; there are {', '.join(plan.departments)}")
        return listed

    def _estimated(self) -> Plan:
        """The plan, with how long steps took in earlier runs where that is known."""
        plan = self.plan()
        with self._store() as store:
            known = store.durations()
        if not known:
            return plan
        return replace(plan, steps=tuple(replace(s, duration=known.get(s.name, s.duration)) for s in plan.steps))

    @contextmanager
    def _store(self) -> Iterator[PipelineStore]:
        if self._memory is not None:
            yield self._memory
            return
        where = self._where()
        store = self._opened(where)
        if where == "sqlite://":
            self._memory = store
            weakref.finalize(self, store.close)
            yield store
            return
        with store:
            yield store

    def _opened(self, where: str | Path) -> PipelineStore:
        from lepton_fed.pipeline.store import PipelineStore

        federation = self.graph.federation
        if isinstance(where, Path):
            where.parent.mkdir(parents=True, exist_ok=True)
        purpose = federation.settings.federation.purpose if federation is not None else ""
        return PipelineStore(where, self.name, self._clock, purpose=purpose, lease=self._lease)

    def _where(self) -> str | Path:
        if self._database is not None:
            return self._database
        if self.graph.federation is None:
            return "sqlite://"
        from lepton_fed.record import DATABASE

        return self.folder / DATABASE


def somebody() -> str:
    """Who runs this program, as the system knows him."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _name_of(graph: Graph) -> str:
    return "pipeline" if graph.federation is None else graph.federation.settings.federation.name


def _check_name(name: str) -> None:
    from lepton_fed.secagg.errors import Malformed
    from lepton_fed.secagg.roster import check_name

    try:
        check_name(name)
    except Malformed as error:
        raise ConfigError(sentence("a pipeline cannot be called so: {error}", error=said_by(error))) from None


def _worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _names(listed: Names) -> tuple[str, ...]:
    return (listed,) if isinstance(listed, str) else tuple(listed)


def _of_a_call(work: Callable[..., Result]) -> Work:
    """Work that asks for nothing is called with nothing."""
    try:
        parameters = inspect.signature(work).parameters.values()
    except (TypeError, ValueError):
        return work
    if any(one.default is one.empty and one.kind is not one.VAR_KEYWORD for one in parameters):
        return work

    def without(_: object) -> Result:
        return work()

    without.__module__, without.__qualname__ = getattr(work, "__module__", ""), getattr(work, "__qualname__", "work")
    return without
