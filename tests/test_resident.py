"""Examples on the device, whole or streamed: the same batches, and nothing copied for a resident batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lepton_fed.resident import Resident, Run, Streamed, place


def rows(count: int, *shape: int) -> tuple[Tensor, Tensor]:
    x = torch.arange(count * torch.Size(shape).numel(), dtype=torch.float32).view(count, *shape)
    return x, torch.arange(count, dtype=torch.float32)


def runs(count: int, sizes: list[tuple[int, int]]) -> list[Run]:
    generator = torch.Generator().manual_seed(count)
    return [Run(torch.randperm(count, generator=generator)[:taken], batch) for taken, batch in sizes]


some_runs = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 7)), max_size=4)


@given(st.integers(1, 30), some_runs, st.integers(1, 500))
def test_resident_and_streamed_give_the_batches_of_the_order(
    count: int, sizes: list[tuple[int, int]], block: int
) -> None:
    x, y = rows(count, 2, 3)
    asked = runs(count, sizes)
    expected = [(x[k], y[k]) for run in asked for k in run.order.split(run.batch)]
    whole = list(Resident(x, y).batches(asked))
    streamed = list(Streamed(x, y, block_bytes=block).batches(asked))
    for found in (whole, streamed):
        assert len(found) == len(expected)
        for (a, b), (c, d) in zip(found, expected, strict=True):
            assert torch.equal(a, c)
            assert torch.equal(b, d)


@given(st.integers(1, 30), st.integers(1, 40))
def test_parts_are_all_examples_in_order(count: int, size: int) -> None:
    x, y = rows(count, 2)
    for examples in (Resident(x, y), Streamed(x, y)):
        assert len(examples) == count
        parts = list(examples.parts(size))
        assert all(len(b) <= size for _, b in parts)
        assert torch.equal(torch.cat([a for a, _ in parts]), x)
        assert torch.equal(torch.cat([b for _, b in parts]), y)


def test_a_batch_of_resident_examples_is_a_view_of_one_selection() -> None:
    x, y = rows(20, 3)
    first, second = (a for a, _ in Resident(x, y).batches([Run(torch.arange(8), 4)]))
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def test_streaming_looks_no_further_ahead_than_one_block() -> None:
    x, y = rows(20, 3)
    asked: list[int] = []

    def orders():  # type: ignore[no-untyped-def]
        for k in range(5):
            asked.append(k)
            yield Run(torch.arange(4), 4)

    batches = Streamed(x, y, block_bytes=1).batches(orders())
    next(batches)
    assert asked == [0, 1]
    next(batches)
    assert asked == [0, 1, 2]


def test_labels_that_are_not_one_per_example_are_refused() -> None:
    for kind in (Resident, Streamed):
        with pytest.raises(ValueError, match="3 examples but 2 labels"):
            kind(torch.zeros(3, 1), torch.zeros(2))


def test_what_fits_the_limit_is_resident_and_what_does_not_is_streamed() -> None:
    x, y = rows(10, 3)
    needed = x.numel() * 4 + y.numel() * 4
    assert isinstance(place(x, y, "cpu", needed), Resident)
    assert isinstance(place(x, y, "cpu", needed - 1), Streamed)
    assert isinstance(place(x, y, "cpu"), Resident)
