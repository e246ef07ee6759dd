"""The workload in pfl-research's simulation; prints one line of JSON.

Runs in an environment of its own (`make bench-peers` builds it), from the top of the source tree:

    .venv-peers/bin/python -m benchmarks.peer_pfl

pfl's own way throughout: a PyTorchModel, one Dataset per department, FederatedAveraging over a
SimulatedBackend, counts as weights. Cohorts, batches and first weights are drawn as everywhere else in this
folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn

from benchmarks.workload import Workload


class Classifier(nn.Module):
    """The network under the two methods that pfl asks of a module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def loss(self, pictures: Tensor, digits: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.network(pictures), digits)

    def metrics(self, pictures: Tensor, digits: Tensor) -> dict[str, Any]:
        """Nothing: pfl always evaluates in its first round, and nobody else here does."""
        return {}


def federated(workload: Workload) -> FederatedDataset:
    """Every department's tensors, shuffled anew each time that it is chosen."""
    tensors = [workload.department(i) for i in range(workload.departments)]

    def shuffled(number: int) -> Dataset:
        pictures, digits = tensors[number]
        order = torch.randperm(len(digits))
        return Dataset((pictures[order], digits[order]), user_id=str(number))

    chosen = (int(number) for cohort in workload.cohorts() for number in cohort)
    return FederatedDataset(shuffled, lambda: next(chosen))


def training(workload: Workload) -> tuple[nn.Module, Callable[[], None]]:
    """The network, and the call that trains it through all rounds."""
    module = Classifier(workload.network())
    data = federated(workload)
    backend = SimulatedBackend(training_data=data, val_data=data, postprocessors=[WeightByDatapoints()])
    # A central step of plain SGD at rate 1 on the mean difference is federated averaging.
    model = PyTorchModel(module, torch.optim.SGD, torch.optim.SGD(module.parameters(), lr=1.0))
    algorithm = FederatedAveraging()

    def run() -> None:
        algorithm.run(
            backend=backend,
            model=model,
            algorithm_params=NNAlgorithmParams(
                central_num_iterations=workload.rounds,
                evaluation_frequency=workload.rounds + 1,
                train_cohort_size=workload.per_round,
                val_cohort_size=0,
            ),
            model_train_params=NNTrainHyperParams(
                local_num_epochs=1,
                local_learning_rate=workload.learning_rate,
                local_batch_size=workload.batch,
            ),
            model_eval_params=NNEvalHyperParams(local_batch_size=None),
            send_metrics_to_platform=False,
        )

    return module.network, run


def main() -> None:
    workload = Workload.from_environment()
    torch.set_num_threads(workload.threads)
    network, run = training(workload)
    start = perf_counter()
    run()
    per_round = (perf_counter() - start) / workload.rounds
    accuracy = round(workload.accuracy(network), 4)
    print(json.dumps({"peer": "pfl", "per_round_ms": round(per_round * 1e3, 2), "accuracy": accuracy}))


if __name__ == "__main__":
    main()
