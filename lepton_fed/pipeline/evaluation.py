"""A trained model measured on a department's own rows, at that department, for whoever it permits.

    evaluate(run folder, federation, at, asker) ──► {metric: value}

In a simulation the department is built here from its own file; nothing of its rows comes back but the metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import torch

from lepton_fed.assembly import build_department, read_own
from lepton_fed.collaboration import Graph
from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError, PolicyError, StorageError
from lepton_fed.pipeline.permission import Asked, decider
from lepton_fed.storage import RunFolder
from lepton_fed.storage.tensors import Array
from lepton_fed.training.metrics import measure


class Evaluate(Protocol):
    """How a model is measured where the rows are. PolicyError where the department refuses."""

    def __call__(self, folder: Path, federation: Federation, *, at: str, asker: str, moment: datetime) -> Measured: ...


@dataclass(frozen=True)
class Measured:
    """Metrics by name, on so many rows."""

    metrics: dict[str, float]
    rows: int


def evaluate(folder: Path, federation: Federation, *, at: str, asker: str, moment: datetime) -> Measured:
    """Measures the model of a run on the test rows of `at`; PolicyError unless it permits `asker` to evaluate."""
    _require_permitted(Graph.of(federation), at, asker, moment)
    own = read_own(federation, at)
    department = build_department(federation, at, disclose=True, own=own)
    rows = department.rows.test
    if rows is None:
        raise ConfigError(f"{at} has no test rows to evaluate on; [data.split] sets some aside")
    bench = department.bench
    bench.model.module.load_state_dict({name: torch.from_numpy(a) for name, a in _model(folder, at, asker).items()})
    settings = federation.settings
    return Measured(measure(bench.model.module, rows, bench.loss, settings.report.metrics, settings.data), len(rows))


def _require_permitted(graph: Graph, at: str, asker: str, moment: datetime) -> None:
    if at == asker or graph.sharing is None:
        return
    flowing = [one.what for one in graph.sharing.passages() if (one.giver, one.taker) == (at, asker)]
    answers = [decider(graph)(Asked(asker, "评估", what, at), moment) for what in dict.fromkeys(flowing)]
    if not any(answer.permitted for answer in answers):
        why = "; ".join(answer.reason for answer in answers) or f"nothing of its flows to {asker}"
        raise PolicyError(at, why)


def _model(folder: Path, at: str, asker: str) -> dict[str, Array]:
    """The department's own model if it received one, else that of whoever asks."""
    run = RunFolder.open(folder, writing=False)
    name = next((one for one in (at, asker) if run.model(one).exists()), None)
    if name is None:
        raise StorageError(f"{folder} holds no model of {at} or {asker}; train first")
    return run.read_model(name)
