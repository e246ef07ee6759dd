"""Time of one round beside a plain loop and other libraries, on one machine, in one run.

    python -m benchmarks.round --json              the table of docs/benchmarks.md
    python -m benchmarks.round --smoke             a few rounds, to see that it runs

Every system runs the workload of `benchmarks.workload` in a process of its own. Ratios are medians over
interleaved pairs (floor, then the other), so that a machine that slows down slows both; the interval is the
binomial one around the median.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path

from benchmarks.arguments import begin, folder_with, integer
from benchmarks.machine import machine

Sizes = dict[str, str]
MANY: Sizes = {"DEPTS": "1000", "PER_ROUND": "50", "EXAMPLES": "50", "BATCH": "10"}
PEERS = Path(".venv-peers/bin/python")


@dataclass(frozen=True)
class System:
    """One way to run the workload: a command that prints `per_round_ms`, as JSON or as `per_round_ms=N`."""

    name: str
    command: tuple[str, ...]
    why_absent: str = ""
    pairs: int | None = None
    """Fewer pairs than the others, for a system that takes long to start."""


@dataclass(frozen=True)
class Row:
    """A system's result. `ratio`: of the floor; `low`, `high`: its interval, at least 95 %."""

    system: str
    per_round_ms: float | None
    ratio: float | None
    low: float | None
    high: float | None
    start_s: float | None
    pairs: int
    note: str = ""


def systems(yardsticks: Path | None) -> tuple[System, list[System]]:
    """The floor, and everything that is measured against it."""
    python = sys.executable

    def script(name: str) -> tuple[str, ...]:
        return (python, str(yardsticks / f"{name}.py")) if yardsticks else (python, "-m", "benchmarks.floor")

    ours = System("lepton-fed", (python, "-m", "benchmarks.ours"))
    reporting = System("lepton-fed, joint loss each round", (python, "-m", "benchmarks.ours", "--report"))
    usual = System("usual torch.optim loop", script("bare") if yardsticks else (python, "-m", "benchmarks.usual"))
    pfl = System("pfl 0.6.0", (str(PEERS), "-m", "benchmarks.peer_pfl"), "" if PEERS.exists() else "make bench-peers")
    ray = "" if _has("ray") else "pip install 'lepton-fed[ray]'"
    flower = System("Flower 1.41 with Ray", (python, "-m", "benchmarks.peer_flower"), ray, pairs=3)
    return System("floor", script("flat")), [ours, reporting, usual, pfl, flower]


def compare(floor: System, other: System, sizes: Sizes, pairs: int, say: Callable[[str], None]) -> Row:
    """Runs the two by turns."""
    if other.why_absent:
        return Row(other.name, None, None, None, None, None, 0, f"absent: {other.why_absent}")
    times, ratios, starts = [], [], []
    for pair in range(min(pairs, other.pairs or pairs)):
        say(f"{other.name}: pair {pair + 1}")
        base, found = _run(floor, sizes), _run(other, sizes)
        times.append(found["per_round_ms"])
        ratios.append(found["per_round_ms"] / base["per_round_ms"])
        if "start_s" in found:
            starts.append(found["start_s"])
    low, high = interval(ratios)
    start = statistics.median(starts) if starts else None
    return Row(other.name, statistics.median(times), statistics.median(ratios), low, high, start, len(ratios))


def interval(values: list[float]) -> tuple[float, float]:
    """Order statistics that enclose the median with at least 95 % (all values, where there are too few)."""
    ordered, n, tail, k = sorted(values), len(values), 0.0, 0
    while k < n // 2 and (tail + comb(n, k) / 2**n) * 2 <= 0.05:
        tail += comb(n, k) / 2**n
        k += 1
    k = max(k - 1, 0) if k else 0
    return ordered[k], ordered[n - 1 - k]


def _run(system: System, sizes: Sizes) -> dict[str, float]:
    environment = os.environ | sizes | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(system.command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{system.name} failed: {done.stderr.strip().splitlines()[-1:]}")
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return {k: v for k, v in json.loads(line).items() if isinstance(v, float)}
        if found := re.search(r"per_round_ms=([\d.]+)", line):
            return {"per_round_ms": float(found[1])}
    raise SystemExit(f"{system.name} printed no per_round_ms")


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _line(row: Row) -> str:
    if row.ratio is None:
        return f"| {row.system} | - | - | - | {row.note} |"
    start = "" if row.start_s is None else f"{row.start_s:.1f}"
    return (
        f"| {row.system} | {row.per_round_ms:.1f} | {row.ratio:.3f} ({row.low:.3f} to {row.high:.3f}) "
        f"| {start} | {row.pairs} pairs |"
    )


def main() -> None:
    """Parses the options, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.round", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=integer(1), default=21, help="interleaved pairs per system (default 21)")
    parser.add_argument("--rounds", type=integer(1), default=20, help="rounds a run (default 20)")
    parser.add_argument(
        "--yardsticks",
        type=folder_with("flat.py", "bare.py"),
        help="a folder with flat.py and bare.py to use as they are",
    )
    parser.add_argument("--only", help="only systems whose name contains this")
    parser.add_argument("--smoke", action="store_true", help="a few rounds of our own systems")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    options = parser.parse_args()
    floor, others = systems(options.yardsticks)
    pairs, rounds = (2, 2) if options.smoke else (options.pairs, options.rounds)
    if options.only is not None and not any(options.only in o.name for o in others):
        parser.error(f"no system is called {options.only!r}; there are {', '.join(o.name for o in others)}")
    chosen = [o for o in others if (options.only or "") in o.name][: 3 if options.smoke else None]
    workloads = {
        "10 departments of 500, all of them, batch 32": {},
        "1,000 departments of 50, 50 a round, batch 10": MANY,
    }

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = {
        title: [compare(floor, other, sizes | {"ROUNDS": str(rounds)}, pairs, say) for other in chosen]
        for title, sizes in workloads.items()
    }
    if options.json:
        print(json.dumps({"machine": machine(), "rows": {t: [asdict(r) for r in rows] for t, rows in found.items()}}))
        return
    print("  ".join(f"{k}: {v}" for k, v in machine().items()))
    for title, rows in found.items():
        print(f"\n{title}\n\n| system | ms a round | of the floor | start, s | |\n|---|---|---|---|---|")
        print("\n".join(_line(row) for row in rows))


if __name__ == "__main__":
    begin(main)
