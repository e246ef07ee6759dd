"""A deployed federation within the test's process: departments in threads, TLS and keys as between machines.

    with together(folder, federation) as there:
        there.play(Killing(at=5))       Killed: the coordinator is gone as after `kill -9`, its files are as they were
        there.play()                    another one goes on

What a coordinator does between two moments is the same as in a process of its own; that costs a tenth of the time.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.flower.resident import run_department
from lepton_fed.flower.superlink import HOME, Link, LinkSettings, quieten
from lepton_fed.local import free_port
from lepton_fed.messages import Reply, Summed
from lepton_fed.record import Recorder
from lepton_fed.result import RunResult
from lepton_fed.storage import RunFolder
from clients.home import DepartmentHome
from server.conductor import RUN, journal_in, recorded
from server.deployed_run import DeployedRun, Patience, Watcher

PATIENT = Patience(wait=60.0, grace=5.0)


class Killed(BaseException):
    """What ends the coordinator."""


@dataclass(eq=False)
class Killing(Watcher):
    """Ends the coordinator at the `at`-th of its moments; without, it notes them. `lines`: what a person would see."""

    at: int | None = None
    moments: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    before: Callable[[str], None] = lambda moment: None

    def pass_by(self, moment: str) -> None:
        self.moments.append(moment)
        self.before(moment)
        if self.at is not None and len(self.moments) >= self.at:
            raise Killed(moment)

    def asked(self, number: int, names: int) -> None:
        self.pass_by(f"{number}: round begins")

    def answered(self, name: str, reply: Reply) -> None:
        self.pass_by(f"answer {type(reply.reply if isinstance(reply, Summed) else reply).__name__}")

    def exchange(self, seconds: float) -> None:
        self.pass_by("exchange over")

    def round(self, number: int, seconds: float) -> None:
        self.rounds.append(number)
        self.pass_by(f"{number}: round over")

    def waiting(self, names: tuple[str, ...]) -> None:
        self.lines.append(f"waiting for {'、'.join(names)}")

    def said(self, line: str) -> None:
        self.lines.append(line)


class Nowhere:
    """Keeps no events."""

    def record(self, event: AuditEvent) -> None:
        pass


@dataclass(eq=False)
class Resident:
    """One department in a thread."""

    name: str
    kit: Path
    own: Path
    stop: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None
    home: DepartmentHome | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._live, name=self.name, daemon=True)
        self.thread.start()

    def _live(self) -> None:
        try:
            kit = DepartmentKit.load(self.kit)
            self.home = DepartmentHome.opened(kit, self.own if self.own.exists() else None, disclose=True)
            run_department(kit, self.home.department(), self.stop, self.home)
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), self.name


@dataclass(eq=False)
class Together:
    """Kits, departments that live, and coordinators one after the other."""

    federation: Federation
    made: Provisioned
    patience: Patience = PATIENT
    residents: dict[str, Resident] = field(default_factory=dict)
    kits: dict[str, Path] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.made.coordinator / "state"

    def start(self, name: str) -> None:
        kit = self.kits.get(name) or self.made.departments[name]
        self.residents[name] = Resident(name, kit, self.federation.department_file(name))

    def end(self, *names: str) -> None:
        for name in names or tuple(self.residents):
            self.residents.pop(name).end()

    def play(self, watcher: Killing | None = None, look: Callable[[], None] = lambda: None) -> RunResult:
        """One coordinator from its start to the end of the run, or until it is Killed."""
        with ExitStack() as stack:
            kit = CoordinatorKit.load(self.made.coordinator)
            link = stack.enter_context(Link.start(LinkSettings.of(kit, host="127.0.0.1"), Nowhere()))
            recorder = _recorder(kit)
            stack.callback(recorder.folder.close)
            stack.callback(recorder.store.close)
            watcher = watcher or Killing()
            _watched(recorder, watcher)
            run = DeployedRun(kit, link, recorder, journal_in(kit.state), self.patience, watcher, look)
            try:
                result = run.play()
            except Exception as error:
                recorder._end("failed", str(error))
                raise
            recorder.finish()
            return result

    def hubs(self) -> dict[str, np.ndarray]:
        """What the coordinator's checkpoint holds."""
        return hubs_in(self.state)


def hubs_in(state: Path) -> dict[str, np.ndarray]:
    saved = RunFolder.open(state / RUN, writing=False).checkpoint().latest()
    assert saved is not None
    return dict(saved.groups["coordinator"])


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    """Whether all arrays are the same, bit for bit."""
    return one.keys() == other.keys() and all(one[k].tobytes() == other[k].tobytes() for k in one)


@contextmanager
def together(folder: Path, federation: Federation, kits: Path | None = None, **other: Any) -> Iterator[Together]:
    """Departments live until the block ends. `kits`: made before, and copied."""
    made = provisioned(folder, federation) if kits is None else copied(kits, folder)
    quieten(made.coordinator / "state" / HOME)
    there = Together(federation, made, **other)
    try:
        for name in made.departments:
            there.start(name)
        yield there
    finally:
        for resident in there.residents.values():
            resident.stop.set()
        there.end()


def provisioned(folder: Path, federation: Federation) -> Provisioned:
    folder.mkdir(parents=True, exist_ok=True)
    return provision(federation, folder / "kits", address=f"localhost:{free_port()}")


def copied(kits: Path, folder: Path) -> Provisioned:
    """The same kits in another place: the same identities and rounding keys."""
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "kits"
    shutil.copytree(kits, out)
    kit = CoordinatorKit.load(out / "coordinator")
    departments = {DepartmentKit.load(one).name: one for one in sorted((out / "departments").iterdir())}
    return Provisioned(out / "administrator", out / "coordinator", departments, kit.administrator, ())


def _recorder(kit: CoordinatorKit) -> Recorder:
    if recorded(kit.state)[0] == "idle":
        return Recorder.create(kit.state / RUN, kit.federation, None, 0)
    return Recorder.reopen(kit.state / RUN, kit.federation, None, changed=True)


def _watched(recorder: Recorder, watcher: Killing) -> None:
    """Moments around what a round leaves behind."""
    keep, save = recorder.keep_round, recorder.checkpoint.save

    def keep_round(*arguments: Any) -> None:
        watcher.pass_by("before the database")
        keep(*arguments)
        watcher.pass_by("after the database")

    def save_checkpoint(*arguments: Any) -> None:
        save(*arguments)
        watcher.pass_by("after the checkpoint")

    recorder.keep_round = keep_round  # type: ignore[method-assign]
    recorder.checkpoint.save = save_checkpoint  # type: ignore[method-assign]
