"""A deployed federation within the test's process: departments in threads, TLS and keys as between machines.

    with together(folder, federation) as there:
        there.play(Killing(at=5))       Killed: the coordinator is gone as after `kill -9`, its files are as they were
        there.play()                    another one goes on

What a coordinator does between two moments is the same as in a process of its own; that costs a tenth of the time.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from clients.home import DepartmentHome
from lepton_fed.config import Federation
from lepton_fed.department import Department
from lepton_fed.deploy.changes import renew
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.flower.resident import run_department
from lepton_fed.flower.signed import Members
from lepton_fed.flower.superlink import HOME, Link, LinkSettings, quieten
from lepton_fed.history import Measurement
from lepton_fed.local import free_port
from lepton_fed.messages import Reply, Summed
from lepton_fed.record import DATABASE, Recorder
from lepton_fed.result import RunResult
from lepton_fed.storage import RunFolder, RunStore, sqlite_url
from server.conductor import RUN, journal_in, recorded
from server.deployed_run import DeployedRun
from server.patience import Patience
from server.process import audit_log
from server.watcher import Watcher
from tests.federations import FOUR, SECURE, quick, table, write, write_own, write_rows

PATIENT = Patience(wait=60.0, grace=5.0)


class Killed(BaseException):
    """What ends the coordinator."""


@dataclass(eq=False)
class Killing(Watcher):
    """Ends the coordinator at the `at`-th of its moments, or of those that are called `where`; notes them all.

    `lines`: what a person would see. `before`: told of each moment.
    """

    at: int | None = None
    where: str = ""
    moments: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    before: Callable[[str], None] = lambda moment: None

    def pass_by(self, moment: str) -> None:
        self.moments.append(moment)
        self.before(moment)
        passed = self.moments if not self.where else [one for one in self.moments if one == self.where]
        if self.at is not None and len(passed) >= self.at and self.where in ("", moment):
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


BUILDING = threading.Lock()
"""Models are drawn with the process's generator: two departments of one process build one after the other."""


class Home(DepartmentHome):
    """A department's home in a process that it shares."""

    def department(self) -> Department:
        with BUILDING:
            return super().department()

    def taken(self, update: bytes, department: Department) -> tuple[Department, Members, int]:
        with BUILDING:
            return super().taken(update, department)


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
    home: Home | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._live, name=self.name, daemon=True)
        self.thread.start()

    def _live(self) -> None:
        try:
            kit = DepartmentKit.load(self.kit)
            self.home = Home.opened(kit, self.own if self.own.exists() else None, disclose=True)
            run_department(kit, self.home.department(), self.stop, self.home)
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), self.name


@dataclass(eq=False)
class Together:
    """Kits, departments that live, and coordinators one after the other."""

    federation: Federation
    made: Provisioned
    patience: Patience = PATIENT
    residents: dict[str, Resident] = field(default_factory=dict)
    kits: dict[str, Path] = field(default_factory=dict)
    run: DeployedRun | None = None

    @property
    def state(self) -> Path:
        return self.made.coordinator / "state"

    def start(self, name: str) -> None:
        kit = self.kits.get(name) or self.made.departments[name]
        self.residents[name] = Resident(name, kit, self.federation.department_file(name))

    def end(self, *names: str) -> None:
        for name in names or tuple(self.residents):
            self.residents.pop(name).end()

    def play(self, watcher: Killing | None = None, between: Callable[[], None] = lambda: None) -> RunResult:
        """One coordinator from its start to the end of the run, or until it is Killed."""
        with ExitStack() as stack:
            kit = CoordinatorKit.load(self.made.coordinator)
            link = stack.enter_context(Link.start(LinkSettings.of(kit, host="127.0.0.1"), Nowhere()))
            recorder = _recorder(kit)
            stack.callback(recorder.folder.close)
            stack.callback(recorder.store.close)
            watcher = watcher or Killing()
            _watched(recorder, watcher)
            journal = journal_in(kit.state)
            self.run = DeployedRun(kit, link, recorder, journal, self.patience, watcher, lambda: None, between)
            self.run.conclude = lambda result: self._concluded(recorder)
            try:
                result = self.run.play()
            except Exception as error:
                recorder._end("failed", str(error))
                raise
            return result

    def _concluded(self, recorder: Recorder) -> None:
        """What a coordinator's process does at the end of a run, but for the report."""
        assert self.run is not None
        self.run.attested()
        recorder.finish()

    def killed(self, **when: Any) -> Killing:
        """A coordinator that is killed at a moment which comes for certain."""
        watcher = Killing(**when)
        with suppress(Killed):
            self.play(watcher)
            raise AssertionError(f"the run was over before: {watcher.moments}")
        return watcher

    def arrived(self, name: str) -> None:
        """The coordinator that plays looks for a newer membership, and the department is there."""
        assert self.run is not None
        self.run.in_force.notice()
        end = time.monotonic() + self.patience.wait
        while name not in self.run.link.members.online:
            assert time.monotonic() < end, name
            time.sleep(0.05)

    def lasted(self, name: str) -> int:
        """The last round that a department has worked in, as its disk says; the last report counts as one."""
        home = self.residents[name].home
        assert home is not None
        return home._kept.last_round()

    def renew(self, out: Path) -> None:
        """As the operator does: a new kit, with the state of the old one."""
        renew(self.made.administrator, out)
        (out / "state").rmdir()
        self.state.rename(out / "state")
        self.made = replace(self.made, coordinator=out)

    def history(self) -> list[Measurement]:
        """What the coordinator's database holds, without how long anything took."""
        with RunStore(sqlite_url(self.state / DATABASE)) as store:
            (run,) = store.runs()
            return store.history(run.id)

    def hubs(self) -> dict[str, np.ndarray]:
        """What the coordinator's checkpoint holds."""
        return hubs_in(self.state)


FIVE = (*FOUR, "质量部门")
"""One may be away from a secure sum of five."""


def five(folder: Path, *more: str, rounds: int = 3, **changes: Any) -> Federation:
    """Five departments, and more, whose sums are secure unless the changes say otherwise."""
    names = (*FIVE, *more)
    everybody = {
        "departments": [{"name": name} for name in names],
        "graph": [],
        "sharing": [{"what": "updates", "from": list(names), "to": ["*"]}],
    }
    path = write(folder, quick({**SECURE, **everybody, **changes}, rounds))
    for k, name in enumerate(names[4:], 4):
        write_own(path, name, {"path": f"{name}.csv"})
        write_rows(path, name, *table(32, seed=k))
    return Federation.load(path)


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
        return Recorder.create(kit.state / RUN, kit.federation, None, 0, audit_log(kit))
    return Recorder.reopen(kit.state / RUN, kit.federation, None, changed=True, logging=audit_log(kit))


def _watched(recorder: Recorder, watcher: Killing) -> None:
    """Moments around what a round leaves behind."""
    keep, save = recorder.keep_round, recorder.checkpoint.save

    def keep_round(*arguments: Any, **more: Any) -> None:
        watcher.pass_by("before the database")
        keep(*arguments, **more)
        watcher.pass_by("after the database")

    def save_checkpoint(*arguments: Any) -> None:
        save(*arguments)
        watcher.pass_by("after the checkpoint")

    recorder.keep_round = keep_round  # type: ignore[method-assign]
    recorder.checkpoint.save = save_checkpoint  # type: ignore[method-assign]
