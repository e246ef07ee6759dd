"""One federation endures blows until its run ends; what must hold then, whatever was killed when.

    outcome = endure(parties, Storm(random.Random(7), kills=8), still)
    outcome.state        finished, or failed with one of our sentences

The run goes on, and ends. If every department was in every round, the models are those of the undisturbed run, bit for
bit; otherwise they are finite. A ledger never takes anything back, and no sum is over fewer than t.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lepton_fed.secagg.ledger import Entries
from lepton_fed.storage.checkpoint import Checkpoint
from lepton_fed.storage.ledger_file import _HEAD, continues
from lepton_fed.storage.tensors import Array
from tests.chaos.federation import COORDINATOR, NAMES, SURVIVORS, Parties, lives

POLL = 0.1
PATIENCE = 240.0
"""Seconds within which something new must happen: a blow, a round, the run's end. How long the whole takes is the
machine's affair, which may have much else to do.
"""

MISSED = "took no part in a round"
"""What a coordinator says of a department that a round's sums are without."""


@dataclass(frozen=True)
class Blow:
    """Who is killed, and how long each then stays away. Seconds."""

    names: tuple[str, ...]
    away: float
    round: int
    """The last round that was over, as far as anybody knew."""


@dataclass(eq=False)
class Storm:
    """Blows at random moments: mostly one process, now and then two, seldom all. `kills`: processes in all."""

    draw: random.Random
    kills: int
    victims: Sequence[str] = (COORDINATOR, COORDINATOR, *NAMES)
    together: float = 0.15
    """How often more than one is killed at once."""
    pauses: tuple[float, ...] = (1.5, 5.0, 10.0)
    """Seconds between two blows at most, one of these each time: some fall into a start, some a round later."""
    calm: bool = False
    """Whether a blow waits for two rounds after the last one: who was killed at the end of a round misses the next."""
    leaving: str = ""
    """Who is taken out of the federation after the first round, just before the first blow."""
    fallen: int = field(default=0, init=False)
    _struck: int = field(default=-1, init=False)
    _next: float = field(default=0.0, init=False)

    def due(self, now: float, parties: Parties, round: int) -> Blow | None:
        """The blow that falls now, if one does; none while somebody is away, so that a round can come to its end."""
        if self.fallen >= self.kills or now < self._next or not all(map(parties.alive, parties.present)):
            return None
        if not self._next:
            self._next = now + self._pause()
            return None
        if self.leaving:
            if round == 0:
                return None
            parties.revoke(self.leaving)
            self.leaving = ""
        if self.calm and self._struck >= 0 and round < self._struck + 2:
            self._next = 0.0  # A pause begins with the next round.
            return None
        self._next, self._struck = now + self._pause(), round
        names = self._who()
        self.fallen += len(names)
        return Blow(names, self.draw.choice((0.0, self.draw.uniform(0.0, 3.0))), round)

    def _pause(self) -> float:
        return self.draw.uniform(0.2, self.draw.choice(self.pauses))

    def _who(self) -> tuple[str, ...]:
        if self.draw.random() >= self.together:
            return (self.draw.choice(self.victims),)
        distinct = sorted(set(self.victims))
        if self.draw.random() < 0.2:
            return tuple(distinct)
        return tuple(self.draw.sample(distinct, min(2, len(distinct))))


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `killed`: how many processes; `missed`: what was said of departments not in a round."""

    state: str
    reason: str
    round: int
    seconds: float
    blows: tuple[Blow, ...]
    killed: int
    missed: tuple[str, ...]
    hubs: Mapping[str, Array] = field(repr=False)


@dataclass(eq=False)
class Ledgers:
    """Departments' ledgers as last seen: they only go on."""

    parties: Parties
    last: dict[str, Entries] = field(default_factory=dict)

    def look(self) -> None:
        for name in NAMES:
            now = ledger_in(self.parties.kit_of(name) / "state" / "ledger")
            before = self.last.get(name)
            if now is None:
                assert before is None, f"the ledger of {name} is gone"
                continue
            assert before is None or continues(before, now), f"the ledger of {name} took something back"
            self.last[name] = now
            assert len(set(now.burned)) == len(now.burned)
            assert all(len(weights) >= SURVIVORS for _, weights in now.released), f"{name}: {now.released}"


def ledger_in(path: Path) -> Entries | None:
    """A department's entries, without its lock: the file is replaced whole."""
    try:
        return Entries.from_bytes(path.read_bytes()[_HEAD:])
    except FileNotFoundError:
        return None


def endure(parties: Parties, storm: Storm | None = None, *, away: float = 0.0) -> Outcome:
    """Submits, and lets blows fall until the run has ended. `away`: seconds that the victim of a moment is away."""
    parties.submit()
    ordeal = Ordeal(parties, storm, away)
    begun = time.monotonic()
    while (said := ordeal.step()) is None:
        time.sleep(POLL)
    return Outcome(
        said["state"],
        said["reason"],
        said["round"],
        time.monotonic() - begun,
        tuple(ordeal.blows),
        len(parties.numbers) - len(parties.processes),
        missed(parties),
        hubs_in(parties),
    )


@dataclass(eq=False)
class Ordeal:
    """A run under way: who is away, and what has happened to whom."""

    parties: Parties
    storm: Storm | None
    away: float
    blows: list[Blow] = field(default_factory=list, init=False)
    ledgers: Ledgers = field(init=False)
    _back: dict[str, float] = field(default_factory=dict, init=False)
    """When who is away comes back, on this process's clock."""
    _round: int = field(default=0, init=False)
    _last: float = field(default_factory=time.monotonic, init=False)
    """When something new was last seen, or done to anybody."""

    def __post_init__(self) -> None:
        self.ledgers = Ledgers(self.parties)

    def step(self) -> dict[str, Any] | None:
        """What the coordinator says, once the run has ended and everybody is there again."""
        self.ledgers.look()
        self._bring_back()
        said = self.parties.status()
        if said is not None:
            if said["round"] > self._round:
                self._round, self._last = said["round"], time.monotonic()
            if said["state"] == "idle":
                self.parties.submit()  # It was killed before it had written down that there is a run.
            elif said["state"] != "running" and not self._back:
                self.ledgers.look()
                return said
        self._strike()
        waited = time.monotonic() - self._last
        told = f"nothing new for {waited:.0f} s after {self.blows}: {said}\n{self.parties.last_words()}"
        assert waited < PATIENCE, told
        return None

    def _bring_back(self) -> None:
        for name in self.parties.present:
            if self.parties.alive(name):
                continue
            if name not in self._back:
                assert name in self.parties.struck, f"{name} has ended by itself\n{self.parties.last_words()}"
                self.parties.struck.discard(name)
                self._fallen(Blow((name,), self.away, self._round))
            if time.monotonic() >= self._back[name]:
                del self._back[name]
                self.parties.start(name)

    def _strike(self) -> None:
        blow = self.storm.due(time.monotonic(), self.parties, self._round) if self.storm is not None else None
        if blow is not None:
            self.parties.kill(*blow.names)
            self._fallen(blow)

    def _fallen(self, blow: Blow) -> None:
        self._last = time.monotonic()
        self.blows.append(blow)
        self._back |= dict.fromkeys(blow.names, self._last + blow.away)


def missed(parties: Parties) -> tuple[str, ...]:
    """What the coordinator's processes said of departments that rounds were without."""
    path = parties.log_of(COORDINATOR)
    return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if MISSED in line)


def hubs_in(parties: Parties) -> Mapping[str, Array]:
    """The coordinator's arrays after the last round of its checkpoint, by name."""
    saved = Checkpoint(parties.kit_of(COORDINATOR) / "state" / "run" / "checkpoint").latest()
    return saved.groups["coordinator"] if saved is not None else {}


def require(outcome: Outcome, parties: Parties, still: Mapping[str, Array]) -> None:
    """What must hold after every run; call it when its processes are to be gone."""
    assert outcome.state in ("finished", "failed"), outcome
    if outcome.state == "finished":
        assert outcome.round == parties.made.federation.settings.rounds.count
        assert all(np.isfinite(array).all() for array in outcome.hubs.values())
        if not outcome.missed:
            require_same(outcome.hubs, still)
    else:
        # A sentence of ours, with what happened; never the name of an exception.
        assert " " in outcome.reason and "see its log" not in outcome.reason, outcome


def require_same(found: Mapping[str, Array], still: Mapping[str, Array]) -> None:
    """The hubs, bit for bit."""
    assert found.keys() == still.keys()
    differing = [name for name in still if found[name].tobytes() != still[name].tobytes()]
    assert not differing, f"not the undisturbed run's: {differing}"


def require_gone(parties: Parties) -> None:
    """No process is left, and the port is free."""
    assert not [number for number in parties.numbers if lives(number)]
    with socket.socket() as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", parties.port))
