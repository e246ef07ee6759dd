"""A department: the only place where its data are touched and the only one that says yes or no.

`handle(message) -> reply` is all it does. It derives from its own copy of the federation file who may learn from
it, and refuses whatever goes further, whoever asks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lepton_fed.cohorts import HubPlan, home, hubs
from lepton_fed.couplings import part
from lepton_fed.couplings.participant import Kept, Participant
from lepton_fed.errors import ConfigError
from lepton_fed.messages import (
    Declare,
    Declared,
    Done,
    HubState,
    Join,
    Joined,
    Message,
    Refused,
    Reply,
    Vector,
    Work,
)
from lepton_fed.models import build
from lepton_fed.order import Order, SeededOrder
from lepton_fed.parameters import FlatModel
from lepton_fed.resident import Examples
from lepton_fed.seeds import derive
from lepton_fed.settings import ModelSettings, Settings
from lepton_fed.training.losses import Loss, loss
from lepton_fed.training.metrics import measure
from lepton_fed.weighting import beta, raw_weight

ANOTHER_FILE = "the coordinator's federation file differs from this department's copy"

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
    last_round: int = field(default=0, init=False)
    last_declared: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        mine = self.settings.department(self.name)
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

    # ------------------------------------------------------------ messages

    def handle(self, message: Message) -> Reply:
        """The answer to one message; a refusal is an answer, with its reason."""
        if isinstance(message, Join):
            return self._join(message)
        reason = self._objection(message)
        if reason is not None:
            return Refused(reason)
        if isinstance(message, Declare):
            self.last_declared = message.round
            return Declared(self.part.declare(message.hubs))
        return self._work(message)

    def _join(self, message: Join) -> Reply:
        if message.fingerprint != self.fingerprint:
            return Refused(ANOTHER_FILE)
        return Joined(self.bench.model.layout.digest)

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
        needed = set(work.write)
        if self.settings.coupling.kind != "clusters" and (work.hubs or work.write):
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

    def _work(self, work: Work) -> Reply:
        before = dict(self.participant.kept), self.last_round
        self.last_round = work.round
        started = time.perf_counter()
        if not work.hubs:
            return Done()
        self.part.read(work.hubs)
        scores, disclosed = self._report(work) if work.report else ({}, {})
        reported = time.perf_counter()
        addends = self.part.train(work) if work.write else {}
        if not all(abs(a.spread) < DIVERGED for a in addends.values()):
            # What a department keeps is replaced, never changed in place, so this undoes all of the round.
            self.participant.kept, self.last_round = before
            return Refused(f"its training diverged in round {work.round}; a smaller learning rate may help")
        seconds = {"evaluating": reported - started, "training": time.perf_counter() - reported}
        return Done(addends, scores, disclosed, seconds)

    def _report(self, work: Work) -> tuple[dict[str, float], dict[str, float]]:
        """What enters the federation's totals, and what this department shows of its own."""
        own: dict[str, float] = {}
        for name, examples in self._measured_parts():
            found = measure(
                self.bench.model.module, examples, self.bench.loss, self.settings.report.metrics, self.settings.data
            )
            own |= {f"{name}/{metric}": value for metric, value in found.items()}
        scores = totals(own, len(self.rows.test) if self.rows.test is not None else 0)
        row = self.part.row(work)
        if row is not None:
            scores["joint_loss"] = row
        return scores, own if self.disclose else {}

    def _measured_parts(self) -> list[tuple[str, Examples]]:
        parts = {"test": self.rows.test, "validation": self.rows.validation}
        return [(name, examples) for name, examples in parts.items() if examples is not None and len(examples)]

    # ------------------------------------------------------------ what lasts

    def state(self) -> Kept:
        """All that lasts between messages, by name; `restore` takes it back. Private parts are in it."""
        numbers = {"last round": self.last_round, "last declared": self.last_declared}
        return {**self.participant.kept, **{name: torch.tensor(number) for name, number in numbers.items()}}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continues from a saved state."""
        kept = dict(state)
        self.last_round = int(kept.pop("last round", torch.tensor(0)))
        self.last_declared = int(kept.pop("last declared", torch.tensor(0)))
        device = self.participant.device
        self.participant.kept = {k: v.to(device) if v.dim() else v for k, v in kept.items()}

    def export(self, hubs_now: Mapping[str, HubState]) -> dict[str, Tensor]:
        """This department's model as tensors by name, given the hubs it reads."""
        self.part.read(hubs_now)
        return self.bench.model.tensors()


def _sound(vector: Vector, size: int) -> bool:
    """Whether it is a finite float32 vector of this size."""
    # The squared norm is finite only if every entry is (or the model is absurd): one pass, no temporary.
    return vector.shape == (size,) and vector.dtype == np.float32 and bool(np.isfinite(vector @ vector))


def totals(own: Mapping[str, float], examples: int) -> dict[str, float]:
    """Addends of the federation's mean of each test metric: "metric·n" and "n of metric", where it exists."""
    scores: dict[str, float] = {}
    for key, value in own.items():
        part_name, metric = key.split("/")
        if part_name == "test" and np.isfinite(value):
            scores[f"sum of {metric}"], scores[f"weight of {metric}"] = value * examples, float(examples)
    return scores
