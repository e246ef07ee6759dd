"""Imports point downwards, heavy libraries wait until they are needed, and `__all__` is what can be imported."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lepton_fed

ROOT = Path(lepton_fed.__file__).parent
PARTS = sorted(p.relative_to(ROOT) for p in ROOT.rglob("*.py"))

LAYERS: dict[int, tuple[str, ...]] = {
    0: ("closing", "errors", "translation"),
    1: (
        "accounts",
        "code",
        "cohorts",
        "history",
        "order",
        "parameters",
        "policies",
        "policy",
        "privacy",
        "redaction",
        "resident",
        "secagg",
        "seeds",
        "settings",
        "weighting",
    ),
    2: (
        "bench",
        "common_ground",
        "compression",
        "consent",
        "couplings",
        "digests",
        "docket",
        "errand_replies",
        "first_hubs",
        "hub",
        "measuring",
        "member",
        "messages",
        "models",
        "objections",
        "parties",
        "reads",
        "server_optimiser",
        "sizes",
        "statistics",
        "sums",
        "training",
    ),
    3: ("appraisal", "department", "enforcement", "secrecy", "tally", "transport"),
    4: ("attestation", "consultation", "coordinator", "errands", "evaluation", "secure", "survey_flow"),
    5: (
        "assembly",
        "audit",
        "baselines",
        "code_digest",
        "collaboration",
        "comparison",
        "config",
        "data",
        "deploy",
        "examples",
        "explaining",
        "flower",
        "knowledge",
        "ledgers",
        "letters",
        "log_lines",
        "logs",
        "outcome",
        "own_policies",
        "pipeline",
        "portal",
        "preflight",
        "progress",
        "read_run",
        "record",
        "report",
        "result",
        "safeguards",
        "saved_state",
        "shipped",
        "signals",
        "simulated_run",
        "simulation",
        "simulation_record",
        "statistics_file",
        "storage",
        "summary",
        "survey_run",
        "tracking",
        "vector_gains",
    ),
    6: (
        "__init__",
        "__main__",
        "auditing",
        "cli",
        "clients",
        "forking",
        "imported",
        "local",
        "pipelines",
        "policy_commands",
        "running",
        "server",
        "sharing_commands",
        "tethered",
    ),
}
LAYER = {name: level for level, names in LAYERS.items() for name in names}

HEAVY = (
    "alembic",
    "flwr",
    "jinja2",
    "matplotlib",
    "networkx",
    "pandas",
    "pyarrow",
    "ray",
    "scipy",
    "sklearn",
    "sqlalchemy",
)
"""Not needed before the first round has begun."""


def part(path: Path) -> str:
    """`couplings/part.py` belongs to `couplings`, `order.py` to `order`."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "lepton_fed":
                yield from (f"lepton_fed.{alias.name}" for alias in node.names)
            else:
                yield node.module


def own(names: Iterator[str]) -> set[str]:
    return {n.split(".")[1] for n in names if n.startswith("lepton_fed.")}


@pytest.mark.parametrize("path", PARTS, ids=str)
def test_imports_point_downwards(path: Path) -> None:
    here = part(path)
    assert here in LAYER, f"{here} has no layer: give it the lowest one that its imports allow"
    for other in own(imported(ast.walk(tree(path)))):
        assert LAYER[other] <= LAYER[here], f"{path} (layer {LAYER[here]}) imports {other} (layer {LAYER[other]})"


@pytest.mark.parametrize("path", [p for p in PARTS if LAYER.get(part(p), 9) <= 4], ids=str)
def test_the_core_imports_neither_files_nor_networks_nor_heavy_libraries(path: Path) -> None:
    foreign = {n.split(".")[0] for n in imported(iter(tree(path).body))}
    if part(path) in ("secagg", "parties"):
        foreign -= {"os"}  # os.urandom: secrets come from the operating system
    assert not foreign & {
        *HEAVY,
        "pydantic",
        "typer",
        "rich",
        "socket",
        "pathlib",
        "os",
        "logging",
        "pickle",
    }, foreign


@pytest.mark.parametrize("path", PARTS, ids=str)
def test_nothing_runs_code_from_data(path: Path) -> None:
    text = tree(path)
    assert "pickle" not in {n.split(".")[0] for n in imported(ast.walk(text))}
    calls = [n for n in ast.walk(text) if isinstance(n, ast.Call)]
    names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
    assert not names & {"eval", "exec", "__import__"}
    loads = [n for n in calls if ast.unparse(n.func) == "torch.load"]
    assert not loads, "safetensors and arrays, never torch.load"


def test_the_core_is_ready_to_train_without_heavy_libraries() -> None:
    code = (
        "import sys; import torch; before = set(sys.modules)\n"
        "import lepton_fed.coordinator, lepton_fed.department, lepton_fed.transport\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(HEAVY), loaded & set(HEAVY)


def test_importing_the_package_does_no_work() -> None:
    code = "import sys; import lepton_fed; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {*HEAVY, "torch", "numpy", "pydantic"}


WITH_ALL = [p for p in PARTS if "__all__" in (ROOT / p).read_text(encoding="utf-8") and "migrations" not in p.parts]


def public(module: ast.Module) -> set[str]:
    """Names of the project that a file binds for others: imported from it, defined, or `__version__`."""
    found = {"__version__"} if "__version__ =" in ast.unparse(module) else set()
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lepton_fed"):
            found |= {alias.asname or alias.name for alias in node.names}
    found |= {n.name for n in module.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name[0] != "_"}
    return found


@pytest.mark.parametrize("path", WITH_ALL, ids=str)
def test_all_is_what_can_be_imported(path: Path) -> None:
    dotted = ".".join(("lepton_fed", *path.with_suffix("").parts)).removesuffix(".__init__")
    module = importlib.import_module(dotted)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None, name
    if path.name == "__init__.py":
        assert set(module.__all__) == public(tree(path))


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = lepton_fed.nothing
    assert set(dir(lepton_fed)) >= set(lepton_fed.__all__)


@pytest.mark.parametrize("path", PARTS, ids=str)
def test_a_file_begins_with_a_sentence(path: Path) -> None:
    doc = ast.get_docstring(tree(path))
    assert doc, f"{path} has no first sentence"
