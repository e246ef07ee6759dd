"""Tests of the repository as a Flower app: `flwr build` and `flwr run .` on Flower's local simulation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from lepton_fed.config import Federation
from lepton_fed.local import free_port
from lepton_fed.simulation import simulate
from lepton_fed.storage import RunFolder
from tests.flower.files import NAMES, federation

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
SOURCES = ("pyproject.toml", "clients", "server")


def app(folder: Path) -> Path:
    """The repository's app in a folder whose name Flower accepts."""
    project = folder / "lepton-fed"
    project.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)
    return project


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "FLWR_HOME": str(folder / "flower home"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "",
        **more,
    }


@pytest.mark.long
def test_flwr_build_makes_a_bundle_without_the_library(tmp_path: Path) -> None:
    project = app(tmp_path)
    subprocess.run(
        [PROGRAMS / "flwr", "build"], cwd=project, env=environment(tmp_path), check=True, capture_output=True
    )
    (bundle,) = project.glob("*.fab")
    names = set(zipfile.ZipFile(bundle).namelist())
    assert {"clients/app.py", "server/app.py"} <= names
    assert not any(name.startswith("lepton_fed/") for name in names)


def test_the_bundle_is_named_and_its_parts_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for reference in project["tool"]["flwr"]["app"]["components"].values():
        module, attribute = reference.split(":")
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        # Flower looks for the assignment in the text, without importing.
        assert f"\n{attribute} = " in source


@contextmanager
def program(folder: Path, *command: str | Path) -> Iterator[None]:
    """One of Flower's servers, with all that it starts, for as long as the block lasts."""
    log = folder / f"{uuid.uuid4().hex}.log"
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [PROGRAMS / command[0], *command[1:]],
            env=environment(folder),
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@contextmanager
def superlink(folder: Path, port: int, *options: str) -> Iterator[None]:
    """What `flwr run` would start by itself, and leave running."""
    place = ("--host", "127.0.0.1", "--port", str(port))
    with program(folder, "flower-superlink", "--insecure", *place, *options):
        wait_for(f"http://127.0.0.1:{port}/health")
        yield


def wait_for(url: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, TimeoutError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def run(project: Path, folder: Path, port: int, *options: str) -> str:
    """`flwr run .`; what it printed."""
    ran = subprocess.run(
        [PROGRAMS / "flwr", "run", ".", "--stream", *options],
        cwd=project,
        env=environment(folder, FLWR_LOCAL_SUPERLINK_HTTP_API_PORT=str(port)),
        capture_output=True,
        text=True,
        timeout=280,
    )
    return ran.stdout + ran.stderr


def assert_hubs_of(out: Path, path: Path) -> None:
    """The folder holds the hubs that `simulate` ends with."""
    saved = RunFolder.open(out, writing=False).checkpoint().latest()
    assert saved is not None
    here = simulate(Federation.load(path)).state
    assert saved.round == here.round
    for name, hub in here.hubs.items():
        np.testing.assert_allclose(saved.groups["coordinator"][f"model {name}"], hub.state.model, atol=1e-6)


@pytest.mark.ray
@pytest.mark.long
def test_flwr_run_trains_the_models_of_simulate(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    path, out, port = federation(tmp_path), tmp_path / "run", free_port()
    nodes = ("--federation-config", "num-supernodes=2 client-resources-num-cpus=1")
    with superlink(tmp_path, port, "--simulation"):
        said = run(app(tmp_path), tmp_path, port, *nodes, "--run-config", f'federation="{path}" out="{out}"')
    assert "round 3/3" in said
    assert_hubs_of(out, path)


@pytest.mark.flower
@pytest.mark.long
def test_deployed_nodes_train_the_models_of_simulate(tmp_path: Path) -> None:
    """Flower starts a process for every message here, so that a department lives on in its context alone."""
    path, out, port = federation(tmp_path), tmp_path / "run", free_port()
    path.write_text(path.read_text(encoding="utf-8").replace("count = 3", "count = 1"), encoding="utf-8")
    with ExitStack() as stack:
        stack.enter_context(superlink(tmp_path, port))
        for name in NAMES:
            config = f'department="{name}" federation="{path}"'
            place = ("--superlink", f"127.0.0.1:{port}", "--port", str(free_port()))
            stack.enter_context(program(tmp_path, "flower-supernode", "--insecure", *place, "--node-config", config))
        said = run(app(tmp_path), tmp_path, port, "--run-config", f'federation="{path}" out="{out}"')
    assert "round 1/1" in said
    assert_hubs_of(out, path)
