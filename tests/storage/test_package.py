"""`lepton_fed.storage` gives what it lists, and imports nothing heavy before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lepton_fed.storage as storage


def test_every_listed_name_can_be_had_and_nothing_else() -> None:
    assert sorted(storage.__all__) == dir(storage) == sorted(storage._HOMES)
    for name in storage.__all__:
        assert getattr(storage, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = storage.Nothing


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("RunFolder", {"sqlalchemy", "alembic", "pyarrow", "pandas", "safetensors", "torch"}),
        ("Checkpoint", {"sqlalchemy", "alembic", "pyarrow", "pandas", "torch"}),
        ("write_history", {"sqlalchemy", "alembic", "pyarrow", "pandas", "torch"}),
        ("RunStore", {"alembic", "pyarrow", "pandas", "torch"}),
    ],
)
def test_a_name_brings_only_what_it_needs(name: str, absent: set[str]) -> None:
    program = f"import sys; from lepton_fed.storage import {name}; print(*{absent!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
