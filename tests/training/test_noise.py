"""Seeded noise begins the same each time and gives the global generator back."""

from __future__ import annotations

import pytest
import torch

from lepton_fed.training.noise import seeded

CPU = torch.device("cpu")


def test_the_same_seed_draws_the_same_and_another_something_else() -> None:
    drawn = []
    for seed in (3, 3, 4):
        with seeded(seed, CPU):
            drawn.append(torch.rand(5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_outside_nothing_has_moved_even_after_an_error() -> None:
    before = torch.get_rng_state()
    with seeded(3, CPU):
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(RuntimeError, match="stop"), seeded(3, CPU):
        torch.rand(5)
        raise RuntimeError("stop")
    assert torch.equal(torch.get_rng_state(), before)
