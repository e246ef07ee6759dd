"""What a person sees while a federation trains: a live line on a terminal, plain lines elsewhere, both on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Protocol, TextIO

from lepton_fed.history import FEDERATION, Measurement


class Progress(Protocol):
    """Told what happens, as it happens."""

    def begin(self, done: int, rounds: int) -> None: ...

    def phase(self, what: str) -> None: ...

    def asked(self, number: int, names: int) -> None: ...

    def answered(self, name: str) -> None: ...

    def measured(self, number: int, measurements: tuple[Measurement, ...]) -> None: ...

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Quiet:
    """Says nothing."""

    def begin(self, done: int, rounds: int) -> None: ...

    def phase(self, what: str) -> None: ...

    def asked(self, number: int, names: int) -> None: ...

    def answered(self, name: str) -> None: ...

    def measured(self, number: int, measurements: tuple[Measurement, ...]) -> None: ...

    def __enter__(self) -> Quiet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Plain(Quiet):
    """About twenty lines a run, however many rounds: for logs and pipes."""

    LINES = 20

    def __init__(self, metric: str, out: TextIO | None = None) -> None:
        self.metric = metric
        self.out = out if out is not None else sys.stderr
        self.rounds = 1

    def begin(self, done: int, rounds: int) -> None:
        self.rounds = rounds
        if done:
            self._say(f"going on after round {done}")

    def phase(self, what: str) -> None:
        self._say(what)

    def measured(self, number: int, measurements: tuple[Measurement, ...]) -> None:
        every = max(1, self.rounds // self.LINES)
        if measurements and (number % every == 0 or number == self.rounds):
            self._say(f"round {number}/{self.rounds}  {summary(measurements, self.metric)}".rstrip())

    def _say(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def __enter__(self) -> Plain:
        return self


class Live(Quiet):
    """One line that is redrawn: round, departments at work, the metric, time left."""

    def __init__(self, metric: str, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self.metric = metric
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[at_work]}"),
            TextColumn("{task.fields[result]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console or Console(stderr=True),
        )
        self.task = self.bar.add_task("round", total=None, at_work="", result="", left="")
        self.waiting = 0
        self.first = self.started = 0.0

    def begin(self, done: int, rounds: int) -> None:
        self.first, self.started = float(done), time.monotonic()
        self.bar.update(self.task, total=rounds, completed=done)

    def phase(self, what: str) -> None:
        self.bar.update(self.task, at_work=what, result="", left="")

    def asked(self, number: int, names: int) -> None:
        self.waiting = names
        done = number - 1 - self.first
        left = (time.monotonic() - self.started) / done * (self._total() - number + 1) if done > 0 else None
        said = "" if left is None else f"{clock(left)} left"
        self.bar.update(self.task, completed=number - 1, at_work=f"{names} at work", left=said)

    def answered(self, name: str) -> None:
        self.waiting -= 1
        self.bar.update(self.task, at_work=f"{self.waiting} at work" if self.waiting > 0 else "adding up")

    def measured(self, number: int, measurements: tuple[Measurement, ...]) -> None:
        if measurements:
            self.bar.update(self.task, result=summary(measurements, self.metric))
        if number >= self._total():
            self.bar.update(self.task, completed=number, left="")

    def _total(self) -> float:
        return self.bar.tasks[0].total or 0.0

    def __enter__(self) -> Live:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()


def progress(metric: str) -> Progress:
    """Live where somebody watches, plain where the output goes elsewhere."""
    return Live(metric) if sys.stderr.isatty() else Plain(metric)


def summary(measurements: tuple[Measurement, ...], metric: str) -> str:
    """The federation's mean of the first metric and its joint loss, as far as they were measured."""
    totals = totals_in(measurements)
    shown = [f"{name.replace('_', ' ')} {totals[name]:.4g}" for name in (metric, "joint_loss") if name in totals]
    return "  ".join(shown)


def totals_in(measurements: tuple[Measurement, ...]) -> dict[str, float]:
    """The federation's totals by metric."""
    return {m.metric: m.value for m in measurements if m.department == FEDERATION}


def clock(seconds: float) -> str:
    """75 -> 1:15."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
