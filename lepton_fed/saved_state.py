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
from lepton_fed.hub import arrays_of, hub_in

Arrays = dict[str, np.ndarray]
COORDINATOR = "coordinator"

LARGE = 1 << 20
"""Bytes from which an array of the state stays in the checkpoint's file, and in memory only while it is in use."""


def groups(state: State, departments: Mapping[str, Department], changed: Iterable[str]) -> dict[str, Arrays]:
    """The coordinator's arrays and those of the departments that may have changed."""
    found: dict[str, Arrays] = {COORDINATOR: arrays_of(state.hubs)}
    for name in changed:
        kept = departments[name].state()
        found[_group(name)] = {key: value.detach().cpu().numpy() for key, value in kept.items()}
    return found


def meta(state: State) -> dict[str, Any]:
    """What is not an array."""
    return {"declared": dict(state.declared), "models": {n: d.hex() for n, d in state.models.items()}}


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
    hubs = {name: hub_in(name, held[COORDINATOR], hub) for name, hub in fresh.hubs.items()}
    models = {name: bytes.fromhex(digest) for name, digest in values["models"].items()}
    return replace(fresh, round=round, hubs=hubs, declared=dict(values["declared"]), models=models)


def largest(state: State) -> int:
    """Bytes of the largest array of the hubs."""
    return max((array.nbytes for array in arrays_of(state.hubs).values()), default=0)


def placed(state: State, held: Mapping[str, Arrays], least: int) -> State:
    """The same state with those of its arrays that have `least` bytes or more as they are in `held`."""
    hubs = {}
    for name, hub in state.hubs.items():
        own = arrays_of({name: hub})
        hubs[name] = hub_in(
            name, {key: held[COORDINATOR][key] if a.nbytes >= least else a for key, a in own.items()}, hub
        )
    return replace(state, hubs=hubs)


def _group(department: str) -> str:
    return f"department {department}"
