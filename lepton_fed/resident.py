"""A department's examples on its device, where they stay; batches are index selections there.

`Resident` holds everything on the device. `Streamed` is for data larger than the device: they stay in (pinned)
host memory and the next block travels while the current one is trained on. Both give the same batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]

BLOCK_BYTES = 16 * 1024 * 1024
"""How much is gathered at once: batches are then views, and the copy fits the cache of a server or a GPU."""


@dataclass(frozen=True)
class Run:
    """Consecutive batches of one pass: `order` (k,) int64 on the CPU, cut every `batch`."""

    order: Tensor
    batch: int


class Examples(Protocol):
    """What training needs of a department's data."""

    def __len__(self) -> int: ...

    def batches(self, runs: Iterable[Run]) -> Iterator[Batch]:
        """(x, y) on the device for each batch of each run."""
        ...

    def parts(self, size: int) -> Iterator[Batch]:
        """All examples in order, at most `size` at a time: for evaluation."""
        ...


class Resident:
    """Examples that live on the device. x: (n, *features) float, y: (n,) float or int64."""

    def __init__(self, x: Tensor, y: Tensor, device: torch.device | str = "cpu") -> None:
        if len(x) != len(y):
            raise ValueError(f"{len(x)} examples but {len(y)} labels")
        self.x = x.to(device)
        self.y = y.to(device)

    def __len__(self) -> int:
        return len(self.y)

    def batches(self, runs: Iterable[Run]) -> Iterator[Batch]:
        for order, batch in _blocks(runs, _bytes_each(self.x)):
            order = order.to(self.x.device)
            xs, ys = self.x.index_select(0, order), self.y.index_select(0, order)
            yield from zip(xs.split(batch), ys.split(batch), strict=True)

    def parts(self, size: int) -> Iterator[Batch]:
        yield from zip(self.x.split(size), self.y.split(size), strict=True)


class Streamed:
    """Examples too large for the device: gathered on the host block by block, one block ahead of training."""

    def __init__(
        self, x: Tensor, y: Tensor, device: torch.device | str = "cpu", block_bytes: int = BLOCK_BYTES
    ) -> None:
        if len(x) != len(y):
            raise ValueError(f"{len(x)} examples but {len(y)} labels")
        self.device = torch.device(device)
        self.x, self.y = (x.pin_memory(), y.pin_memory()) if self._cuda else (x, y)
        self.block_bytes = block_bytes

    def __len__(self) -> int:
        return len(self.y)

    @property
    def _cuda(self) -> bool:
        return self.device.type == "cuda"

    def batches(self, runs: Iterable[Run]) -> Iterator[Batch]:
        blocks = _blocks(runs, _bytes_each(self.x), self.block_bytes)
        selected = ((self.x.index_select(0, o), self.y.index_select(0, o), b) for o, b in blocks)
        for xs, ys, batch in self._ahead(selected):
            yield from zip(xs.split(batch), ys.split(batch), strict=True)

    def parts(self, size: int) -> Iterator[Batch]:
        pairs = ((x, y, size) for x, y in zip(self.x.split(size), self.y.split(size), strict=True))
        yield from ((x, y) for x, y, _ in self._ahead(pairs))

    def _ahead(self, blocks: Iterable[tuple[Tensor, Tensor, int]]) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Each block on the device, with the copy of the next one already under way on a stream of its own."""
        stream = torch.cuda.Stream(self.device) if self._cuda else None
        waiting: tuple[Tensor, Tensor, int] | None = None
        for x, y, batch in blocks:
            sent = self._send(x, y, batch, stream)
            if waiting is not None:
                yield waiting
            if stream is not None:
                torch.cuda.current_stream(self.device).wait_stream(stream)
            waiting = sent
        if waiting is not None:
            yield waiting

    def _send(self, x: Tensor, y: Tensor, batch: int, stream: torch.cuda.Stream | None) -> tuple[Tensor, Tensor, int]:
        if stream is None:
            return x, y, batch
        # The gathered block is a fresh pageable tensor; only a pinned one is copied without waiting.
        with torch.cuda.stream(stream):
            xd = x.pin_memory().to(self.device, non_blocking=True)
            yd = y.pin_memory().to(self.device, non_blocking=True)
        for tensor in (xd, yd):
            tensor.record_stream(torch.cuda.current_stream(self.device))
        return xd, yd, batch


def place(x: Tensor, y: Tensor, device: torch.device | str, limit: int | None = None) -> Resident | Streamed:
    """Resident if the examples take at most `limit` bytes of the device (default: half of what a GPU has free)."""
    device = torch.device(device)
    needed = x.numel() * x.element_size() + y.numel() * y.element_size()
    if limit is None and device.type == "cuda":
        limit = torch.cuda.mem_get_info(device)[0] // 2
    if limit is not None and needed > limit:
        return Streamed(x, y, device)
    return Resident(x, y, device)


def _bytes_each(x: Tensor) -> int:
    return max(1, x[0].numel() * x.element_size()) if len(x) else 1


def _blocks(runs: Iterable[Run], bytes_each: int, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[Tensor, int]]:
    """Runs cut into pieces of whole batches of about `block_bytes`."""
    for run in runs:
        size = max(1, block_bytes // bytes_each // run.batch) * run.batch
        for piece in run.order.split(size):
            yield piece, run.batch
