"""Small federations of three departments with drawn rows, or five, for the tests of the Flower parts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch

from lepton_fed.bench import bench
from lepton_fed.department import Department
from lepton_fed.flower.apps import Build, Place
from lepton_fed.measuring import Rows
from lepton_fed.parties import throw_away
from lepton_fed.resident import Resident
from lepton_fed.secagg.client import Party
from lepton_fed.settings import (
    Aggregation,
    Column,
    Coupling,
    DataContract,
    DepartmentSettings,
    Flow,
    Grant,
    Identity,
    Label,
    ModelSettings,
    Optimiser,
    Report,
    Rounds,
    Settings,
    Training,
    Weights,
)

FINGERPRINT = "the same file"
NAMES = ("生产车间", "研发部门", "supply chain")
MORE = ("质量部门", "warehouse")
"""They join where sums are secure: two sources would have nobody to hide among."""
INPUTS = 4

COUPLINGS = {
    "average": (Coupling(), "none", ()),
    "private parts": (Coupling(), "none", ("head.*",)),
    "mr-mtl": (Coupling(kind="proximal", lambda_=0.5), "none", ()),
    "clusters": (Coupling(kind="clusters", hubs=2), "none", ()),
    "scaffold": (Coupling(), "scaffold", ()),
    "int8": (Coupling(), "scaffold", ()),
}
"""By name: the coupling, the correction, and the private patterns."""

SECURE: dict[str, tuple[str, Literal["sums", "nothing"]]] = {
    "secure": ("mr-mtl", "sums"),
    "secure clusters": ("clusters", "sums"),
    "sealed": ("scaffold", "nothing"),
}
"""By name: which of the couplings, and what the coordinator sees."""


def settings(case: str = "average", rounds: int = 3) -> Settings:
    """Three departments (five where sums are secure), the second a target without rows; everything else small."""
    base, sees = SECURE.get(case, (case, "sums"))
    coupling, correction, private = COUPLINGS[base]
    secure = case in SECURE
    return Settings(
        federation=Identity(name="a test", purpose="to see the same models", seed=5),
        departments=tuple(map(_said_of, (*NAMES, *MORE) if secure else NAMES)),
        data=DataContract(
            label=Label(column="y", meaning="one or the other", classes=("0", "1")),
            columns=tuple(Column(name=f"x{k}") for k in range(INPUTS)),
        ),
        model=ModelSettings(name="mlp", arguments={"hidden": (3,), "dropout": 0.2}, private=private),
        sharing=(Flow(what="rows", from_=("*",), to=("*",)),),
        access=(Grant(what="rows", who=("*",), action="train"),),
        training=Training(epochs=1, batch=4, optimiser=Optimiser(learning_rate=0.2), correction=correction),
        rounds=Rounds(count=rounds),
        coupling=coupling,
        weights=Weights(counts=(8.0, 20.0) if secure else None),
        aggregation=Aggregation(
            secure=secure, coordinator_sees=sees, transport="int8" if case == "int8" else "float32"
        ),
        report=Report(metrics=("loss", "auc")),
    )


def _said_of(name: str) -> DepartmentSettings:
    return DepartmentSettings(name=name, roles=("target",) if name == NAMES[1] else ("source", "target"))


def parties(settings: Settings) -> dict[str, Party]:
    """Keys of all departments; none where sums are plain."""
    return throw_away(settings) if settings.aggregation.secure else {}


def department(settings: Settings, name: str, parties: Mapping[str, Party] | None = None) -> Department:
    """One department with rows drawn for its name alone, so that any process draws the same."""
    place = settings.names.index(name)
    rows = Rows(_rows(10 + place, place), None, _rows(7, 100 + place))
    if not settings.department(name).is_source:
        rows = Rows(None, None, rows.test)
    party = (parties or {}).get(name)
    return Department(name, settings, FINGERPRINT, bench(settings), rows, disclose=True, party=party)


def build(settings: Settings, parties: Mapping[str, Party] | None = None) -> Build:
    """A factory as the apps take it: a partial of a function of this module, which can be pickled."""
    return partial(_build, settings, parties or {})


def _build(settings: Settings, parties: Mapping[str, Party], place: Place) -> Department:
    """With keys of its own, as another process has them: what one built before it has noted is unknown to it."""
    return department(settings, place.department, copy.deepcopy(dict(parties)))


def _rows(count: int, seed: int) -> Resident:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, INPUTS, generator=generator)
    return Resident(x, (x.sum(1) > 0).float())
