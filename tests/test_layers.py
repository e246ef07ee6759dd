"""Imports point downwards, heavy libraries wait until they are needed, and `__all__` is what can be imported."""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

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


class Source(NamedTuple):
    """What is asked of each file, which is parsed once for all that ask."""

    imports: frozenset[str]
    imports_at_once: frozenset[str]
    """Those that are carried out when the file is imported."""
    calls: frozenset[str]
    """What is called by a name or by a module's: `eval`, `torch.load`."""
    first: str | None


@functools.cache
def source(path: Path) -> Source:
    module = tree(path)
    nodes = list(ast.walk(module))
    return Source(
        frozenset(imported(nodes)),
        frozenset(imported(module.body)),
        frozenset(called(nodes)),
        ast.get_docstring(module),
    )


def called(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=name)):
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
                yield f"{module}.{name}"


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "lepton_fed":
                yield from (f"lepton_fed.{alias.name}" for alias in node.names)
            else:
                yield node.module


def own(names: Iterable[str]) -> set[str]:
    return {n.split(".")[1] for n in names if n.startswith("lepton_fed.")}


@pytest.mark.parametrize("path", PARTS, ids=str)
def test_imports_point_downwards(path: Path) -> None:
    here = part(path)
    assert here in LAYER, f"{here} has no layer: give it the lowest one that its imports allow"
    for other in own(source(path).imports):
        assert LAYER[other] <= LAYER[here], f"{path} (layer {LAYER[here]}) imports {other} (layer {LAYER[other]})"


@pytest.mark.parametrize("path", [p for p in PARTS if LAYER.get(part(p), 9) <= 4], ids=str)
def test_the_core_imports_neither_files_nor_networks_nor_heavy_libraries(path: Path) -> None:
    foreign = {n.split(".")[0] for n in source(path).imports_at_once}
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
    assert "pickle" not in {n.split(".")[0] for n in source(path).imports}
    assert not source(path).calls & {"eval", "exec", "__import__"}
    assert "torch.load" not in source(path).calls, "safetensors and arrays, never torch.load"


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
    doc = source(path).first
    assert doc, f"{path} has no first sentence"
