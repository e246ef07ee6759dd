"""Federations whose sums are secure, in one process: with what was said kept, and a transport that can be bent.

ours = federation(secure(FIVE))
ours.play(2)
plain_round(ours)         the same round of a plain federation in the same state
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from lepton_fed.bench import Bench, bench
from lepton_fed.coordinator import News, State, begin, close, join, play
from lepton_fed.department import Department
from lepton_fed.hub import Hub
from lepton_fed.measuring import Rows
from lepton_fed.messages import Done, Message, Release, Reply, Sum, Work
from lepton_fed.parties import throw_away
from lepton_fed.resident import Resident
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.messages import Call
from lepton_fed.secagg.plan import Plan
from lepton_fed.secagg.review import Terms
from lepton_fed.settings import Aggregation, Settings, Weights
from lepton_fed.sums import UPDATES
from lepton_fed.transport import InProcess, OnReply, drive
from tests.couplings import small
from tests.couplings.small import Fixed, examples

THREE = ("内科", "外科", "儿科")
FOUR = (*THREE, "骨科")
FIVE = (*FOUR, "药房")
FILE = "指纹"
VICTIM = "外科"

Bend = Callable[[str, Message], Message]
Lose = Callable[[str, Message], bool]


def secure(names: tuple[str, ...] = FOUR, *, aggregation: Aggregation | None = None, **tables: Any) -> Settings:
    """The small federation under secure sums; every source weighs the same unless `weights` says otherwise."""
    defaults = {"weights": Weights(alpha="uniform"), "aggregation": aggregation or Aggregation()}
    return small.settings(names, **{**defaults, **tables})


def in_the_clear(chosen: Settings) -> Settings:
    """The same file with plain sums."""
    return replace(chosen, aggregation=Aggregation(secure=False))


def step_of(message: Message) -> str:
    """Which exchange a message belongs to: "Advertise", "Work", or what a secure sum calls it."""
    return type(message.request).__name__ if isinstance(message, Sum) else type(message).__name__


@dataclass(eq=False)
class Watched(InProcess):
    """InProcess that keeps what was said, may bend a message before it arrives, and may lose it or its reply."""

    def __init__(self, departments: Mapping[str, Department]) -> None:
        super().__init__(departments)
        self.heard: list[tuple[str, Message, Reply]] = []
        self.keep = True
        self.bend: Bend = lambda _, message: message
        self.lost: Lose = lambda *_: False
        """Whether a department never gets a message."""
        self.lost_reply: Lose = lambda *_: False
        self.before: Callable[[str, Message], None] = lambda *_: None

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, said in messages.items():
            message = self.bend(name, said)
            self.before(name, message)
            if self.lost(name, message):
                continue
            reply = self.departments[name].handle(message)
            if self.keep:
                self.heard.append((name, message, reply))
            if not self.lost_reply(name, message):
                yield name, reply
            del reply  # As InProcess: hold no vector while the next is made.

    @property
    def plans(self) -> list[Plan]:
        """Every plan that departments were shown, in order, without repetitions."""
        found: dict[bytes, Plan] = {}
        for _, message, _ in self.heard:
            if isinstance(message, Sum) and isinstance(message.request, Call):
                found.setdefault(message.request.plan.instance, message.request.plan)
        return list(found.values())

    def replies(self, step: str, since: int = 0) -> dict[str, Reply]:
        """The last reply of each department in exchanges of one kind."""
        return {name: reply for name, message, reply in self.heard[since:] if step_of(message) == step}

    def steps(self) -> list[str]:
        """The exchanges in order, each once however many departments it went to."""
        names = [step_of(message) for _, message, _ in self.heard]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


@dataclass(eq=False)
class Federation:
    """A federation under way in this process."""

    settings: Settings
    departments: dict[str, Department]
    parties: dict[str, Party]
    transport: Watched
    state: State
    news: list[News] = field(default_factory=list)

    def play(self, rounds: int = 1) -> Federation:
        for _ in range(rounds):
            self.state, news = drive(play(self.settings, self.state), self.transport)
            self.news.append(news)
        return self

    def close(self) -> News:
        self.news.append(drive(close(self.settings, self.state), self.transport))
        return self.news[-1]

    @property
    def hubs(self) -> Mapping[str, Hub]:
        """The hubs, by whoever holds them."""
        for department in self.departments.values():
            if department.own_hubs:
                return department.own_hubs
        return self.state.hubs

    @property
    def refusals(self) -> Mapping[str, str]:
        return self.news[-1].refusals

    def models(self) -> dict[str, bytes]:
        return {name: hub.state.model.tobytes() for name, hub in self.hubs.items()}

    def releases(self) -> dict[str, Release]:
        found = {name: hub.state.release for name, hub in self.hubs.items()}
        return {name: release for name, release in found.items() if release is not None}

    def measured(self) -> dict[tuple[int, str, str, str], float]:
        """Every measurement so far, by round, department, part and metric."""
        return {(m.round, m.department, m.part, m.metric): m.value for news in self.news for m in news.measurements}


def departments_of(
    chosen: Settings, parties: Mapping[str, Party], common: Tensor | None = None, own_file: Settings | None = None
) -> dict[str, Department]:
    """Departments with their rows; `own_file`: another copy of the federation file, for all of them."""
    benches: dict[str, Bench] = {}
    file = own_file or chosen
    found = {}
    for one in chosen.departments:
        key = repr(one.model)
        benches.setdefault(key, bench(file, one.model))
        train = Resident(*examples(one.name)) if one.is_source else None
        test = Resident(*examples(one.name + "'")) if one.is_source else None
        found[one.name] = Department(
            one.name, file, FILE, benches[key], Rows(train, None, test), Fixed(one.name, file.training.batch),
            disclose=True, common=common, party=parties.get(one.name),
        )  # fmt: skip
    return found


def federation(
    chosen: Settings,
    *,
    terms: Mapping[str, Terms] | None = None,
    common: Tensor | None = None,
    parties: Mapping[str, Party] | None = None,
) -> Federation:
    """Departments that have joined. Sources have rows and a test part, others have none."""
    keys = dict(parties or (throw_away(chosen, terms) if chosen.aggregation.secure else {}))
    departments = departments_of(chosen, keys, common)
    roster = next(iter(keys.values())).roster if keys else None
    transport = Watched(departments)
    state = drive(join(chosen, begin(chosen, fingerprint=FILE, roster=roster)), transport)
    return Federation(chosen, departments, keys, transport, state)


def plain_copy(ours: Federation, common: Tensor | None = None) -> Federation:
    """A plain federation in the state that the secure one is in now."""
    other = federation(in_the_clear(ours.settings), common=common)
    for name, department in ours.departments.items():
        other.departments[name].restore(department.state())
    other.state = replace(other.state, round=ours.state.round, hubs=dict(ours.hubs), declared=dict(ours.state.declared))
    return other


def updates_group(plan: Plan) -> Any:
    return next(group for group in plan.groups if group.name == UPDATES)


def bound(ours: Federation, hub: str, largest: float) -> float:
    """How far a secure mean may lie from the exact one, entry by entry: from the last plan with updates.

    Each of the n members rounds its weighted entry to a neighbouring step of the fixed point, so the sum is less
    than n steps away, and the mean n steps over the mass. float32 rounds at most eight times on the way (two
    weights, two references, the sum's, the division's; plain sums likewise), each by 2^-24 of what is rounded,
    which is no `largest`r than that.
    """
    plan = next(p for p in reversed(ours.transport.plans) if any(g.name == UPDATES for g in p.groups))
    group = updates_group(plan)
    cohort = next(c for c in group.cohorts if c.name == hub)
    lightest = float(sum(cohort.weights)) * float(group.fixed.weight_low)
    return len(cohort.members) / (group.fixed.scale * lightest) + 8 * 2.0**-24 * largest


def largest_entry(ours: Federation) -> float:
    """The largest magnitude that an entry had: of updates, hubs and references."""
    hubs = [np.abs(hub.state.model).max(initial=0.0) for hub in ours.hubs.values()]
    means = [np.abs(release.mean).max(initial=0.0) for release in ours.releases().values()]
    return float(2 * max([*hubs, *means, 1.0]))


def contributions(ours: Federation) -> dict[str, list[Done]]:
    """From now on, what each department puts into its sums, in the clear: only a test may look at this."""
    found: dict[str, list[Done]] = {name: [] for name in ours.departments}
    for name, department in ours.departments.items():
        if department.member is not None:
            department.member.contribute = _kept(department.member.contribute, found[name])
    return found


def _kept(original: Callable[[Work], Any], into: list[Done]) -> Callable[[Work], Any]:
    def contribute(work: Work) -> Any:
        done = original(work)
        if isinstance(done, Done):
            into.append(done)
        return done

    return contribute


def exact_mean(done: Mapping[str, Done], hub: str) -> np.ndarray:
    """Σ w v / Σ w in float64 over those who wrote to a hub."""
    addends = {name: one.addends[hub] for name, one in done.items() if hub in one.addends}
    mass = sum(one.weight for one in addends.values())
    return np.asarray(sum(one.weight / mass * one.vector.astype(np.float64) for one in addends.values()))


def loses(step: str, *names: str) -> Lose:
    """These departments never get the messages of one exchange."""
    return lambda name, message: step_of(message) == step and name in names


def bends(step: str, name: str, how: Callable[[Any], Message]) -> Bend:
    """One department's messages of one exchange are changed on the way."""
    return lambda to, message: how(message) if to == name and step_of(message) == step else message
