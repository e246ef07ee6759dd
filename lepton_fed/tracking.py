"""Measurements written to MLflow or TensorBoard, for teams that look at their runs there.

Both are optional: a run's own history file holds every number without them.

    writer = tracker("tensorboard:boards/run-7")
    writer.log(3, measurements)
    writer.close()
"""

from __future__ import annotations

import importlib
import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lepton_fed.errors import ConfigError
from lepton_fed.history import FEDERATION, Measurement

_MOST_IN_A_BATCH = 1000
"""MLflow's server takes no more metrics in one request."""

_EXPERIMENT = "lepton-fed"


class Tracker(Protocol):
    """Somewhere measurements are written, besides the run's own history."""

    def log(self, round_: int, measurements: Sequence[Measurement]) -> None:
        """Write what was measured in one round; values that are no finite numbers count as not measured."""

    def close(self) -> None:
        """Write what is still held back and end the run there; the tracker is used no more."""


def tracker(spec: str, *, run: str = "") -> Tracker:
    """The tracker that `spec` names, `mlflow:URI_or_folder` or `tensorboard:DIR`; `run` is its name there.

    ConfigError where the spec is not one of these, its package is not installed, or it cannot be reached.
    """
    kind, _, where = spec.partition(":")
    if kind not in ("mlflow", "tensorboard") or not where.strip():
        # Only the kind is repeated: what follows it may hold a password.
        raise ConfigError(
            f"tracking {kind!r} names no tracker and place; write mlflow:URI_or_folder or tensorboard:DIR"
        )
    return _MLflow(where, run) if kind == "mlflow" else _TensorBoard(where)


def metric_path(measurement: Measurement, keep: str = "") -> str:
    """`metric/part/department`, the name a measurement is filed under; the federation's own ends at the part.

    Letters (Chinese ones too), digits, `_`, `-` and the characters of `keep` stay; any other becomes `.hex.`,
    so that two departments never share a name and none can climb out of a folder.
    """
    names = [measurement.metric, measurement.part]
    if measurement.department != FEDERATION:
        names.append(measurement.department)
    allowed = re.escape(keep)
    return "/".join(re.sub(rf"[^\w\-{allowed}]", lambda m: f".{ord(m.group()):x}.", name) for name in names)


def _finite(measurements: Sequence[Measurement]) -> list[Measurement]:
    return [one for one in measurements if math.isfinite(one.value)]


class _TensorBoard:
    """Scalars in event files, through tensorboardX, which needs no TensorFlow."""

    def __init__(self, where: str) -> None:
        writers = _package("tensorboardX", "tensorboard")
        try:
            self._writer: Any = writers.SummaryWriter(logdir=str(Path(where).expanduser()))
        except OSError as error:
            raise ConfigError(
                f"tracking: TensorBoard folder {where!r} cannot be written ({error.strerror}); name another"
            ) from error

    def log(self, round_: int, measurements: Sequence[Measurement]) -> None:
        for one in _finite(measurements):
            self._writer.add_scalar(metric_path(one), one.value, round_)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    """One MLflow run in the experiment `lepton-fed`."""

    def __init__(self, where: str, run: str) -> None:
        # MLflow tells its makers which of its interfaces are used, unless told otherwise.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        client = _package("mlflow.tracking", "mlflow").MlflowClient
        try:
            uri, artifacts = _mlflow_place(where)
            self._client: Any = client(tracking_uri=uri)
            self._run: str = self._client.create_run(
                _experiment(self._client, artifacts), run_name=run or None
            ).info.run_id
        except Exception as error:
            # MLflow raises its own errors, SQLAlchemy's and the network's; their texts may repeat a password.
            raise ConfigError(
                f"tracking: MLflow cannot open a run there ({type(error).__name__}); "
                "check the URI or folder, and that its server answers"
            ) from None

    def log(self, round_: int, measurements: Sequence[Measurement]) -> None:
        metric = importlib.import_module("mlflow.entities").Metric
        now = int(time.time() * 1000)
        made = [metric(metric_path(one, keep=" "), one.value, now, round_) for one in _finite(measurements)]
        for start in range(0, len(made), _MOST_IN_A_BATCH):
            self._client.log_batch(self._run, metrics=made[start : start + _MOST_IN_A_BATCH])

    def close(self) -> None:
        self._client.set_terminated(self._run, "FINISHED")


def _mlflow_place(where: str) -> tuple[str, str | None]:
    """Tracking URI, and where artifacts go: a URI as it is; in a folder MLflow keeps an SQLite file."""
    if "://" in where or where == "databricks":
        return where, None
    folder = Path(where).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def _experiment(client: Any, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(_EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(_EXPERIMENT, artifact_location=artifacts))


def _package(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != missing:
            raise
        raise ConfigError(
            f"tracking with {extra} needs the package {missing}, which is not installed; install lepton-fed[{extra}]"
        ) from error
