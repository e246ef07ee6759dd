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

import numpy as np
import torch
from torch import Tensor

from lepton_fed.cohorts import HubPlan, home, hubs
from lepton_fed.common_ground import CommonGround
from lepton_fed.couplings import part
from lepton_fed.couplings.feedback import fed_back
from lepton_fed.couplings.participant import Kept, Participant
from lepton_fed.digests import hub_digest, models_hash
from lepton_fed.docket import OwnLog
from lepton_fed.enforcement import Guard, Moment
from lepton_fed.enforcement import digest as as_written
from lepton_fed.errors import ConfigError, LeptonError, PeerError, PolicyError
from lepton_fed.hub import Hub, advanced, arrays_of, hub_in
from lepton_fed.member import Member
from lepton_fed.messages import (
    PARTS,
    PHASES,
    Advertise,
    Attest,
    Consult,
    Consulted,
    Declare,
    Declared,
    Done,
    Evaluate,
    Evaluated,
    Expected,
    HubState,
    Join,
    Joined,
    Meet,
    Message,
    Met,
    Read,
    Refused,
    Reply,
    Sent,
    Sum,
    Take,
    Taken,
    Vector,
    Wish,
    Wished,
    Work,
)
from lepton_fed.models import build
from lepton_fed.order import Order, SeededOrder
from lepton_fed.parameters import FlatModel, Layout
from lepton_fed.policies import Policies
from lepton_fed.privacy import Purse
from lepton_fed.privacy.purse import WITHOUT_NOISE
from lepton_fed.reads import Giver, Reader
from lepton_fed.resident import Examples
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.plan import Plan
from lepton_fed.secagg.results import Sums
from lepton_fed.seeds import derive
from lepton_fed.settings import ModelSettings, Settings
from lepton_fed.statistics import Respondent
from lepton_fed.sums import UPDATES, Scheme, expected_crowds, standing_behind
from lepton_fed.training.losses import Loss, loss
from lepton_fed.training.metrics import measure
from lepton_fed.weighting import beta, raw_weight

NO_KEYS = "it has no keys for secure sums; a simulation makes them, a deployed department is given them"
NO_LOG = "it keeps no log of its own, so it cannot countersign one"
ANOTHER_FILE = "the coordinator's federation file differs from this department's copy"

MOST_REQUESTS = 256
"""In one Consult: each costs up to a millisecond."""

DIVERGED = 1e30
"""Squared norm from which an update is no update any more: well before float32 sums of squares overflow."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A department's examples by use; None where it has none."""

    train: Examples | None = None
    validation: Examples | None = None
    test: Examples | None = None


@dataclass(frozen=True, eq=False)
class Bench:
    """A model on a device with its loss. Departments of one process with the same architecture share one."""

    model: FlatModel
    loss: Loss


def bench(
    settings: Settings, own: ModelSettings | None = None, device: torch.device | str = "cpu", code: tuple[str, ...] = ()
) -> Bench:
    """The federation's model (or a department's own) on a device. `code`: modules whose callables may be run."""
    chosen = own or settings.model
    module = build(chosen, settings.data, derive(settings.federation.seed, "model"), code).to(device)
    return Bench(FlatModel(module, chosen.shared, chosen.private), loss(settings.training.loss, settings.data, code))


def first_hub(settings: Settings, model: FlatModel) -> Hub:
    """A hub before any round: the model that everybody builds from the seed; under `distill` nobody has predicted."""
    if settings.coupling.kind == "distill":
        return Hub(HubState(np.zeros(0, np.float32)))
    initial = model.initial[: model.layout.shared_size]
    return hub_of(initial.to("cpu", torch.float32, copy=True), model.layout)


def hub_of(initial: Tensor, layout: Layout) -> Hub:
    """A hub whose model begins as this (float32, on the CPU), of which it takes the memory."""
    return Hub(HubState(initial.numpy()), buffers=layout.trained.start)


def reference(settings: Settings, plans: tuple[HubPlan, ...], first: Hub) -> Vector | None:
    """What updates in secure sums are relative to where several hubs share one vector a department: the first
    hub's initial model, which everybody builds from the seed. None where there is one hub.
    """
    return first.state.model if len(plans) > 1 and settings.coupling.kind != "distill" else None


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
        self.evaluated: dict[str, tuple[int, bytes]] = {}
        """By who asked: of which round, and which models were measured."""
        plans = self.hubs if self.hubs is not None else hubs(self.settings)
        here = home(self.name, plans)
        self.may_write = {p.name for p in plans if self.name in p.may_write}
        self.plans: dict[str, HubPlan] = {p.name: p for p in plans}
        count = len(self.rows.train) if self.rows.train is not None else 0
        if mine.is_source and not count:
            raise ConfigError(f"{self.name} is a source but has no training rows; give it data or only the role target")
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
        return Scheme(self.settings, plans, self.length, first)

    @property
    def length(self) -> int:
        """Of what it adds to a hub's sum."""
        controls = self.bench.model.pulled.numel() if self.settings.training.correction == "scaffold" else 0
        return (self._size or self._predictions) + controls

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
                return self._evaluated(message)
            case Attest():
                return self.log.answer(message) if self.log is not None else Refused(NO_LOG)
            case Wish():
                return self._wished()
            case Read() | Take():
                return self._read(message)
            case Meet():
                return met(self.common_ground, message)
        message = replace(message, hubs=self._held) if self.own_hubs else message
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

    def _wished(self) -> Wished:
        """What it wants itself: tables of others, and to find out what others know as well."""
        asks = self.common_ground.asks if self.common_ground is not None else ()
        return Wished(self.reader.ask() if self.reader is not None else (), asks or ())

    def _read(self, message: Read | Take) -> Reply:
        """A read of a shared table: what it gives, what it gets."""
        if self.reader is None or self.giver is None:
            return Refused("it has no keys for reads of shared tables")
        try:
            match message:
                case Read(request):
                    return Sent(self.giver.answer(request))
                case Take(parcel):
                    return Taken(self.reader.take(parcel))
        except PolicyError as error:
            return Refused(error.reason)
        except (Malformed, PeerError) as error:
            return Refused(str(error))

    def _contribute(self, work: Work) -> Done | Refused:
        """What it adds to secure sums; all of it, since nobody but this department sees it."""
        work = replace(work, hubs=self._held) if self.own_hubs else work
        reason = self._objection(work)
        return Refused(reason) if reason is not None else self._work(work)

    def _join(self, message: Join) -> Reply:
        if message.fingerprint != self.fingerprint:
            return Refused(ANOTHER_FILE)
        reason = self.policies.ever(self._at_first)
        if reason is not None:
            return Refused(reason)
        return Joined(self.bench.model.layout.digest, self.length)

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

    @property
    def _at_first(self) -> list[tuple[HubPlan, Moment]]:
        return self._expected(1)

    def _consulted(self, message: Consult) -> Reply:
        """What it would decide; nobody is told of it, since nothing is done."""
        if message.fingerprint != self.fingerprint:
            return Refused(ANOTHER_FILE)
        if len(message.requests) > MOST_REQUESTS:
            return Refused(f"it is asked about {len(message.requests)} requests at once; ask about {MOST_REQUESTS}")
        if not 0 <= message.round <= self.settings.rounds.count:
            return Refused(f"the federation file has {self.settings.rounds.count} rounds, not {message.round}")
        decisions = [self.policies.expected(self.policies.completed(one)) for one in message.requests]
        if message.training:
            for plan, moment in self._expected(max(message.round, 1)):
                decisions += self.policies.foreseen(plan, moment)
        return Consulted(tuple(Expected(one.permitted, one.reasons, one.rules) for one in decisions))

    def _evaluated(self, message: Evaluate) -> Reply:
        """Measures models on its own rows for somebody else, once a round and asker."""
        message = replace(message, hubs=self._held) if self.own_hubs else message
        rows = dict(self._measured_parts()).get(message.part)
        reason = self._objection_to_evaluating(message, 0 if rows is None else len(rows))
        if reason is None and rows is not None:
            reason = self.policies.evaluation(message.asker, message.purpose, len(rows), message.round)
        if reason is not None or rows is None:
            return Refused(reason or f"it has no {message.part} rows")
        self.evaluated[message.asker] = message.round, _models(message.hubs)
        found: dict[str, float] = {}
        for name, hub in message.hubs.items():
            self.participant.load(self.participant.receive(hub.model))
            found |= {f"{name}/{metric}": value for metric, value in self._measured(rows).items()}
        return Evaluated({key: value for key, value in found.items() if np.isfinite(value)}, rounded_down(len(rows)))

    def _objection_to_evaluating(self, message: Evaluate, rows: int) -> str | None:
        """Why this is refused whatever its policies say, or None."""
        if message.fingerprint != self.fingerprint:
            return ANOTHER_FILE
        if not 0 <= message.round <= self.settings.rounds.count:
            return f"the federation file has {self.settings.rounds.count} rounds, not {message.round}"
        if self.purse is not None:
            return WITHOUT_NOISE
        if message.part not in PARTS:
            return f"there are no {message.part!r} rows; there are {' and '.join(PARTS)}"
        if self.settings.coupling.kind == "distill":
            return "under distill a hub is no model but predictions, which cannot be measured on other rows"
        unknown = [name for name in message.hubs if name not in self.plans]
        if unknown or not message.hubs:
            return f"the federation file has no hub {unknown[0]!r}" if unknown else "no model is shown"
        if not all(self._fits(hub, False) for hub in message.hubs.values()):
            return "a received model is not finite or has the wrong size"
        least = self.settings.data.minimum_rows
        if rows < least:
            return f"it has fewer {message.part} rows than the data contract asks for, {least}"
        last, models = self.evaluated.get(message.asker, (-1, b""))
        if message.round < last or (message.round == last and models != _models(message.hubs)):
            # Model after model, its rows could be found out.
            return f"it has measured models of round {last} for {message.asker} already, and does so once a round"
        return None

    # ------------------------------------------------------------ whether a message makes sense

    def _objection(self, message: Declare | Work) -> str | None:
        """Why this message is refused, or None."""
        if message.fingerprint != self.fingerprint:
            return ANOTHER_FILE
        if message.round <= self.last_round:
            return f"round {message.round} is over: this department has already worked in round {self.last_round}"
        if message.round > self.settings.rounds.count + 1:
            return f"the federation file has {self.settings.rounds.count} rounds, not {message.round}"
        if isinstance(message, Declare) and message.round <= self.last_declared:
            return f"it has declared its hub for round {self.last_declared} and does so once"
        unknown = [name for name in message.hubs if name not in self.plans]
        if unknown:
            return f"the federation file has no hub {unknown[0]!r}"
        reported = isinstance(message, Work) and message.report
        if not all(self._fits(hub, reported) for hub in message.hubs.values()):
            return "a received model is not finite or has the wrong size"
        return self._objection_to_work(message) if isinstance(message, Work) else None

    def _objection_to_work(self, work: Work) -> str | None:
        forbidden = sorted(set(work.write) - self.may_write)
        if forbidden:
            return f"its policy does not let its update reach hub {forbidden[0]!r}"
        if self.settings.coupling.kind == "clusters" and not self.secure and work.write not in ((), (self.declared,)):
            return "it has declared another hub than it is asked to write to"
        needed = set(work.write)
        if self.settings.coupling.kind == "clusters":
            # It trains from a mixture of all: shown different hubs, departments would train from different models.
            needed = set(self.plans) if work.write else needed
        elif work.hubs or work.write:
            if self.participant.home is None:
                return "it takes no part in training"
            needed.add(self.participant.home)
        missing = sorted(needed - set(work.hubs))
        return f"the message lacks the model of hub {missing[0]!r}, which this department needs" if missing else None

    def _fits(self, hub: HubState, reported: bool) -> bool:
        """Whether what was received can be worked with; a release matters only where a report is due."""
        if not self._size and not hub.model.size and hub.release is None:
            return True  # Under `distill` nobody has predicted yet.
        size = self._size or self._predictions
        parameters = self.bench.model.pulled.numel()
        fits = _sound(hub.model, size) and (hub.control is None or _sound(hub.control, parameters))
        if not fits or hub.release is None or not reported:
            return fits
        release = hub.release
        return _sound(release.mean, size) and bool(np.isfinite(release.mass) and np.isfinite(release.spread))

    @property
    def _size(self) -> int:
        """Length of a hub's model; 0 under `distill`, where it is not of parameters."""
        return 0 if self.settings.coupling.kind == "distill" else self.bench.model.layout.shared_size

    @property
    def _predictions(self) -> int:
        """Length of a hub's model under `distill`; one output stands for two classes."""
        return (len(self.common) if self.common is not None else 0) * max(2, self.settings.data.outputs)

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
        own: dict[str, float] = {}
        for name, examples in self._measured_parts():
            own |= {f"{name}/{metric}": value for metric, value in self._measured(examples).items()}
        scores = totals(own, len(self.rows.test) if self.rows.test is not None else 0)
        row = self.part.row(work)
        if row is not None:
            scores["joint_loss"] = row
        return scores, own if self.disclose else {}

    def _measured(self, examples: Examples) -> dict[str, float]:
        """What is on the bench, measured on these rows."""
        metrics = self.settings.report.metrics
        return measure(self.bench.model.module, examples, self.bench.loss, metrics, self.settings.data)

    def _measured_parts(self) -> list[tuple[str, Examples]]:
        parts = zip(PARTS, (self.rows.test, self.rows.validation), strict=True)
        return [(name, examples) for name, examples in parts if examples is not None and len(examples)]

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


def met(common_ground: CommonGround | None, message: Meet) -> Met | Refused:
    """The answer to one message about what two departments both know."""
    if common_ground is None:
        return Refused("it has no knowledge graph to look for common entities in")
    try:
        return Met(common_ground.meet(message.other, message.body))
    except PolicyError as error:
        return Refused(error.reason)
    except (Malformed, PeerError) as error:
        return Refused(str(error))
    except LeptonError:
        # Its text may name a place on this machine's disk, so it stays here.
        return Refused("its knowledge graph, or its log, cannot be used just now")


def _sound(vector: Vector, size: int) -> bool:
    """Whether it is a finite float32 vector of this size."""
    # The squared norm is finite only if every entry is (or the model is absurd): one pass, no temporary.
    return vector.shape == (size,) and vector.dtype == np.float32 and bool(np.isfinite(vector @ vector))


def _models(hubs: Mapping[str, HubState]) -> bytes:
    """32 bytes that stand for these models."""
    return models_hash({name: hub_digest(hub) for name, hub in hubs.items()})


def rounded_down(count: int) -> int:
    """The largest 1, 2 or 5 times a power of ten that is not above it: 317 becomes 200, and 0 stays 0."""
    ten = 10 ** (len(str(count)) - 1)
    return max((step * ten for step in (1, 2, 5) if step * ten <= count), default=0)


def totals(own: Mapping[str, float], examples: int) -> dict[str, float]:
    """Addends of the federation's mean of each test metric: "metric·n" and "n of metric", where it exists."""
    scores: dict[str, float] = {}
    for key, value in own.items():
        part_name, metric = key.split("/")
        if part_name == "test" and np.isfinite(value):
            scores[f"sum of {metric}"], scores[f"weight of {metric}"] = value * examples, float(examples)
    return scores
