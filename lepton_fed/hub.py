"""A hub: one model that is summed, and what a sum does to it.

Whoever holds the sum advances the hub: the coordinator, or every recipient where aggregates are sealed. All that
do so from the same sums hold the same hub, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lepton_fed.messages import HubState, Release
from lepton_fed.server_optimiser import Moments, advance
from lepton_fed.settings import Settings

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Hub:
    """A hub with what only those who advance it need."""

    state: HubState
    moments: Moments = field(default_factory=Moments)
    buffers: int = 0
    """How many entries at the front are buffers: they are averaged, never stepped by a server optimiser."""


def arrays_of(hubs: Mapping[str, Hub]) -> dict[str, Array]:
    """Hubs as arrays by name, for what must last; `hub_in` takes them back."""
    arrays: dict[str, Array] = {}
    for name, hub in hubs.items():
        release = hub.state.release
        parts: dict[str, Array | None] = {
            "model": hub.state.model,
            "mean": release.mean if release is not None else None,
            "control": hub.state.control,
            "first": hub.moments.first,
            "second": hub.moments.second,
        }
        arrays |= {f"{part} {name}": array for part, array in parts.items() if array is not None}
        if release is not None:
            arrays[f"numbers {name}"] = np.array([release.mass, release.spread], np.float64)
    return arrays


def hub_in(name: str, arrays: Mapping[str, Array], fresh: Hub) -> Hub:
    """One hub from what `arrays_of` gave; `fresh`: as it is before any round."""
    if f"model {name}" not in arrays:
        return fresh
    mean, numbers = arrays.get(f"mean {name}"), arrays.get(f"numbers {name}")
    release = None if mean is None or numbers is None else Release(mean, float(numbers[0]), float(numbers[1]))
    state = HubState(arrays[f"model {name}"], release, arrays.get(f"control {name}"))
    return Hub(state, Moments(arrays.get(f"first {name}"), arrays.get(f"second {name}")), fresh.buffers)


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
        control = change if control is None else np.add(control, change, out=change)
    model, before, buffers = np.empty_like(hub.state.model), hub.state.model, hub.buffers
    if settings.coupling.kind == "proximal" and settings.coupling.method == "pfedme":
        # Into the room of the next model, which is written behind what was read: another vector would not fit.
        update = np.multiply(update, np.float32(settings.coupling.server_mix), out=model)
    np.add(before[:buffers], update[:buffers], out=model[:buffers])
    _, moments = advance(settings.server, before[buffers:], update[buffers:], hub.moments, out=model[buffers:])
    return Hub(HubState(model, replace(release, mean=release.mean[:size]), control), moments, hub.buffers)
