"""The workload in Flower's own simulation engine, on Ray; prints one line of JSON.

Needs the extra `ray`. From the top of the source tree:

    .venv/bin/python -m benchmarks.peer_flower

Flower's own way throughout: a ClientApp and FedAvg of the Message API under run_simulation, one virtual
client per department, a core for each actor (so it may use all cores where the others use one). One round
more than asked for comes first, waits for the actors to start, and counts as the start; a round's time is
the mean of the others. Actors draw their own batches, so the accuracy agrees with the other peers' only to a
point or two.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path
from time import perf_counter

# Read when flwr and ray are imported: no telemetry, no look for updates.
os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", RAY_USAGE_STATS_ENABLED="0")
os.environ.setdefault("FLWR_LOG_LEVEL", "ERROR")
os.environ.setdefault("FLWR_HOME", str(Path(sys.prefix, ".flwr")))
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's coming default; without it, it warns

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from torch import Tensor, nn

from benchmarks.workload import Workload

client_app = ClientApp()


@cache
def department(workload: Workload, number: int) -> tuple[Tensor, Tensor]:
    """Drawn once in each actor that meets the department."""
    return workload.department(number)


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """One local epoch of plain SGD from the broadcast weights."""
    workload = Workload.from_environment()
    torch.set_num_threads(workload.threads)
    pictures, digits = department(workload, int(context.node_config["partition-id"]))
    network = workload.network()
    network.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    optimiser = torch.optim.SGD(network.parameters(), lr=workload.learning_rate)
    torch.seed()  # network() has seeded the generator; each visit is to draw batches of its own
    for batch in torch.randperm(len(digits)).split(workload.batch):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(pictures[batch]), digits[batch]).backward()
        optimiser.step()
    content = RecordDict()
    content["arrays"] = ArrayRecord(network.state_dict())
    content["metrics"] = MetricRecord({"num-examples": len(digits)})
    return Message(content=content, reply_to=message)


def measure(workload: Workload) -> dict[str, float]:
    """Runs the simulation: a round in milliseconds, and the seconds beyond its rounds to get going."""
    network = workload.network()
    clock: list[float] = []

    def mark(server_round: int, arrays: ArrayRecord) -> None:
        clock.append(perf_counter())

    server_app = ServerApp()

    @server_app.main()
    def rounds(grid: Grid, context: Context) -> None:
        strategy = FedAvg(
            fraction_train=workload.per_round / workload.departments,
            fraction_evaluate=0.0,
            min_train_nodes=workload.per_round,
            min_available_nodes=workload.departments,
        )
        result = strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(network.state_dict()),
            num_rounds=workload.rounds + 1,
            train_config=ConfigRecord(),
            evaluate_fn=mark,
        )
        network.load_state_dict(result.arrays.to_torch_state_dict())

    start = perf_counter()
    run_simulation(
        server_app=server_app,
        client_app=client_app,
        num_supernodes=workload.departments,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    first, last = clock[1], clock[-1]  # clock[0] is before the first round
    per_round = (last - first) / workload.rounds
    return {
        "per_round_ms": round(per_round * 1e3, 2),
        "start_s": round(first - start - per_round, 2),
        "accuracy": round(workload.accuracy(network), 4),
    }


def main() -> None:
    print(json.dumps({"peer": "flower-ray"} | measure(Workload.from_environment())))


if __name__ == "__main__":
    # Under its own name: functions of __main__ travel to Ray's actors by value, with each message, and
    # cache nothing.
    from benchmarks import peer_flower

    peer_flower.main()
