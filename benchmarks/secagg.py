"""What a secure sum costs, beside its own floor and Flower's primitives, all measured in one run on one
machine.

    python -m benchmarks.secagg --departments 10 --size 10000000 --json
    python -m benchmarks.secagg --only round --pairs 9                      one of sum, round, threads
    python -m benchmarks.secagg --smoke                                     to see that it runs

sum: CPU seconds on one thread (the machine may be shared), the least of --repeat runs. The floor is the same
arithmetic with nothing around it: quantising in cache, and one AES-CTR keystream chunk and one add per mask, in
cache; for the server also one copy to fresh memory and N - 1 adds from memory.

round: a whole round over TLS, plain against secure, median and interval over --pairs pairs; what is measured, and
what bounds it on few cores, stands in `benchmarks.secagg_round`.

threads: wall seconds of one department's masked step and of the coordinator's unmasking with 1, 2 and 4 threads, as
far as there are cores; the least of --repeat runs. A thread takes at least half a million parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import cryptography
import numpy as np

from benchmarks.arguments import begin, integer
from benchmarks.secagg_round import parties_of, plan_of, whole_round
from lepton_fed.secagg import Contribution, Party, Plan, Roster, advertise, secure_sum
from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.masks import CHUNK, CHUNK_BYTES, Keystream
from lepton_fed.secagg.messages import Call, Delivery, MaskedInput, Quorum, Survivors

CHUNKS = 400
"""Chunks that a floor is measured over."""

PIECES = ("sum", "round", "threads")

THREADS = (1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--departments", type=integer(3, 100), default=10, metavar="N", help="departments that sum (default 10)"
    )
    parser.add_argument("--size", type=integer(1), default=1_000_000, metavar="D", help="parameters of the model")
    parser.add_argument("--repeat", type=integer(1), default=3, help="runs of which the least counts")
    parser.add_argument("--pairs", type=integer(1), default=9, help="rounds of each kind, by turns")
    parser.add_argument("--only", choices=PIECES, help="one piece instead of all")
    parser.add_argument("--smoke", action="store_true", help="4 departments, 20,000 parameters, two pairs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.smoke:
        options.departments, options.size, options.repeat, options.pairs = 4, 20_000, 1, 2
    found = pieces(options)
    print(json.dumps(found, indent=1) if options.json else table(found))


def pieces(options: argparse.Namespace) -> dict[str, Any]:
    """Every figure of the pieces that were asked for, by name."""
    departments, size, asked = options.departments, options.size, (options.only,) if options.only else PIECES
    found: dict[str, Any] = {"departments": departments, "size": size, "machine": machine()}
    if "sum" in asked:
        found |= measure(departments, size, options.repeat)
    if "threads" in asked:
        found["threads"] = scaling(departments, size, options.repeat)
    if "round" in asked:
        found["round"] = whole_round(departments, size, options.pairs)
    return found


def measure(departments: int, size: int, repeat: int) -> dict[str, Any]:
    """Every figure of one sum, by name."""
    bench = Bench.of(departments, size)
    gone = departments // 5
    full, dropped = best(lambda: bench.run(0), repeat), best(lambda: bench.run(gone), repeat)
    stream, quantise, add, copy = floors(size, repeat)
    mask_floor = quantise + departments * stream
    floor_full = copy + (departments - 1) * add + departments * stream
    floor_dropped = (
        copy + (departments - gone - 1) * add + (departments - gone) * stream + gone * (departments - gone) * stream
    )
    return {
        "client_seconds": full.client,
        "client_masked_step_seconds": full.masked,
        "client_floor_seconds": mask_floor,
        "client_over_floor": full.client / mask_floor,
        "keystream_gb_per_s": 4 * size / stream / 1e9,
        "quantise_ns_per_parameter": 1e9 * quantise / size,
        "server_seconds": full.server,
        "server_floor_seconds": floor_full,
        "server_over_floor": full.server / floor_full,
        "server_seconds_dropouts": dropped.server,
        "dropouts": gone,
        "server_floor_seconds_dropouts": floor_dropped,
        "server_over_floor_dropouts": dropped.server / floor_dropped,
        "bytes_per_parameter": full.sent / size,
        "peak_vectors": bench.peak_vectors(),
        **flower(departments, size, full.client),
    }


def scaling(departments: int, size: int, repeat: int) -> dict[str, Any]:
    """Wall seconds by number of threads, and how many times faster than one thread each is."""
    bench, found = Bench.of(departments, size), {}
    for threads in [count for count in THREADS if count <= (os.cpu_count() or 1)]:
        bench.threads = threads
        found[str(threads)] = best(lambda: bench.run(0), repeat)
    return {
        "masking_seconds": {threads: times.masked_wall for threads, times in found.items()},
        "unmasking_seconds": {threads: times.unmasked_wall for threads, times in found.items()},
        "masking_faster": {threads: found["1"].masked_wall / times.masked_wall for threads, times in found.items()},
        "unmasking_faster": {
            threads: found["1"].unmasked_wall / times.unmasked_wall for threads, times in found.items()
        },
    }


@dataclass
class Times:
    """CPU seconds of one round: one department's four moves, its masked step, the coordinator; bytes of one
    masked input; wall seconds of the masked step, and of the coordinator after the last reply.
    """

    client: float = 0.0
    masked: float = 0.0
    server: float = 0.0
    sent: int = 0
    masked_wall: float = 0.0
    unmasked_wall: float = 0.0


@dataclass
class Bench:
    """One federation whose departments all hold the same numbers; the first one's moves are timed."""

    parties: dict[str, Party]
    roster: Roster
    contribution: Contribution
    round: int = 0
    threads: int = 1
    heard: float = 0.0
    """When the last reply had come, by the wall clock."""
    states: dict[str, Any] = field(default_factory=dict)
    buffers: dict[str, Words] = field(default_factory=dict)

    @classmethod
    def of(cls, departments: int, size: int) -> Bench:
        roster, parties = parties_of(departments)
        vector = np.random.default_rng(0).normal(size=size).astype(np.float32)
        return cls(parties, roster, Contribution(vector, np.array([1.0, 2.0])))

    def run(self, gone: int) -> Times:
        """One round in which `gone` departments leave after their shares."""
        self.round += 1
        self.states = {name: advertise(party) for name, party in self.parties.items()}
        plan = self.plan()
        keys = [state.keys for state in self.states.values()]
        flow = secure_sum(plan, self.roster, keys, threads=self.threads)
        times, replies = Times(), None
        while True:
            inside = self.inside = [0.0]
            start = time.process_time()
            try:
                requests = next(flow) if replies is None else flow.send(replies)
            except StopIteration:
                times.server += time.process_time() - start - inside[0]
                times.unmasked_wall = time.perf_counter() - self.heard
                return times
            times.server += time.process_time() - start - inside[0]
            left = (
                list(requests)[: len(requests) - gone]
                if isinstance(next(iter(requests.values())), Delivery)
                else requests
            )
            replies = self.replies({name: requests[name] for name in left}, plan, times)

    def replies(self, requests: dict[str, Wire], plan: Plan, times: Times) -> Iterator[tuple[str, Wire]]:
        """Replies made one by one, while the coordinator waits; that time is the departments'."""
        for name, request in requests.items():
            start, clock = time.process_time(), time.perf_counter()
            reply = self.move(name, request, plan)
            spent, passed = time.process_time() - start, time.perf_counter() - clock
            if name == "d000":
                times.client += spent
                if isinstance(reply, MaskedInput):
                    times.masked, times.masked_wall = spent, passed
                    times.sent = 0 if tracemalloc.is_tracing() else len(reply.to_bytes())
            self.inside[0] += time.process_time() - start
            yield name, reply
            del reply
        self.heard = time.perf_counter()

    def move(self, name: str, request: Wire, plan: Plan) -> Wire:
        state, party = self.states[name], self.parties[name]
        match request:
            case Call():
                self.states[name], reply = state.share(party, request, plan.model_hash)
            case Delivery():
                buffers = self.buffers if name == "d000" else None
                self.states[name], reply = state.mask(
                    party, request, {"model": self.contribution}, threads=self.threads, buffers=buffers
                )
            case Survivors():
                self.states[name], reply = state.sign(party, request)
            case Quorum():
                self.states[name], reply = state.reveal(party, request)
        return cast(Wire, reply)

    def plan(self) -> Plan:
        return plan_of(self.roster, self.contribution.vector.size, self.round.to_bytes(32, "big"), self.round)

    def peak_vectors(self) -> float:
        """Peak memory of one round beyond what was there, in vectors of 4 bytes per parameter: coordinator
        and one department.
        """
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        self.run(0)
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        return peak / self.contribution.vector.nbytes


def best(once: Callable[[], Times], repeat: int) -> Times:
    """The least of each figure."""
    runs = [once() for _ in range(repeat)]
    return Times(*(min(getattr(run, one.name) for run in runs) for one in fields(Times)))


def floors(size: int, repeat: int) -> tuple[float, float, float, float]:
    """CPU seconds for `size` words of: one keystream and its add in cache; quantising in cache; one add from
    memory; one copy to fresh memory.
    """
    runs = [(_stream(size), _quantise(size), *_add(size)) for _ in range(2 * repeat)]
    stream, quantise, add, copy = map(min, zip(*runs, strict=True))
    return stream, quantise, add, copy


def _stream(size: int) -> float:
    chunk, buffer = np.zeros(CHUNK, np.uint32), bytearray(CHUNK_BYTES)
    words, stream = np.frombuffer(buffer, "<u4"), Keystream(bytes(32))
    start = time.process_time()
    for _ in range(CHUNKS):
        stream.read_into(buffer, CHUNK)
        np.add(chunk, words, out=chunk)
    return (time.process_time() - start) * size / (CHUNKS * CHUNK)


def _quantise(size: int) -> float:
    """Multiply, floor, fraction, coin from the cipher, compare, add."""
    vector = np.random.default_rng(0).normal(size=CHUNK).astype(np.float32)
    value, down, less = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32), np.empty(CHUNK, np.bool_)
    out, buffer, stream = np.empty(CHUNK, np.int32), bytearray(CHUNK_BYTES), Keystream(bytes(32))
    coins = np.frombuffer(buffer, "<i4")
    start = time.process_time()
    for _ in range(CHUNKS):
        np.multiply(vector, np.float32(2**16), out=value)
        np.floor(value, out=down)
        np.subtract(value, down, out=value)
        np.copyto(out, down, casting="unsafe")
        stream.read_into(buffer, CHUNK)
        np.copyto(down, coins, casting="unsafe")
        np.less(down, value, out=less)
        np.add(out, less.view(np.int8), out=out)
    return (time.process_time() - start) * size / (CHUNKS * CHUNK)


def _add(size: int) -> tuple[float, float]:
    """An add of one vector to another from memory, and the copy that the first vector is."""
    vectors = [np.ones(size, np.uint32) for _ in range(3)]
    start = time.process_time()
    total = vectors[0].copy()
    middle = time.process_time()
    for vector in vectors:
        np.add(total, vector, out=total)
    return (time.process_time() - middle) / len(vectors), middle - start


def flower(departments: int, size: int, ours: float) -> dict[str, Any]:
    """The same masked step with Flower's primitives, as `flwr.client.mod.secaggplus_mod` puts them together;
    empty without it.
    """
    try:
        from flwr.common.secure_aggregation.ndarrays_arithmetic import (
            parameters_addition,
            parameters_mod,
            parameters_multiply,
        )
        from flwr.common.secure_aggregation.quantization import quantize
        from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
    except ImportError:
        return {}
    vector = [np.random.default_rng(0).normal(size=size).astype(np.float32)]
    start = time.process_time()
    words = quantize(parameters_multiply(vector, 1.0), 8.0, 1 << 22)
    for _ in range(departments):
        words = parameters_addition(words, pseudo_rand_gen(os.urandom(32), 1 << 32, [(size,)]))
    words = parameters_mod(words, 1 << 32)
    spent = time.process_time() - start
    return {
        "flower_client_seconds": spent,
        "flower_over_ours": spent / ours,
        "flower_bytes_per_parameter": words[0].nbytes / size,
    }


def machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    model = ""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        with facts.open(encoding="utf-8") as lines:
            model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cryptography": cryptography.__version__,
        "commit": commit.stdout.strip(),
    }


def table(found: dict[str, Any]) -> str:
    return "\n".join(
        f"{name:60} {value:.4g}" if isinstance(value, float) else f"{name:60} {value}" for name, value in lines(found)
    )


def lines(found: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested figures one after the other, by names with dots."""
    for name, value in found.items():
        if isinstance(value, dict):
            yield from lines(value, f"{before}{name}.")
        else:
            yield before + name, value


if __name__ == "__main__":
    begin(main)
