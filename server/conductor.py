"""What a coordinator does with an operator's wishes: one run at a time, begun, stopped, watched.

idle --submit--> running --> finished | failed | stopped --submit--> running (goes on after the last round)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.errors import ConfigError, LeptonError, StoppedError, StorageError
from lepton_fed.flower.link_control import Json
from lepton_fed.flower.link_metrics import LinkMetrics
from lepton_fed.flower.superlink import Link
from lepton_fed.history import Measurement
from lepton_fed.messages import Reply, Summed
from lepton_fed.progress import totals_in
from lepton_fed.secagg.messages import MaskedInput
from lepton_fed.storage import ExchangeJournal, RunFolder
from lepton_fed.storage.run_record import Status

from .watcher import Watcher

RUN, JOURNAL = "run", "exchanges.jsonl"
"""In the kit's state folder: the run's folder, and who answered in the round under way."""

LINES = 1000
"""Of the log that an operator can ask for."""

LINGER = 30.0
"""Seconds that a round under way is given where the run is to end."""

SHUT_DOWN = "the coordinator was shut down"
STOPPED = "somebody stopped it"

_log = logging.getLogger("lepton_fed.coordinator")


class RunningConductor(Watcher):
    """The state of one coordinator. An operator's calls come from other threads than the run's."""

    def __init__(self, kit: CoordinatorKit, metrics: LinkMetrics) -> None:
        self.kit = kit
        self.metrics_kept = metrics
        self.link: Link | None = None
        self.wanted = threading.Event()
        """A run is to begin, or to go on."""
        self.errands = threading.Event()
        """What departments want of each other is to be carried."""
        self._lock = threading.Lock()
        self._stopping, self._since = "", 0.0
        self._lines: deque[tuple[int, str]] = deque(maxlen=LINES)
        self._count = 0
        self._state, self._reason = recorded(kit.state)
        self._round, self._there = rounds_done(kit.state), set[str]()
        self._measured: dict[str, float] = {}
        self._measured_round = 0
        self._seconds: list[float] = []

    # ------------------------------------------------------------ an operator's wishes

    def submit(self, federation: str) -> Json:
        # Not under the lock: a strange file may take long to read, and the run would wait for its next line of log.
        given = Federation.parse(federation, Path("federation.toml"))
        with self._lock:
            if given.fingerprint != self.kit.membership.fingerprint:
                raise ConfigError(
                    "this is not the federation file that the kits were made with, and every department would refuse; "
                    "submit that file, or make new kits (lepton-fed provision)"
                )
            if self._state == "running":
                raise StorageError("a run is under way; stop it first (lepton-fed stop), or wait until it ends")
            if self._state == "finished":
                raise StorageError(
                    "this federation has been trained; departments give their numbers to each model once, so to train "
                    "again make new kits (lepton-fed provision)"
                )
            again = self._state != "idle"
            self._state, self._reason, self._stopping = "running", "", ""
            self.wanted.set()
        return {"going_on": again, **self.status()}

    def stop(self) -> Json:
        with self._lock:
            if self._state != "running":
                raise StorageError("no run is under way")
            self._end(STOPPED)
        return self.status()

    def carry(self) -> Json:
        with self._lock:
            if self._state == "running":
                raise StorageError("a run is under way, which carries what departments want before its first round")
            self.errands.set()
        return self.status()

    def shut_down(self) -> None:
        """The process is to end; the run goes on when it is started again."""
        self._end(SHUT_DOWN)

    def _end(self, why: str) -> None:
        if not self._stopping:
            self._stopping, self._since = why, time.monotonic()

    def require_going_on(self) -> None:
        """StoppedError if somebody wants the run to end."""
        if self._stopping:
            raise StoppedError(self._stopping)

    def require_patience(self) -> None:
        """StoppedError if somebody wants the run to end, and the round under way has had its time to."""
        if self._stopping and time.monotonic() - self._since > LINGER:
            raise StoppedError(self._stopping)

    def status(self) -> Json:
        online = self.link.members.online if self.link is not None else ()
        names = self.kit.membership.roster.names
        with self._lock:
            return {
                "federation": self.kit.membership.roster.federation,
                "serial": self.kit.membership.serial,
                "state": self._state,
                "reason": self._reason,
                "round": self._round,
                "rounds": self.kit.federation.settings.rounds.count,
                "measured": dict(self._measured),
                "measured_round": self._measured_round,
                "seconds_per_round": sorted(self._seconds)[len(self._seconds) // 2] if self._seconds else None,
                "departments": {name: _present(name in online, name in self._there) for name in names},
                "folder": str(self.kit.state / RUN),
            }

    def logs(self, after: int) -> Json:
        with self._lock:
            return {"lines": [[number, line] for number, line in self._lines if number > after]}

    def healthy(self) -> bool:
        return self.link is not None and self.link.health.running

    def metrics(self) -> tuple[bytes, str]:
        if self.link is not None:
            self.metrics_kept.departments_online(self.link.members.online, self.kit.membership.roster.names)
        return self.metrics_kept.text()

    # ------------------------------------------------------------ what happens

    def begun(self) -> None:
        """A run begins, or goes on."""
        self.wanted.clear()
        with self._lock:
            self._state, self._reason = "running", ""
        self.metrics_kept.run_state("running")

    def ended(self, error: BaseException | None) -> None:
        """The run is over. Whoever sees that can read how it ended, too: who follows it looks no further."""
        state: Status = "finished"
        reason = ""
        if error is not None:
            state = "stopped" if isinstance(error, StoppedError) else "failed"
            reason = str(error) if isinstance(error, LeptonError) else f"{type(error).__name__}, see its log"
        line = f"the run has {state}" + (f": {reason}" if reason else "")
        self.metrics_kept.run_state(state)
        _log.info("%s", line)
        with self._lock:
            self._keep(line)
            self._state, self._reason = state, reason

    def waiting(self, names: tuple[str, ...]) -> None:
        self.said(f"waiting for {'、'.join(names)}")

    def asked(self, number: int, names: int) -> None:
        with self._lock:
            self._there = set()
        self.metrics_kept.round_began(number)

    def answered(self, name: str, reply: Reply) -> None:
        if not isinstance(reply, Summed) or isinstance(reply.reply, MaskedInput):
            with self._lock:
                self._there.add(name)

    def exchange(self, seconds: float) -> None:
        self.metrics_kept.exchange_ended(seconds)

    def measured(self, number: int, measurements: tuple[Measurement, ...]) -> None:
        totals = totals_in(measurements)
        if totals:
            with self._lock:
                self._measured, self._measured_round = totals, number
            shown = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in totals.items())
            self._line(f"after round {number}: {shown}")

    def round(self, number: int, seconds: float) -> None:
        with self._lock:
            self._round = number
            self._seconds = [*self._seconds[-99:], seconds]
        self.metrics_kept.round_ended(number, seconds)
        _log.info("round over", extra={"round": number})
        self._line(f"round {number} of {self.kit.federation.settings.rounds.count} took {seconds:.2f} s")

    def said(self, line: str) -> None:
        _log.info("%s", line)
        self._line(line)

    def _line(self, text: str) -> None:
        with self._lock:
            self._keep(text)

    def _keep(self, text: str) -> None:
        """One more line, under the lock."""
        self._count += 1
        self._lines.append((self._count, f"{time.strftime('%H:%M:%S')}  {text}"))


def recorded(state: Path) -> tuple[str, str]:
    """How the run in a kit's state folder stands, and why; `idle` where there is none."""
    try:
        record = RunFolder.open(state / RUN, writing=False).record()
    except StorageError:
        return "idle", ""
    # A process that was killed, or shut down, left a run that goes on.
    return record.status, record.reason


def rounds_done(state: Path) -> int:
    """How many rounds the run in a kit's state folder has played."""
    try:
        return RunFolder.open(state / RUN, writing=False).checkpoint().last_round()
    except StorageError:
        return 0


def goes_on(state: Path) -> bool:
    """Whether the run in a state folder goes on as soon as a coordinator is there."""
    status, reason = recorded(state)
    return status == "running" or (status == "stopped" and reason == SHUT_DOWN)


def journal_in(state: Path) -> ExchangeJournal:
    return ExchangeJournal(state / JOURNAL)


def _present(online: bool, answered: bool) -> dict[str, Any]:
    return {"online": online, "answered": answered}
