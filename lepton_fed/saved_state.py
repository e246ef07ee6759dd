"""A run's state as arrays and plain values, and back: what a checkpoint holds.

Group "coordinator" holds the hubs; group "department <name>" holds what that department keeps between messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lepton_fed.coordinator import State
from lepton_fed.department import Department
from lepton_fed.hub import Hub
from lepton_fed.messages import HubState, Release
from lepton_fed.server_optimiser import Moments

Arrays = dict[str, np.ndarray]
COORDINATOR = "coordinator"


def groups(state: State, departments: Mapping[str, Department], changed: Iterable[str]) -> dict[str, Arrays]:
    """The coordinator's arrays and those of the departments that may have changed."""
    found = {COORDINATOR: _hubs(state)}
    for name in changed:
        kept = departments[name].state()
        found[_group(name)] = {key: value.detach().cpu().numpy() for key, value in kept.items()}
    return found


def meta(state: State) -> dict[str, Any]:
    """What is not an array. Floats go through JSON exactly."""
    releases = {n: h.state.release for n, h in state.hubs.items()}
    return {
        "declared": dict(state.declared),
        "releases": {n: [r.mass, r.spread] for n, r in releases.items() if r is not None},
    }


def restore(
    fresh: State,
    departments: Mapping[str, Department],
    round: int,
    values: Mapping[str, Any],
    held: Mapping[str, Arrays],
) -> State:
    """The state after `round`; departments take back what they kept. `fresh` is the state before any round."""
    for name, department in departments.items():
        if _group(name) in held:
            department.restore({key: torch.from_numpy(np.array(value)) for key, value in held[_group(name)].items()})
    hubs = {n: _hub(n, values["releases"].get(n), held[COORDINATOR], h.buffers) for n, h in fresh.hubs.items()}
    return replace(fresh, round=round, hubs=hubs, declared=dict(values["declared"]))


def _group(department: str) -> str:
    return f"department {department}"


def _hubs(state: State) -> Arrays:
    arrays: Arrays = {}
    for name, hub in state.hubs.items():
        parts = {
            "model": hub.state.model,
            "mean": hub.state.release.mean if hub.state.release else None,
            "control": hub.state.control,
            "first": hub.moments.first,
            "second": hub.moments.second,
        }
        arrays |= {f"{part} {name}": array for part, array in parts.items() if array is not None}
    return arrays


def _hub(name: str, release: list[float] | None, arrays: Mapping[str, np.ndarray], buffers: int) -> Hub:
    mean = arrays.get(f"mean {name}")
    last = Release(mean, *release) if release is not None and mean is not None else None
    state = HubState(arrays[f"model {name}"], last, arrays.get(f"control {name}"))
    return Hub(state, Moments(arrays.get(f"first {name}"), arrays.get(f"second {name}")), buffers)
