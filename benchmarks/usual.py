"""The loop that most people write: a module, torch.optim, state dicts averaged by count.

    python -m benchmarks.usual

Prints one line of JSON.
"""

from __future__ import annotations

import json
from time import perf_counter

import torch
from torch.nn.functional import cross_entropy

from benchmarks.workload import Workload


def run(workload: Workload) -> tuple[float, float]:
    """(milliseconds a round, accuracy)."""
    torch.set_num_threads(workload.threads)
    data = [workload.department(i) for i in range(workload.departments)]
    network = workload.network()
    model = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    cohorts, started = workload.cohorts(), perf_counter()
    for _ in range(workload.rounds):
        total = {name: torch.zeros_like(tensor) for name, tensor in model.items()}
        count = 0
        for i in next(cohorts):
            x, y = data[i]
            network.load_state_dict(model)
            optimiser = torch.optim.SGD(network.parameters(), lr=workload.learning_rate)
            for places in torch.randperm(len(y)).split(workload.batch):
                optimiser.zero_grad()
                cross_entropy(network(x[places]), y[places]).backward()
                optimiser.step()
            for name, tensor in network.state_dict().items():
                total[name].add_(tensor, alpha=len(y))
            count += len(y)
        model = {name: tensor / count for name, tensor in total.items()}
    network.load_state_dict(model)
    return (perf_counter() - started) / workload.rounds * 1e3, workload.accuracy(network)


if __name__ == "__main__":
    per_round, accuracy = run(Workload.from_environment())
    print(json.dumps({"peer": "usual", "per_round_ms": per_round, "accuracy": accuracy}))
