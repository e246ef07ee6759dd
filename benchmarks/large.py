"""A large model through a deployed coordinator: its peak memory in vectors, seconds a round.

    python -m benchmarks.large [--megabytes 100] [--rounds 2] [--modes plain,secure] [--json]

The coordinator is the process that `lepton-fed server` is. Departments are processes that speak the whole protocol,
over TLS on the loopback, with keys and a ledger from their kits, but train nothing: each sends the same drawn vector
in every round, and keeps no memory from one round to the next, so that a machine of modest size has room for several of
them. Their vectors are one file, of which each has mapped all but a few numbers. A vector is the model's parameters as
float32. The coordinator's memory is looked at every 20 ms, a department's every half second: `anonymous` is what the
process holds itself, `resident` has the pages of files in it that the system may take back, such as the checkpoint's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from benchmarks.arguments import amount, begin, integer, some_of
from benchmarks.machine import machine
from lepton_fed.messages import Vector

NAMES = ("line one", "line two", "line three")
SAMPLE, SELDOM = 0.02, 0.5
"""Seconds between two looks at the coordinator's memory, and at a department's."""

WEIGHT = 48.0
"""Examples that every department says it has: the upper end of the file's band, so that nothing is multiplied."""

PIECE = 1 << 20
"""Numbers that are drawn at a time."""

LIGHT = (sys.executable, "-m", "benchmarks.large")

TINY = 0.05
"""Megabytes of the model whose run says what the process takes by itself."""


@dataclass(frozen=True)
class Measured:
    """One run. Megabytes are 1e6 bytes; `vectors`: peak memory beyond a tiny model's, in parameters' bytes."""

    mode: str
    megabytes: float
    rounds: int
    seconds_per_round: float
    base_anonymous: float
    base_resident: float
    peak_anonymous: float
    peak_resident: float
    vectors_anonymous: float
    vectors_resident: float
    department_anonymous: float
    """Of the department that needed most."""
    peak_by_state: dict[str, float]
    """Anonymous megabytes of the coordinator in each round."""


def parameters(width: int) -> int:
    """Of two inputs, two hidden layers of this width and one output."""
    return 2 * width + width + width * width + width + width + 1


def width_for(megabytes: float) -> int:
    """Of hidden layers, for so many megabytes of parameters."""
    return max(2, round(math.sqrt(megabytes * 1e6 / 4)) - 2)


def federation(folder: Path, mode: str, width: int, rounds: int) -> Path:
    """The federation file; no department has rows."""
    secure = mode == "secure"
    file: dict[str, Any] = {
        "federation": {"name": f"large {mode}", "purpose": "measure a coordinator's memory", "seed": 7},
        "departments": [{"name": name} for name in NAMES],
        "sharing": [{"what": "updates", "from": list(NAMES), "to": ["*"]}],
        "access": [{"what": "updates", "who": ["*"], "action": "train"}],
        "data": {
            "label": {"column": "y", "meaning": "1: it failed", "classes": ["0", "1"]},
            "columns": [{"name": "a"}, {"name": "b"}],
        },
        "model": {"name": "mlp", "arguments": {"hidden": [width, width]}},
        "training": {"steps": 1, "batch": 16, "optimiser": {"learning_rate": 0.01}},
        "rounds": {"count": rounds},
        "weights": {"counts": [24, int(WEIGHT)]},
        "aggregation": {"secure": secure},
        "report": {"metrics": ["loss"], "baselines": []},
    }
    path = folder / "federation.toml"
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    return path


# ---------------------------------------------------------------- a department


def draw(path: Path, length: int) -> None:
    """Writes the numbers that all departments' vectors are cut from, piece by piece."""
    numbers = np.random.default_rng(7)
    with path.open("wb") as file:
        for begin in range(0, length + len(NAMES), PIECE):
            piece = numbers.standard_normal(min(PIECE, length + len(NAMES) - begin), np.float32)
            file.write((piece * np.float32(1e-3)).data)


def mapped(path: Path, department: str, length: int) -> Vector:
    """A department's vector, (length,) float32, read-only: pages of the file, which all departments share."""
    offset = NAMES.index(department) * np.float32().nbytes
    return np.asarray(np.memmap(path, np.float32, "r", offset, (length,)))


class Light:
    """Stands for a department: says yes, and sends its one vector."""

    def __init__(self, kit: Any, width: int, vector: Path) -> None:
        from lepton_fed.cohorts import hubs
        from lepton_fed.flower.own_department import party_of
        from lepton_fed.member import Member
        from lepton_fed.secagg.review import Terms
        from lepton_fed.sums import Scheme

        settings = kit.federation.settings
        self.name, self.length = kit.name, parameters(width)
        self.vector = mapped(vector, kit.name, self.length)
        scheme = Scheme(settings, hubs(settings), self.length, None)
        self.member = None
        if settings.aggregation.secure:
            self.member = Member(party_of(kit, Terms()), scheme, self.contribute, dict, lambda *_: None)

    def contribute(self, work: Any) -> Any:
        from lepton_fed.messages import Addend, Done

        scores = {"sum of loss": 1.0, "weight of loss": 2.0} if work.report else {}
        return Done({hub: Addend(self.vector, WEIGHT, 1.0) for hub in work.write}, scores)

    def handle(self, message: Any) -> Any:
        from lepton_fed.messages import Advertise, Consult, Consulted, Expected, Join, Joined, Refused, Sum, Work

        if isinstance(message, Join):
            return Joined("light", self.length)
        if isinstance(message, Consult):
            return Consulted(tuple(Expected(True, (), ()) for _ in message.requests))
        if self.member is not None and isinstance(message, Advertise):
            return self.member.advertise()
        if self.member is not None and isinstance(message, Sum):
            # The message that was answered last has been sent, and the next one needs the room.
            self.member._buffers.clear()
            return self.member.answer(message)
        return self.contribute(message) if isinstance(message, Work) else Refused("this stands for a department only")


def department(kit: Path, width: int, vector: Path) -> None:
    """A department's process, until it is told to end."""
    from lepton_fed.deploy.kit import DepartmentKit
    from lepton_fed.flower.resident import run_department

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    loaded = DepartmentKit.load(kit)
    run_department(loaded, Light(loaded, width, vector), stop)  # type: ignore[arg-type]


# ---------------------------------------------------------------- one run


@dataclass
class Memory:
    """What a process's memory came to, in megabytes. `at`: who says what the process is doing."""

    process: int
    pause: float = SAMPLE
    peak_anonymous: float = 0.0
    peak_resident: float = 0.0
    by_state: dict[str, float] = field(default_factory=dict)
    state: str = "start"
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """By a thread, while the block lasts."""
        watching = threading.Thread(target=self._watch)
        watching.start()
        try:
            yield
        finally:
            self.over.set()
            watching.join()

    def _watch(self) -> None:
        while not self.over.wait(self.pause):
            with suppress(OSError, KeyError, AttributeError):
                self._look()

    def _look(self) -> None:
        status = Path(f"/proc/{self.process}/status").read_text()
        anonymous, whole = (_kilobytes(status, key) * 1024 / 1e6 for key in ("RssAnon", "VmHWM"))
        self.peak_anonymous = max(self.peak_anonymous, anonymous)
        self.peak_resident = max(self.peak_resident, whole)
        self.by_state[self.state] = round(max(self.by_state.get(self.state, 0.0), anonymous), 1)


def _kilobytes(status: str, key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)
    if found is None:
        raise KeyError(key)
    return int(found[1])


def run(mode: str, megabytes: float, rounds: int, folder: Path) -> tuple[dict[str, Memory], list[float]]:
    """One run of a federation: each process's memory, and seconds of each round."""
    from lepton_fed.config import Federation
    from lepton_fed.deploy.kit import CoordinatorKit
    from lepton_fed.deploy.provisioning import provision
    from lepton_fed.flower.operator import Operator
    from lepton_fed.local import free_port

    width, vector = width_for(megabytes), folder / "vectors"
    draw(vector, parameters(width))
    loaded = Federation.load(federation(folder, mode, width, rounds))
    made = provision(loaded, folder / "kits", address=f"localhost:{free_port()}")
    server = (sys.executable, "-m", "lepton_fed", "server", str(made.coordinator), "--host", "127.0.0.1")
    commands: dict[str, tuple[str, ...]] = {"coordinator": server}
    commands |= {
        name: (*LIGHT, "--department", str(kit), "--width", str(width), "--vector", str(vector))
        for name, kit in made.departments.items()
    }
    with processes(commands, folder) as started:
        memories = {n: Memory(p.pid, SAMPLE if n == "coordinator" else SELDOM) for n, p in started.items()}
        with ExitStack() as stack:
            for memory in memories.values():
                stack.enter_context(memory.watched())
            with Operator(CoordinatorKit.load(made.coordinator)) as operator:
                _until_finished(operator, loaded.to_toml(), memories["coordinator"], started, folder)
    return memories, _seconds(made.coordinator / "state")


def _until_finished(
    operator: Any, federation: str, memory: Memory, started: dict[str, subprocess.Popen[bytes]], folder: Path
) -> None:
    from lepton_fed.errors import PeerError

    submitted = False
    while True:
        time.sleep(0.1)
        for name, process in started.items():
            if process.poll() is not None:
                said = (folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"{name} ended ({process.returncode}): {said}")
        try:
            if not submitted:
                operator.submit(federation)
                submitted = True
            said = operator.status()
        except PeerError:
            continue
        memory.state = f"round {said['round'] + 1}"
        if said["state"] == "finished":
            return
        if said["state"] != "running":
            raise SystemExit(f"the run has {said['state']}: {said['reason']}")


@contextmanager
def processes(commands: dict[str, tuple[str, ...]], folder: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """All of them, each with a log in the folder, until the block ends."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                started[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        yield started
    finally:
        for process in reversed(started.values()):
            process.terminate()
        for process in started.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _seconds(state: Path) -> list[float]:
    connection = sqlite3.connect(state / "lepton-fed.sqlite")
    try:
        found = connection.execute("SELECT seconds FROM round WHERE number > 0 ORDER BY number").fetchall()
    finally:
        connection.close()
    return [float(seconds) for (seconds,) in found]


def measure(mode: str, megabytes: float, rounds: int) -> Measured:
    """A tiny model's run, then the large one's."""
    with tempfile.TemporaryDirectory() as folder:
        base = run(mode, TINY, rounds, Path(folder))[0]["coordinator"]
    with tempfile.TemporaryDirectory() as folder:
        memories, seconds = run(mode, megabytes, rounds, Path(folder))
    found = memories.pop("coordinator")
    vector = parameters(width_for(megabytes)) * 4 / 1e6
    return Measured(
        mode,
        round(vector, 1),
        rounds,
        round(statistics.median(seconds[1:] or seconds), 2),
        round(base.peak_anonymous, 1),
        round(base.peak_resident, 1),
        round(found.peak_anonymous, 1),
        round(found.peak_resident, 1),
        round((found.peak_anonymous - base.peak_anonymous) / vector, 2),
        round((found.peak_resident - base.peak_resident) / vector, 2),
        round(max(memory.peak_anonymous for memory in memories.values()), 1),
        found.by_state,
    )


def table(found: list[Measured]) -> str:
    """The figures as lines."""
    lines = []
    for one in found:
        lines += [
            f"{one.mode} sums, {one.megabytes:,.0f} MB of parameters, {len(NAMES)} departments, {one.rounds} rounds",
            f"  seconds per round       {one.seconds_per_round:8.1f}",
            f"  peak memory, anonymous  {one.peak_anonymous:8.0f} MB, {one.vectors_anonymous:.2f} vectors beyond "
            f"{one.base_anonymous:.0f} MB of a tiny model's run",
            f"  peak memory, resident   {one.peak_resident:8.0f} MB, {one.vectors_resident:.2f} vectors beyond "
            f"{one.base_resident:.0f} MB",
            f"  of a department         {one.department_anonymous:8.0f} MB, anonymous",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=amount, default=100.0)
    arguments.add_argument("--rounds", type=integer(1), default=2)
    arguments.add_argument("--modes", type=some_of("plain", "secure"), default="plain,secure")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--department", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--width", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--vector", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.department is not None:
        department(chosen.department, chosen.width, chosen.vector)
        return
    found = [measure(mode, chosen.megabytes, chosen.rounds) for mode in chosen.modes]
    if chosen.json:
        print(json.dumps({"machine": machine(), "runs": [asdict(one) for one in found]}, ensure_ascii=False, indent=1))
    else:
        print(table(found))


if __name__ == "__main__":
    begin(main)
