"""A model that takes entities' vectors beside its other inputs, each through a gate that begins nearly closed.

    x (n, d) | vector (n, w), unknown (n, 1) | vector, unknown | ...      one pair for each column that names entities
        z = Linear(LayerNorm(vector, or UNK where it is unknown))          (n, k)
    model(x | σ(g) z | σ(g) z | ...)

At the first step the model is what it would be without the vectors. These are inputs and no parameters: where a
department's vectors differ from another's, they stay at home with its rows. Guo and Berkhahn 2016 learn such vectors
from the rows; here they come from a graph of facts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLOSED = -4.0
"""Where gates begin, before the sigmoid: open by 2 %."""


class GatedVectors(nn.Module):
    """Vectors (n, width) of one column as gated features (n, size). Where one is unknown, a trained one is taken."""

    gate: nn.Parameter

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.unknown = nn.Parameter(torch.zeros(width))
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))
        self.gate = nn.Parameter(torch.full((size,), CLOSED))

    def gated(self, vectors: Tensor, unknown: Tensor) -> Tensor:
        """`unknown`: (n,) bool."""
        rows = torch.where(unknown[:, None], self.unknown, vectors)
        features: Tensor = self.gate.sigmoid() * self.project(rows)
        return features


class WithVectors(nn.Module):
    """`model` on `plain` inputs and `size` features of each of `columns`; parameters are `model.…` and `entities.…`."""

    def __init__(self, model: nn.Module, plain: int, columns: int, width: int, size: int) -> None:
        super().__init__()
        self.plain, self.width = plain, width
        self.model = model
        self.entities = nn.ModuleList(GatedVectors(width, size) for _ in range(columns))

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, plain + columns · (width + 1)), as a department prepares it."""
        features = [x[:, : self.plain]]
        blocks = x[:, self.plain :].split(self.width + 1, dim=1)
        for one, block in zip(self.entities, blocks, strict=True):
            assert isinstance(one, GatedVectors)
            # The indicator is not scaled: centred, it would be 0 where no entity of the training rows is known.
            features.append(one.gated(block[:, :-1], block[:, -1] > 0))
        answer: Tensor = self.model(torch.cat(features, dim=1))
        return answer
