"""The core stays pure: what it imports, and that importing it does no work."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import lepton_fed.secagg

FOLDER = Path(lepton_fed.secagg.__file__).parent
LAYERS = (
    ("errors",),
    ("canonical",),
    ("field",),
    ("keys", "masks", "linear"),
    ("sealing", "fixedpoint", "roster", "audit"),
    ("skellam",),
    ("plan",),
    ("messages", "review", "contribution", "results", "ledger"),
    ("pads",),
    ("client",),
    ("recipient", "server", "explain"),
    ("__init__",),
)
WORLD = {
    "socket",
    "ssl",
    "os.path",
    "pathlib",
    "time",
    "datetime",
    "logging",
    "random",
    "subprocess",
    "asyncio",
    "flwr",
    "torch",
    "tempfile",
    "shutil",
    "requests",
    "http",
    "urllib",
    "multiprocessing",
    "io",
    "sys",
}


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "lepton_fed.secagg":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_standard_library_numpy_and_cryptography() -> None:
    for file in FOLDER.glob("*.py"):
        for name in imports(file):
            top = name.split(".")[0]
            assert (
                top in {"numpy", "cryptography"}
                or name in ("lepton_fed.errors", "lepton_fed.translation")
                or name.startswith("lepton_fed.secagg")
                or top in sys.stdlib_module_names
            )
            assert name not in WORLD and top not in WORLD, f"{file.name} imports {name}"


def test_os_is_imported_for_its_randomness_only() -> None:
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                assert node.attr == "urandom"
            assert not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print")
            )


def test_imports_point_downwards() -> None:
    height = {name: level for level, names in enumerate(LAYERS) for name in names}
    for file in FOLDER.glob("*.py"):
        for name in imports(file):
            if name.startswith("lepton_fed.secagg."):
                assert height[name.split(".")[2]] < height[file.stem], f"{file.stem} imports {name}"


def test_all_is_what_is_importable() -> None:
    names = lepton_fed.secagg.__all__
    assert list(names) == sorted(names)
    assert all(hasattr(lepton_fed.secagg, name) for name in names)
