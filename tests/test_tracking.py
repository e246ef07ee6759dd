"""Trackers are optional: without their package one sentence says what to install; with it numbers arrive."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.errors import ConfigError
from lepton_fed.history import Measurement
from lepton_fed.tracking import metric_path, tracker

MEASURED = (
    Measurement(1, "内 科/../外", "test", "auc", 0.75),
    Measurement(1, "", "federation", "joint_loss", 2.5),
    Measurement(1, "line H", "test", "auc", math.nan),
)


@pytest.mark.parametrize("spec", ["", "mlflow", "mlflow:", "tensorboard: ", "wandb:x", "内科"])
def test_an_unknown_tracker_is_refused_with_the_two_that_exist(spec: str) -> None:
    with pytest.raises(ConfigError, match="write mlflow:URI_or_folder or tensorboard:DIR"):
        tracker(spec)


@pytest.mark.parametrize(("kind", "package"), [("mlflow", "mlflow"), ("tensorboard", "tensorboardX")])
def test_a_missing_package_is_answered_with_the_extra_to_install(
    kind: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(package), *sys.meta_path])
    with pytest.raises(ConfigError, match=rf"install lepton-fed\[{kind}\]"):
        tracker(f"{kind}:{tmp_path}/x")
    assert list(tmp_path.iterdir()) == []


class _Without:
    """An import system in which one package is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@given(st.text(), st.text())
def test_two_departments_never_share_a_name_nor_leave_their_folder(one: str, other: str) -> None:
    names = [metric_path(Measurement(1, d, "test", "auc", 0.0)) for d in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert name.count("/") == 1 + (name != "auc/test")
        assert ".." not in name.split("/")


def test_the_federations_own_measurements_end_at_the_part() -> None:
    assert metric_path(Measurement(1, "", "federation", "joint_loss", 1.0)) == "joint_loss/federation"
    assert metric_path(Measurement(1, "内科", "test", "auc", 1.0)) == "auc/test/内科"


@pytest.mark.long
def test_tensorboard_event_files_hold_the_finite_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    writer = tracker(f"tensorboard:{tmp_path}/板")
    writer.log(1, MEASURED)
    writer.close()
    (file,) = (tmp_path / "板").iterdir()
    written = file.read_bytes()
    assert metric_path(MEASURED[0]).encode() in written
    assert b"joint_loss/federation" in written
    assert b"line" not in written


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's, of SQLAlchemy's and its own older names
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_mlflow_keeps_one_run_per_tracker_with_its_metrics_by_round(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    for run in ("第一次", "second"):
        writer = tracker(f"mlflow:{tmp_path}/库", run=run)
        writer.log(1, MEASURED)
        writer.log(2, [Measurement(2, "", "federation", "joint_loss", 1.5)] * 1001)
        writer.close()

    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/库/mlflow.db")
    experiment = client.get_experiment_by_name("lepton-fed")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {r.info.run_name for r in runs} == {"第一次", "second"}
    assert {r.info.status for r in runs} == {"FINISHED"}
    metrics = runs[0].data.metrics
    assert metrics == {metric_path(MEASURED[0], keep=" "): 0.75, "joint_loss/federation": 1.5}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_mlflow_that_cannot_be_opened_never_repeats_the_password(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        tracker(f"mlflow:sqlite:///{tmp_path}/file/geheim-42/x.db")
    assert "geheim-42" not in str(raised.value)
    assert raised.value.__cause__ is None
