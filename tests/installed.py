"""The package as an operator has it: a wheel, installed into an environment of its own, away from the source tree."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("lepton_fed", "clients", "server", "configs")
OTHERS = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "constraints.txt")


def run(*command: object, cwd: Path) -> str:
    """What a command says, outside of the source tree's reach; AssertionError with it where it fails."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LEPTON_FED_DATABASE")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**env, "OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def version(distribution: str) -> str | None:
    """Its version, if it is installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def copy_of_the_source(folder: Path) -> Path:
    """What a wheel is built from: building leaves folders behind where it is done."""
    for source in SOURCES:
        shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
    for file in OTHERS:
        shutil.copy(ROOT / file, folder)
    return folder


def wheel_of(source: Path) -> Path:
    """Built from a copy of the source, without a package index."""
    # Looked up, not imported: setuptools replaces a module of Python's that others have loaded.
    if version("pip") is None or int((version("setuptools") or "0").partition(".")[0]) < 77:
        pytest.skip("building needs pip and setuptools 77 or newer")
    out = source / "dist"
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", out, ".", cwd=source)
    (built,) = out.glob("*.whl")
    return built


def environment_with(wheel: Path, folder: Path, python: str | Path = sys.executable) -> Path:
    """A fresh environment that finds this one's libraries, but not what is installed in place here."""
    run(python, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = sysconfig.get_paths()
    (site / "others.pth").write_text("\n".join(sorted({paths["purelib"], paths["platlib"]})) + "\n")
    inside = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", inside, "install", "--no-deps", "--no-index", wheel, cwd=wheel.parent)
    return folder
