"""The two secure sums of a federated embedding, as coordinator and departments plan them alike.

    owners    (E,) ones where a department knows the entity; once, before anything else
    rows      (s · width + s,) rows of the shared entities times their weights, then the weights; every round

A row leaves only where at least k departments own the entity, and a sum is unmasked only when *everybody* has
delivered: over fewer departments a row with k owners could turn out to have fewer. Totals of weights are thereby
known, single ones are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import floor, log2

import numpy as np
import torch
from torch import Tensor

from lepton_fed.errors import RoundError
from lepton_fed.knowledge.embedding.messages import OWNERS, ROWS, Shown
from lepton_fed.knowledge.embedding.settings import EmbeddingSettings
from lepton_fed.secagg import Cohort, FixedPoint, Group, Plan, Roster
from lepton_fed.secagg.fixedpoint import LIMIT, Vector

COHORT = "departments"


@dataclass(frozen=True)
class Scheme:
    """What the file and the common dictionary say about the sums. `entities`: names; `width`: numbers a row."""

    settings: EmbeddingSettings
    roster: Roster
    entities: int
    width: int

    def plan(self, shown: Shown, shared: int) -> Plan:
        """The plan of the sum after `shown`, when so many rows leave; all must deliver."""
        kind = self.kind(shown)
        length = self.entities if kind == OWNERS else shared * (self.width + 1)
        cohort = Cohort.of(COHORT, dict.fromkeys(self.settings.names, 1))
        group = Group(kind, length, (), (cohort,), self._fixed_point(kind))
        plan = Plan.draft(self.roster, (group,), model_hash=shown.digest, round=shown.round)
        return replace(plan, survivors=len(plan.members))

    def kind(self, shown: Shown) -> str:
        """Which sum comes after this message."""
        return OWNERS if shown.kind == "" else ROWS

    def _fixed_point(self, kind: str) -> FixedPoint:
        """Owners are counted exactly; rows get the finest power of two at which no sum can overflow."""
        if kind == OWNERS:
            return FixedPoint(clip=1.0, scale=1.0)
        clip = self.settings.entities.clip
        return FixedPoint(clip, 2.0 ** floor(log2((LIMIT - 200) / (clip * len(self.settings.names)))))


def leaving(owners: Vector, settings: EmbeddingSettings) -> Tensor:
    """The entities whose rows leave, ascending (s,), by how many departments own each (E,); RoundError if none."""
    enough = max(settings.entities.owners, 2)  # A row of one owner would teach nobody anything.
    found = torch.from_numpy(np.flatnonzero(owners >= enough))
    if not len(found):
        raise RoundError(f"no entity is known to {enough} departments or more, so nothing can be learnt together")
    return found


@dataclass(frozen=True, eq=False)
class Anchor:
    """What the last sum says of the shared entities: weighted mean rows (s, width), total weights (s,)."""

    rows: Tensor = field(repr=False)
    weights: Tensor = field(repr=False)

    @classmethod
    def of(cls, total: Vector, width: int) -> Anchor:
        """From the sum of rows times weights, and of weights."""
        values = torch.from_numpy(total.copy())
        shared = len(values) // (width + 1)
        weights = values[shared * width :]
        return cls(values[: shared * width].reshape(shared, width) / weights[:, None], weights)
