"""UCI Heart Disease under FLamby's published setting: our departments and coordinator, fed the published batches.

What was published (github.com/owkin/FLamby, commit edacf54d, MIT licence) is accuracies per seed, method and
test set; a count here is the accuracy times the rows of the test set. The product need not draw its batches in
the published order; `AsDataLoader` stands in for a department's own order so that every number can be met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lepton_fed.bench import bench
from lepton_fed.coordinator import State, begin, close, join, play
from lepton_fed.department import Department
from lepton_fed.examples.heart_disease import HOSPITALS, heart
from lepton_fed.measuring import Rows
from lepton_fed.resident import Resident, Run
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
    ServerOptimiser,
    Settings,
    Training,
)
from lepton_fed.training.metrics import measure
from lepton_fed.transport import InProcess, drive

SEEDS = (42, 43, 44, 45, 46)
TEST_ROWS = (104, 89, 16, 45, 254)
"""Of the four hospitals, and of all together."""

_LIKE_FEDAVG = (
    (79, 62, 11, 28, 191),
    (75, 66, 12, 30, 194),
    (77, 67, 8, 26, 194),
    (76, 60, 12, 28, 178),
    (73, 65, 9, 32, 193),
)
_LIKE_FEDYOGI = (
    (79, 68, 12, 28, 199),
    (76, 65, 12, 30, 195),
    (80, 67, 12, 33, 199),
    (79, 66, 12, 31, 203),
    (81, 69, 11, 30, 193),
)
_LIKE_FEDADAM = (
    (79, 67, 12, 28, 197),
    (75, 65, 12, 29, 195),
    (79, 66, 12, 33, 198),
    (79, 65, 12, 31, 204),
    (79, 69, 11, 29, 195),
)
CORRECT = {
    "FedAvg": _LIKE_FEDAVG,
    "FedProx": _LIKE_FEDAVG,
    "SCAFFOLD": ((78, 62, 11, 28, 191), *_LIKE_FEDAVG[1:3], (75, 60, 12, 28, 178), _LIKE_FEDAVG[4]),
    "FedAdam": _LIKE_FEDADAM,
    "FedYogi": _LIKE_FEDYOGI,
    "FedAdagrad": _LIKE_FEDYOGI,
}
"""Published correct answers by method, seed (42 to 46) and test set (the hospitals, then the pooled one)."""

RATES = {"FedAdam": 0.01, "FedYogi": 10**-2.5, "FedAdagrad": 10**-2.5}
"""Local learning rates; 0.001 for the others."""

METHODS: dict[str, dict[str, Any]] = {
    "FedAvg": {},
    "FedProx": {"coupling": Coupling(kind="proximal", method="fedprox", lambda_=0.01)},
    "SCAFFOLD": {"correction": "scaffold"},
    "FedAdam": {"server": ServerOptimiser(optimiser="adam", learning_rate=0.01)},
    "FedYogi": {"server": ServerOptimiser(optimiser="yogi", learning_rate=0.01)},
    "FedAdagrad": {"server": ServerOptimiser(optimiser="adagrad", learning_rate=10**-0.5)},
}
"""The published methods as settings of ours."""

NUMBERS = ("age", "sex", "trestbps", "chol", "fbs", "thalch", "exang", "oldpeak")
CODES = {
    "cp": ("atypical angina", "non-anginal", "asymptomatic"),
    "restecg": ("st-t abnormality", "lv hypertrophy"),
}
"""One-hot columns; typical angina and a normal electrocardiogram are the levels left out."""


def published(method: str, seed: int) -> list[float]:
    """Accuracies at the four hospitals and on the pooled test set."""
    return [c / n for c, n in zip(CORRECT[method][SEEDS.index(seed)], TEST_ROWS, strict=True)]


def ours(method: str, seed: int) -> list[float]:
    """The same five accuracies of our rounds: hospitals scaled by their own rows, the pooled set by all rows."""
    settings, generator = heart_settings(method), torch.Generator().manual_seed(seed)
    one, departments = bench(settings), {}
    for name, hospital in hospitals().items():
        x, x_test = scaled(hospital.x, hospital.x_test)
        rows = Rows(Resident(x, hospital.y), None, Resident(x_test, hospital.y_test))
        order = AsDataLoader(generator, 100)
        departments[name] = Department(name, settings, "", one, rows, order, disclose=True)
    transport, state = InProcess(departments), _beginning(settings, seed)
    state = drive(join(settings, state), transport)
    for _ in range(settings.rounds.count):
        state, _ = drive(play(settings, state), transport)
    found = {m.department: m.value for m in drive(close(settings, state), transport).measurements}
    departments[HOSPITALS[0]].export(state.visible)  # puts the common model on the bench
    pooled = measure(one.model.module, pooled_test(), one.loss, ("accuracy",), settings.data)
    return [*(found[n] for n in HOSPITALS), pooled["accuracy"]]


def _beginning(settings: Settings, seed: int) -> State:
    """A federation's first state with the published initial model in its one hub."""
    state = begin(settings)
    ((name, hub),) = state.hubs.items()
    return replace(state, hubs={name: replace(hub, state=replace(hub.state, model=initial(seed)))})


def initial(seed: int) -> np.ndarray:
    """A freshly seeded Linear(13, 1): (14,) float32, weights then bias."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(13, 1)
    whole: np.ndarray = torch.cat([layer.weight.detach().reshape(-1), layer.bias.detach()]).numpy()
    return whole


# ---------------------------------------------------------------- data


@dataclass(frozen=True, eq=False)
class Hospital:
    """Unscaled rows. x: (n, 13) float32, y: (n,) float32."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor


@cache
def hospitals() -> Mapping[str, Hospital]:
    """The four hospitals in the published order; training rows stay in the file's order."""
    found = {}
    for name in HOSPITALS:
        table = heart(name).replace({"TRUE": "1", "FALSE": "0"})
        columns = [table[c].astype(float) for c in NUMBERS]
        columns += [(table[c] == code).astype(float) for c, codes in CODES.items() for code in codes]
        x, y = np.stack(columns, 1).astype(np.float32), table["disease"].to_numpy().astype(np.float32)
        train, test = _split(y)
        found[name] = Hospital(*(torch.from_numpy(a) for a in (x[train], y[train], x[test], y[test])))
    return found


def scaled(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both by the mean and the unbiased deviation of the first."""
    mean, std = train.mean(0), train.std(0) + 1e-9
    return (train - mean) / std, (test - mean) / std


def pooled_test() -> Resident:
    """All test rows, scaled by the statistics of all training rows."""
    parts = hospitals().values()
    _, x_test = scaled(torch.cat([h.x for h in parts]), torch.cat([h.x_test for h in parts]))
    return Resident(x_test, torch.cat([h.y_test for h in parts]))


def _split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    stratify = labels if np.bincount(labels.astype(np.int64), minlength=2).min() >= 3 else None
    rows = np.arange(len(labels))
    train, test = train_test_split(
        rows, test_size=0.34, train_size=0.66, random_state=43, shuffle=True, stratify=stratify
    )
    return np.sort(train), np.sort(test)


# ---------------------------------------------------------------- order and settings


@dataclass(eq=False)
class AsDataLoader:
    """`DataLoader(batch_size=4, shuffle=True)` of one hospital, gone through round after round.

    Each new pass draws twice from the generator that all hospitals share: a base seed that nobody uses, except
    in the first pass (whose iterator was made before the seeding), and the seed of the permutation.
    """

    shared: torch.Generator
    steps: int
    batch: int = 4
    left: Tensor | None = None

    def draw(self) -> int:
        """One number of the shared generator."""
        return int(torch.empty((), dtype=torch.int64).random_(generator=self.shared))

    def runs(self, round: int, examples: int) -> Iterator[Run]:
        """The next `steps` batches, whatever the round."""
        missing = self.steps
        while missing:
            if self.left is None or not len(self.left):
                if self.left is not None:
                    self.draw()
                self.left = torch.randperm(examples, generator=torch.Generator().manual_seed(self.draw()))
            taken, self.left = self.left[: missing * self.batch], self.left[missing * self.batch :]
            missing -= -(-len(taken) // self.batch)
            yield Run(taken, self.batch)


def heart_settings(method: str) -> Settings:
    """15 rounds of 100 local updates in batches of 4."""
    options = dict(METHODS[method])
    training = Training(
        steps=100,
        batch=4,
        optimiser=Optimiser(learning_rate=RATES.get(method, 0.001)),
        correction=options.pop("correction", "none"),
    )
    return Settings(
        federation=Identity(name="heart", purpose="yardstick"),
        departments=tuple(DepartmentSettings(name=n) for n in HOSPITALS),
        data=DataContract(
            label=Label(meaning="disease", classes=("0", "1")),
            columns=tuple(Column(name=str(k)) for k in range(13)),
        ),
        model=ModelSettings(name="linear"),
        sharing=(Flow(what="updates", from_=("*",), to=("*",)),),
        access=(Grant(what="updates", who=("*",), action="train"),),
        training=training,
        rounds=Rounds(count=15, evaluate_every=15),
        report=Report(metrics=("accuracy",)),
        aggregation=Aggregation(secure=False),
        **options,
    )
