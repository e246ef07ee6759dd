"""Entity vectors as further inputs of a department's model: linked by name, gated, with a shuffled control.

    value --Links--> number --frozen table--> e --LayerNorm, Linear--> z      x ‖ σ(g) z

The gate begins near 0, so that at the first step the model is what it would be without the graph. A value that is no
entity of the table gets a vector of its own that is trained, UNK. The control takes the same vectors, dealt out to
other entities: what a model gains by them it would gain by any numbers; only what is beyond it comes from knowledge.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lepton_fed.errors import DataError
from lepton_fed.models.entities import GatedVectors
from lepton_fed.seeds import derive

UNKNOWN = 0
"""The number of whatever is no entity of the table."""


@dataclass(frozen=True, eq=False)
class EntityVectors:
    """A release of entity vectors: names and their rows (m, w). Row 0 of `table` stands for what is unknown."""

    names: tuple[str, ...]
    rows: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        if self.rows.dim() != 2 or len(self.rows) != len(self.names):
            raise DataError(f"{len(self.names)} entities need as many rows, found {tuple(self.rows.shape)}")
        if self.rows.dtype not in (torch.float32, torch.float64) or not self.rows.float().isfinite().all():
            raise DataError("entities' vectors are of float32 or float64, and all their numbers finite as float32")
        if len({normal(name) for name in self.names}) != len(self.names):
            raise DataError("two entities have names that are written alike; join them first")

    @property
    def table(self) -> Tensor:
        """(m + 1, w): a row of zeros for UNK, then the rows."""
        return torch.cat([torch.zeros_like(self.rows[:1]), self.rows])

    def linked(self, values: Iterable[object]) -> Tensor:
        """The entity's number of each value of a column, (n,) int64; UNKNOWN where there is none."""
        number = {normal(name): k + 1 for k, name in enumerate(self.names)}
        return torch.tensor([number.get(normal(str(value)), UNKNOWN) for value in values], dtype=torch.int64)

    def shuffled(self, seed: int) -> EntityVectors:
        """The control: the same rows, dealt out to other entities."""
        generator = torch.Generator().manual_seed(derive(seed, "shuffled entities"))
        return EntityVectors(self.names, self.rows[torch.randperm(len(self.rows), generator=generator)])


def normal(name: str) -> str:
    """How names are compared: full-width and composed characters as their plain ones, without case or outer blanks."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


class EntityColumn(GatedVectors):
    """Numbers (n,) of one column as gated features (n, size). The table is a buffer: it is looked up, never trained."""

    table: Tensor

    def __init__(self, vectors: EntityVectors, size: int) -> None:
        super().__init__(vectors.rows.shape[1], size)
        self.register_buffer("table", vectors.table)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.gated(self.table[numbers], numbers == UNKNOWN)


class WithEntities(nn.Module):
    """A department's model on x (n, d) and the entities of some columns: the model sees (n, d + columns · size)."""

    def __init__(self, model: nn.Module, columns: Sequence[EntityVectors], size: int) -> None:
        super().__init__()
        self.model = model
        self.columns = nn.ModuleList(EntityColumn(vectors, size) for vectors in columns)

    def forward(self, x: Tensor, numbers: Tensor) -> Tensor:
        """`numbers`: (n, columns) int64."""
        features = [column(numbers[:, k]) for k, column in enumerate(self.columns)]
        answer: Tensor = self.model(torch.cat([x, *features], dim=1))
        return answer
