"""What a run says while it goes on: what flows and is permitted, what ran in which order and why, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lepton_fed.pipeline.states import Move, State
from lepton_fed.policy import CHINESE
from lepton_fed.translation import counted

if TYPE_CHECKING:
    from lepton_fed.collaboration import Graph
    from lepton_fed.pipeline.claiming import Claim, Taken
    from lepton_fed.pipeline.plan import Plan
    from lepton_fed.pipeline.status import Status, StepStatus
    from lepton_fed.pipeline.step import Result, Step

_IN_CHINESE = {word: chinese for chinese, word in CHINESE.items()}

BRIEF = 1.0
"""Seconds of waiting that nobody needs to be told of."""

MOST_FLOWS = 6
"""Flows named before one step."""


@dataclass
class Account:
    """Says what happens line by line; it is the watcher of a worker."""

    plan: Plan
    graph: Graph
    say: Callable[[str], None]
    show: Callable[[Collection[str]], None] | None = None
    """Takes the names of the steps under way."""
    count: int = 0
    _working: dict[str, None] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _waits: str = ""

    def begun(self, status: Status, fresh: bool) -> None:
        """The first line of a run."""
        steps, departments = len(self.plan.steps), len(self.plan.departments)
        over = sum(one.ended is not None for one in status.steps)
        self.count = over
        goes = "" if fresh else f" goes on after {over} of them"
        size = f"{counted(steps, 'step', 'steps')} in {counted(departments, 'department', 'departments')}"
        self.say(f"{status.pipeline}, run {status.number}: {size}{goes}")

    def taken(self, taken: Taken) -> None:
        """A step begins, or is over at once."""
        step = taken.step
        if step.name not in self._told:
            self.count += 1
            self._told.add(step.name)
            self.say(f"{self.count}. {step.department} {step.description}: {self._order(step)}")
            self._flows(step.department)
        for answer in taken.answers:
            self.say(f"   {'permitted' if answer.permitted else 'not permitted'}: {answer.reason}")
        if taken.state is State.MANUAL:
            self.say("   by hand: recorded as a person's work, not done by this program")
        elif taken.state is State.REFUSED:
            self.say(f"   refused: {taken.reason}")
        if taken.claim is None:
            return
        self._now(step.name, True)
        if taken.claim.begun > 1:
            self.say(f"   {step.department} {step.description}: pass {taken.claim.turn}, try {taken.claim.attempt}")

    def ended(self, claim: Claim, move: Move, state: State, reason: str, result: Result) -> None:
        """What came of it."""
        self._now(claim.step.name, False)
        said = worth_saying(result)
        why = ": ".join(filter(None, (reason, said))) if move is not Move.FINISHED else said
        word = {Move.POSTPONED: "will be tried again", Move.AGAIN: "goes round again", Move.LOST: "lost"}.get(
            move, str(state)
        )
        self.say(f"   {claim.step.department} {claim.step.description} {word}" + (f": {why}" if why else ""))

    def idle(self, status: Status, until: float | None) -> None:
        """Nothing to do for `until` seconds; said once until something else is the reason, and if worth a line."""
        if until is not None and until < BRIEF:
            return
        waits = waiting(status, self.plan)
        if waits != self._waits and waits:
            self._waits = waits
            self.say(f"   {waits}")

    def _flows(self, department: str) -> None:
        """Said before a department's first step."""
        if department not in self._told:
            self._told.add(department)
            for line in flows(self.graph, department):
                self.say(f"   {line}")

    def _now(self, step: str, working: bool) -> None:
        if working:
            self._working[step] = None
        else:
            self._working.pop(step, None)
        if self.show is not None:
            self.show(self._working)

    def _order(self, step: Step) -> str:
        links = self.plan.before[step.name]
        if not links:
            return "nothing comes before it"
        shown = [f"after {link.after.replace('/', ' ', 1)} ({link.why})" for link in links[:3]]
        more = f" and {len(links) - 3} more" if len(links) > 3 else ""
        return ", ".join(shown) + more


def flows(graph: Graph, department: str) -> Iterator[str]:
    """What flows to and from a department, and what is permitted with it."""
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    found = [one for one in graph.sharing.passages() if department in (one.giver, one.taker)]
    for one in found[:MOST_FLOWS]:
        actions = permitted(one.giver, one.taker, one.what)
        said = ", ".join(f"{_IN_CHINESE[action]} {action}" for action in actions) or "nothing"
        yield f"{one.what} flows from {one.giver} to {one.taker}, who may: {said}"
    if len(found) > MOST_FLOWS:
        yield f"and {len(found) - MOST_FLOWS} more flows"


def ending(status: Status, plan: Plan) -> str:
    """The last line of a run: how it ended, or what it waits for."""
    kinds = ((State.DONE, "done"), (State.MANUAL, "by hand"), (State.SKIPPED, "skipped"), (State.REFUSED, "refused"),
             (State.FAILED, "failed"), (State.BLOCKED, "blocked"), (State.CANCELLED, "cancelled"))  # fmt: skip
    ended = [f"{len(found)} {word}" for state, word in kinds if (found := status.in_state(state))]
    lines = [f"{status.state}: {', '.join(ended) or 'nothing yet'}"]
    lines += [f"{one.name} is {one.state}: {one.reason}" for one in status.in_state(State.FAILED, State.REFUSED)]
    if status.state == "running":
        lines.append(waiting(status, plan))
    return "\n".join(filter(None, lines))


def described(status: Status) -> str:
    """A run as a table of its steps."""
    from rich.cells import cell_len

    width = max((cell_len(one.name) for one in status.steps), default=0)
    lines = [f"{status.pipeline}, run {status.number}, begun by {status.requester}: {status.state}"]
    for one in status.steps:
        said = one.reason or worth_saying(one.result)
        took = "" if one.started is None or one.ended is None else f"{(one.ended - one.started).total_seconds():.1f} s"
        cells = (one.name + " " * (width - cell_len(one.name)), f"{one.state:<9}", f"{took:>8}", said)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def waiting(status: Status, plan: Plan) -> str:
    """What holds a run up that is not over."""
    asking = status.in_state(State.ASKING)
    if asking:
        return "waits for " + "; ".join(f"{plan.step(one.name).approve} to approve {one.name}" for one in asking[:3])
    running = status.in_state(State.RUNNING)
    if running:
        return "waits for " + "; ".join(_holder(one) for one in running[:3])
    ready = status.in_state(State.READY)
    if ready:
        paused = [one for one in ready if one.not_before is not None]
        return (
            f"waits to try {paused[0].name} again"
            if paused
            else f"waits for {ready[0].department} to take up its steps"
        )
    return ""


def _holder(one: StepStatus) -> str:
    return f"{one.name}, which {one.worker} has"


def worth_saying(result: Result) -> str:
    """What a result says of itself, in the words of work of ours, or a plain value."""
    if isinstance(result, dict):
        why = result.get("why")
        return why if isinstance(why, str) else ""
    return str(result) if isinstance(result, str | int | float) and not isinstance(result, bool) else ""
