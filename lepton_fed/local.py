"""A deployed federation on one machine: makes kits, starts a process per party, watches the run, ends them all.

OUT/kits/          what `lepton-fed provision` makes, for localhost and a free port
OUT/logs/          what each process said
OUT/kits/coordinator/state/run/        the run's folder
"""

from __future__ import annotations

import atexit
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.errors import LeptonError, PeerError, RoundError
from lepton_fed.flower.operator import Operator
from lepton_fed.forking import forked, import_ahead
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.progress import Progress
from lepton_fed.signals import stopped_by_signals
from lepton_fed.storage import RunFolder, read_history
from lepton_fed.storage.file_names import file_name

STARTING = 120.0
"""Seconds until a coordinator must answer."""

ENDING = 40.0
"""Seconds that a process is given to say goodbye: a round under way may take thirty to its end."""

POLL = 0.2
COORDINATOR = "coordinator"


@dataclass(eq=False)
class Processes:
    """The parties' processes, each with a log of its own. `stop`: somebody wants all of it to end."""

    logs: Path
    stop: threading.Event = field(default_factory=threading.Event)
    started: dict[str, BaseProcess] = field(default_factory=dict)

    def start(self, name: str, *arguments: object) -> None:
        """`lepton-fed ARGUMENTS` as a process, which ends with this one, however that ends."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.started[name] = forked([str(word) for word in arguments], self.log(name))

    def wait(self) -> None:
        """Until the next look; KeyboardInterrupt where all of it is to end, which is never in the middle of a start."""
        if self.stop.wait(POLL):
            raise KeyboardInterrupt

    def require_alive(self) -> None:
        """RoundError with the last words of a process that has ended by itself."""
        for name, process in self.started.items():
            if process.exitcode is not None:
                raise RoundError(f"the process of {name} has ended: {self.last_words(name)}")

    def log(self, name: str) -> Path:
        return self.logs / f"{file_name(name)}.log"

    def last_words(self, name: str) -> str:
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1].removeprefix("lepton-fed: ") if lines else "it said nothing"

    def end(self) -> None:
        """All of them, the departments first; who does not go is killed, and so are all at a second interrupt."""
        try:
            for process in reversed(self.started.values()):
                process.terminate()
            until = time.monotonic() + ENDING
            for process in self.started.values():
                process.join(max(0.1, until - time.monotonic()))
        finally:
            for process in self.started.values():
                if process.exitcode is None:
                    process.kill()
                    process.join()


def run_locally(federation: Federation, out: Path, progress: Progress) -> str:
    """The whole run; what a person wants to know at its end. LeptonError where it cannot be done."""
    import_ahead()
    made = provision(federation, out / "kits", address=f"localhost:{free_port()}")
    kit = CoordinatorKit.load(made.coordinator)
    with (
        stopped_by_signals() as stop,
        _running(federation, made, Processes(out / "logs", stop)) as processes,
        Operator(kit) as operator,
        progress,
    ):
        progress.phase("starting a process per party")
        _submit(operator, processes, federation)
        said = _watched(operator, processes, progress)
        if said["state"] != "finished":
            raise RoundError(f"the run has {said['state']}: {said['reason']}")
    run = RunFolder.open(made.coordinator / "state" / "run", writing=False)
    lines = _table(read_history(run.history), federation.settings.report.metrics, said["round"])
    lines += [f"joint loss ΣΣ α β L: {said['measured']['joint_loss']:.4g}"] if "joint_loss" in said["measured"] else []
    lines += [f"report: {run.report}"]
    lines += [f"models: {made.coordinator.parent / 'departments'}/*/state/models, each at its department"]
    return "\n".join(lines)


def _table(history: Sequence[Measurement], metrics: Sequence[str], last: int) -> list[str]:
    """What departments, and all together, measured on their test rows after the last round."""
    from rich.cells import cell_len

    found = {
        (one.department, one.metric): one.value
        for one in history
        if one.round == last and one.metric in metrics and one.part in ("test", "federation")
    }
    names = list(dict.fromkeys(name for name, _ in found))
    width = max((cell_len(name) for name in names), default=0) + 3

    def row(name: str, cells: Iterable[str]) -> str:
        return name + " " * (width - cell_len(name)) + "".join(f"{cell:>20}" for cell in cells)

    numbers = [row(n or "all", (f"{found[n, m]:.4f}" if (n, m) in found else "-" for m in metrics)) for n in names]
    return [row("", (m.replace("_", " ") for m in metrics)), *numbers] if names else []


def free_port() -> int:
    """A port that nobody listens on. On Linux only who asks for it by its number is given it while this process lives.

    A server that listens on it must say SO_REUSEADDR, as servers do.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    port = int(kept.getsockname()[1])
    if sys.platform == "linux":
        atexit.register(kept.close)  # Until then it is bound: a port that was let go may be anybody's a moment later.
    else:
        kept.close()  # Other systems let nobody listen on a port that is bound.
    return port


@contextmanager
def _running(federation: Federation, made: Provisioned, processes: Processes) -> Iterator[Processes]:
    """Coordinator and departments as processes, which end with the block."""
    try:
        processes.start(COORDINATOR, "server", made.coordinator, "--host", "127.0.0.1")
        for name, kit in made.departments.items():
            own = federation.department_file(name)
            data = ("--data", own) if own.exists() else ()
            # On one machine all measurements are the user's own.
            processes.start(name, "client", kit, *data, "--disclose")
        yield processes
    finally:
        processes.end()


def _submit(operator: Operator, processes: Processes, federation: Federation) -> None:
    """Submits as soon as the coordinator answers."""
    until = time.monotonic() + STARTING
    while True:
        processes.require_alive()
        try:
            operator.submit(federation.to_toml())
        except PeerError:
            if time.monotonic() > until:
                raise
            processes.wait()
        else:
            return


def _watched(operator: Operator, processes: Processes, progress: Progress) -> Mapping[str, Any]:
    """Shows the run until it has ended; the last status."""
    shown, begun = 0, False
    while True:
        said = operator.status()
        if not begun and any(seen["answered"] for seen in said["departments"].values()):
            progress.begin(said["round"], said["rounds"])
            begun = True
        if said["measured_round"] > shown:
            shown = said["measured_round"]
            progress.measured(shown, _measurements(shown, said["measured"]))
        if said["state"] != "running":
            return said
        try:
            processes.require_alive()
        except LeptonError as error:
            progress.phase(str(error))
            # Later on, a department that is gone costs the rounds that department.
            if not begun or processes.started[COORDINATOR].exitcode is not None:
                raise
        processes.wait()


def _measurements(number: int, measured: Mapping[str, float]) -> tuple[Measurement, ...]:
    return tuple(Measurement(number, FEDERATION, "federation", name, value) for name, value in measured.items())
