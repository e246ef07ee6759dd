"""`pipeline.html`: the timeline of a run, its steps and what came of them, in one file that asks no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from lepton_fed.pipeline.account import worth_saying
from lepton_fed.pipeline.plan import Plan
from lepton_fed.pipeline.states import Move, State
from lepton_fed.pipeline.status import Event, Status, StepStatus
from lepton_fed.report.timeline import Bar, Ending, timeline
from lepton_fed.report.words import visible

_ENDINGS: dict[Move, Ending] = {
    Move.FINISHED: "done",
    Move.OMITTED: "done",
    Move.AGAIN: "again",
    Move.POSTPONED: "again",
    Move.LOST: "again",
    Move.BROKEN: "failed",
    Move.DENIED: "failed",
    Move.CANCELLED: "failed",
}


@dataclass(frozen=True)
class _Row:
    """A step as the table shows it."""

    department: str
    description: str
    state: str
    seconds: str
    slack: str
    after: tuple[str, ...]
    said: str


def write_report(path: Path, status: Status, events: Sequence[Event], plan: Plan) -> Path:
    """Write the page, whole or not at all; returns its path."""
    from lepton_fed.storage import write_atomically

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, render(status, events, plan))
    return path


def render(status: Status, events: Sequence[Event], plan: Plan) -> str:
    """The whole page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=shown
    )
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    # Serialised from an element tree, which escapes whatever text is in it.
    drawing = Markup(timeline(tuple(bars(status, events))))  # noqa: S704
    critical = " → ".join(name.replace("/", " ", 1) for name in plan.critical.path)
    rows = [_row(one, plan) for one in status.steps]
    return template.render(status=status, rows=rows, drawing=drawing, critical=critical)


def bars(status: Status, events: Sequence[Event]) -> Iterator[Bar]:
    """One for each time that a step was worked at, or recorded as a person's."""
    began: dict[str, datetime] = {}
    steps = {one.name: one for one in status.steps}

    def bar(step: StepStatus, begin: datetime, end: datetime, ending: Ending) -> Bar:
        seconds = [(moment - status.started).total_seconds() for moment in (begin, end)]
        return Bar(step.department, step.description, seconds[0], seconds[1], ending)

    for event in events:
        step = steps[event.step]
        if event.move == Move.STARTED:
            began[event.step] = event.at
        elif event.move == Move.RECORDED:
            yield bar(step, event.at, event.at, "manual")
        elif event.before is State.RUNNING and event.step in began:
            yield bar(step, began.pop(event.step), event.at, _ENDINGS[Move(event.move)])
    last = events[-1].at if events else status.started
    for name, begin in began.items():
        yield bar(steps[name], begin, last, "running")


def _row(one: StepStatus, plan: Plan) -> _Row:
    after = tuple(f"{link.after.replace('/', ' ', 1)}: {link.why}" for link in plan.before.get(one.name, ()))
    slack = plan.critical.slack.get(one.name)
    took = "" if one.started is None or one.ended is None else f"{(one.ended - one.started).total_seconds():.1f}"
    return _Row(
        department=one.department,
        description=one.description,
        state=one.state.value,
        seconds=took,
        slack="" if slack is None else f"{slack:.0f} s",
        after=after,
        said=one.reason or worth_saying(one.result),
    )
