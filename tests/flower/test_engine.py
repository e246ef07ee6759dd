"""Tests of Flower's simulation engine: the same models, nothing said that nobody asked for."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lepton_fed.errors import ConfigError
from lepton_fed.flower import engine
from tests.flower import small

ROOT = Path(__file__).parents[2]


def test_without_ray_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    federation: Any = SimpleNamespace(settings=small.settings(), fingerprint="")
    with pytest.raises(ConfigError, match=r"pip install 'lepton-fed\[ray\]'") as raised:
        engine.run_on_flower(federation)
    assert "\n" not in str(raised.value)


def test_nothing_is_reported_and_the_environment_is_left_as_it_was() -> None:
    from flwr.supercore import telemetry

    before = dict(os.environ)
    with engine._quiet():
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        os.environ["PYTHONPATH"] = "/somewhere/else"
    assert dict(os.environ) == before
    # Flower reports from threads that may still run.
    assert telemetry.FLWR_TELEMETRY_ENABLED == "0"


def test_one_warning_of_flower_is_dropped_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    from flwr.supercore.logger import warn_deprecated_feature

    with engine._quiet():
        warn_deprecated_feature("The `run_simulation` function is deprecated and will be removed")
        warn_deprecated_feature("another feature")
        logging.getLogger("flwr").info("chatter")
    (said,) = [record.getMessage() for record in caplog.records]
    assert "another feature" in said


def started(case: str, home: Path) -> subprocess.Popen[str]:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    environment = {**os.environ, "FLWR_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    del environment["FLWR_TELEMETRY_ENABLED"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.flower.engine_run", case],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.parametrize("case", ["mr-mtl", "scaffold", "secure", "sealed"])
def test_the_engine_ends_with_the_models_of_one_process(case: str, tmp_path: Path) -> None:
    out, said = started(case, tmp_path / "home").communicate(timeout=240)
    found = json.loads(out)
    assert found["hubs"] <= 1e-6
    assert found["kept"] <= 1e-6
    assert found["same news"]
    assert "deprecated" not in said
    assert "WARNING" not in said
    assert not (tmp_path / "home").exists()


@pytest.mark.ray
@pytest.mark.long
def test_a_department_that_cannot_be_built_ends_the_run_with_its_sentence(tmp_path: Path) -> None:
    run = started("unreadable", tmp_path / "home")
    _, said = run.communicate(timeout=240)
    assert run.returncode == 1
    assert f"PolicyError: {small.NAMES[0]} refused: {small.NAMES[0]}: its table cannot be read" in said


@pytest.mark.ray
@pytest.mark.long
def test_ctrl_c_ends_a_run_on_the_engine(tmp_path: Path) -> None:
    run = started("endless", tmp_path / "home")
    assert run.stdout is not None
    assert run.stdout.readline() == "training\n"
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=240)
    assert run.returncode != 0
    assert "KeyboardInterrupt" in said
