"""The floor: the workload with no framework at all, one flat vector and one update operation a step.

    python -m benchmarks.floor

Prints one line of JSON. Nothing that trains these departments in this order can be much faster.
"""

from __future__ import annotations

import json
from time import perf_counter

import torch
from torch.nn.functional import cross_entropy

from benchmarks.workload import Workload


def run(workload: Workload) -> tuple[float, float]:
    """(milliseconds a round, accuracy) of the plain loop."""
    torch.set_num_threads(workload.threads)
    data = [workload.department(i) for i in range(workload.departments)]
    network = workload.network()
    vector, gradient = _flatten(network)
    model, cohorts, started = vector.clone(), workload.cohorts(), perf_counter()
    for _ in range(workload.rounds):
        total, count = torch.zeros_like(vector), 0
        for i in next(cohorts):
            vector.copy_(model)
            x, y = data[i]
            order = torch.randperm(len(y))
            xs, ys = x[order], y[order]
            for start in range(0, len(y), workload.batch):
                stop = start + workload.batch
                gradient.zero_()
                cross_entropy(network(xs[start:stop]), ys[start:stop]).backward()
                vector.sub_(gradient, alpha=workload.learning_rate)
            total.add_(vector, alpha=len(y))
            count += len(y)
        model = total / count
    vector.copy_(model)
    return (perf_counter() - started) / workload.rounds * 1e3, workload.accuracy(network)


def _flatten(network: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Moves all parameters into one vector, and their gradients into another."""
    parameters = list(network.parameters())
    vector = torch.cat([p.detach().reshape(-1) for p in parameters])
    gradient, start = torch.zeros_like(vector), 0
    for parameter in parameters:
        place = slice(start, start + parameter.numel())
        parameter.data = vector[place].view(parameter.shape)
        parameter.grad = gradient[place].view(parameter.shape)
        start = place.stop
    return vector, gradient


if __name__ == "__main__":
    per_round, accuracy = run(Workload.from_environment())
    print(json.dumps({"peer": "floor", "per_round_ms": per_round, "accuracy": accuracy}))
