"""How the rows of the embedding's yardsticks are summed up, and that nothing insecure goes by another name."""

from __future__ import annotations

import pytest

from benchmarks.knowledge_embedding import ROWS, Job, Outcome, averaging, harm, interval, settings_of, table


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
