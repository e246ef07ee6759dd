"""How the rows of the embedding's yardsticks are summed up, and that nothing insecure goes by another name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.knowledge_embedding import ROWS, Job, Outcome, averaging, harm, interval, measured, settings_of, table


def outcome(seed: int, ours: float) -> Outcome:
    mrr = dict.fromkeys(ROWS, 0.5) | {"ours": ours}
    each = {row: (value, value) for row, value in mrr.items()}
    return Outcome(seed, mrr, mrr, each, (10, 10), 0, (0.5, 0.5), 1.0)


OUTCOMES = [outcome(0, 0.6), outcome(1, 0.8)]


def test_differences_are_paired_by_seed() -> None:
    mean, half = interval(OUTCOMES, "ours", "averaged")
    assert mean == pytest.approx(0.2)
    assert half == pytest.approx(12.706 * 0.1414 / 2**0.5, rel=1e-3)


def test_three_departments_are_called_an_insecure_reproduction() -> None:
    assert "INSECURE REPRODUCTION" in table(Job("umls", 3, "rotate", 240), OUTCOMES)
    six = table(Job("umls", 6, "rotate", 240), OUTCOMES)
    assert "k = 3" in six
    assert "INSECURE" not in six
    assert settings_of(Job("umls", 6, "rotate", 240), 0).entities.owners == 3


def test_who_is_harmed_is_counted() -> None:
    assert "ours: 0 of 4 department runs below alone" in harm(OUTCOMES)
    assert "ours: 2 of 4 department runs below alone, the worst by 0.100" in harm([outcome(0, 0.6), outcome(1, 0.4)])


def test_plain_averaging_overwrites_and_counts_owners_alike() -> None:
    plain = averaging(settings_of(Job("umls", 6, "rotate", 240), 0))
    assert (plain.coupling.kind, plain.coupling.mix, plain.entities.weighted) == ("average", False, False)


def test_what_was_measured_before_is_read_back(tmp_path: Path) -> None:
    job, lines = Job("umls", 6, "rotate", 240), tmp_path / "lines"
    written = [json.dumps({"job": asdict(job), **asdict(one)}) for one in OUTCOMES]
    lines.write_text("\n".join(["a warning of somebody else's", *written]), encoding="utf-8")
    assert table(job, measured([lines])[job]) == table(job, OUTCOMES)
