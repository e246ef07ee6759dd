"""docs/data.md names every key, and its examples are real; importing the package loads nothing heavy."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from lepton_fed.data import DataSource, DepartmentFile, load_department_file
from lepton_fed.data.department_file import OwnGround, OwnPrivacy, OwnRead, OwnTerms, SharedTable

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml department\n(.*?)```", PAGE, flags=re.DOTALL)


KINDS = (DepartmentFile, DataSource, OwnTerms, OwnPrivacy, SharedTable, OwnRead, OwnGround)
KEYS = sorted({f.name.rstrip("_") for kind in KINDS for f in fields(kind)})


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described_with_an_example(key: str) -> None:
    assert re.search(rf"^\| `{re.escape(key)}` \|", PAGE, flags=re.MULTILINE)
    assert key in ("data", "terms", "privacy", "shared", "reads", "knowledge", "common_ground") or any(
        re.search(rf"^{key} = ", example, flags=re.MULTILINE) for example in EXAMPLES
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str, tmp_path: Path) -> None:
    path = tmp_path / "department.toml"
    path.write_text(example, encoding="utf-8")
    path.chmod(0o600)
    assert load_department_file(path, "心内科").data is not None or "data" not in tomllib.loads(example)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'pandas', 'sklearn', 'sqlalchemy', 'pyarrow', 'torch', 'pydantic'}"
    code = f"import sys, lepton_fed.data, lepton_fed.examples; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
