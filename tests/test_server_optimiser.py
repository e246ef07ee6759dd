"""The server's optimisers against their formulas in float64, and torch.optim where it has the same one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lepton_fed.server_optimiser import Moments, advance
from lepton_fed.settings import ServerOptimiser

UPDATES = np.random.default_rng(1).normal(size=(6, 7)).astype(np.float32)
START = np.random.default_rng(2).normal(size=7).astype(np.float32)


def run(settings: ServerOptimiser) -> np.ndarray:
    model, moments = START, Moments()
    for update in UPDATES:
        held = model.copy(), None if moments.first is None else moments.first.copy()
        after, later = advance(settings, model, update, moments)
        # Nothing is changed in place: a round that fails later must be able to go back.
        assert np.array_equal(model, held[0])
        assert held[1] is None or np.array_equal(moments.first, held[1])  # type: ignore[arg-type]
        model, moments = after, later
        assert model.dtype == np.float32
    return model


@pytest.mark.parametrize("name", ["adam", "yogi", "adagrad"])
def test_adaptive_servers_follow_algorithm_2(name: Any) -> None:
    settings = ServerOptimiser(optimiser=name, learning_rate=0.3, momentum=0.8, beta2=0.95, tau=1e-2)
    x, m, v = START.astype(float), np.zeros(7), np.zeros(7)
    for d in UPDATES.astype(float):
        m = 0.8 * m + 0.2 * d
        if name == "adam":
            v = 0.95 * v + 0.05 * d**2
        elif name == "yogi":
            v = v - 0.05 * d**2 * np.sign(v - d**2)
        else:
            v = v + d**2
        x = x + 0.3 * m / (np.sqrt(v) + 1e-2)
    assert np.allclose(run(settings), x, rtol=1e-5, atol=1e-6)


def test_momentum_is_torchs_sgd_on_the_negative_update() -> None:
    parameter = torch.nn.Parameter(torch.from_numpy(START.copy()))
    optimiser = torch.optim.SGD([parameter], lr=0.3, momentum=0.8)
    for update in UPDATES:
        parameter.grad = torch.from_numpy(-update)
        optimiser.step()
    found = run(ServerOptimiser(optimiser="momentum", learning_rate=0.3, momentum=0.8))
    assert np.allclose(found, parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_none_adds_the_update_scaled_by_the_learning_rate() -> None:
    assert np.array_equal(advance(ServerOptimiser(), START, UPDATES[0], Moments())[0], START + UPDATES[0])
    half = advance(ServerOptimiser(learning_rate=0.5), START, UPDATES[0], Moments())[0]
    assert np.allclose(half, START + 0.5 * UPDATES[0])


def test_without_memory_momentum_is_the_plain_update() -> None:
    found = run(ServerOptimiser(optimiser="momentum", momentum=0.0))
    assert np.allclose(found, START + UPDATES.sum(0), atol=1e-5)


@pytest.mark.parametrize("name", ["none", "momentum", "adam", "yogi", "adagrad"])
def test_no_update_moves_nothing_at_the_start(name: Any) -> None:
    zero = np.zeros(7, np.float32)
    assert np.array_equal(advance(ServerOptimiser(optimiser=name), START, zero, Moments())[0], START)


@pytest.mark.parametrize("name", ["none", "momentum", "adam", "yogi", "adagrad"])
@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_a_large_model_is_stepped_in_blocks_to_the_same_bits(
    name: Any, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServerOptimiser(optimiser=name, learning_rate=rate, momentum=0.8, beta2=0.95, tau=1e-2)
    draw = np.random.default_rng(4)
    model, update, first, second = (draw.normal(size=1000).astype(np.float32) for _ in range(4))
    moments = Moments(first, second**2)
    whole, after = advance(settings, model, update, moments)
    monkeypatch.setattr("lepton_fed.server_optimiser.BLOCK", 77)
    room = np.empty_like(model)
    stepped, later = advance(settings, model, update, moments, out=room)
    assert stepped is room
    assert np.array_equal(stepped, whole)
    for one, other in ((after.first, later.first), (after.second, later.second)):
        assert (one is None and other is None) or np.array_equal(one, other)  # type: ignore[arg-type]
    in_place, _ = advance(settings, model, update, moments, out=update)
    assert in_place is update
    assert np.array_equal(in_place, whole)
