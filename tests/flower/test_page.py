"""docs/flower.md names every key and every kind of message, and the package's promise about imports holds."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clients import app as client
from lepton_fed.flower import records
from lepton_fed.flower.grid import TYPES, UPDATE, WHO

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "flower.md").read_text(encoding="utf-8")


def test_every_key_of_the_run_configuration_is_described() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for key in project["tool"]["flwr"]["app"]["config"]:
        assert f"| `{key}` |" in PAGE


@pytest.mark.parametrize("key", [client.DEPARTMENT, client.FEDERATION, client.DISCLOSE])
def test_every_key_of_the_node_configuration_is_described(key: str) -> None:
    assert f"| `{key}` |" in PAGE


def test_every_kind_of_message_is_described_with_its_fields() -> None:
    for kind in {*TYPES.values(), UPDATE, WHO}:
        assert f"| `{kind}` |" in PAGE
    for type_, (kind, _, _) in records._KINDS.items():
        described = re.search(rf"`{kind}`(?:: ([a-z, ]+))?", PAGE)
        assert described is not None, kind
        if kind != "refused":
            assert tuple(re.findall("[a-z]+", described[1] or "")) == tuple(type_.__dataclass_fields__)
    assert f"version {records.VERSION}" in PAGE


def test_only_the_flower_parts_import_flwr() -> None:
    allowed = (ROOT / "lepton_fed" / "flower", ROOT / "clients", ROOT / "server")
    for path in (ROOT / "lepton_fed").rglob("*.py"):
        if not path.is_relative_to(allowed[0]):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(from|import) flwr", text, re.MULTILINE), path


def test_the_engine_can_be_imported_without_flower_or_ray() -> None:
    code = "import sys, lepton_fed.flower.engine; print('flwr' in sys.modules, 'ray' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "False False\n"


def test_flowers_telemetry_is_off_before_flower_can_be_imported() -> None:
    code = "import os, lepton_fed.flower; print(os.environ['FLWR_TELEMETRY_ENABLED'])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    assert said.stdout == "0\n"
