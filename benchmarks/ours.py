"""The workload in lepton-fed's in-process engine: the library's own departments, coordinator and rounds.

    python -m benchmarks.ours [--report]

Prints one line of JSON. With --report every round also measures the joint loss, as the shipped examples do.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import torch

BEGAN = perf_counter()

from lepton_fed.bench import bench  # noqa: E402
from lepton_fed.cohorts import hubs  # noqa: E402 - the start-up is measured from here
from lepton_fed.coordinator import begin, join, play  # noqa: E402
from lepton_fed.department import Department  # noqa: E402
from lepton_fed.enforcement import Guard  # noqa: E402
from lepton_fed.measuring import Rows  # noqa: E402
from lepton_fed.policies import Policies  # noqa: E402
from lepton_fed.resident import Resident  # noqa: E402
from lepton_fed.settings import (  # noqa: E402
    Aggregation,
    ArrayShape,
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
from lepton_fed.transport import InProcess, drive  # noqa: E402

from benchmarks.workload import Workload  # noqa: E402  # isort: skip


def federation(workload: Workload, report: bool) -> Settings:
    """The workload as a federation file would say it."""
    names = [f"department {i}" for i in range(workload.departments)]
    return Settings(
        federation=Identity(name="workload", purpose="measuring", seed=workload.seed),
        departments=tuple(DepartmentSettings(name=name) for name in names),
        sharing=(Flow(what="updates", from_=("*",), to=("*",)),),
        access=(Grant(what="updates", who=("*",), action="train"),),
        data=DataContract(
            label=Label(meaning="a digit", classes=tuple("0123456789")), array=ArrayShape(shape=(1, 28, 28))
        ),
        model=ModelSettings(name="mlp", arguments={"hidden": [128]}),
        training=Training(
            epochs=1, batch=workload.batch, optimiser=Optimiser(name="sgd", learning_rate=workload.learning_rate)
        ),
        rounds=Rounds(
            count=workload.rounds, participants=workload.per_round, evaluate_every=1 if report else workload.rounds
        ),
        report=Report(metrics=("accuracy",)),
        aggregation=Aggregation(secure=False),  # secure ones: benchmarks.secagg
    )


def run(workload: Workload, report: bool) -> dict[str, float]:
    """Milliseconds a round, seconds from `import torch` to the first round without drawing the data, accuracy."""
    torch.set_num_threads(workload.threads)
    drawing = perf_counter()
    data = [workload.department(i) for i in range(workload.departments)]
    drawn = perf_counter() - drawing
    settings = federation(workload, report)
    own, plans, policies = bench(settings), hubs(settings), Policies.of(settings)
    departments = {
        name: Department(
            name, settings, "", own, Rows(Resident(x, y)), hubs=plans, guard=Guard(name, settings, policies)
        )
        for name, (x, y) in zip(settings.names, data, strict=True)
    }
    state, transport = begin(settings), InProcess(departments)
    state = drive(join(settings, state), transport)
    started = perf_counter()
    for _ in range(workload.rounds):
        state, _ = drive(play(settings, state), transport)
    seconds = perf_counter() - started
    own.model.shared.copy_(torch.from_numpy(state.hubs[plans[0].name].state.model))
    return {
        "per_round_ms": seconds / workload.rounds * 1e3,
        "start_s": started - BEGAN - drawn,
        "accuracy": workload.accuracy(own.model.module),
    }


if __name__ == "__main__":
    print(json.dumps({"peer": "lepton-fed"} | run(Workload.from_environment(), "--report" in sys.argv)))
