"""Random faults, in the manner of janus: whatever is dropped, doubled, delayed or killed, the sum over the
survivors is exact or the round fails cleanly, and nobody's secret is spent twice.

A run is a few attempts of one federation; every fault is drawn from one seeded generator, so a failing seed
is a test case.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import pytest

from lepton_fed.secagg import server
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.messages import Delivery, MaskedInput, Refusal, Reveal, SealedShares, SurvivorSignature
from lepton_fed.secagg.plan import Cohort, Plan
from lepton_fed.secagg.server import Outcome, secure_sum
from tests.secagg.federation import Federation, expected, group

FAULTS = ("drop request", "drop reply", "duplicate", "delay", "kill before storing", "kill and ask again")


@dataclass
class Witness:
    """Everything that departments ever said, whether or not it arrived."""

    seeds: dict[tuple[bytes, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    keys: dict[tuple[bytes, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    masked: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    signed: dict[tuple[str, bytes], set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))
    shared: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    def hear(self, model: bytes, reply: Wire) -> Wire:
        match reply:
            case Reveal():
                for name, _ in reply.seeds:
                    self.seeds[reply.instance, name].add(reply.department)
                for name, _ in reply.keys:
                    self.keys[reply.instance, name].add(reply.department)
            case MaskedInput():
                self.masked[reply.department, model] += 1
            case SurvivorSignature():
                self.signed[reply.department, reply.instance].add(reply.survivors)
            case SealedShares():
                self.shared[reply.department, reply.instance] += 1
        return reply

    def check(self) -> None:
        assert not set(self.seeds) & set(self.keys), "both secrets of one department were revealed"
        assert all(count == 1 for count in self.masked.values()), "two inputs on one model"
        assert all(len(sets) == 1 for sets in self.signed.values()), "two survivor sets were signed"
        assert all(count == 1 for count in self.shared.values()), "an attempt was entered twice"


@dataclass
class Network:
    """Carries requests and replies, with faults at rate `rate`."""

    federation: Federation
    chance: random.Random
    rate: float
    witness: Witness
    late: dict[str, Wire] = field(default_factory=dict)

    def carry(self, model: bytes, requests: dict[str, Wire]) -> dict[str, Wire]:
        replies, late = {}, {}
        for name, request in requests.items():
            fault = self.chance.choice(FAULTS) if self.chance.random() < self.rate else None
            reply = self._ask(model, name, request, fault)
            if fault == "delay" and reply is not None:
                late[name] = reply
            elif reply is not None:
                replies[name] = reply
        replies.update(self.late)  # A late reply comes first and is taken for this exchange's.
        self.late = late
        names = list(replies)
        self.chance.shuffle(names)
        return {name: replies[name] for name in names}

    def _ask(self, model: bytes, name: str, request: Wire, fault: str | None) -> Wire | None:
        department = self.federation.departments[name]
        before = department.stored

        def ask() -> Wire:
            reply = self.witness.hear(model, department.handle(Wire.from_bytes(request.to_bytes())))
            return Wire.from_bytes(reply.to_bytes())

        if fault == "drop request":
            return None
        reply = ask()
        if fault == "drop reply":
            return None
        if fault == "duplicate":
            again = ask()
            return self.chance.choice((reply, again))
        if fault == "kill before storing":
            department.stored = before
            return None
        if fault == "kill and ask again":
            department.stored = before
            return ask()
        return reply


def plan_for(federation: Federation, chance: random.Random, **options: object) -> Plan:
    """One crowd, two hubs, or overlapping cohorts, as far as the federation is large enough."""
    names = list(federation.names)
    chance.shuffle(names)
    shape = chance.choice(("crowd", "hubs", "overlap"))
    if shape == "hubs" and len(names) >= 10:
        parts = {"h1": names[: len(names) // 2], "h2": names[len(names) // 2 :]}
    elif shape == "overlap" and len(names) >= 10:
        parts = {"A": names[:6], "B": names[4:]}
    else:
        parts = {"all": names}
    cohorts = tuple(Cohort.of(name, dict.fromkeys(members, 1)) for name, members in parts.items())
    return federation.plan((group(federation.names, cohorts=cohorts),), **options)


def attempt(network: Network, plan: Plan, abandon_at: int) -> tuple[Outcome | None, bool]:
    """One attempt; the outcome, and whether somebody who had shared was recovered."""
    federation = network.federation
    for department in federation.departments.values():
        department.model = plan.model_hash
    keys = [department.advertise() for department in federation.departments.values() if network.chance.random() > 0.02]
    flow, replies, exchange, shared = secure_sum(plan, federation.roster, keys), None, 0, set()
    network.late = {}
    while True:
        try:
            requests = next(flow) if replies is None else flow.send(replies)
        except StopIteration as end:
            return end.value, shared > set(end.value.survivors)
        except RoundFailed:
            return None, False
        exchange += 1
        if exchange == abandon_at:  # The coordinator is killed.
            flow.close()
            return None, False
        shared |= {name for name, request in requests.items() if isinstance(request, Delivery)}
        replies = network.carry(plan.model_hash, requests)


def run(seed: int) -> Counter[str]:
    """A few attempts with faults; the tally says what happened, and anything wrong raises."""
    chance = random.Random(seed)
    size = chance.choice((3, 5, 6, 7, 10, 12))
    federation = Federation.of(size, colluders=1 if size >= 10 else None, seed=seed.to_bytes(4, "big"))
    network = Network(federation, chance, chance.choice((0.01, 0.04, 0.12)), Witness())
    tally: Counter[str] = Counter()
    round, model = 1, 0
    for number in range(3):
        try:
            plan = plan_for(federation, chance, round=round, attempt=number, model_hash=bytes([model]) * 32, crowd=None)
        except Malformed:
            continue
        abandon_at = chance.choice((0,) * 12 + (1, 2, 3, 4))
        outcome, recovered = attempt(network, plan, abandon_at)
        tally["failed" if outcome is None else "recovered" if recovered else "complete"] += 1
        if outcome is not None:
            check(federation, plan, outcome)
        if outcome is not None or chance.random() < 0.5:
            round, model = round + 1, model + 1
    network.witness.check()
    return tally


def check(federation: Federation, plan: Plan, outcome: Outcome) -> None:
    for cohort in plan.groups[0].cohorts:
        left = tuple(name for name in cohort.members if name in outcome.survivors)
        if left:
            right = expected(federation, left)
            found = outcome.sums["model", cohort.name]
            assert np.array_equal(found.vector, right.vector)
            assert np.array_equal(found.scalars, right.scalars)


def runs(seeds: range) -> Counter[str]:
    total: Counter[str] = Counter()
    for seed in seeds:
        try:
            total += run(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return total


def test_a_dozen_random_runs() -> None:
    total = runs(range(12))
    assert total["recovered"] and total["complete"] > 5 and total["failed"] > 5, total


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 3400, 300))
def test_thousands_of_random_runs(first: int) -> None:
    total = runs(range(first, first + 300))
    assert total["recovered"] > 15, total


def test_a_reversed_sign_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same runs find a coordinator that adds what it should take away when it recovers a drop-out."""
    right = server.sign_between
    monkeypatch.setattr(server, "sign_between", lambda own, peer: -right(own, peer))
    with pytest.raises(AssertionError, match="seed"):
        runs(range(60))


def test_a_forgetful_ledger_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a department that forgets what it let out."""
    from lepton_fed.secagg.ledger import Entries

    monkeypatch.setattr(Entries, "spend", lambda self, instance, model_hash: self)
    monkeypatch.setattr(Entries, "sign", lambda self, *_: self)
    monkeypatch.setattr(Entries, "check_signed", lambda self, *_: None)
    with pytest.raises(AssertionError, match="two inputs on one model"):
        runs(range(60))


def test_refusals_are_answers_not_crashes() -> None:
    federation = Federation.of(3)
    for department in federation.departments.values():
        department.advertise()
        for nonsense in (Refusal("x", "y"), Delivery(bytes(32), (), ())):
            assert isinstance(department.handle(nonsense), Refusal)
