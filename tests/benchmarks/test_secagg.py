"""The benchmark of secure sums: its rounds give the right sums over real sockets, and its arithmetic adds up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.loopback import Network
from benchmarks.secagg import Bench, best, lines, scaling
from benchmarks.secagg_round import Coordinator, at_line_speed, mean_of, summed_up, whole_round
from benchmarks.secagg_round import check as checked


def test_frames_arrive_whole_and_each_department_gets_its_own() -> None:
    def echo(name: str):  # type: ignore[no-untyped-def]
        return lambda parts: [name.encode(), *parts]

    large = np.arange(1_000_000, dtype=np.uint32)
    with Network({name: echo(name) for name in ("研发部门", "b", "c")}) as network:
        for at_once in (None, 1):
            found = dict(network.ask({name: [b"", large.data, b"x"] for name in network.answers}, at_once))
            for name, (said, empty, vector, x) in found.items():
                assert (bytes(said).decode(), bytes(empty), bytes(x)) == (name, b"", b"x")
                assert np.array_equal(np.frombuffer(vector, np.uint32), large)
            assert list(found) == ["研发部门", "b", "c"] or at_once is None
        assert min(network.seconds.values()) > 0
        assert {line.secured.version() for line in network.lines.values()} == {"TLSv1.3"}


def test_a_whole_round_has_every_figure_and_says_where_its_time_went() -> None:
    found = whole_round(departments=4, size=3_000, pairs=2)
    for part in (found, found["own_path"]):
        assert part["training_seconds"] == part["transport_seconds"] > 0
        assert part["interval"][0] <= part["secure_over_plain"] <= part["interval"][1]
    spent = found["coordinator_seconds"]
    assert {"shares", "masked numbers", "signatures", "reveals", "unmasking"} <= set(spent)
    assert spent["masked numbers"] >= found["training_seconds"], "training is inside this exchange"
    whole = sum(found["secure_all"]) / 2
    assert whole / 2 < sum(spent.values()) <= whole, "every second is counted, and once"
    assert {"shares", "masking", "digest of the model"} <= set(found["department_cpu_seconds"])
    json.dumps(found)


def test_a_round_that_gives_another_mean_is_noticed() -> None:
    class Wrong(Coordinator):
        def __init__(self, mean: float) -> None:
            self.mean = np.full(3, mean, np.float32)

        def plain(self) -> np.ndarray:
            return self.mean

        secure = plain

    checked(Wrong(1.0), np.ones(3, np.float32))
    with pytest.raises(AssertionError):
        checked(Wrong(1.001), np.ones(3, np.float32))


def test_ratios_are_of_pairs_and_seconds_are_medians() -> None:
    pairs = [{"plain": (p, 0.1), "secure": (s, 0.3)} for p, s in ((1.0, 1.5), (2.0, 2.4), (4.0, 5.6))]
    found = summed_up(pairs, 0.5)
    assert (found["plain_seconds"], found["secure_seconds"]) == (2.0, 2.4)
    assert found["secure_over_plain"] == pytest.approx(1.4)
    assert found["interval"] == pytest.approx((1.2, 1.5))
    assert (found["plain_cpu_seconds"], found["secure_cpu_seconds"]) == (0.1, 0.3)


def test_means_are_over_departments_and_rounds() -> None:
    assert mean_of([{"a": 2.0, "b": 1.0}, {"a": 4.0}], pairs=2) == {"a": 1.5, "b": 0.25}


def test_extra_seconds_weigh_less_on_a_slower_line() -> None:
    """1e7 parameters there and back are 0.64 s at 1 Gbit/s; as long again for training."""
    own = {"secure_seconds": 0.5, "plain_seconds": 0.3}
    assert at_line_speed(own, 10_000_000, 1e9) == pytest.approx(1 + 0.2 / 1.28)
    assert at_line_speed(own, 10_000_000, 1e8) == pytest.approx(1 + 0.2 / 12.8)


def test_threads_are_compared_with_one_thread() -> None:
    found = scaling(4, 1_000, 1)
    assert found["masking_faster"]["1"] == found["unmasking_faster"]["1"] == 1.0
    for what in ("masking", "unmasking"):
        for threads, seconds in found[f"{what}_seconds"].items():
            assert found[f"{what}_faster"][threads] == pytest.approx(found[f"{what}_seconds"]["1"] / seconds)


def test_a_department_that_leaves_costs_the_bench_no_figure() -> None:
    bench = Bench.of(5, 1_000)
    times = best(lambda: bench.run(1), 2)
    assert times.sent > 4_000
    assert min(times.client, times.masked, times.server, times.masked_wall, times.unmasked_wall) > 0


def test_nested_figures_are_printed_by_names_with_dots() -> None:
    assert dict(lines({"a": 1, "b": {"c": 2.0, "d": {"e": 3}}})) == {"a": 1, "b.c": 2.0, "b.d.e": 3}


def test_the_command_prints_one_json_object() -> None:
    command = [sys.executable, "-m", "benchmarks.secagg", "--smoke", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found = json.loads(done.stdout)
    assert {"client_over_floor", "round", "threads", "machine"} <= set(found)
