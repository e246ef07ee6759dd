"""The examples that travel with the package, and copies of them to start from."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lepton_fed.assembly import read_file
from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.shipped import copy, examples

CONFIGS = Path(__file__).parent.parent / "configs"
OTHERS = {"knowledge"}
"""Files that `simulate` does not read: for `knowledge train`."""


def test_every_federation_of_configs_is_an_example_with_its_purpose() -> None:
    assert examples().keys() == {p.stem for p in CONFIGS.glob("*.toml")}
    for name, purpose in examples().items():
        if name in OTHERS:
            continue
        assert purpose == Federation.load(CONFIGS / f"{name}.toml").settings.federation.purpose


@pytest.mark.parametrize("name", sorted(set(examples()) - OTHERS))
def test_a_copy_is_whole_and_means_the_same(tmp_path: Path, name: str) -> None:
    path = copy(name, tmp_path / "mine")
    copied = Federation.load(path)
    assert path == tmp_path / "mine" / f"{name}.toml"
    assert copied.fingerprint == Federation.load(CONFIGS / f"{name}.toml").fingerprint
    for department in copied.settings.names:
        read_file(copied, department)
    for file in (p for p in (tmp_path / "mine").rglob("*") if p.is_file()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_copy_of_another_kind_of_file_is_whole(tmp_path: Path, name: str) -> None:
    path = copy(name, tmp_path)
    assert path.read_text("utf-8") == (CONFIGS / f"{name}.toml").read_text("utf-8")
    assert {p.name for p in (tmp_path / name).iterdir()} == {p.name for p in (CONFIGS / name).iterdir()}


def test_an_example_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no example '\.\./manufacturing'; choose .*manufacturing"):
        copy("../manufacturing", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    own = tmp_path / "manufacturing" / "生产车间-L.toml"
    own.parent.mkdir()
    own.write_text("mine", "utf-8")
    with pytest.raises(StorageError, match="exists already"):
        copy("manufacturing", tmp_path)
    assert own.read_text("utf-8") == "mine"
    assert not (tmp_path / "manufacturing.toml").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        copy("manufacturing", tmp_path / "file" / "below")
