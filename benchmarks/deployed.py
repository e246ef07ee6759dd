"""A deployed federation on this machine: seconds per round, time to the first round, peak memory of every process.

    python -m benchmarks.deployed [--json] [--rounds 10] [--large-rounds 3] [--smoke]

Five departments (c = 1, t = 4) and a coordinator, each a process of its own, as `lepton-fed local` starts them: TLS
1.3, node authentication, signed messages, secure sums, the ledger on disk, over the loopback. Two models: 3 kB and
100 MB. A round is what the run's database says: from the first question to the checkpoint's beginning. Training is one
small step, so a round is what the federation itself costs. Everything shares this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from benchmarks.arguments import begin, integer
from benchmarks.machine import machine

NAMES = ("生产车间-一", "生产车间-二", "生产车间-三", "生产车间-四", "生产车间-五")
SIZES = {"3 kB": (26, 25), "100 MB": (5000, 5000)}
"""Hidden layers of the model by about how many bytes its parameters are."""

AIMS = {"3 kB": "4 s at most, 2.5 aimed at", "100 MB": "stock Flower: 13 to 15 s there and back for one node"}
SAMPLE = 0.05
"""Seconds between two looks at the processes' memory."""


@dataclass(frozen=True)
class Measured:
    """One run. Seconds; megabytes (1e6 bytes)."""

    model: str
    parameters: int
    rounds: int
    seconds_per_round: float
    fastest: float
    slowest: float
    to_first_round: float
    whole: float
    peak_megabytes: dict[str, float]


def federation(folder: Path, hidden: tuple[int, int], rounds: int) -> Path:
    """The files of a federation of five with 64 rows each."""
    file: dict[str, Any] = {
        "federation": {"name": "基准", "purpose": "measure a deployed federation", "seed": 7},
        "departments": [{"name": name} for name in NAMES],
        "sharing": [{"what": "updates", "from": list(NAMES), "to": ["*"]}],
        "access": [{"what": "updates", "who": ["*"], "action": "训练"}],
        "data": {
            "label": {"column": "y", "meaning": "1: it failed", "classes": ["0", "1"]},
            "columns": [{"name": "a"}, {"name": "b"}],
            "split": {"test": 0.25},
        },
        "model": {"name": "mlp", "arguments": {"hidden": list(hidden)}},
        "training": {"steps": 1, "batch": 16, "optimiser": {"learning_rate": 0.01}},
        "rounds": {"count": rounds},
        "weights": {"counts": [16, 48]},
        "aggregation": {"colluders": 1},
        "report": {"metrics": ["loss"], "baselines": []},
    }
    path = folder / "federation.toml"
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    draw = np.random.default_rng(7)
    for name in NAMES:
        own = folder / "federation" / f"{name}.toml"
        own.parent.mkdir(exist_ok=True)
        own.write_text(tomli_w.dumps({"device": "cpu", "data": {"path": f"{name}.csv"}}), encoding="utf-8")
        own.chmod(0o600)
        rows = [f"{a:.5f},{b:.5f},{k % 2}" for k, (a, b) in enumerate(draw.normal(size=(64, 2)))]
        (own.parent / f"{name}.csv").write_text("\n".join(["a,b,y", *rows]) + "\n", encoding="utf-8")
    return path


def measure(model: str, rounds: int, folder: Path) -> Measured:
    """One run of `lepton-fed local`."""
    hidden = SIZES[model]
    file, out = federation(folder, hidden, rounds), folder / "out"
    began, wall = time.time(), time.monotonic()
    command = [sys.executable, "-m", "lepton_fed", "local", str(file), "--out", str(out), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peaks: dict[str, float] = {}
    while process.poll() is None:
        _sample(out, process.pid, peaks)
        time.sleep(SAMPLE)
    whole = time.monotonic() - wall
    if process.returncode:
        raise SystemExit(f"lepton-fed local failed: {process.stderr.read() if process.stderr else ''}")
    seconds, first = _rounds(out / "kits" / "coordinator" / "state")
    # The first round also makes keys, which later ones bring along.
    later = seconds[1:] or seconds
    parameters = 2 * hidden[0] + hidden[0] + hidden[0] * hidden[1] + hidden[1] + hidden[1] + 1
    return Measured(
        model,
        parameters,
        len(seconds),
        statistics.median(later),
        min(later),
        max(later),
        first - began,
        whole,
        dict(sorted(peaks.items())),
    )


def _rounds(state: Path) -> tuple[list[float], float]:
    """Seconds of each round, and when the first began (seconds since 1970)."""
    connection = sqlite3.connect(state / "lepton-fed.sqlite")
    try:
        seconds = [
            float(s) for (s,) in connection.execute("SELECT seconds FROM round WHERE number > 0 ORDER BY number")
        ]
    finally:
        connection.close()
    lines = (json.loads(line) for line in (state / "log.jsonl").read_text(encoding="utf-8").splitlines())
    over = next(line for line in lines if line.get("round") == 1)
    return seconds, datetime.fromisoformat(over["time"]).timestamp() - seconds[0]


def _sample(out: Path, local: int, peaks: dict[str, float]) -> None:
    """The peak memory of each party's process, which is known by its log, and of the one that started them."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            said = (entry / "fd" / "1").readlink()
            if int(entry.name) != local and said.parent != out / "logs":
                continue
            status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
            name = "local" if int(entry.name) == local else said.stem
            peaks[name] = max(peaks.get(name, 0.0), int(status["VmHWM"].split()[0]) * 1024 / 1e6)
        except (OSError, KeyError):
            continue  # It ended meanwhile.


def table(found: list[Measured]) -> str:
    """The figures as lines."""
    lines = []
    for one in found:
        peak = max(value for name, value in one.peak_megabytes.items() if name not in ("coordinator", "local"))
        lines += [
            f"{one.model} ({one.parameters:,} parameters), {one.rounds} rounds",
            f"  seconds per round     {one.seconds_per_round:8.2f}   ({one.fastest:.2f} to {one.slowest:.2f}; "
            f"{AIMS[one.model]})",
            f"  to the first round    {one.to_first_round:8.2f}   (20 s at most)",
            f"  peak memory, MB       {one.peak_megabytes.get('coordinator', 0.0):8.0f}   coordinator",
            f"                        {peak:8.0f}   the largest department",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--rounds", type=integer(0), default=10)
    arguments.add_argument("--large-rounds", type=integer(0), default=3, help="0: leave the 100 MB model out")
    arguments.add_argument("--smoke", action="store_true", help="two rounds of the small model")
    chosen = arguments.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    asked = {"3 kB": 2} if chosen.smoke else {"3 kB": chosen.rounds, "100 MB": chosen.large_rounds}
    found = []
    for model, rounds in asked.items():
        if rounds:
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(model, rounds, Path(folder)))
    if chosen.json:
        print(json.dumps({"machine": machine(), "runs": [asdict(one) for one in found]}, ensure_ascii=False, indent=1))
    else:
        print(table(found))


if __name__ == "__main__":
    begin(main)
