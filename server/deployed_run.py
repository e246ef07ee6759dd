"""One run of a deployed federation, from the departments' arrival to the last report, wherever an earlier process was.

    wait for departments -> hand on the membership -> join -> rounds -> last report -> run folder

After each round: measurements to the database, then the checkpoint. Within a round the journal holds who answered, and
departments hold what they answered, so a coordinator that is killed at any moment plays the round again as it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from lepton_fed import saved_state, statistics_file
from lepton_fed.audit.kits import membership_entry, remember_keys, signers_of
from lepton_fed.audit.run_log import Sealing
from lepton_fed.config import Federation
from lepton_fed.consultation import consult
from lepton_fed.coordinator import News, State, begin, close, join, play, readmitted
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.deploy.membership import Membership, read_membership
from lepton_fed.errands import run_errands
from lepton_fed.errors import LeptonError, RoundError
from lepton_fed.flower.greetings import Updated
from lepton_fed.flower.heap import Sweeper
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.flower.signed import Members, SignedGrid
from lepton_fed.flower.superlink import Link, nodes_of
from lepton_fed.history import Measurement
from lepton_fed.messages import PHASES, Reply
from lepton_fed.policy import action
from lepton_fed.record import Recorder
from lepton_fed.result import RunResult
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import SignedKeys
from lepton_fed.secure import ATTEMPTS
from lepton_fed.settings import Settings
from lepton_fed.statistics import Findings, Survey
from lepton_fed.storage.exchange_journal import ExchangeJournal, Played
from lepton_fed.storage.tensors import MappedTensors
from lepton_fed.sums import fewest
from lepton_fed.survey_flow import count
from lepton_fed.transport import drive

from .journalled import Journalled
from .patience import Patience
from .watcher import Watcher

LOOK = 0.1
"""Seconds between two looks at who is there."""

TRIES = 3
"""How often a round is begun that came to nothing before anybody gave numbers."""

RETURN = 30.0
"""Seconds in which departments find a coordinator that was started again."""

NEWER = 2.0
"""Seconds between two looks for a newer membership in the kit's state folder."""


@dataclass(eq=False)
class DeployedRun:
    """The run of a coordinator's kit. `look` is called again and again, `between` where no round is under way; what
    they raise ends the run.
    """

    kit: CoordinatorKit
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
    history: list[Measurement] = field(default_factory=list, init=False)
    timing: dict[str, float] = field(default_factory=dict, init=False)
    warnings: dict[str, None] = field(default_factory=dict, init=False)
    findings: Findings | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _earlier: float = field(default=0.0, init=False)
    """Seconds that earlier processes of the coordinator have spent on the run."""
    _sessions: dict[str, str] = field(default_factory=dict, init=False)
    """Which process each department was when its keys were made."""
    _greeted: dict[str, int] = field(default_factory=dict, init=False)
    """How often each department had connected when it was last told the membership."""
    _files: tuple[MappedTensors, ...] = field(default=(), init=False)
    """Of the last checkpoint, where the state's large arrays are; none where they are small."""
    _sweeper: Sweeper | None = field(default=None, init=False)
    _newest: CoordinatorKit | None = field(default=None, init=False)
    _looked: float = field(default=0.0, init=False)

    # ------------------------------------------------------------ the whole

    def play(self) -> RunResult:
        """To the end; LeptonError where it cannot go on."""
        self._started = time.monotonic()
        with ExitStack() as stack:
            grid = stack.enter_context(self.link.run())
            remember_keys(self.kit)
            self._go_by_the_round_under_way()
            self._open(grid)
            state = self._begun()
            # Whoever was there before a kill comes back within seconds; who was away need not be waited for again.
            begun = state.round or self.journal.known.membership
            self._gather(self.names, min(RETURN, self.patience.wait) if begun else self.patience.wait, least=1)
            self._greet()
            state = drive(join(self.settings, state, absent=True), self.transport)
            self._ask_ahead(state)
            self._errands(state)
            self._count(state)
            before = 0.0
            while state.round < self.settings.rounds.count:
                state, before = self._round(state, before)
            state = self._ready(state)
            news = drive(close(self.settings, state), self._journalled, self._on_reply)
            self._take(state.round, before, news, closing=True)
            result = self._result(state)
            self.conclude(result)
            self._countersign_the_end()
        return result

    def _ask_ahead(self, state: State) -> None:
        """Says which departments would refuse to train now; they may think otherwise by the time they are asked."""
        for sentence in drive(consult(self.settings, state), self.transport):
            self.watcher.said(sentence)
            self.warnings[sentence] = None

    @property
    def settings(self) -> Settings:
        return self.kit.federation.settings

    @property
    def names(self) -> tuple[str, ...]:
        """Departments that may take part."""
        return tuple(name for name in self.kit.membership.roster.names if name in self.link.members.numbers)

    def _go_by_the_round_under_way(self) -> None:
        """A round in which departments have given numbers is ended by the membership that it was begun with.

        Who has left since is away, and who has joined takes part from the next round on.
        """
        known, now, done = self.journal.known, self.kit.membership, self.recorder.checkpoint.last_round()
        if not known.membership:
            return
        update = bytes.fromhex(known.membership)
        began = read_membership(update, self.kit.administrator)
        under_way = known.given and known.round == done + 1 and not began.alike(now)
        if began.coordinator == now.coordinator and (under_way or _closed(done, began, now)):
            self._newest, self.kit = self.kit, replace(self.kit, membership=began, update=update)

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
        found = self.recorder.mapped()
        if found is None:
            # A large model waits on the disk for the first updates, too.
            return self._kept(state) if saved_state.largest(state) >= saved_state.LARGE else state
        saved, self._files = found
        self.history = self.recorder.history()
        values: dict[str, Any] = dict(saved.meta)
        self.timing, self._earlier = dict(values["timing"]), float(values["seconds"])
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

    def _errands(self, state: State) -> None:
        """Carries what departments want of each other, once, before the first round; a run goes on without."""
        between = any(action(grant.action) in ("read", "publish") for grant in self.settings.access)
        if not between or state.round or self.journal.known.membership:
            return
        done = drive(run_errands(sorted(self.transport.nodes)), self.transport)
        for errand in done.all:
            if errand.reason:
                self._say_once(str(errand))
            else:
                self.watcher.said(str(errand))

    def _count(self, state: State) -> None:
        """Statistics before the first round, where the file asks for them; a run goes on where there are none.

        A coordinator that was killed meanwhile asks again, in a further attempt; departments whose numbers were out
        answer no second time.
        """
        if self.settings.statistics is None:
            return
        folder = self.recorder.folder.path
        self.findings = statistics_file.read(folder)
        if self.findings is not None or state.round or self.journal.known.membership:
            return
        assert state.roster is not None
        survey = Survey(self.settings, self.kit.federation.fingerprint)
        try:
            self._gather(survey.willing, self.patience.wait, least=min(len(survey.willing), 1))
            first = statistics_file.tried(folder) * ATTEMPTS
            _, self.findings = drive(count(survey, state.roster, self.threads, first), self.transport)
        except RoundError as error:
            self._say_once(str(error))
            return
        statistics_file.write(folder, self.findings)
        self.watcher.said(f"counted over the rows of {len(self.findings.departments)} departments")

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
        self._take(state.round, before, news)
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

    # ------------------------------------------------------------ the audit log

    def _attest(self) -> None:
        """Has who is there countersign the audit log; who does not is told at once, and in the report."""
        if self.recorder.log is not None:
            for line in self.recorder.log.attest(self.transport, self._present).warnings:
                self._say_once(line)

    def attested(self) -> Sealing | None:
        """The same once more, until nobody has anything left to tell the log."""
        if self.recorder.log is None:
            return None
        standing = self.recorder.log.conclude(self.transport, self._present)
        for line in standing.warnings:
            self._say_once(line)
        return standing

    def _countersign_the_end(self) -> None:
        """The run is over and written down, whatever happens here: who is not there has signed all but its end."""
        try:
            self.attested()
        except LeptonError as error:
            self.watcher.said(f"the end of the run was not countersigned: {error}")

    @property
    def _present(self) -> tuple[str, ...]:
        online = set(self.link.members.online)
        return tuple(name for name in self.names if name in online)

    def _take(self, number: int, seconds: float, news: News, *, closing: bool = False) -> None:
        """What was measured about round `number`, and who was missing."""
        self.history += news.measurements
        self.recorder.keep_round(number, seconds, news.measurements, news.accounts, closing=closing)
        self.watcher.measured(number, news.measurements)
        for department, phases in news.seconds.items():
            # What else a department calls a phase, or how long it says that it took, is its own affair.
            for phase, value in ((one, phases[one]) for one in PHASES if 0 <= phases.get(one, -1) < math.inf):
                self.timing[f"{phase} ({department})"] = self.timing.get(f"{phase} ({department})", 0.0) + value
        missing = (f"{name} took no part in a round: {why}" for name, why in news.refusals.items())
        for line in (*news.warnings, *missing):
            self._say_once(line)

    def _say_once(self, line: str) -> None:
        """To whoever looks on, and in the report."""
        if line not in self.warnings:
            self.watcher.said(line)
        self.warnings[line] = None

    def _kept(self, state: State) -> State:
        """The state after its checkpoint, in whose file its large arrays are from then on."""
        meta = saved_state.meta(state) | {
            "timing": dict(self.timing),
            "seconds": self._seconds,
            "keys": {name: keys.to_bytes().hex() for name, keys in state.keys.items()},
            "sessions": self._processes,
            "membership": self.kit.update.hex(),
        }
        self._sessions = self._processes
        self.recorder.checkpoint.save(state.round, meta, saved_state.groups(state, {}, ()))
        if saved_state.largest(state) < saved_state.LARGE:
            return state
        found = self.recorder.checkpoint.mapped()
        assert found is not None
        saved, self._files = found
        return saved_state.placed(state, saved.groups, saved_state.LARGE)

    def _on_reply(self, name: str, reply: Reply) -> None:
        self.watcher.answered(name, reply)

    # ------------------------------------------------------------ who is there

    def _look(self) -> None:
        """Called while anybody is waited for: is the run to end, and is there a newer membership?"""
        self.look()
        self.link.check()
        if self._files:
            self._sweeper = self._sweeper or Sweeper()
            self._sweeper.sweep()
        for file in self._files:
            file.give_back()
        now = time.monotonic()
        if now - self._looked >= NEWER:
            self._looked = now
            self._notice()

    def _notice(self) -> None:
        """Takes a newer membership from the kit's state folder: who left it is refused at once, others from the next
        round on.
        """
        try:
            found = (self._newest or self.kit).current()
        except LeptonError as error:
            self.watcher.said(str(error))
            return
        if found is not (self._newest or self.kit):
            self._newest = found
            self.link.allow(nodes_of(found))

    def _readmitted(self, state: State) -> State:
        """The state under the newest membership, which everybody has been told."""
        self._notice()
        if self._newest is None or self.journal.known.given:
            return state
        if _closed(state.round, self.kit.membership, self._newest.membership):
            self._say_once("who was added takes no part in this run: its sums are sealed, the model is at the others")
            return state
        self.kit, self._newest = self._newest, None
        self.watcher.said(f"the membership of serial {self.kit.membership.serial} holds from now on")
        remember_keys(self.kit)
        if self.recorder.log is not None:
            self.recorder.log.signers = signers_of(self.kit)
            self.recorder.log.membership(membership_entry(self.kit.membership, self.recorder.record.id))
        numbers = self.link.members.numbers
        self.signed.readmit(Members.of(self.kit.membership), {number: name for name, number in numbers.items()})
        self.transport.nodes = numbers
        self._greeted.clear()
        self._greet()
        state = readmitted(self.settings, state, self._fresh())
        return drive(join(self.settings, state, absent=True), self.transport)

    def _greet(self) -> None:
        """Tells everybody who has connected since the membership, and hears which process it is."""
        arrivals = self.link.members.arrivals
        online = set(self.link.members.online).intersection(self.names)
        new = {name for name in online if arrivals.get(name, 0) != self._greeted.get(name, 0)}
        for name, reply in self.transport.update(self.kit.update, new, self.recorder.record.id).items() if new else ():
            if isinstance(reply, Updated):
                self._greeted[name] = arrivals[name]
            else:
                self.watcher.said(f"{name} does not take the membership: {reply.reason}")

    def _same_processes(self, keys: Mapping[str, SignedKeys]) -> dict[str, SignedKeys]:
        """The keys of departments that still are the process which made them; others' secrets are gone."""
        now, before = self._processes, self._sessions
        return {name: one for name, one in keys.items() if name in now and before.get(name, now[name]) == now[name]}

    def _require_enough(self, state: State) -> None:
        """Waits until as many departments are there as a round needs."""
        if state.scheme is None:
            self._gather(self.names, self.patience.wait, least=1)
            return
        writers = {n for plan in state.plans for n in state.scheme.writers(plan, plan.writers)} & set(self.names)
        self._gather(tuple(sorted(writers)), self.patience.wait, min(fewest(state.scheme, len(writers)), len(writers)))

    def _gather(self, names: tuple[str, ...], seconds: float, least: int) -> None:
        """Waits for all of `names` before the first round, and later for as many as are needed.

        RoundError where fewer than `least` have come in time.
        """
        needed = least if self._greeted else len(names)
        start, told = time.monotonic(), False
        while True:
            online = set(self.link.members.online)
            missing = tuple(name for name in names if name not in online)
            if len(names) - len(missing) >= needed:
                return
            if not told:
                self.watcher.waiting(missing)
                told = True
            if time.monotonic() - start >= seconds:
                if len(names) - len(missing) >= least:
                    return
                raise RoundError(
                    f"{'、'.join(missing)} did not connect within {seconds:g} seconds; start them, then submit again"
                )
            self.between()
            self._look()
            time.sleep(LOOK)

    # ------------------------------------------------------------ the end

    @property
    def _seconds(self) -> float:
        """That the run has taken, in this process of the coordinator and in earlier ones."""
        return self._earlier + time.monotonic() - self._started

    def _result(self, state: State) -> RunResult:
        """Departments keep their models themselves, so there are none here."""
        return RunResult(
            settings=self.settings,
            run=self.recorder.record.id,
            state=state,
            history=tuple(self.history),
            models={},
            comparison=(),
            timing=dict(self.timing),
            seconds=self._seconds,
            folder=self.recorder.folder.path,
            code=self.code,
            findings=self.findings,
        )


def _closed(round: int, old: Membership, new: Membership) -> bool:
    """Whether nobody can join after so many rounds: the coordinator does not have the model that they would need."""
    return round > 0 and old.settings.aggregation.sealed and new.fingerprint != old.fingerprint


def _keys_in(text: str) -> SignedKeys:
    found = Wire.from_bytes(bytes.fromhex(text))
    assert isinstance(found, SignedKeys)
    return found
