"""The pipeline of the watched federation as a person sees it: where its run is, its timeline, where it waits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from lepton_fed.collaboration import Graph
from lepton_fed.explaining import guards_at
from lepton_fed.pipeline import AutoPipeline, State, retelling
from lepton_fed.pipeline.account import worth_saying
from lepton_fed.pipeline.permission import NO_POLICY, Answer, Decide, decider, objection, questions
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.report import bars
from lepton_fed.pipeline.status import Event, Status, StepStatus
from lepton_fed.pipeline.step import Step
from lepton_fed.portal.federation.deciding import may_answer
from lepton_fed.portal.federation.declared import has_pipeline, opened
from lepton_fed.portal.federation.drawings import drawn
from lepton_fed.portal.federation.policies import shown
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.secrecy import audit
from lepton_fed.translation import Sentence, recalled, sentence, verbatim

TEACHING = ("train", "iterate")
"""Kinds of steps in which updates of departments are summed."""
OURS = ("train", "iterate", "validate", "publish")
"""Kinds of steps whose work says nothing but what we say."""


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


def pipeline(watched: Watched, onlooker: Onlooker) -> PipelineSeen | None:
    """The newest run as the person sees it; None where there is no pipeline or it was never run. Unreadable."""
    federation = watched.federation()
    with told():
        if not has_pipeline(federation) or watched.url is None:
            return None
        auto = opened(watched, federation)
        status = auto.status()
        return None if status is None else _seen(auto, status, onlooker)


def _seen(auto: AutoPipeline, status: Status, onlooker: Onlooker) -> PipelineSeen:
    plan, events = auto.plan(), auto.events()
    retold = Retold(plan, auto.graph, {one.name: one for one in status.steps}, onlooker)
    return PipelineSeen(
        name=status.pipeline,
        number=status.number,
        state=status.state,
        requester=status.requester,
        started=status.started,
        finished=status.finished,
        steps=tuple(_step(one, retold) for one in status.steps),
        gates=tuple(_gates(auto, status, events, retold)),
        events=tuple(replace(one, reason=retold.move(one)) for one in events),
        timeline=_timeline(status, events),
    )


def _step(one: StepStatus, retold: Retold) -> StepSeen:
    took = None if one.started is None or one.ended is None else (one.ended - one.started).total_seconds()
    step = retold.planned.get(one.name)
    return StepSeen(
        name=one.name,
        department=one.department,
        description=one.description,
        state=one.state.value,
        role=(step.approve if step is not None else None) or "",
        seconds=took,
        said=retold.step(one),
    )


@dataclass(frozen=True)
class Retold:
    """Reasons and results of a run, which are stored as English texts, as the sentences that they were.

    Why a department refused is for whoever may see why it decides as it does.
    """

    plan: Plan
    graph: Graph
    reached: Mapping[str, StepStatus]
    onlooker: Onlooker

    @cached_property
    def planned(self) -> Mapping[str, Step]:
        return {one.name: one for one in self.plan.steps}

    @cached_property
    def before(self) -> Mapping[str, frozenset[str]]:
        return {name: frozenset(link.after for link in links) for name, links in self.plan.before.items()}

    @cached_property
    def decide(self) -> Decide:
        return decider(self.graph)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Departments whose reasons the person may not see."""
        guards = {} if self.graph.federation is None else guards_at(self.graph.federation, None)
        return frozenset(owner for owner, guard in guards.items() if not shown(guard, self.onlooker))

    def step(self, one: StepStatus) -> str:
        """Its reason, else its result."""
        if one.reason:
            return self._reason(one.reason, one.name, one.state, one.failures)
        step = self.planned.get(one.name)
        return worth_saying(one.result) if step is None else retelling.came_to(one.result, step)

    def move(self, event: Event) -> str:
        """Its reason."""
        return self._reason(event.reason, event.step, event.after, event.attempt)

    def _reason(self, text: str, name: str, state: State, tries: int) -> str:
        if state is State.CANCELLED:
            return verbatim(text)  # Of whoever cancelled the run.
        step, found = self.planned.get(name), text
        if step is not None:
            found = retelling.reason(text, step, self.before[name], self.reached[name].result, tries)
        if isinstance(found, Sentence):
            return found
        # Its sentences name whoever decided.
        if state is State.REFUSED and any(owner in text for owner in self.hidden):
            return sentence("the policies of a department do not permit it; why is for its own approvers to see")
        if step is None:
            return text
        if state is State.REFUSED:
            return recalled(self._refusal(text, step))
        return recalled(text) if step.kind in OURS else text

    def _refusal(self, text: str, step: Step) -> str:
        """What the owners of data said then, if they say the same now."""
        asked, now = questions(step, self.plan, self.graph), datetime.now(UTC)
        said = objection(asked, [self.decide(one, now) for group in asked for one in group])
        return said if said == text else text


def _gates(auto: AutoPipeline, status: Status, events: tuple[Event, ...], retold: Retold) -> Iterator[GateSeen]:
    plan, now = retold.plan, datetime.now(UTC)
    for one in status.in_state(State.ASKING):
        step = retold.planned.get(one.name)
        if step is None:
            continue
        asked = questions(step, plan, retold.graph)
        yield GateSeen(
            step=step.name,
            department=step.department,
            role=step.approve or "",
            since=max((e.at for e in events if e.step == step.name), default=status.started),
            after=tuple(
                sentence("{step}: {why}", step=link.after.replace("/", " ", 1), why=link.why)
                for link in plan.before.get(step.name, ())
            ),
            answers=tuple(
                _told(retold.decide(question, now), retold.hidden)
                for group in asked
                for question in dict.fromkeys(group)
            ),
            reveals=_revealed(auto, step),
            yours=may_answer(retold.onlooker, step, status),
        )


def _told(answer: Answer, hidden: Collection[str]) -> Answer:
    """Yes or no to everybody; why, to whoever may see the owner's own files. Rules of data sharing are nobody's own."""
    if answer.asked.owner not in hidden or answer.policy == NO_POLICY:
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
