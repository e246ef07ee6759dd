"""A federated embedding from the first sum to the last: the coordinator's flow, and all of it in one process.

    owners  ->  rows, rows, ... (one sum a round)  ->  Finished

The coordinator adds and hands on; which rows leave, what they weigh and what becomes of a sum is up to departments.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lepton_fed.errors import RoundError
from lepton_fed.knowledge.embedding.department import EmbeddingDepartment
from lepton_fed.knowledge.embedding.home import Home, Mixture
from lepton_fed.knowledge.embedding.messages import OWNERS, Finished, Shown
from lepton_fed.knowledge.embedding.models import model
from lepton_fed.knowledge.embedding.ranking import Ranking
from lepton_fed.knowledge.embedding.scheme import COHORT, Anchor, Scheme, leaving
from lepton_fed.knowledge.embedding.settings import EmbeddingSettings
from lepton_fed.knowledge.embedding.triples import Department
from lepton_fed.secagg import Identity, MemoryLedger, Party, Refusal, Roster, SignedKeys, Terms, secure_sum
from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.fixedpoint import Vector
from lepton_fed.secagg.server import Flow, Replies
from lepton_fed.seeds import derive

Heard = Callable[[str, Wire], None]
"""Told of every message with the department that it goes to or comes from."""

Progress = Callable[[int], None]
"""Told of each round before it begins; 0 is the counting of owners."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """What one department has in the end: what it answers by, and how well."""

    department: Department
    answers: Mixture
    test: Ranking


def coordinate(scheme: Scheme) -> Flow[None]:
    """The coordinator's side; yields {department: message} and is sent the replies."""
    names = scheme.settings.names
    shown, shared = Shown(0, "", np.zeros(0, np.uint32)), 0
    for round in range(scheme.settings.rounds.count + 1):
        replies = yield dict.fromkeys(names, shown)
        kind = scheme.kind(shown)
        total = yield from _summed(scheme, shown, shared, _keys(replies))
        if kind == OWNERS:
            shared = len(leaving(total.view(np.float32), scheme.settings))
        shown = Shown(round + 1, kind, total)
    yield dict.fromkeys(names, Finished(shown.last))


def _keys(replies: Replies) -> list[SignedKeys]:
    """Everybody's keys; RoundError with the reason of who gave none, since no sum is made without everybody."""
    found = []
    for name, reply in replies.items() if isinstance(replies, Mapping) else replies:
        if isinstance(reply, Refusal):
            raise RoundError(f"{name} takes no part: {reply.reason}")
        if not isinstance(reply, SignedKeys):
            raise RoundError(f"{name} answered with {type(reply).__name__} where its keys were asked for")
        found.append(reply)
    return found


def _summed(scheme: Scheme, shown: Shown, shared: int, keys: list[SignedKeys]) -> Flow[Words]:
    """The next sum, as float32 bits."""
    plan = scheme.plan(shown, shared)
    outcome = yield from secure_sum(plan, scheme.roster, keys)
    total = outcome.sums[scheme.kind(shown), COHORT]
    if total.clipped:
        raise RoundError(f"{total.clipped} coordinates are beyond entities.clip; raise it, or lower the learning rate")
    return total.vector.view(np.uint32)


# ---------------------------------------------------------------- in one process


def train(
    departments: Sequence[Department],
    settings: EmbeddingSettings,
    *,
    heard: Heard | None = None,
    progress: Progress | None = None,
) -> tuple[Learnt, ...]:
    """Trains the departments together in this process, by real secure sums under throw-away identities."""
    members = build(departments, settings)
    _drive(coordinate(members[0].scheme), {one.name: one for one in members}, heard, progress)
    return tuple(_learnt(one.home) for one in members)


def build(departments: Sequence[Department], settings: EmbeddingSettings) -> tuple[EmbeddingDepartment, ...]:
    """The departments with throw-away keys from the operating system."""
    identities = {one.name: Identity.generate(one.name, os.urandom) for one in departments}
    roster = Roster.of(settings.federation.name, {name: one.public for name, one in identities.items()})
    width = model(settings.embedding.model).width * settings.embedding.dimension
    scheme = Scheme(settings, roster, len(departments[0].facts.entities), width)
    return tuple(
        EmbeddingDepartment(
            Party(identities[one.name], roster, Terms(), MemoryLedger(roster.federation), _rounding(settings, one)),
            scheme,
            Home(one, settings),
        )
        for one in departments
    )


def _rounding(settings: EmbeddingSettings, department: Department) -> bytes:
    """The key for rounding coins; from the seed, so that runs can be repeated bit for bit."""
    return hashlib.sha256(b"rounding %d" % derive(settings.federation.seed, "rounding", department.name)).digest()


def _drive(
    flow: Generator[dict[str, Wire], Replies, None],
    members: Mapping[str, EmbeddingDepartment],
    heard: Heard | None,
    progress: Progress | None,
) -> None:
    """Carries every message as bytes, as a network would, so that nothing is shared by mistake."""
    replies: dict[str, Wire] | None = None
    while True:
        try:
            requests = next(flow) if replies is None else flow.send(replies)
        except StopIteration:
            return
        first = next(iter(requests.values()))
        if progress is not None and isinstance(first, Shown):
            progress(first.round)
        replies = {name: _carried(members[name], request, heard) for name, request in requests.items()}


def _carried(member: EmbeddingDepartment, request: Wire, heard: Heard | None) -> Wire:
    reply = Wire.from_bytes(member.handle(Wire.from_bytes(request.to_bytes())).to_bytes())
    if heard is not None:
        heard(member.name, request)
        heard(member.name, reply)
    return reply


def train_in_clear(
    departments: Sequence[Department], settings: EmbeddingSettings, *, progress: Progress | None = None
) -> tuple[Learnt, ...]:
    """The same with sums that hide nothing: for experiments with public data, where masks would only cost time.

    Equal to `train` to the step of its fixed point.
    """
    homes = [Home(one, settings) for one in departments]
    shared = leaving(_total([home.owned() for home in homes]), settings)
    for home in homes:
        home.open(shared)
    rounds = settings.rounds
    for round in range(1, rounds.count + 1):
        if progress is not None:
            progress(round)
        for home in homes:
            home.train(round)
        anchor = Anchor.of(_total([home.weighted_rows() for home in homes]), homes[0].learner.entities.shape[1])
        for home in homes:
            home.couple(anchor)
            if round % rounds.evaluate_every == 0 or round == rounds.count:
                home.look()
    return tuple(map(_learnt, homes))


def _total(vectors: Sequence[Vector]) -> Vector:
    return np.asarray(np.sum(vectors, axis=0, dtype=np.float64), np.float32)


def _learnt(home: Home) -> Learnt:
    answers = home.answers()
    return Learnt(home.department, answers, answers.ranking(home.department.test))
