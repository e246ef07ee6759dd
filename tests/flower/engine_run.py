"""One run on Flower's simulation engine beside one in process: `python -m tests.flower.engine_run mr-mtl`.

Prints one line of JSON. A process of its own, since Ray starts servers and leaves open files behind.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from lepton_fed.coordinator import News, State
from lepton_fed.errors import DataError
from lepton_fed.flower.apps import coordinate
from lepton_fed.flower.engine import Simulated, run_on_flower
from lepton_fed.transport import InProcess
from tests.flower import small

SECRET = "row 17"


def main(case: str) -> None:
    rounds = 10**6 if case == "endless" else 3
    settings = small.settings(case if {case} & {*small.COUPLINGS, *small.SECURE} else "average", rounds)
    federation: Any = SimpleNamespace(settings=settings, fingerprint=small.FINGERPRINT)
    parties, keys = small.parties(settings), small.parties(settings)
    build = unreadable if case == "unreadable" else partial(small.department, settings, parties=parties)
    told: list[tuple[int, str]] = []

    def on_round(number: int, news: News) -> None:
        told.append((number, repr(news.measurements)))
        if case == "endless" and number == 1:
            print("training", flush=True)

    found = run_on_flower(federation, build=build, parties=parties, on_round=on_round)
    here = {name: small.department(settings, name, keys) for name in settings.names}
    told_here: list[tuple[int, str]] = []
    state = coordinate(
        settings,
        small.FINGERPRINT,
        InProcess(here),
        roster=next((party.roster for party in keys.values()), None),
        on_round=lambda number, news: told_here.append((number, repr(news.measurements))),
    )
    kept = max(apart(department.state(), found.kept[name]) for name, department in here.items())
    print(json.dumps({"hubs": hubs_apart(state, found), "kept": kept, "same news": told == told_here}))


def unreadable(name: str) -> Any:
    """In place of a factory of departments."""
    raise DataError(f"{name}: its table cannot be read")


def hubs_apart(state: State, found: Simulated) -> float:
    others = found.state.hubs
    return max(float(np.abs(h.state.model - others[n].state.model).max()) for n, h in state.hubs.items())


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


if __name__ == "__main__":
    main(sys.argv[1])
