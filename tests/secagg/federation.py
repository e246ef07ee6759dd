"""A whole federation in one process: departments with durable ledgers and stored states, and a transport
that can drop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.client import Advertised, Contribution, Hidden, Party, Shared, Signed, advertise
from lepton_fed.secagg.errors import LeptonError, Refused
from lepton_fed.secagg.fixedpoint import FixedPoint
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.ledger import MemoryLedger
from lepton_fed.secagg.messages import (
    Call,
    Delivery,
    GroupCall,
    GroupOffer,
    Quorum,
    Refusal,
    SealedSums,
    SignedKeys,
    Survivors,
)
from lepton_fed.secagg.pads import Holder, join, lead
from lepton_fed.secagg.plan import Cohort, Group, Plan
from lepton_fed.secagg.recipient import open_sums
from lepton_fed.secagg.results import Sums
from lepton_fed.secagg.review import Terms
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.server import Outcome, secure_sum

MODEL = hashlib.sha256(b"a model").digest()
FIXED = FixedPoint(clip=8.0, scale=2.0**16)
LENGTH = 33
SCALARS = ("weight", "loss")


class Stream:
    """Deterministic bytes for tests that compare bytes: SHA-256 in counter mode."""

    def __init__(self, seed: bytes) -> None:
        self.seed, self.count = seed, 0

    def __call__(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            out += hashlib.sha256(self.seed + self.count.to_bytes(8, "big")).digest()
            self.count += 1
        return out[:size]


@dataclass
class Department:
    """A real department around the pure core: stores its state as bytes after every move, answers with what
    it is asked.
    """

    party: Party
    contributions: dict[str, Contribution] = field(default_factory=dict)
    model: bytes = MODEL
    stored: bytes = b""
    holder: Holder | None = None
    opened: Sums | None = None

    @property
    def name(self) -> str:
        return self.party.name

    def advertise(self) -> SignedKeys:
        state = advertise(self.party)
        self.stored = state.to_bytes()
        return state.keys

    def handle(self, message: Wire) -> Wire:
        try:
            return self._move(message)
        except Refused as error:
            return Refusal(self.name, error.reason)
        except LeptonError as error:
            return Refusal(self.name, str(error))

    def _move(self, message: Wire) -> Wire:
        state: Any = Wire.from_bytes(self.stored) if self.stored else None
        reply: Wire
        match message, state:
            case GroupCall(), Advertised():
                self.holder, offer, self._consent = lead(
                    self.party.identity,
                    self.party.roster,
                    message,
                    state.keys,
                    state.seal_secret,
                    self.party.random,
                )
                return offer
            case GroupOffer(), Advertised():
                if self.holder is None or message.leader.department != self.name:
                    self.holder, self._consent = join(
                        self.party.identity, self.party.roster, message, state.seal_secret
                    )
                return self._consent
            case Call(), Advertised():
                after, reply = state.share(self.party, message, self.model)
            case Delivery(), Shared():
                after, reply = state.mask(self.party, message, self.contributions)
            case Survivors(), Hidden():
                after, reply = state.sign(self.party, message)
            case Survivors(), Signed():
                return Refusal(self.name, "already signed")
            case Quorum(), Signed():
                after, reply = state.reveal(self.party, message)
            case SealedSums(), _:
                assert self.holder is not None
                self.opened, digest = open_sums(self.party, self.holder, message)
                return digest
            case _:
                return Refusal(self.name, f"{type(message).__name__} does not fit {type(state).__name__}")
        self.stored = after.to_bytes()
        return reply


@dataclass
class Federation:
    """Departments `a`, `b`, ... of one roster, and plans for them."""

    departments: dict[str, Department]
    roster: Roster

    @classmethod
    def of(
        cls, count: int, *, colluders: int | None = None, terms: Terms | None = None, seed: bytes = b"test"
    ) -> Federation:
        names = [f"d{index:02d}" for index in range(count)]
        identities = {name: Identity.generate(name, Stream(seed + name.encode())) for name in names}
        roster = Roster.of("test", {name: one.public for name, one in identities.items()}, colluders)
        made = {}
        for name, identity in identities.items():
            random = Stream(seed + b"random" + name.encode())
            party = Party(identity, roster, terms or Terms(), MemoryLedger("test"), random(32), random)
            made[name] = Department(party, {"model": numbers(name)})
        return cls(made, roster)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.departments)

    def advertised(self) -> list[SignedKeys]:
        return [department.advertise() for department in self.departments.values()]

    def plan(
        self,
        groups: tuple[Group, ...] | None = None,
        *,
        round: int = 1,
        model_hash: bytes = MODEL,
        **options: Any,
    ) -> Plan:
        return Plan.draft(self.roster, groups or (group(self.names),), model_hash=model_hash, round=round, **options)

    def ask(self, requests: Mapping[str, Wire]) -> dict[str, Wire]:
        """Carry every request over bytes, as a network would."""
        replies = {}
        for name, request in requests.items():
            reply = self.departments[name].handle(Wire.from_bytes(request.to_bytes()))
            replies[name] = Wire.from_bytes(reply.to_bytes())
        return replies

    def run(self, plan: Plan, alter: Callable[[int, dict[str, Wire]], dict[str, Wire]] | None = None) -> Outcome:
        """One round; `alter(exchange, replies)` may drop or change what came back (exchanges count from
        1).
        """
        flow = secure_sum(plan, self.roster, self.advertised())
        replies: dict[str, Wire] | None = None
        exchange = 0
        while True:
            try:
                requests = next(flow) if replies is None else flow.send(replies)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            exchange += 1
            replies = self.ask(requests)
            if alter is not None:
                replies = alter(exchange, replies)


def group(names: tuple[str, ...], name: str = "model", **options: Any) -> Group:
    """One crowd of all names, weight 1, unless cohorts are given."""
    cohorts = options.pop("cohorts", None) or (
        Cohort.of("all", dict.fromkeys(names, 1), options.pop("recipients", ())),
    )
    settings = {"length": LENGTH, "scalars": SCALARS, "fixed": FIXED, **options}
    return Group(name=name, cohorts=cohorts, **settings)


def numbers(name: str, length: int = LENGTH) -> Contribution:
    """A contribution of multiples of 1/scale, different in every entry, so that a wrong sum shows and a
    right one is exact.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    steps = np.random.default_rng(seed).integers(-(2**17), 2**17, length)
    scalars = np.array([seed % 1000 + 1, (seed % 977) / 64], dtype=np.float64)
    return Contribution((steps / FIXED.scale).astype(np.float32), scalars)


def expected(
    federation: Federation, survivors: tuple[str, ...], weights: Mapping[str, Fraction | int] | None = None
) -> Contribution:
    """The sum in the clear."""
    vector = np.zeros(LENGTH, np.float64)
    scalars = np.zeros(len(SCALARS), np.float64)
    for name in survivors:
        weight = float((weights or {}).get(name, 1))
        vector += weight * federation.departments[name].contributions["model"].vector
        scalars += weight * federation.departments[name].contributions["model"].scalars
    return Contribution(vector.astype(np.float32), scalars)


def without(*names: str, exchange: int) -> Callable[[int, dict[str, Wire]], dict[str, Wire]]:
    """Drop these departments' replies of one exchange."""
    return lambda now, replies: {n: r for n, r in replies.items() if now != exchange or n not in names}


def in_turn(replies: Mapping[str, Wire]) -> Iterator[tuple[str, Wire]]:
    """Replies one after the other, as a streaming transport hands them on."""
    yield from replies.items()
