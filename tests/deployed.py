"""A deployed federation on this machine for the tests: kits on a free port, and a process for each party.

    with deployed(folder, federation) as there:     coordinator and departments are started as an operator would
        there.submit()
        there.wait_until(round=1)
        there.kill(COORDINATOR)
        there.start(COORDINATOR)
        there.wait_until("finished")

Each process has a session and a log of its own, and ends with the block, whatever happens in it. They are forked from
one that has everything imported, as those of `lepton-fed local` are; with `commands` each is a command that was typed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.errors import PeerError
from lepton_fed.flower.operator import Operator
from lepton_fed.forking import become, import_ahead, into
from lepton_fed.local import free_port
from lepton_fed.storage.file_names import file_name

ROOT = Path(__file__).parents[1]
COORDINATOR = "coordinator"
Words = tuple[str, ...]

PATIENCE = 240.0
"""Seconds until something must have happened, on a machine that has much else to do."""

POLL = 0.05
ENDING = 60.0
"""Seconds that a process is given to say goodbye: a round under way may take thirty to its end."""


@dataclass(eq=False)
class Deployed:
    """What runs, and where its kits are. Parties by name: COORDINATOR, or a department.

    `options`: of `lepton-fed server`, at each start. `kits`: a department's kit, where it was replaced.
    """

    folder: Path
    federation: Federation
    made: Provisioned
    options: tuple[object, ...] = ()
    commands: bool = False
    kits: dict[str, Path] = field(default_factory=dict)
    processes: dict[str, BaseProcess] = field(default_factory=dict)

    # ------------------------------------------------------------ processes

    def start(self, name: str) -> None:
        """The party's process, as the commands of the documentation start it; it goes on where an earlier one was."""
        if name == COORDINATOR:
            self._run(name, "server", self.made.coordinator, "--host", "127.0.0.1", *self.options)
            return
        own = self.federation.department_file(name)
        data = ("--data", own) if own.exists() else ()
        self._run(name, "client", self.kit_of(name), *data, "--disclose")

    def kill(self, name: str) -> None:
        """As `kill -9` does."""
        self.processes[name].kill()
        self.processes[name].join()

    def end(self, name: str) -> int:
        """Asks a process to stop, and makes it if it does not; its exit code."""
        process = self.processes[name]
        process.terminate()
        process.join(ENDING)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return process.exitcode

    def log(self, name: str) -> str:
        """What the party's processes wrote to their terminal."""
        path = self._log(name)
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{file_name(name)}.log"

    def _run(self, name: str, *arguments: object) -> None:
        previous = self.processes.get(name)
        assert previous is None or previous.exitcode is not None, f"{name} is running"
        self._log(name).parent.mkdir(parents=True, exist_ok=True)
        words = tuple(map(str, arguments))
        target = _command if self.commands else become
        process = multiprocessing.get_context("forkserver").Process(
            target=_in_folder, args=(self.folder, target, words, self._log(name))
        )
        process.start()
        self.processes[name] = process

    # ------------------------------------------------------------ kits

    @property
    def kit(self) -> CoordinatorKit:
        """The coordinator's, as it is now."""
        return CoordinatorKit.load(self.made.coordinator)

    def kit_of(self, department: str) -> Path:
        return self.kits.get(department) or self.made.departments[department]

    def department_kit(self, department: str) -> DepartmentKit:
        return DepartmentKit.load(self.kit_of(department))

    # ------------------------------------------------------------ the run

    @contextmanager
    def operator(self) -> Iterator[Operator]:
        with Operator(self.kit) as operator:
            yield operator

    def submit(self) -> dict[str, Any]:
        """Submits the federation file as soon as the coordinator answers."""
        with self.operator() as operator:
            return self._answered(lambda: operator.submit(self.federation.to_toml()))

    def stop(self) -> dict[str, Any]:
        with self.operator() as operator:
            return operator.stop()

    def status(self) -> dict[str, Any]:
        """As soon as the coordinator answers."""
        with self.operator() as operator:
            return self._answered(operator.status)

    def wait_until(self, state: str | None = None, *, round: int = 0, seconds: float = PATIENCE) -> dict[str, Any]:
        """The first status with this state (if one is given) after at least so many rounds; fails where it cannot come.

        A coordinator that does not answer meanwhile is waited for.
        """
        final = ("finished", "failed", "stopped")
        end = time.monotonic() + seconds
        with self.operator() as operator:
            while True:
                said = self._answered(operator.status, end)
                if state in (None, said["state"]) and said["round"] >= round:
                    return said
                over = said["state"] in final and said["state"] != "stopped"
                assert not over, f"the run has {said['state']} after round {said['round']}: {said['reason']}"
                assert time.monotonic() < end, f"still {said['state']} after round {said['round']}\n{self.logs()}"
                time.sleep(POLL)

    def wait_online(self, *names: str, seconds: float = PATIENCE) -> None:
        """Until the coordinator has heard from these departments; without names, from all."""
        wanted = names or tuple(self.made.departments)
        self.wait_for(lambda: all(self.status()["departments"][name]["online"] for name in wanted), seconds)

    def wait_for(self, holds: Callable[[], object], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.logs()
            time.sleep(POLL)

    def logs(self) -> str:
        """The last lines of every party, for a failed test's message."""
        return "\n".join(f"{name}: {line}" for name in self.processes for line in self.log(name).splitlines()[-5:])

    def _answered(self, ask: Callable[[], dict[str, Any]], end: float | None = None) -> dict[str, Any]:
        until = end or time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except PeerError:
                assert time.monotonic() < until, self.logs()
                time.sleep(POLL)


def _in_folder(folder: Path, target: Callable[[Words, Path], None], words: Words, log: Path) -> None:
    os.chdir(folder)
    target(words, log)


def _command(words: Words, log: Path) -> None:
    into(log)
    os.environ |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    os.execv(sys.executable, [sys.executable, "-m", "lepton_fed", *words])


@contextmanager
def deployed(
    folder: Path, federation: Federation, *options: object, departments: bool = True, commands: bool = False
) -> Iterator[Deployed]:
    """Kits in `folder`, coordinator started, and departments, too; no run is submitted yet.

    `options`: of `lepton-fed server`, such as "--grace", 1.
    """
    import_ahead()
    folder.mkdir(parents=True, exist_ok=True)
    made = provision(federation, folder / "kits", address=f"localhost:{free_port()}")
    there = Deployed(folder, federation, made, options, commands)
    try:
        there.start(COORDINATOR)
        for name in made.departments if departments else ():
            there.start(name)
        yield there
    finally:
        for process in there.processes.values():
            process.terminate()
        for name in reversed(there.processes):
            there.end(name)
