"""A department: the only place where its data are touched and the only one that says yes or no.

`handle(message) -> reply` is all it does. It derives from its own copy of the federation file who may learn from
it, and refuses whatever goes further, whoever asks; and its policies, own files included, are asked about each message
that lets something leave (`enforcement`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from lepton_fed.appraisal import Appraiser
from lepton_fed.bench import Bench
from lepton_fed.cohorts import HubPlan, home, hubs
from lepton_fed.common_ground import CommonGround
from lepton_fed.couplings import part
from lepton_fed.couplings.feedback import fed_back
from lepton_fed.couplings.participant import Kept, Participant
from lepton_fed.docket import OwnLog
from lepton_fed.enforcement import Guard, Moment
from lepton_fed.enforcement import digest as as_written
from lepton_fed.errand_replies import carried, met, wished
from lepton_fed.errors import ConfigError, PolicyError
from lepton_fed.first_hubs import first_hub, reference
from lepton_fed.hub import Hub, advanced, arrays_of, hub_in
from lepton_fed.measuring import Gauge, Rows
from lepton_fed.member import Member
from lepton_fed.messages import (
    PHASES,
    Advertise,
    Attest,
    Consult,
    Consulted,
    Declare,
    Declared,
    Done,
    Evaluate,
    Expected,
    HubState,
    Join,
    Joined,
    Meet,
    Message,
    Read,
    Refused,
    Reply,
    Sum,
    Take,
    Wish,
    Work,
)
from lepton_fed.objections import ANOTHER_FILE, Objections
from lepton_fed.order import Order, SeededOrder
from lepton_fed.policies import Policies
from lepton_fed.privacy import Purse
from lepton_fed.privacy.purse import WITHOUT_NOISE
from lepton_fed.reads import Giver, Reader
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.plan import Plan
from lepton_fed.secagg.results import Sums
from lepton_fed.settings import Settings
from lepton_fed.sizes import Sizes
from lepton_fed.statistics import Respondent
from lepton_fed.sums import UPDATES, Scheme, expected_crowds, standing_behind
from lepton_fed.translation import sentence
from lepton_fed.weighting import beta, raw_weight

NO_KEYS = "it has no keys for secure sums; a simulation makes them, a deployed department is given them"
NO_LOG = "it keeps no log of its own, so it cannot countersign one"

Shown = TypeVar("Shown", bound=Declare | Work | Evaluate)

DIVERGED = 1e30
"""Squared norm from which an update is no update any more: well before float32 sums of squares overflow."""


@dataclass(eq=False)
class Department:
    """One department of a federation, in whichever process it lives.

    `fingerprint`: of its own copy of the federation file. `disclose`: whether its measurements may leave.
    """

    name: str
    settings: Settings
    fingerprint: str
    bench: Bench
    rows: Rows
    order: Order | None = None
    disclose: bool = False
    common: Tensor | None = None
    hubs: tuple[HubPlan, ...] | None = None
    """Derived from the settings; given where many departments of one process would derive the same."""
    party: Party | None = None
    """Its keys, terms and ledger for secure sums."""
    threads: int = 1
    """For masking."""
    log: OwnLog | None = None
    """What it tells the audit log, and how it watches that."""
    guard: Guard | None = None
    """Its policies; without, they are the federation file's."""
    purse: Purse | None = None
    """What all releases about its rows may cost together; None: it keeps no account."""
    respondent: Respondent | None = None
    """Who answers for its rows where statistics are summed."""
    giver: Giver | None = None
    """Who answers for the tables that it shares; None: it has no key to sign with."""
    reader: Reader | None = None
    """Who asks for others' tables; likewise."""
    common_ground: CommonGround | None = None
    """Who finds out with others what both know; None: it has no knowledge graph, or no keys."""
    last_round: int = field(default=0, init=False)
    last_declared: int = field(default=0, init=False)
    declared: str = field(default="", init=False)
    _before: tuple[Kept, int] = field(default_factory=lambda: ({}, 0), init=False, repr=False)

    def __post_init__(self) -> None:
        mine = self.settings.department(self.name)
        if self.guard is None:
            self.guard = Guard(self.name, self.settings, Policies.of(self.settings), f"sha256:{self.fingerprint}")
        if self.purse is not None:
            self.guard.spent = self.spent
        plans = self.hubs if self.hubs is not None else hubs(self.settings)
        here = home(self.name, plans)
        self.may_write = {p.name for p in plans if self.name in p.may_write}
        self.plans: dict[str, HubPlan] = {p.name: p for p in plans}
        count = len(self.rows.train) if self.rows.train is not None else 0
        if mine.is_source and not count:
            raise ConfigError(
                sentence(
                    "{name} is a source but has no training rows; give it data or only the role target", name=self.name
                )
            )
        self.participant = Participant(
            name=self.name,
            settings=self.settings,
            model=self.bench.model,
            loss=self.bench.loss,
            examples=self.rows.train,
            weight=raw_weight(self.settings.weights, self.name, count) if mine.is_source else 0.0,
            beta=beta(self.settings.weights, self.name),
            order=self.order or SeededOrder(self.settings.training, self.settings.federation.seed, self.name),
            home=here.name if here else None,
            common=self.common,
        )
        self.part = part(self.settings.coupling, self.participant)
        common = len(self.common) if self.common is not None else 0
        self.sizes = Sizes.of(self.settings, self.bench.model, common)
        self.objections = Objections(
            self.settings, self.fingerprint, self.plans, self.may_write, self.participant.home, self.sizes
        )
        self.gauge = Gauge(self.settings, self.bench, self.rows)
        self.appraiser = Appraiser(self.objections, self.participant, self.gauge, accounted=self.purse is not None)
        self.secure = self.settings.aggregation.secure
        self.own_hubs: dict[str, Hub] = {}
        """Where sums are sealed: the hubs as this department has stepped them."""
        self.member = self._member(plans) if self.party is not None and self.secure else None

    def _member(self, plans: tuple[HubPlan, ...]) -> Member:
        assert self.party is not None
        if self.settings.aggregation.sealed and self.participant.home is not None:
            # Hubs of `clusters` begin differently, and are refused before any run (`secrecy`).
            self.own_hubs = {p.name: first_hub(self.settings, self.bench.model) for p in plans}
        return Member(
            self.party,
            self.scheme,
            self._contribute,
            lambda: self._held,
            self._take_sums,
            lambda: self.declared,
            self._undo,
            self._consent,
            purse=self.purse,
            respondent=self.respondent,
            threads=self.threads,
        )

    @property
    def policies(self) -> Guard:
        """What it permits."""
        assert self.guard is not None
        return self.guard

    @cached_property
    def scheme(self) -> Scheme:
        """The sums of this federation, by its own copy of the file."""
        plans = tuple(self.plans.values())
        first = reference(self.settings, plans, first_hub(self.settings, self.bench.model))
        return Scheme(self.settings, plans, self.sizes.added, first)

    # ------------------------------------------------------------ messages

    def handle(self, message: Message) -> Reply:
        """The answer to one message; a refusal is an answer, with its reason."""
        match message:
            case Join():
                return self._join(message)
            case Advertise():
                return self._advertise(message)
            case Sum():
                return self.member.answer(message) if self.member is not None else Refused(NO_KEYS)
            case Consult():
                return self._consulted(message)
            case Evaluate():
                return self.appraiser.answer(self._as_held(message), self.policies)
            case Attest():
                return self.log.answer(message) if self.log is not None else Refused(NO_LOG)
            case Wish():
                return wished(self.reader, self.common_ground)
            case Read() | Take():
                return carried(self.giver, self.reader, message)
            case Meet():
                return met(self.common_ground, message)
        message = self._as_held(message)
        reason = self._objection(message)
        if reason is None and not (self.secure and isinstance(message, Work)):
            reason = self._forbidden(message)
        if reason is not None:
            return Refused(reason)
        if isinstance(message, Declare):
            if self.purse is not None:
                return Refused(WITHOUT_NOISE)
            self.last_declared, self.declared = message.round, self.part.declare(message.hubs)
            return Declared(self.declared)
        if self.secure and message.write:
            return Refused(
                "its federation file asks for secure sums, and this would show its update to the coordinator"
            )
        if self.purse is not None and message.write:
            return Refused(WITHOUT_NOISE)
        reply = self._work(message)
        return replace(reply, scores={}) if self.secure and isinstance(reply, Done) else reply

    def _contribute(self, work: Work) -> Done | Refused:
        """What it adds to secure sums; all of it, since nobody but this department sees it."""
        work = self._as_held(work)
        reason = self._objection(work)
        return Refused(reason) if reason is not None else self._work(work)

    def _as_held(self, message: Shown) -> Shown:
        """With the hubs that it holds itself, where sums are sealed, whichever it is shown."""
        return replace(message, hubs=self._held) if self.own_hubs else message

    def _objection(self, message: Declare | Work) -> str | None:
        """Why this message is refused, or None."""
        return self.objections.to_round(
            message, worked=self.last_round, declared_for=self.last_declared, declared=self.declared
        )

    def _join(self, message: Join) -> Reply:
        if message.fingerprint != self.fingerprint:
            return Refused(ANOTHER_FILE)
        reason = self.policies.ever(self._expected(1))
        if reason is not None:
            return Refused(reason)
        return Joined(self.bench.model.layout.digest, self.sizes.added)

    # ------------------------------------------------------------ what its policies say

    def _forbidden(self, message: Declare | Work) -> str | None:
        """Why its policies do not let its update reach whoever would learn from it, or None."""
        if isinstance(message, Declare):
            return self.policies.training(self._expected(message.round))
        return self.policies.training((self.plans[hub], Moment(message.round)) for hub in message.write)

    def _consent(self, plan: Plan) -> None:
        """PolicyError unless its policies let its numbers enter the sums of this plan."""
        digest, turnout = as_written(plan.hash), self.scheme.turnout_of(plan)
        reason = self.policies.training(
            (self.plans[hub], Moment(plan.round, standing_behind(self.scheme, turnout, hub), digest))
            for hub, members in turnout.writes.items()
            if self.name in members
        )
        if reason is not None:
            raise PolicyError(self.name, reason)

    def _advertise(self, message: Advertise) -> Reply:
        if self.member is None:
            return Refused(NO_KEYS)
        # After the last round there is only the report.
        due = message.round <= self.settings.rounds.count
        reason = self.policies.training(self._expected(max(message.round, 1))) if due else None
        return self.member.advertise() if reason is None else Refused(reason)

    def _expected(self, round: int) -> list[tuple[HubPlan, Moment]]:
        """The hubs that it may write to, in a round in which everybody takes part."""
        crowds = self._crowds
        return [(self.plans[hub], Moment(round, crowds[hub])) for hub in self.plans if hub in self.may_write]

    @cached_property
    def _crowds(self) -> dict[str, int]:
        return expected_crowds(self.settings, tuple(self.plans.values()))

    def _consulted(self, message: Consult) -> Reply:
        """What it would decide; nobody is told of it, since nothing is done."""
        reason = self.objections.to_consulting(message)
        if reason is not None:
            return Refused(reason)
        decisions = [self.policies.expected(self.policies.completed(one)) for one in message.requests]
        if message.training:
            for plan, moment in self._expected(max(message.round, 1)):
                decisions += self.policies.foreseen(plan, moment)
        return Consulted(tuple(Expected(one.permitted, one.reasons, one.rules) for one in decisions))

    # ------------------------------------------------------------ one round

    def _work(self, work: Work) -> Done | Refused:
        self._before = dict(self.participant.kept), self.last_round
        self.last_round = work.round
        started = time.perf_counter()
        if not work.hubs:
            return Done()
        self.part.read(work.hubs)
        scores, disclosed = self._report(work) if work.report else ({}, {})
        reported = time.perf_counter()
        addends = fed_back(self.part.train(work), self.participant, work.round) if work.write else {}
        if not all(abs(a.spread) < DIVERGED for a in addends.values()):
            self._undo()
            return Refused(f"its training diverged in round {work.round}; a smaller learning rate may help")
        seconds = dict(zip(PHASES, (reported - started, time.perf_counter() - reported), strict=True))
        return Done(addends, scores, disclosed, seconds)

    def _undo(self) -> None:
        """Takes the last round's work back: what a department keeps is replaced, never changed in place."""
        self.participant.kept, self.last_round = self._before

    def _report(self, work: Work) -> tuple[dict[str, float], dict[str, float]]:
        """What enters the federation's totals, and what this department shows of its own."""
        own = self.gauge.all_measured()
        scores = self.gauge.scores(own)
        row = self.part.row(work)
        if row is not None:
            scores["joint_loss"] = row
        return scores, own if self.disclose else {}

    def spent(self, what: str) -> float:
        """Epsilon that releases about its rows have cost so far, under whatever name they are shared."""
        return self.purse.spent if self.purse is not None else 0.0

    # ------------------------------------------------------------ sealed sums

    @property
    def _held(self) -> dict[str, HubState]:
        return {name: hub.state for name, hub in self.own_hubs.items()}

    def _take_sums(self, plan: Plan, sums: Sums, survivors: tuple[str, ...]) -> None:
        """Steps the hubs that it holds by sums that only departments could open."""
        scheme = self.scheme
        if not any(group.name == UPDATES for group in plan.groups):
            return
        releases, written = scheme.releases(plan, sums, survivors, self._held), scheme.turnout_of(plan).writes
        for name, hub in self.own_hubs.items():
            writers = scheme.writers(self.plans[name], self.plans[name].writers)
            share = len(set(written.get(name, ())) & set(survivors)) / max(len(writers), 1)
            self.own_hubs[name] = advanced(self.settings, hub, releases.get(name), share)

    # ------------------------------------------------------------ what lasts

    def state(self) -> Kept:
        """All that lasts between messages, by name; `restore` takes it back. Private parts are in it.

        Keys are not: `member.stored` has those.
        """
        numbers = {"last round": self.last_round, "last declared": self.last_declared}
        if self.declared:
            numbers["declared"] = list(self.plans).index(self.declared)
        held = {f"held {key}": torch.from_numpy(array) for key, array in arrays_of(self.own_hubs).items()}
        return {**self.participant.kept, **{n: torch.tensor(number) for n, number in numbers.items()}, **held}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continues from a saved state."""
        kept = dict(state)
        self.last_round = int(kept.pop("last round", torch.tensor(0)))
        self.last_declared = int(kept.pop("last declared", torch.tensor(0)))
        declared = kept.pop("declared", None)
        self.declared = "" if declared is None else list(self.plans)[int(declared)]
        held = {k.removeprefix("held "): kept.pop(k).cpu().numpy() for k in list(kept) if k.startswith("held ")}
        self.own_hubs = {name: hub_in(name, held, hub) for name, hub in self.own_hubs.items()}
        device = self.participant.device
        self.participant.kept = {k: v.to(device) if v.dim() else v for k, v in kept.items()}

    def export(self, hubs_now: Mapping[str, HubState]) -> dict[str, Tensor]:
        """This department's model as tensors by name, given the hubs it reads (its own, where sums are sealed)."""
        self.part.read(self._held or hubs_now)
        return self.bench.model.tensors()
