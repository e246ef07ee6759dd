"""Entity vectors as inputs: linked by name, harmless at the first step, frozen, and controlled by a shuffle."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lepton_fed.errors import DataError
from lepton_fed.knowledge.embedding.features import UNKNOWN, EntityColumn, EntityVectors, WithEntities

NAMES = ("水泵", "Motor A", "轴承")


def vectors(width: int = 6) -> EntityVectors:
    return EntityVectors(NAMES, torch.randn(3, width, generator=torch.Generator().manual_seed(1)))


def test_values_are_linked_however_they_are_written() -> None:
    assert vectors().linked(["水泵", " motor a", "Ｍｏｔｏｒ Ａ", "轴承 ", "齿轮"]).tolist() == [1, 2, 2, 3, UNKNOWN]


def test_at_the_first_step_a_model_is_nearly_what_it_is_without_the_graph() -> None:
    plain = nn.Linear(2 + 4, 1)
    one = WithEntities(plain, [vectors()], size=4)
    x = torch.randn(5, 2)
    without = plain(torch.cat([x, torch.zeros(5, 4)], dim=1))
    answers = one(x, torch.tensor([[1], [2], [3], [UNKNOWN], [1]]))
    assert (answers - without).abs().max() < 0.1
    assert EntityColumn(vectors(), 4).gate.sigmoid().max() < 0.02


def test_the_table_is_looked_up_and_never_trained_and_unknown_is() -> None:
    column = EntityColumn(vectors(), 4)
    assert "table" not in dict(column.named_parameters())
    column(torch.tensor([UNKNOWN, 1])).square().sum().backward()
    assert column.unknown.grad is not None
    assert column.unknown.grad.isfinite().all()


def test_the_control_has_the_same_rows_at_other_entities() -> None:
    many = EntityVectors(tuple(map(str, range(50))), torch.arange(50.0)[:, None])
    control = many.shuffled(3)
    assert control.names == many.names
    assert sorted(control.rows[:, 0].tolist()) == many.rows[:, 0].tolist()
    assert (control.rows != many.rows).float().mean() > 0.8
    assert torch.equal(control.rows, many.shuffled(3).rows)


def test_names_that_are_written_alike_must_be_joined_first() -> None:
    with pytest.raises(DataError, match="written alike"):
        EntityVectors(("A", "ａ"), torch.zeros(2, 3))
    with pytest.raises(DataError, match="need as many rows"):
        EntityVectors(NAMES, torch.zeros(2, 3))
    for number in (float("inf"), float("nan"), 1e300):
        with pytest.raises(DataError, match="all their numbers finite"):
            EntityVectors(NAMES, torch.full((3, 2), number, dtype=torch.float64))
    with pytest.raises(DataError, match="of float32 or float64"):
        EntityVectors(NAMES, torch.zeros(3, 2, dtype=torch.bfloat16))
