"""A whole round over TLS, plain and secure, where training takes as long as the transport of the plain vectors.

One round, all departments at once, d parameters:

    plain     model (4 d bytes) to each department, training, update (4 d bytes) back, added as it arrives, divided
    secure    the same with everything that security adds: the coordinator's digest of the model and its plan; the
              exchanges of shares, of signatures and of reveals; at each department the model's digest, quantising,
              masks with all others, bytes of the message; at the coordinator the adding, unmasking and dividing

*Transport* is the plain round with no training, measured first, the median of a few. *Training* is a sleep of that
length: a stand-in that uses no processor, so departments train side by side as they do in reality. Everything else
that departments do shares the cores of this machine (and one interpreter) with the coordinator and with the other
departments, whereas in reality each has a machine of its own: with few cores it is their maskings, N at a time, that
bound the ratio. They mask on one thread each; the coordinator unmasks on all cores.

So the *own path* is measured too: departments are asked one after the other, each with the machine and all its cores
to itself, and of each the seconds from the first byte of its requests to the last of its replies are taken
(transport, training and every move; training is then as long as that department's own transport). The loopback is
faster than most networks, which makes transport short and ratios worse; so both rounds are also measured with every
department's line held back to 1 Gbit/s in each direction (`at_1_gbit_per_s`, `own_path_at_1_gbit_per_s`). Whatever
the speed, `over_plain_at_1_gbit_per_s` computes the same from the loopback's extra seconds. The ledger is in memory; on
a disk it adds four small writes a round, whatever d.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import BoundedSemaphore
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.loopback import Network, Part, Piece
from benchmarks.round import interval
from lepton_fed.secagg import (
    Cohort,
    Contribution,
    FixedPoint,
    Group,
    Identity,
    MemoryLedger,
    Party,
    Plan,
    Roster,
    SignedKeys,
    Terms,
    advertise,
    secure_sum,
)
from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.messages import Call, Delivery, Quorum, Survivors

Vector = npt.NDArray[np.float32]

EXCHANGES = {"Call": "shares", "Delivery": "masked numbers", "Survivors": "signatures", "Quorum": "reveals"}

OTHERS = ("coordinator_seconds", "plain_cpu_seconds", "secure_cpu_seconds")

CORES = os.cpu_count() or 1

MASKING = BoundedSemaphore(CORES)

LINE = 1e9
"""Bits a second of a department's line in each direction, where lines are held back."""


def parties_of(departments: int) -> tuple[Roster, dict[str, Party]]:
    """A roster and its departments, with fresh keys."""
    names = [f"d{index:03d}" for index in range(departments)]
    identities = {name: Identity.generate(name, os.urandom) for name in names}
    roster = Roster.of("benchmark", {name: one.public for name, one in identities.items()})
    return roster, {
        name: Party(one, roster, Terms(), MemoryLedger("benchmark"), os.urandom(32)) for name, one in identities.items()
    }


def plan_of(roster: Roster, size: int, model_hash: bytes, round: int) -> Plan:
    """One sum of `size` parameters and two scalars over all departments."""
    cohort = Cohort.of("all", dict.fromkeys(roster.names, 1))
    fixed = FixedPoint(clip=8.0, scale=2.0**20)
    group = Group("model", size, ("weight", "loss"), (cohort,), fixed)
    return Plan.draft(roster, (group,), model_hash=model_hash, round=round)


@dataclass
class Office:
    """A department: plain where it is sent a model alone, its part of the protocol otherwise."""

    party: Party
    contribution: Contribution
    training: float = 0.0
    state: Any = None
    buffers: dict[str, Words] = field(default_factory=dict)
    threads: int = 1
    clock: Callable[[], float] = time.thread_time
    """CPU seconds of one thread while others share the machine; the wall clock where it has it to itself."""
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By what they went to."""

    def answer(self, parts: list[memoryview]) -> list[Part]:
        request, *model = parts
        if not request.nbytes:
            time.sleep(self.training)
            return [self.contribution.vector.data]
        reply = self._move(Wire.from_bytes(request), model)
        return [self._timed("bytes of messages", reply.to_parts)]

    def _move(self, request: Wire, model: list[memoryview]) -> Wire:
        reply: Wire
        match request:
            case Call():
                move = self._timed("shares", lambda: self.state.share(self.party, request, request.plan.model_hash))
            case Delivery():
                digest = self._timed("digest of the model", lambda: digest_of(model[0]))
                assert digest == self.state.call.plan.model_hash
                time.sleep(self.training)
                move = self._timed("masking", lambda: self._masked(request))
            case Survivors():
                move = self._timed("signatures", lambda: self.state.sign(self.party, request))
            case Quorum():
                advertised = advertise(self.party)
                _, reply = self._timed("reveals", lambda: self.state.reveal(self.party, request, advertised.keys))
                move = advertised, reply
        self.state, reply = move
        return reply

    def _masked(self, request: Delivery) -> Any:
        own = {"model": self.contribution}
        # More at a time than there are cores would only push each other out of the caches.
        with MASKING:
            return self.state.mask(self.party, request, own, threads=self.threads, buffers=self.buffers)

    def _timed(self, what: str, act: Callable[[], Any]) -> Any:
        start = self.clock()
        found = act()
        self.seconds[what] += self.clock() - start
        return found


@dataclass
class Coordinator:
    """Asks the departments over the network, all or one at a time; keeps where a round's seconds went."""

    network: Network
    roster: Roster
    model: Vector
    keys: Mapping[str, SignedKeys]
    at_once: int | None = None
    round: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def plain(self) -> Vector:
        """The mean update, in the clear."""
        total: Vector | None = None
        requests: dict[str, list[Part]] = {name: [b"", self.model.data] for name in self.roster.names}
        for _, (reply,) in self.network.ask(requests, self.at_once):
            vector = np.frombuffer(reply, np.float32)
            total = vector.copy() if total is None else np.add(total, vector, out=total)
        assert total is not None
        total /= np.float32(len(self.roster.names))
        return total

    def secure(self) -> Vector:
        """The mean update by the protocol."""
        self.round += 1
        self.model[0] = self.round  # No model is used twice.
        watch = Watch(self.seconds)
        plan = plan_of(self.roster, self.model.size, digest_of(self.model.data), self.round)
        flow = secure_sum(plan, self.roster, [self.keys[name] for name in sorted(self.keys)], threads=CORES)
        try:
            requests = next(flow)
            watch.lap("digest of the model and plan")
            while True:
                what = EXCHANGES[type(next(iter(requests.values()))).__name__]
                requests = flow.send(self._carried(requests, partial(watch.lap, what)))
                watch.lap(f"after {what}")
        except StopIteration as stop:
            outcome = stop.value
        self.keys = outcome.next_keys
        total = outcome.sums["model", "all"]
        mean: Vector = np.divide(total.vector, np.float32(total.scalars[0]), out=total.vector)
        watch.lap("unmasking")
        return mean

    def _carried(self, requests: Mapping[str, Wire], ended: Callable[[], None]) -> Iterator[tuple[str, Wire]]:
        """Over the wire; numbers are asked for along with the model."""
        parts: dict[str, list[Part]] = {
            name: [request.to_bytes(), *([self.model.data] if isinstance(request, Delivery) else [])]
            for name, request in requests.items()
        }
        for name, (reply,) in self.network.ask(parts, self.at_once):
            yield name, Wire.from_bytes(reply)
            del reply
        ended()


@dataclass
class Watch:
    """Adds the seconds since the last lap to what they went to."""

    seconds: dict[str, float]
    last: float = field(default_factory=time.perf_counter)

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self.seconds[what] += now - self.last
        self.last = now


def digest_of(model: Piece) -> bytes:
    return hashlib.sha256(model).digest()


def whole_round(departments: int, size: int, pairs: int) -> dict[str, Any]:
    """Both rounds by turns, first all departments at once, then each on its own."""
    roster, parties = parties_of(departments)
    generator = np.random.default_rng(0)
    own = Contribution(generator.normal(size=size).astype(np.float32), np.array([1.0, 2.0]))
    offices = {name: Office(party, own) for name, party in parties.items()}
    keys = {}
    for name, office in offices.items():
        office.state = advertise(office.party)
        keys[name] = office.state.keys
    with Network({name: office.answer for name, office in offices.items()}) as network:
        coordinator = Coordinator(network, roster, np.zeros(size, np.float32), keys)
        check(coordinator, own.vector)
        together = compared(coordinator, offices, pairs)
        network.pace.bytes_per_second = LINE / 8
        on_lines = compared(coordinator, offices, pairs)
        network.pace.bytes_per_second = None
        coordinator.at_once = 1
        for office in offices.values():
            office.threads, office.clock = CORES, time.perf_counter
        alone = compared(coordinator, offices, pairs)
        network.pace.bytes_per_second = LINE / 8
        alone_on_line = compared(coordinator, offices, max(3, pairs // 2))
    # What the coordinator and the process as a whole spent is no department's own.
    own_path = {what: alone[what] for what in alone if what not in OTHERS}
    on_line = {what: alone_on_line[what] for what in alone_on_line if what not in OTHERS}
    own_path["over_plain_at_1_gbit_per_s"] = at_line_speed(own_path, size, 1e9)
    about = {"departments": departments, "size": size, "pairs": pairs}
    ways = {"at_1_gbit_per_s": on_lines, "own_path": own_path, "own_path_at_1_gbit_per_s": on_line}
    return {**about, **together, **ways}


def check(coordinator: Coordinator, expected: Vector) -> None:
    """Both rounds give the mean, to a few steps of the fixed point; this also makes their memory warm."""
    for found in (coordinator.plain(), coordinator.secure()):
        assert np.abs(found - expected).max() < 1e-5


def compared(coordinator: Coordinator, offices: Mapping[str, Office], pairs: int) -> dict[str, Any]:
    """Medians of `pairs` rounds of each kind, by turns, and of their ratios; where the time of a secure one goes."""
    set_training(offices, 0.0)
    training = statistics.median(timed(coordinator, coordinator.plain)[0] for _ in range(max(2, pairs // 2)))
    set_training(offices, training)
    spent = [coordinator.seconds, *(office.seconds for office in offices.values())]
    for one in spent:
        one.clear()
    kinds = (coordinator.plain, coordinator.secure)
    found = [
        {kind.__name__: timed(coordinator, kind) for kind in (kinds if pair % 2 == 0 else kinds[::-1])}
        for pair in range(pairs)
    ]
    return summed_up(found, training) | {
        "coordinator_seconds": mean_of(spent[:1], pairs),
        f"department_{'seconds' if coordinator.at_once else 'cpu_seconds'}": mean_of(spent[1:], pairs),
    }


def set_training(offices: Mapping[str, Office], seconds: float) -> None:
    for office in offices.values():
        office.training = seconds


def timed(coordinator: Coordinator, act: Callable[[], object]) -> tuple[float, float]:
    """Seconds and CPU seconds of one round; where departments are asked one at a time, the seconds are those of one
    department's path through it, the mean of all.
    """
    network = coordinator.network
    network.seconds = dict.fromkeys(network.seconds, 0.0)
    start, cpu = time.perf_counter(), time.process_time()
    act()
    whole, spent = time.perf_counter() - start, time.process_time() - cpu
    return (statistics.mean(network.seconds.values()) if coordinator.at_once == 1 else whole), spent


def summed_up(found: list[dict[str, tuple[float, float]]], training: float) -> dict[str, Any]:
    """`found`: per pair, by kind of round, (seconds, CPU seconds)."""
    ratios = [pair["secure"][0] / pair["plain"][0] for pair in found]
    return {
        "transport_seconds": training,
        "training_seconds": training,
        **{f"{kind}_seconds": statistics.median(p[kind][0] for p in found) for kind in ("plain", "secure")},
        **{f"{kind}_cpu_seconds": statistics.median(p[kind][1] for p in found) for kind in ("plain", "secure")},
        "secure_over_plain": statistics.median(ratios),
        "interval": interval(ratios),
        **{f"{kind}_all": [p[kind][0] for p in found] for kind in ("plain", "secure")},
    }


def mean_of(tables: list[dict[str, float]], pairs: int) -> dict[str, float]:
    """Seconds by what they went to: the mean over tables and rounds."""
    return {what: sum(t.get(what, 0.0) for t in tables) / len(tables) / pairs for what in tables[0]}


def at_line_speed(own_path: Mapping[str, Any], size: int, bits_per_second: float) -> float:
    """The ratio that the measured extra seconds come to where model and update (4 bytes a parameter each) travel at
    this speed and training takes as long.
    """
    transport = 8 * 8 * size / bits_per_second
    return float(1 + (own_path["secure_seconds"] - own_path["plain_seconds"]) / (2 * transport))
