"""Small federations of three departments with drawn rows, for the tests of the Flower parts."""

from __future__ import annotations

from functools import partial

import torch

from lepton_fed.department import Department, Rows, bench
from lepton_fed.flower.apps import Build, Place
from lepton_fed.resident import Resident
from lepton_fed.settings import (
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
)

FINGERPRINT = "the same file"
NAMES = ("生产车间", "研发部门", "supply chain")
INPUTS = 4

COUPLINGS = {
    "average": (Coupling(), "none", ()),
    "private parts": (Coupling(), "none", ("head.*",)),
    "mr-mtl": (Coupling(kind="proximal", lambda_=0.5), "none", ()),
    "clusters": (Coupling(kind="clusters", hubs=2), "none", ()),
    "scaffold": (Coupling(), "scaffold", ()),
}
"""By name: the coupling, the correction, and the private patterns."""


def settings(case: str = "average", rounds: int = 3) -> Settings:
    """Three departments, the second a target without rows; everything else small."""
    coupling, correction, private = COUPLINGS[case]
    roles = (("source", "target"), ("target",), ("source", "target"))
    return Settings(
        federation=Identity(name="a test", purpose="to see the same models", seed=5),
        departments=tuple(DepartmentSettings(name=n, roles=r) for n, r in zip(NAMES, roles, strict=True)),
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
        report=Report(metrics=("loss", "auc")),
    )


def department(settings: Settings, name: str) -> Department:
    """One department with rows drawn for its name alone, so that any process draws the same."""
    place = settings.names.index(name)
    rows = Rows(_rows(10 + place, place), None, _rows(7, 100 + place))
    if not settings.department(name).is_source:
        rows = Rows(None, None, rows.test)
    return Department(name, settings, FINGERPRINT, bench(settings), rows, disclose=True)


def build(settings: Settings) -> Build:
    """A factory as the apps take it: a partial of a function of this module, which can be pickled."""
    return partial(_build, settings)


def _build(settings: Settings, place: Place) -> Department:
    return department(settings, place.department)


def _rows(count: int, seed: int) -> Resident:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, INPUTS, generator=generator)
    return Resident(x, (x.sum(1) > 0).float())
