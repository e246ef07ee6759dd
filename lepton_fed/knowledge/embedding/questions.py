"""Questions that triples answer: which tail has (head, relation), which head has (tail, inverse relation).

triple (h, r, t)  ->  (h, r) asks for t   and   (t, r + R) asks for h
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def questions(triples: Tensor, relations: int) -> Tensor:
    """(n, 3) triples over so many relations as (2n, 3): end, operator, answer; first all tails, then all heads."""
    h, r, t = triples.unbind(1)
    return torch.cat([triples, torch.stack([t, r + relations, h], dim=1)])


@dataclass(frozen=True, eq=False)
class Known:
    """All answers that are known to be true, by distinct question: `true` is (k, candidates) bool.

    `of` finds the row of each question asked.
    """

    keys: Tensor
    base: int
    true: Tensor

    @classmethod
    def of(cls, facts: Tensor, candidates: int) -> Known:
        """From facts as questions (n, 3), whose answers are below `candidates`."""
        base = int(facts[:, 1].max()) + 1 if len(facts) else 1
        keys, rows = (facts[:, 0] * base + facts[:, 1]).unique(return_inverse=True)
        true = torch.zeros(len(keys), candidates, dtype=torch.bool)
        true[rows, facts[:, 2]] = True
        return cls(keys, base, true)

    def rows(self, asked: Tensor) -> Tensor:
        """The row of `true` for each question (n, 3), all of which are among the facts."""
        return torch.searchsorted(self.keys, (asked[:, 0] * self.base + asked[:, 1]).contiguous())
