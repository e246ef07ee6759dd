"""A hub: one model that is summed, and what a sum does to it.

Whoever holds the sum advances the hub: the coordinator, or every recipient where aggregates are sealed. All that
do so from the same sums hold the same hub, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from lepton_fed.messages import HubState, Release
from lepton_fed.server_optimiser import Moments, advance
from lepton_fed.settings import Settings


@dataclass(frozen=True, eq=False)
class Hub:
    """A hub with what only those who advance it need."""

    state: HubState
    moments: Moments = field(default_factory=Moments)
    buffers: int = 0
    """How many entries at the front are buffers: they are averaged, never stepped by a server optimiser."""


def advanced(settings: Settings, hub: Hub, release: Release | None, share: float) -> Hub:
    """The hub after its sum; unchanged where nobody wrote to it.

    `release.mean`: (d,), or (d + c,) with scaffold's control variates behind the update. `share`: which part of
    the hub's writers is in the sum.
    """
    if release is None:
        return replace(hub, state=replace(hub.state, release=None))
    if settings.coupling.kind == "distill":
        return Hub(HubState(release.mean, release))
    size = hub.state.model.size
    update, control = release.mean[:size], hub.state.control
    if settings.training.correction == "scaffold":
        change = release.mean[size:] * np.float32(share)
        control = change if control is None else control + change
    if settings.coupling.kind == "proximal" and settings.coupling.method == "pfedme":
        update = update * np.float32(settings.coupling.server_mix)
    averaged = hub.state.model[: hub.buffers] + update[: hub.buffers]
    stepped, moments = advance(settings.server, hub.state.model[hub.buffers :], update[hub.buffers :], hub.moments)
    model = np.concatenate([averaged, stepped]) if hub.buffers else stepped
    return Hub(HubState(model, replace(release, mean=release.mean[:size]), control), moments, hub.buffers)
