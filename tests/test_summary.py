"""A result as a few lines that stand in columns, whatever the names are written in."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from lepton_fed import RunResult, simulate
from lepton_fed.report.sums import sums_of
from lepton_fed.result import Compared
from lepton_fed.summary import summary
from tests.federations import SECURE, quick, written


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return simulate(written(tmp_path_factory.mktemp("summary"), quick({}, 2)))


def with_rows(result: RunResult, *rows: Compared) -> list[str]:
    return summary(replace(result, comparison=rows)).splitlines()


def test_numbers_stand_under_their_headings(result: RunResult) -> None:
    head, first, second, *_ = with_rows(
        result,
        Compared("生产车间", "auc", 0.7, 0.8, 0.9, 10),
        Compared("R&D", "auc", 0.9, 0.85, 0.9, 10),
        Compared("R&D", "loss", 5.0, 5.0, 5.0, 10),
    )
    assert head.split() == ["auc", "alone", "federated", "pooled", "gain"]
    assert first.split() == ["生产车间", "0.7000", "0.8000", "0.9000", "+0.1000"]
    assert second.split() == ["R&D", "0.9000", "0.8500", "0.9000", "-0.0500"]
    assert cell_len(head) == cell_len(first) == cell_len(second)


def test_what_was_not_measured_is_a_dash_and_has_no_gain(result: RunResult) -> None:
    _, first, second, *_ = with_rows(
        result, Compared("a", "auc", None, 0.8, None, 3), Compared("b", "auc", math.nan, 0.8, math.nan, 3)
    )
    assert first.split() == ["a", "-", "0.8000", "-"]
    assert second.split() == ["b", "-", "0.8000", "-"]


def test_the_joint_loss_is_the_last_one(result: RunResult) -> None:
    last = result.last("joint_loss")
    assert f"joint loss ΣΣ α β L: {last:.4g} after 2 rounds" in summary(result)


def test_a_run_that_is_not_kept_points_nowhere_and_a_kept_one_to_its_files(result: RunResult, tmp_path: Path) -> None:
    assert "report:" not in summary(result)
    kept = summary(replace(result, folder=tmp_path / "一"))
    assert f"report: {tmp_path / '一' / 'report.html'}" in kept
    assert f"models: {tmp_path / '一' / 'models'}" in kept


def test_nobody_with_rows_to_test_means_no_table(result: RunResult) -> None:
    assert with_rows(result)[0].startswith("joint loss")


def test_sums_are_called_what_they_are(result: RunResult, tmp_path: Path) -> None:
    assert "sums: plain (the coordinator could see single updates)" in summary(result).splitlines()
    secure = simulate(written(tmp_path, quick(SECURE, 1)))
    assert "sums: secure, each department hidden among at least 2 others" in summary(secure).splitlines()


def test_noise_is_told_for_the_rounds_that_were_played(tmp_path: Path) -> None:
    noise = {"weights": {"alpha": "uniform"}, "aggregation": {"noise": {"norm": 1.0, "multiplier": 4.0}}}
    noised = simulate(written(tmp_path, quick({**SECURE, **noise}, 9)), rounds=2)
    (line,) = (line for line in summary(noised).splitlines() if line.startswith("sums:"))
    epsilon = sums_of(noised).epsilon
    assert epsilon is not None
    assert sums_of(noised).rounds == 2
    assert "δ = 1.0" in line
    assert epsilon <= float(line.split("ε at most ")[1].split()[0]) < 1.01 * epsilon
