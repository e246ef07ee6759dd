"""One small federation, provisioned once; every test gets copies of its folders to spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lepton_fed.config import Federation
from lepton_fed.deploy.provisioning import Provisioned, provision
from tests.federations import FOUR, SECURE, TARGET, Tree, quick, write

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
"""When everything here was made."""

NEWCOMER = "质量部门"


def federation_with(folder: Path, changes: Tree) -> Federation:
    """The four lines and R&D, with changes, in a folder of its own."""
    folder.mkdir(parents=True)
    return Federation.load(write(folder, quick({**SECURE, **changes}, 3)))


def joined(folder: Path, **changes: Any) -> Federation:
    """The same federation with a newcomer, which reads and writes as the lines do."""
    names = (*FOUR, NEWCOMER)
    return federation_with(
        folder,
        {
            "departments": [*({"name": n} for n in names), {"name": TARGET, "roles": ["target"]}],
            "sharing": [{"what": "updates", "from": list(names), "to": ["*"]}],
            **changes,
        },
    )


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return federation_with(tmp_path_factory.mktemp("源") / "小", {})


@pytest.fixture(scope="session")
def original(federation: Federation, tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provision(federation, tmp_path_factory.mktemp("原") / "kits", now=NOW)


@pytest.fixture
def made(original: Provisioned, tmp_path: Path) -> Provisioned:
    """A copy of everything that was provisioned."""
    source, out = original.coordinator.parent, tmp_path / "kits"
    shutil.copytree(source, out)
    departments = {name: out / path.relative_to(source) for name, path in original.departments.items()}
    return Provisioned(out / "administrator", out / "coordinator", departments, original.public, ())


@pytest.fixture
def kit(made: Provisioned) -> Path:
    """A department's kit."""
    return made.departments[FOUR[0]]


@pytest.fixture
def spoil() -> Callable[[Path], None]:
    """Turns one bit in the middle of a file."""

    def turn(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return turn
