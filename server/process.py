"""The coordinator's process: the guarded SuperLink, and in the same process the run itself.

lepton-fed server KIT -> serve(kit): claim the kit, open the port, play a run when somebody submits one
                                     SIGTERM ends it; started again, the run goes on where it was
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

from lepton_fed.audit.beginnings import beginning
from lepton_fed.audit.kits import membership_entry, signers_of
from lepton_fed.audit.run_log import RunLog
from lepton_fed.deploy.claim import claimed
from lepton_fed.deploy.kit import COORDINATOR, CoordinatorKit
from lepton_fed.errors import LeptonError, StoppedError
from lepton_fed.flower.heap import give_large_blocks_back
from lepton_fed.flower.link_audit import AuditEvent, Outcome
from lepton_fed.flower.link_control import control
from lepton_fed.flower.link_metrics import LinkMetrics
from lepton_fed.flower.superlink import Link, LinkSettings, nodes_of
from lepton_fed.logs import configure
from lepton_fed.outcome import keep
from lepton_fed.record import DATABASE, Logging, Recorder
from lepton_fed.result import RunResult
from lepton_fed.signals import stopped_by_signals
from lepton_fed.storage import AuditTable

from .conductor import RUN, SHUT_DOWN, RunningConductor, goes_on, journal_in, recorded
from .courier import carried
from .deployed_run import DeployedRun
from .kit_in_force import NEWER
from .patience import Patience

BYTES_NEEDED = 10_000_000
"""For the history; hubs' models come on top and are not known before they are built."""

_log = logging.getLogger("lepton_fed.coordinator")

LOOK = 0.1
"""Seconds between two looks whether there is something to do."""


def serve(
    kit: CoordinatorKit,
    *,
    host: str | None = None,
    port: int | None = None,
    patience: Patience | None = None,
    code: tuple[str, ...] = (),
    ready: Callable[[Link], None] = lambda link: None,
) -> None:
    """Run a coordinator until SIGTERM or SIGINT. `ready`: called once, when calls are answered. Main thread only.

    StorageError: another process works from the kit, or the port is taken.
    """
    give_large_blocks_back()
    with ExitStack() as stack:
        stack.enter_context(claimed(kit.state))
        stop = stack.enter_context(stopped_by_signals())
        sink = stack.enter_context(AuditTable(kit.state / DATABASE))
        secrets = (kit.token, kit.identity.seed)
        stack.enter_context(configure("coordinator", COORDINATOR, folder=kit.state, secrets=secrets))
        metrics = LinkMetrics()
        conductor = RunningConductor(kit, metrics)
        settings = LinkSettings.of(kit, host=host, port=port, metrics=metrics)
        link = stack.enter_context(Link.start(settings, sink, control(conductor)))
        conductor.link = link
        sink.record(_event(link, "start", "done"))
        ready(link)
        if goes_on(kit.state):
            conductor.wanted.set()
        coordinator = Coordinator(link, conductor, stop, patience or Patience(), code)
        coordinator.work()
        sink.record(_event(link, "stop", "done"))


class Coordinator:
    """Waits for a run, plays it, waits for the next; follows the kit's membership meanwhile."""

    def __init__(
        self, link: Link, conductor: RunningConductor, stop: threading.Event, patience: Patience, code: tuple[str, ...]
    ) -> None:
        self.link, self.conductor, self.stop = link, conductor, stop
        self.patience, self.code = patience, code

    def work(self) -> None:
        """Until `stop` is set."""
        idle = 0.0
        while not self.stop.is_set():
            self.link.check()
            if self.conductor.wanted.is_set():
                self._play()
            elif self.conductor.errands.is_set():
                self._carry()
            elif self.stop.wait(LOOK):
                return
            idle += LOOK
            if idle >= NEWER:
                idle = 0.0
                self._follow()

    def _follow(self) -> None:
        """Takes a newer membership while no run is under way."""
        try:
            newer = self.conductor.kit.current()
        except LeptonError as error:
            self.conductor.said(str(error))
            return
        if newer is not self.conductor.kit:
            self.conductor.kit = newer
            self.link.allow(nodes_of(newer))
            self.conductor.said(f"the membership of serial {newer.membership.serial} holds from now on")

    def _look(self) -> None:
        """In a round: it is played to its end, or else departments, once they were started anew, could not go on."""
        if self.stop.is_set():
            self.conductor.shut_down()
        self.conductor.require_patience()

    def _between(self) -> None:
        if self.stop.is_set():
            self.conductor.shut_down()
        self.conductor.require_going_on()

    def _require_no_end(self) -> None:
        if self.stop.is_set():
            raise StoppedError(SHUT_DOWN)

    def _play(self) -> None:
        """One run, to whatever end; the coordinator goes on."""
        self._follow()
        self.conductor.begun()
        try:
            self._played()
        except Exception as error:
            if not isinstance(error, LeptonError):
                _log.exception("a run failed")
            self.conductor.ended(error)
        else:
            self.conductor.ended(None)

    def _carry(self) -> None:
        """What departments want of each other; whatever comes of it, the coordinator goes on."""
        self._follow()
        self.conductor.errands.clear()
        try:
            carried(self.conductor.kit, self.link, self._require_no_end, self.conductor.said, self.patience.grace)
        except Exception as error:
            if not isinstance(error, LeptonError):
                _log.exception("errands failed")
            self.conductor.said(str(error) if isinstance(error, LeptonError) else "errands failed; its log says why")

    def _played(self) -> None:
        kit = self.conductor.kit
        with _recorder(kit, self.code) as recorder:
            run = DeployedRun(
                kit,
                self.link,
                recorder,
                journal_in(kit.state),
                self.patience,
                self.conductor,
                self._look,
                self._between,
                self.code,
            )
            run.conclude = lambda result: self._conclude(run, result)
            try:
                run.play()
            finally:
                self.conductor.kit = run.kit

    def _conclude(self, run: DeployedRun, result: RunResult) -> None:
        """The report, and that the run has finished."""
        self.conductor.said("writing the report")
        keep(result, run.recorder, run.kit.federation, {}, tuple(run.account.warnings), "deployed", run.attested)
        run.recorder.finish()


def _recorder(kit: CoordinatorKit, code: tuple[str, ...]) -> Recorder:
    """The record of the kit's one run: a new one, or that of an earlier process."""
    logging = audit_log(kit, code)
    if recorded(kit.state)[0] == "idle":
        return Recorder.create(kit.state / RUN, kit.federation, None, BYTES_NEEDED, logging)
    return Recorder.reopen(kit.state / RUN, kit.federation, None, changed=True, logging=logging)


def audit_log(kit: CoordinatorKit, code: tuple[str, ...] = ()) -> Logging:
    """How a run of this kit writes the audit log, which has the calls of the port, too."""
    return Logging(
        beginning(kit.federation, code, serial=kit.membership.serial),
        lambda store, run: RunLog(store.database, signers_of(kit), run, calls=True),
        membership_entry(kit.membership, ""),
    )


def _event(link: Link, action: str, outcome: Outcome) -> AuditEvent:
    return AuditEvent(actor=COORDINATOR, address=link.address, action=action, outcome=outcome)
