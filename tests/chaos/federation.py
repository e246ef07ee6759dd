"""A deployed federation of five for chaos: kits made once and copied, so that every run has the same keys and rounding.

    with Nursery.opened(folder) as nursery:
        made = Made.at(folder / "made")
        with made.started(folder / "first", nursery) as parties:
            parties.submit()
            parties.kill(COORDINATOR)
            parties.start(COORDINATOR)
            parties.status()

c = 1 of five, so t = 4: one department may miss a round, two at once may not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from lepton_fed.config import Federation
from lepton_fed.deploy.changes import revoke
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import provision
from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.flower.operator import Operator
from lepton_fed.local import free_port
from lepton_fed.storage.file_names import file_name
from tests.federations import write_own

ROOT = Path(__file__).parents[2]
COORDINATOR = "coordinator"
NAMES = ("生产车间-一", "生产车间-二", "生产车间-三", "生产车间-四", "生产车间-五")
SURVIVORS = 4
"""t: the fewest departments whose sum is opened."""

ROWS = 24
POLL = 0.05
STARTING, ENDING = 240.0, 60.0
"""Seconds until a coordinator must answer, and that a process is given to say goodbye."""

GRACE, WAIT, DEADLINE = 3, 120, 60
"""Seconds: for late answers at least, for departments to come, and of one exchange."""


@dataclass(eq=False)
class Nursery:
    """The process that forks parties' processes."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Nursery]:
        folder.mkdir(parents=True, exist_ok=True)
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery", str(folder / "flower")],
            cwd=ROOT,
            env={**os.environ, **one, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()  # It has nothing to say goodbye to.
                process.wait()

    def start(self, arguments: list[str], log: Path, **bent: object) -> int:
        """The number of a new process that runs `lepton-fed ARGUMENTS`. `bent`: `moment`, `twice`, `lossy`, `told`."""
        asked = {"arguments": arguments, "log": str(log), "cwd": str(log.parent), **bent}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline())["pid"])


@dataclass(frozen=True)
class Made:
    """Kits that were provisioned and never started. `behind`: where the coordinator listens where a proxy is before."""

    folder: Path
    federation: Federation
    port: int
    behind: int

    @classmethod
    def at(cls, folder: Path, rounds: int) -> Made:
        federation = Federation.load(written(folder, rounds))
        port, behind = free_port(), free_port()
        provision(federation, folder / "kits", address=f"localhost:{port}")
        return cls(folder, federation, port, behind)

    @contextmanager
    def started(
        self,
        folder: Path,
        nursery: Nursery,
        *,
        proxied: bool = False,
        moments: Mapping[str, str] | None = None,
        twice: tuple[str, ...] = (),
        lossy: int = 0,
        grace: float = GRACE,
        told: Path | None = None,
    ) -> Iterator[Parties]:
        """Every party's process on a copy of the kits; all are gone after the block."""
        folder.mkdir(parents=True)
        shutil.copytree(self.folder / "kits", folder / "kits")
        parties = Parties(
            self, folder, nursery, self.behind if proxied else self.port, dict(moments or {}), twice, lossy, grace, told
        )
        try:
            for name in (COORDINATOR, *NAMES):
                parties.start(name)
            yield parties
        finally:
            parties.end()


@dataclass(eq=False)
class Parties:
    """The processes of one federation. `moments`: where a party's first process kills itself."""

    made: Made
    folder: Path
    nursery: Nursery
    port: int
    moments: dict[str, str] = field(default_factory=dict)
    twice: tuple[str, ...] = ()
    """Who sends every request twice."""
    lossy: int = 0
    """How many answers a department gets at least between two that are lost; 0 where none is."""
    grace: float = GRACE
    """Seconds that the coordinator waits for late answers at least."""
    told: Path | None = None
    """A folder outside: departments' processes write there what nobody else may know."""
    struck: set[str] = field(default_factory=set)
    """Who was started with a moment at which it dies."""
    gone: set[str] = field(default_factory=set)
    """Departments that left the federation."""
    processes: dict[str, int] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    """Of every process that ever was."""

    def start(self, name: str) -> None:
        """Its process, which goes on where an earlier one was."""
        assert not self.alive(name), f"{name} is running"
        if name == COORDINATOR:
            times = ("--grace", str(self.grace), "--wait", str(WAIT))
            arguments = ["server", str(self.kit_of(name)), "--host", "127.0.0.1", "--port", str(self.port), *times]
        else:
            own = self.made.federation.department_file(name)
            arguments = ["client", str(self.kit_of(name)), "--data", str(own), "--disclose"]
        moment = self.moments.pop(name, "")
        if moment:
            self.struck.add(name)
        told = str(self.told / f"{file_name(name)}.txt") if self.told is not None and name != COORDINATOR else ""
        bent = {
            "moment": moment,
            "twice": name in self.twice,
            # Each process loses others, and the same ones whenever the test is run.
            "lossy": (len(self.numbers), self.lossy) if self.lossy and name != COORDINATOR else None,
            "told": told,
        }
        number = self.nursery.start(arguments, self.log_of(name), **bent)
        self.processes[name] = number
        self.numbers.append(number)

    def kill(self, *names: str) -> None:
        """As `kill -9`, all at once."""
        for name in names:
            with suppress(ProcessLookupError):
                os.kill(self.processes[name], signal.SIGKILL)
        for name in names:
            while self.alive(name):
                time.sleep(0.001)

    @property
    def present(self) -> tuple[str, ...]:
        """Who should have a process."""
        return tuple(name for name in (COORDINATOR, *NAMES) if name not in self.gone)

    def revoke(self, name: str) -> None:
        """The administrator takes a department out, and its process is ended."""
        revoke(self.folder / "kits" / "administrator", name, coordinator=self.kit_of(COORDINATOR))
        self.gone.add(name)
        self.kill(name)

    def alive(self, name: str) -> bool:
        return name in self.processes and lives(self.processes[name])

    def end(self) -> None:
        """All of them, politely; who does not go within a while is killed, and that is an error."""
        for name in self.processes:
            if self.alive(name):
                os.kill(self.processes[name], signal.SIGTERM)
        until = time.monotonic() + ENDING
        while any(map(self.alive, self.processes)) and time.monotonic() < until:
            time.sleep(POLL)
        stubborn = [name for name in self.processes if self.alive(name)]
        self.kill(*stubborn)
        assert not stubborn, f"did not end when asked to: {stubborn}\n{self.last_words()}"

    # ------------------------------------------------------------ kits

    def kit_of(self, name: str) -> Path:
        kits = self.folder / "kits"
        return kits / COORDINATOR if name == COORDINATOR else kits / "departments" / file_name(name)

    def coordinator_kit(self) -> CoordinatorKit:
        return CoordinatorKit.load(self.kit_of(COORDINATOR))

    def department_kit(self, name: str) -> DepartmentKit:
        return DepartmentKit.load(self.kit_of(name))

    def log_of(self, name: str) -> Path:
        return self.folder / f"{file_name(name)}.log"

    def last_words(self, lines: int = 6) -> str:
        """What each party said last, for a failed test's message."""
        found = []
        for name in self.processes:
            said = self.log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{name}: {line}" for line in said[-lines:]]
        return "\n".join(found)

    # ------------------------------------------------------------ the run

    def operator(self) -> Operator:
        return Operator(self.coordinator_kit(), f"localhost:{self.port}")

    def submit(self) -> None:
        """As soon as the coordinator answers, and again where it was killed before it knew."""
        until = time.monotonic() + STARTING
        while True:
            assert time.monotonic() < until, self.last_words()
            if not self.alive(COORDINATOR):
                self.struck.discard(COORDINATOR)
                self.start(COORDINATOR)
            try:
                with self.operator() as operator:
                    operator.submit(self.made.federation.to_toml())
            except PeerError:
                time.sleep(POLL)
            except ConfigError:
                return  # It has been told before.
            else:
                return

    def status(self) -> dict[str, Any] | None:
        """What the coordinator says; None where it does not answer."""
        try:
            with self.operator() as operator:
                return operator.status()
        except PeerError:
            return None


def lives(number: int) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def written(folder: Path, rounds: int) -> Path:
    """The federation file, and each department's own with its rows."""
    file: dict[str, Any] = {
        "federation": {"name": "混沌", "purpose": "hold when processes are killed", "seed": 7},
        "departments": [{"name": name} for name in NAMES],
        "sharing": [{"what": "updates", "from": list(NAMES), "to": ["*"]}],
        "access": [{"what": "updates", "who": ["*"], "action": "训练"}],
        "data": {
            "label": {"column": "y", "meaning": "1: it failed", "classes": ["0", "1"]},
            "columns": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
            "split": {"test": 0.25},
        },
        "model": {"name": "mlp", "arguments": {"hidden": [4]}},
        "training": {"steps": 1, "batch": 8, "optimiser": {"learning_rate": 0.1}},
        "rounds": {"count": rounds, "deadline": DEADLINE},
        "weights": {"counts": [8, 24]},
        "aggregation": {"colluders": 1},
        "report": {"metrics": ["loss"], "baselines": []},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "federation.toml"
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    for k, name in enumerate(NAMES):
        own = write_own(path, name, {"path": f"{name}.csv"})
        lines = [",".join(map(repr, row)) + f",{label}" for row, label in zip(rows(k).tolist(), labels(), strict=True)]
        (own.parent / f"{name}.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n", encoding="utf-8")
    return path


def rows(department: int) -> np.ndarray:
    """Its features, (ROWS, 3) float64 with many digits, so that no other number in a file is one of them by chance."""
    draw = np.random.default_rng(department)
    y = np.array(labels())
    return draw.normal(size=(ROWS, 3)) * 3.7 + np.stack([y, -y, y], axis=1)


def labels() -> list[int]:
    return [int(k % 3 == 0) for k in range(ROWS)]
