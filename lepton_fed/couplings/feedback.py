"""Error feedback: what rounding for the way takes from an update is added to the next (Seide et al. 2014).

    sent <- C(Δ + e)        e <- Δ + e - sent        one e for each hub, 0 at first; C as in `compression`

so that Σ sent = Σ Δ - e however coarse C is: nothing is lost, some of it comes a round later, and local training with
compressed updates ends where it would without (Karimireddy et al. 2019). e stays at the department.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from lepton_fed.compression import pack, unpack
from lepton_fed.couplings.part import on_host, squared_norm
from lepton_fed.couplings.participant import Participant
from lepton_fed.messages import Addend


def fed_back(addends: Mapping[str, Addend], at: Participant, round: int) -> dict[str, Addend]:
    """What travels in place of these addends, by hub, with the vectors that arrive; as they are under float32.

    Replaces what `at.kept` has under "residual <hub>", never in place: a round that is taken back takes this along.

    A sent addend's `spread` is that of what is sent, as the hub's mean is: the joint loss is then exactly half the
    squared distance between what sources have sent and what a target has trained, and never negative. `scaffold`'s
    Δc_i travels in the same vector with the same feedback: the department's own c_i is exact, and the coordinator's
    c is Σ α_i (c_i - e_i).
    """
    if at.settings.aggregation.transport == "float32":
        return dict(addends)
    return {hub: _sent(addend, at, f"residual {hub}", at.will_report(round)) for hub, addend in addends.items()}


def _sent(addend: Addend, at: Participant, key: str, exact: bool) -> Addend:
    due = addend.vector if key not in at.kept else addend.vector + on_host(at.kept[key])
    if not np.isfinite(due @ due):
        return addend  # It is refused further on, for what it is.
    packed = pack(due, at.settings.aggregation.transport)
    vector = unpack(packed)
    at.kept[key] = torch.from_numpy(due - vector)
    spread = squared_norm(torch.from_numpy(vector[: at.model.shared.numel()]), exact)
    return replace(addend, vector=vector, spread=spread, packed=packed)
