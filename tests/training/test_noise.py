"""Seeded noise begins the same each time and gives the global generator back."""

from __future__ import annotations

import pytest
import torch

from lepton_fed.training.noise import may_draw, seeded

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
    with pytest.raises(ZeroDivisionError):
        divided_by_zero()
    assert torch.equal(torch.get_rng_state(), before)


def divided_by_zero() -> None:
    with seeded(3, CPU):
        _ = float(torch.rand(5).sum()) / 0


class Own(torch.nn.Linear):
    """A layer that nobody here knows; its forward may do anything."""


@pytest.mark.parametrize(
    ("layers", "draws"),
    [
        ([torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.BatchNorm1d(2)], False),
        ([torch.nn.Linear(2, 2), torch.nn.Dropout(0.5)], True),
        ([torch.nn.Linear(2, 2), Own(2, 2)], True),
        ([torch.nn.LSTM(2, 2, dropout=0.1, num_layers=2)], True),
    ],
)
def test_only_models_of_known_layers_are_trusted_not_to_draw(layers: list[torch.nn.Module], draws: bool) -> None:
    assert may_draw(torch.nn.Sequential(*layers)) == draws
