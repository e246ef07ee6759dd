"""One run of a deployed federation, from the departments' arrival to the last report, wherever an earlier process was.

    wait for departments -> hand on the membership -> join -> rounds -> last report -> run folder

After each round: measurements to the database, then the checkpoint. Within a round the journal holds who answered, and
departments hold what they answered, so a coordinator that is killed at any moment plays the round again as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from lepton_fed import saved_state, statistics_file
from lepton_fed.audit.kits import membership_entry, remember_keys, signers_of
from lepton_fed.audit.run_log import Sealing
from lepton_fed.config import Federation
from lepton_fed.coordinator import State, begin, close, join, play, readmitted
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.deploy.membership import read_membership
from lepton_fed.errors import LeptonError, RoundError
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.flower.signed import Members
from lepton_fed.flower.signed_grid import SignedGrid
from lepton_fed.flower.superlink import Link
from lepton_fed.messages import Reply
from lepton_fed.record import Recorder
from lepton_fed.result import RunResult
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import SignedKeys
from lepton_fed.secure import ATTEMPTS
from lepton_fed.settings import Settings
from lepton_fed.statistics import Findings
from lepton_fed.storage.exchange_journal import ExchangeJournal, Played
from lepton_fed.sums import fewest
from lepton_fed.transport import drive

from .attendance import Attendance
from .beforehand import ask_ahead, carry_errands, counted
from .journalled import Journalled
from .kept_state import KeptState
from .kit_in_force import KitInForce, closed
from .patience import Patience
from .run_account import RunAccount
from .watcher import Watcher

TRIES = 3
"""How often a round is begun that came to nothing before anybody gave numbers."""

RETURN = 30.0
"""Seconds in which departments find a coordinator that was started again."""


@dataclass(eq=False)
class DeployedRun:
    """The run of a coordinator's kit. `look` is called again and again, `between` where no round is under way; what
    they raise ends the run.
    """

    given: CoordinatorKit
    """The kit as it was when this process began; `kit` is the one that holds."""
    link: Link
    recorder: Recorder
    journal: ExchangeJournal
    patience: Patience
    watcher: Watcher
    look: Callable[[], None]
    between: Callable[[], None]
    code: tuple[str, ...] = ()
    conclude: Callable[[RunResult], None] = lambda result: None
    """Writes what remains of the run, and that it has ended, while departments are there to countersign it."""
    threads: int = 1
    findings: Findings | None = field(default=None, init=False)
    _sessions: dict[str, str] = field(default_factory=dict, init=False)
    """Which process each department was when its keys were made."""

    def __post_init__(self) -> None:
        self.in_force = KitInForce(self.given, self.link, self.watcher)
        self.account = RunAccount(self.recorder, self.watcher)
        self.attendance = Attendance(self.link, self.watcher, self._look_idly)
        self._state = KeptState(self.recorder)

    # ------------------------------------------------------------ the whole

    def play(self) -> RunResult:
        """To the end; LeptonError where it cannot go on."""
        with ExitStack() as stack:
            grid = stack.enter_context(self.link.run())
            remember_keys(self.kit)
            self.in_force.go_by_the_round_under_way(self.journal.known, self.recorder.checkpoint.last_round())
            self._open(grid)
            state = self._begun()
            # Whoever was there before a kill comes back within seconds; who was away need not be waited for again.
            begun = bool(state.round or self.journal.known.membership)
            wait = min(RETURN, self.patience.wait) if begun else self.patience.wait
            self.attendance.gather(self.names, wait, least=1)
            self._greet()
            state = drive(join(self.settings, state, absent=True), self.transport)
            ask_ahead(self.settings, state, self.transport, self.account)
            if not begun:
                carry_errands(self.settings, self.transport, self.account)
            self._count(state, begun)
            before = 0.0
            while state.round < self.settings.rounds.count:
                state, before = self._round(state, before)
            state = self._ready(state)
            news = drive(close(self.settings, state), self._journalled, self._on_reply)
            self.account.take(state.round, before, news, closing=True)
            result = self._result(state)
            self.conclude(result)
            self._countersign_the_end()
        return result

    @property
    def kit(self) -> CoordinatorKit:
        """With the membership that the run goes by."""
        return self.in_force.kit

    @property
    def settings(self) -> Settings:
        return self.kit.federation.settings

    @property
    def names(self) -> tuple[str, ...]:
        """Departments that may take part."""
        return tuple(name for name in self.kit.membership.roster.names if name in self.link.members.numbers)

    def _open(self, grid: LinkGrid) -> None:
        numbers = self.link.members.numbers
        names = {number: name for name, number in numbers.items()}
        members = Members.of(self.kit.membership)
        self.signed = SignedGrid(grid, self.kit.identity, members, names=names)
        deadline = float(self.settings.rounds.deadline)
        grace = self.patience.grace
        self.transport = LinkTransport(
            grid, self.signed, numbers, deadline, grace, self._look, lambda: self.link.members.arrivals
        )

    def _begun(self) -> State:
        """The state before the first round, or after the last one that was completed."""
        state = self._fresh()
        saved = self._state.found()
        if saved is None:
            # A large model waits on the disk for the first updates, too.
            return self._kept(state) if saved_state.largest(state) >= saved_state.LARGE else state
        values: dict[str, Any] = dict(saved.meta)
        self.account.history = self.recorder.history()
        self.account.timing, self.account.earlier = dict(values["timing"]), float(values["seconds"])
        self._sessions = dict(values["sessions"])
        self.watcher.said(f"going on after round {saved.round}")
        membership = read_membership(bytes.fromhex(values["membership"]), self.kit.administrator)
        if not membership.alike(self.kit.membership):
            # Departments joined or left between two processes of the coordinator.
            before = self._fresh(Federation.parse(membership.file, self.recorder.folder.federation))
            return readmitted(self.settings, saved_state.restore(before, {}, saved.round, values, saved.groups), state)
        keys = {name: _keys_in(text) for name, text in values["keys"].items()}
        return replace(saved_state.restore(state, {}, saved.round, values, saved.groups), keys=keys)

    def _fresh(self, federation: Federation | None = None) -> State:
        """The state before the first round, by this file or by that of the membership."""
        file = federation or self.kit.federation
        state = begin(file.settings, self.code, file.fingerprint, self.kit.membership.roster)
        return replace(state, threads=self.threads)

    def _kept(self, state: State) -> State:
        """The state after its checkpoint, which says all that another process would need to go on."""
        self._sessions = self._processes
        meta = {
            "timing": dict(self.account.timing),
            "seconds": self.account.seconds,
            "keys": {name: keys.to_bytes().hex() for name, keys in state.keys.items()},
            "sessions": self._sessions,
            "membership": self.kit.update.hex(),
        }
        return self._state.kept(state, meta)

    def _count(self, state: State, begun: bool) -> None:
        """Statistics, where the file asks for them; once a round has begun, nobody is asked any more."""
        if self.settings.statistics is None:
            return
        folder = self.recorder.folder.path
        self.findings = statistics_file.read(folder)
        if self.findings is None and not begun:
            self.findings = counted(
                self.kit.federation,
                state,
                folder,
                self.transport,
                self.account,
                lambda names, least: self.attendance.gather(names, self.patience.wait, least),
            )

    # ------------------------------------------------------------ one round

    def _round(self, state: State, before: float) -> tuple[State, float]:
        """One round; `before`: seconds that the last one took.

        RoundError where it came to nothing after departments have given their numbers, or again and again before.
        """
        for left in reversed(range(TRIES)):
            state = self._ready(state)
            started = time.monotonic()
            self.watcher.asked(state.round + 1, len(self.transport.nodes))
            try:
                after, news = drive(play(self.settings, state), self._journalled, self._on_reply)
                break
            except RoundError as error:
                self.journal.undo()
                # Everything may be being shut down; then the round goes on from here when all are back.
                self.between()
                if self.journal.known.given or not left:
                    raise
                self.watcher.said(f"{error}; trying again")
                self._anew()
        spent = time.monotonic() - started
        self.account.take(state.round, before, news)
        after = self._kept(after)
        if after.round % self.settings.audit.every == 0:
            self._attest()
        self.watcher.round(after.round, spent)
        return after, spent

    def _ready(self, state: State) -> State:
        """The state at the beginning of a round: who belongs to it and who is there is known, and told."""
        self.journal.begin(state.round + 1)
        if not self.journal.replaying:
            self.between()
        state = self._readmitted(state)
        self._greet()
        known = self.journal.known
        if known.membership and not known.given and self._others(known):
            self._anew()
        if not self.journal.replaying and not known.given:
            self.journal.head(self.kit.update.hex(), self._processes, self.journal.known.attempt)
            # The keys of an attempt that came to nothing are used up.
            keys = {} if self.journal.known.attempt else self._same_processes(state.keys)
            state = replace(state, keys=keys)
        self._require_enough(state)
        return replace(state, attempt=self.journal.known.attempt)

    def _anew(self) -> None:
        """Further attempts at the round, with whoever is there now."""
        attempt = self.journal.known.attempt + ATTEMPTS
        self.journal.head(self.kit.update.hex(), self._processes, attempt)

    def _others(self, known: Played) -> bool:
        """Whether departments were started anew since, or the membership has changed: then keys are gone."""
        now = self._processes
        started = any(now.get(name, session) != session for name, session in known.sessions.items())
        return started or known.membership != self.kit.update.hex()

    @property
    def _processes(self) -> dict[str, str]:
        return {name: session.hex() for name, session in self.signed.sessions.items()}

    @property
    def _journalled(self) -> Journalled:
        return Journalled(self.transport, self.journal, self.watcher)

    def _readmitted(self, state: State) -> State:
        """The state under the newest membership, which everybody has been told."""
        self.in_force.notice()
        newer = self.in_force.newer
        if newer is None or self.journal.known.given:
            return state
        if closed(state.round, self.kit.membership, newer.membership):
            self.account.warn(
                "who was added takes no part in this run: its sums are sealed, the model is at the others"
            )
            return state
        self.in_force.take_newer()
        remember_keys(self.kit)
        if self.recorder.log is not None:
            self.recorder.log.signers = signers_of(self.kit)
            self.recorder.log.membership(membership_entry(self.kit.membership, self.recorder.record.id))
        numbers = self.link.members.numbers
        self.signed.readmit(Members.of(self.kit.membership), {number: name for name, number in numbers.items()})
        self.transport.nodes = numbers
        self.attendance.greet_anew()
        self._greet()
        state = readmitted(self.settings, state, self._fresh())
        return drive(join(self.settings, state, absent=True), self.transport)

    def _same_processes(self, keys: Mapping[str, SignedKeys]) -> dict[str, SignedKeys]:
        """The keys of departments that still are the process which made them; others' secrets are gone."""
        now, before = self._processes, self._sessions
        return {name: one for name, one in keys.items() if name in now and before.get(name, now[name]) == now[name]}

    def _require_enough(self, state: State) -> None:
        """Waits until as many departments are there as a round needs."""
        if state.scheme is None:
            self.attendance.gather(self.names, self.patience.wait, least=1)
            return
        writers = {n for plan in state.plans for n in state.scheme.writers(plan, plan.writers)} & set(self.names)
        least = min(fewest(state.scheme, len(writers)), len(writers))
        self.attendance.gather(tuple(sorted(writers)), self.patience.wait, least)

    def _greet(self) -> None:
        self.attendance.greet(self.transport, self.names, self.kit.update, self.recorder.record.id)

    def _on_reply(self, name: str, reply: Reply) -> None:
        self.watcher.answered(name, reply)

    def _look(self) -> None:
        """Called while anybody is waited for: is the run to end, and is there a newer membership?"""
        self.look()
        self.link.check()
        self._state.give_back()
        self.in_force.look()

    def _look_idly(self) -> None:
        """Likewise, where no round is under way."""
        self.between()
        self._look()

    # ------------------------------------------------------------ the end

    def _attest(self) -> None:
        """Has who is there countersign the audit log; who does not is told at once, and in the report."""
        if self.recorder.log is not None:
            for line in self.recorder.log.attest(self.transport, self.attendance.present(self.names)).warnings:
                self.account.warn(line)

    def attested(self) -> Sealing | None:
        """The same once more, until nobody has anything left to tell the log."""
        if self.recorder.log is None:
            return None
        standing = self.recorder.log.conclude(self.transport, self.attendance.present(self.names))
        for line in standing.warnings:
            self.account.warn(line)
        return standing

    def _countersign_the_end(self) -> None:
        """The run is over and written down, whatever happens here: who is not there has signed all but its end."""
        try:
            self.attested()
        except LeptonError as error:
            self.watcher.said(f"the end of the run was not countersigned: {error}")

    def _result(self, state: State) -> RunResult:
        """Departments keep their models themselves, so there are none here."""
        return RunResult(
            settings=self.settings,
            run=self.recorder.record.id,
            state=state,
            history=tuple(self.account.history),
            models={},
            comparison=(),
            timing=dict(self.account.timing),
            seconds=self.account.seconds,
            folder=self.recorder.folder.path,
            code=self.code,
            findings=self.findings,
        )


def _keys_in(text: str) -> SignedKeys:
    found = Wire.from_bytes(bytes.fromhex(text))
    assert isinstance(found, SignedKeys)
    return found
