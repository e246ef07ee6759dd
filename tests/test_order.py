"""The data order is a function of seed, department and epoch: nothing to save, nothing to disturb."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lepton_fed.order import SeededOrder
from lepton_fed.seeds import derive
from lepton_fed.settings import Training


def batches(order: SeededOrder, round: int, examples: int) -> list[list[int]]:
    return [b.tolist() for run in order.runs(round, examples) for b in run.order.split(run.batch)]


def endless(seed: int, department: str, batch: int, examples: int) -> Iterator[list[int]]:
    """One batch after the other, epoch after epoch: what `steps` goes through across rounds."""
    epoch = 0
    while True:
        shuffled: Tensor = torch.randperm(
            examples, generator=torch.Generator().manual_seed(derive(seed, "order", department, epoch))
        )
        yield from (b.tolist() for b in shuffled.split(batch))
        epoch += 1


sizes = st.integers(1, 23)


@given(sizes, sizes, st.integers(1, 9))
def test_steps_go_on_across_rounds_like_an_endless_iterator(examples: int, batch: int, steps: int) -> None:
    order, expected = (
        SeededOrder(Training(steps=steps, batch=batch), 3, "内科"),
        endless(3, "内科", batch, examples),
    )
    for round in (1, 2, 3, 4):
        assert batches(order, round, examples) == [next(expected) for _ in range(steps)]


@given(sizes, sizes, st.integers(1, 3))
def test_epochs_shuffle_anew_and_see_every_row_once(examples: int, batch: int, epochs: int) -> None:
    order, expected = (
        SeededOrder(Training(epochs=epochs, batch=batch), 3, "内科"),
        endless(3, "内科", batch, examples),
    )
    per_epoch = -(-examples // batch)
    for round in (1, 2, 3):
        found = batches(order, round, examples)
        assert found == [next(expected) for _ in range(epochs * per_epoch)]
        for k in range(epochs):
            seen = [row for one in found[k * per_epoch : (k + 1) * per_epoch] for row in one]
            assert sorted(seen) == list(range(examples))


def test_one_epoch_is_what_neither_steps_nor_epochs_means() -> None:
    assert batches(SeededOrder(Training(), 3, "内科"), 2, 40) == batches(
        SeededOrder(Training(epochs=1), 3, "内科"), 2, 40
    )


@given(st.permutations([1, 2, 3, 4]), st.booleans())
def test_any_round_can_be_asked_for_first(rounds: list[int], counted_in_steps: bool) -> None:
    training = Training(steps=5, batch=4) if counted_in_steps else Training(epochs=2, batch=4)
    in_turn = {r: batches(SeededOrder(training, 3, "内科"), r, 13) for r in (1, 2, 3, 4)}
    one = SeededOrder(training, 3, "内科")
    assert {r: batches(one, r, 13) for r in rounds} == in_turn


def test_departments_seeds_and_epochs_have_orders_of_their_own() -> None:
    training = Training(epochs=1, batch=50)
    first = batches(SeededOrder(training, 3, "内科"), 1, 50)
    assert first != batches(SeededOrder(training, 3, "外科"), 1, 50)
    assert first != batches(SeededOrder(training, 4, "内科"), 1, 50)
    assert first != batches(SeededOrder(training, 3, "内科"), 2, 50)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = batches(SeededOrder(Training(), 3, "内科"), 1, 30)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert batches(SeededOrder(Training(), 3, "内科"), 1, 30) == first
