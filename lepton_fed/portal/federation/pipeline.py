"""The pipeline of the watched federation: where its run is, its timeline, the gates where it waits; answers a gate.

    waits for 质量经理 ──answer(approve)──► goes on as soon as it is run (`--wait` goes on by itself)
                       ──answer(decline)──► refused, with what comes after it

Who may answer: whom the portal's policies let `decide` about the gate, that is, by default, an approver of the
department whose step it is; never who began the run. The answer is the store's own, with the audit entry beside it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError
from lepton_fed.explaining import guards_at
from lepton_fed.pipeline import AutoPipeline, State
from lepton_fed.pipeline.account import worth_saying
from lepton_fed.pipeline.permission import NO_POLICY, Answer, decider, questions
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.report import bars
from lepton_fed.pipeline.status import Event, Status, StepStatus
from lepton_fed.pipeline.step import Step
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.portal.federation.drawings import drawn
from lepton_fed.portal.federation.policies import shown
from lepton_fed.portal.federation.rights import Member, Onlooker
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.people.person import Person
from lepton_fed.secrecy import audit

DECISIONS = ("approve", "decline")
LONGEST_REASON = 500
TEACHING = ("train", "iterate")
"""Kinds of steps in which updates of departments are summed."""


@dataclass(frozen=True)
class StepSeen:
    """A step of the run. `seconds`: how long it took, None where it is not over; `said`: its reason or result."""

    name: str
    department: str
    description: str
    state: str
    role: str
    """Who must approve it; empty where nobody must."""
    seconds: float | None
    said: str


@dataclass(frozen=True)
class GateSeen:
    """A step that waits for a role. `after`: what it comes after, and why; `answers`: what the owners of the data that
    it touches say to it; `reveals`: what its sums would tell, and whom. `yours`: whether the person may answer it.
    """

    step: str
    department: str
    role: str
    since: datetime
    after: tuple[str, ...]
    answers: tuple[Answer, ...]
    reveals: tuple[str, ...]
    yours: bool


@dataclass(frozen=True)
class PipelineSeen:
    """The newest run. `number`: what an answer must bring back, so that it is about the run that was seen."""

    name: str
    number: int
    state: str
    requester: str
    started: datetime
    finished: datetime | None
    steps: tuple[StepSeen, ...]
    gates: tuple[GateSeen, ...]
    events: tuple[Event, ...]
    timeline: str
    """An `<svg>`; empty where nothing has begun."""

    @property
    def goes_on(self) -> bool:
        """Whether there is more to come."""
        return self.state == "running"


def has_pipeline(federation: Federation) -> bool:
    """Whether the federation file declares one."""
    return bool(federation.settings.pipeline)


def pipeline(watched: Watched, onlooker: Onlooker) -> PipelineSeen | None:
    """The newest run as the person sees it; None where there is no pipeline or it was never run. Unreadable."""
    federation = watched.federation()
    with told():
        if not has_pipeline(federation) or watched.url is None:
            return None
        auto = _opened(watched, federation)
        status = auto.status()
        return None if status is None else _seen(auto, status, onlooker)


def answer(watched: Watched, onlooker: Onlooker, *, step: str, run: int, approve: bool, why: str = "") -> None:
    """Approve or decline a step that waits, as the person. Forbidden, Conflict where it does not wait, NotThere."""
    reason = _reason(why, needed=not approve)
    federation = watched.federation()
    with told():
        if not has_pipeline(federation) or watched.url is None:
            raise NotThere
        auto = _opened(watched, federation)
        found = next((one for one in auto.steps if one.name == step and one.approve is not None), None)
        status = auto.status()
        if found is None or found.approve is None or status is None:
            raise NotThere
        _require_allowed(onlooker, found, status)
        if not _waits(status, run, step):
            raise Conflict("gate_changed")
        put = auto.approve if approve else auto.decline
        try:
            put(step, role=found.approve, by=onlooker.person.name, why=reason)
        except ConfigError:
            if not _waits(auto.status(), run, step):
                # Somebody else was faster, between our look and the store's own.
                raise Conflict("gate_changed") from None
            raise


def _waits(status: Status | None, run: int, step: str) -> bool:
    return status is not None and status.number == run and step in {one.name for one in status.in_state(State.ASKING)}


def decided(word: str) -> bool:
    """Whether a decision's word approves; Unacceptable for a word that is none."""
    if word not in DECISIONS:
        raise Unacceptable("fields", fields="decision")
    return word == DECISIONS[0]


def may_answer(onlooker: Onlooker, step: Step, status: Status) -> bool:
    """Whether the person may answer for this step of this run."""
    return onlooker.may_decide(_gate(step)) and not _began(onlooker.person, status)


def _gate(step: Step) -> Member:
    return Member(step.department, step.approve or "")


def _require_allowed(onlooker: Onlooker, step: Step, status: Status) -> None:
    if not onlooker.may_decide(_gate(step)):
        raise Forbidden("decide", department=step.department, role=step.approve)
    if _began(onlooker.person, status):
        raise Forbidden("two_persons_run")


def _began(person: Person, status: Status) -> bool:
    """Whether the run was begun under one of the person's names; the store compares only the one that we tell it."""

    def folded(name: str) -> str:
        return unicodedata.normalize("NFKC", name).strip().casefold()

    return folded(status.requester) in {folded(person.name), folded(person.shown)}


def _reason(why: str, *, needed: bool) -> str:
    reason = " ".join(why.split())
    if needed and not reason:
        raise Unacceptable("reason")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise Unacceptable("long_reason", most=LONGEST_REASON)
    return reason


def _opened(watched: Watched, federation: Federation) -> AutoPipeline:
    return AutoPipeline.of(federation, folder=watched.runs, database=watched.database, say=lambda _: None)


def _seen(auto: AutoPipeline, status: Status, onlooker: Onlooker) -> PipelineSeen:
    plan, events = auto.plan(), auto.events()
    steps = {one.name: one for one in plan.steps}
    return PipelineSeen(
        name=status.pipeline,
        number=status.number,
        state=status.state,
        requester=status.requester,
        started=status.started,
        finished=status.finished,
        steps=tuple(_step(one, steps.get(one.name)) for one in status.steps),
        gates=tuple(_gates(auto, plan, status, events, onlooker)),
        events=events,
        timeline=_timeline(status, events),
    )


def _step(one: StepStatus, step: Step | None) -> StepSeen:
    took = None if one.started is None or one.ended is None else (one.ended - one.started).total_seconds()
    return StepSeen(
        name=one.name,
        department=one.department,
        description=one.description,
        state=one.state.value,
        role=(step.approve if step is not None else None) or "",
        seconds=took,
        said=one.reason or worth_saying(one.result),
    )


def _gates(
    auto: AutoPipeline, plan: Plan, status: Status, events: tuple[Event, ...], onlooker: Onlooker
) -> Iterator[GateSeen]:
    waiting = [one for one in status.in_state(State.ASKING) if any(step.name == one.name for step in plan.steps)]
    if not waiting:
        return
    decide, now = decider(auto.graph), datetime.now(UTC)
    guards = {} if auto.graph.federation is None else guards_at(auto.graph.federation, None)
    readable = {owner for owner, guard in guards.items() if shown(guard, onlooker)}
    for one in waiting:
        step = plan.step(one.name)
        asked = questions(step, plan, auto.graph)
        yield GateSeen(
            step=step.name,
            department=step.department,
            role=step.approve or "",
            since=max((e.at for e in events if e.step == step.name), default=status.started),
            after=tuple(f"{link.after.replace('/', ' ', 1)}: {link.why}" for link in plan.before.get(step.name, ())),
            answers=tuple(
                _told(decide(question, now), readable) for group in asked for question in dict.fromkeys(group)
            ),
            reveals=_revealed(auto, step),
            yours=may_answer(onlooker, step, status),
        )


def _told(answer: Answer, readable: Collection[str]) -> Answer:
    """Yes or no to everybody; why, to whoever may see the owner's own files. Rules of data sharing are nobody's own."""
    if answer.asked.owner in readable or answer.policy == NO_POLICY:
        return answer
    return replace(answer, reason="", rules=())


def _revealed(auto: AutoPipeline, step: Step) -> tuple[str, ...]:
    if step.kind not in TEACHING or auto.graph.federation is None:
        return ()
    found = audit(auto.graph.federation.settings)
    return found.sentences if found.refused is None else (found.refused,)


def _timeline(status: Status, events: tuple[Event, ...]) -> str:
    from lepton_fed.report.timeline import timeline

    return drawn(lambda: timeline(tuple(bars(status, events))))
