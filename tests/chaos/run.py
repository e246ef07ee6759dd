"""Many federations, many kills: what came of each, and how often a run ended with an error.

    python -m tests.chaos.run --kills 200 --seed 7 [--minutes 60] [--folder DIR]

Each federation of five plays twenty rounds while its processes are killed at random moments; some are behind a proxy
that delays, cuts and repeats bytes. What must hold is asserted; what may happen is counted. Exit code 1 where something
did not hold.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.storage.tensors import Array
from tests.chaos.federation import COORDINATOR, NAMES, Made, Nursery
from tests.chaos.proxy import Proxy
from tests.chaos.scenario import Outcome, Storm, endure, require, require_gone
from tests.chaos.traces import confessed, found, secrets_of

ROUNDS = 20
MOST = 10
"""Processes killed in one federation."""

SINGLE = {"together": 0.0, "calm": True, "pauses": (0.5, 2.0, 4.0)}
KINDS: Mapping[str, Mapping[str, object]] = {
    "the coordinator alone": {"victims": (COORDINATOR,), "together": 0.0},
    "one at a time": SINGLE,
    "departments, one at a time": {**SINGLE, "victims": NAMES},
    "anybody, two at once, all": {"together": 0.3},
    "one at a time, bent wires": {**SINGLE, "faults": 0.3},
}
"""How federations are struck; `faults`: to what share of connections something happens."""


@dataclass(frozen=True)
class Trial:
    kind: str
    outcome: Outcome | None
    wrong: str = ""

    @property
    def line(self) -> str:
        if self.outcome is None:
            return f"{self.kind}: WRONG: {self.wrong}"
        o = self.outcome
        blows = " ".join(f"r{blow.round + 1}:{'+'.join(map(_short, blow.names))}" for blow in o.blows)
        said = f"{o.state} after round {o.round}, {o.seconds:.0f} s, {len(o.missed)} missed, killed {blows}"
        told = [part for part in (self.kind, said, o.reason, f"WRONG: {self.wrong}" * bool(self.wrong)) if part]
        return ": ".join(told)


def trials(folder: Path, kills: int, seed: int, until: float) -> Iterator[Trial]:
    """Federations one after the other until so many processes were killed, or the time is over."""
    draw, fallen, number = random.Random(seed), 0, 0
    with Nursery.opened(folder / "nursery") as nursery:
        made = Made.at(folder / "made", ROUNDS)
        with made.started(folder / "still", nursery) as parties:
            still = endure(parties)
        assert still.state == "finished", still
        while fallen < kills and time.monotonic() < until:
            kind = list(KINDS)[number % len(KINDS)]
            trial = _trial(folder / f"{number}", made, nursery, kind, draw, min(MOST, kills - fallen), still.hubs)
            fallen += trial.outcome.killed if trial.outcome is not None else 0
            number += 1
            yield trial


def _trial(
    folder: Path, made: Made, nursery: Nursery, kind: str, draw: random.Random, kills: int, still: Mapping[str, Array]
) -> Trial:
    options = dict(KINDS[kind])
    faults = options.pop("faults", 0.0)
    told = folder.with_name(f"{folder.name}-told")
    told.mkdir()
    outcome = None
    try:
        with ExitStack() as stack:
            if faults:
                proxy = Proxy.before(made.port, made.behind, seed=draw.randrange(1 << 30), faults=float(str(faults)))
                stack.enter_context(proxy)
            parties = stack.enter_context(made.started(folder, nursery, proxied=bool(faults), told=told))
            outcome = endure(parties, Storm(draw, kills, **options))  # type: ignore[arg-type]
        require_gone(parties)
        require(outcome, parties, still)
        traces = found(folder, [*secrets_of(parties), *(s for path in told.iterdir() for s in confessed(path))])
        assert not traces, traces[:5]
    except AssertionError as error:
        return Trial(kind, outcome, str(error)[:3000])
    shutil.rmtree(folder)
    return Trial(kind, outcome)


def _short(name: str) -> str:
    return "C" if name == COORDINATOR else name[-1]


def table(done: list[Trial]) -> str:
    """How many federations of each kind ended how."""
    states = ("finished", "failed", "wrong")
    counted = Counter((t.kind, "wrong" if t.wrong or t.outcome is None else t.outcome.state) for t in done)
    killed = Counter[str]()
    for trial in done:
        killed[trial.kind] += trial.outcome.killed if trial.outcome is not None else 0
    lines = [f"{'':30}{'killed':>8}" + "".join(f"{state:>10}" for state in states)]
    for kind in KINDS:
        lines.append(f"{kind:30}{killed[kind]:>8}" + "".join(f"{counted[kind, state]:>10}" for state in states))
    return "\n".join([*lines, f"{'together':30}{killed.total():>8}"])


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=60.0, help="no new federation is begun after so many")
    parser.add_argument("--folder", type=Path, help="a new folder that stays; default: a temporary one")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        done = []
        for trial in trials(folder, asked.kills, asked.seed, time.monotonic() + 60 * asked.minutes):
            print(trial.line, flush=True)
            done.append(trial)
    print(table(done))
    return int(any(trial.wrong for trial in done))


if __name__ == "__main__":
    sys.exit(main())
