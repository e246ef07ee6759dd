"""Tiny federations on disk: a federation file, departments' own files, their rows; a run takes a moment.

    federation = written(tmp_path, {"rounds": {"count": 5}})
    simulate(federation, out=tmp_path / "runs" / "first")

Two production lines with rows, and R&D, which has none and receives a model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from lepton_fed.config import Federation

Tree = dict[str, Any]

LINES = ("生产车间-一", "生产车间-二")
FOUR = (*LINES, "生产车间-三", "生产车间-四")
"""Enough for secure sums."""
TARGET = "研发部门"

BASE: Tree = {
    "federation": {"name": "小联邦", "purpose": "Predict failures", "seed": 7},
    "departments": [{"name": LINES[0]}, {"name": LINES[1]}, {"name": TARGET, "roles": ["target"]}],
    "graph": [{"from": TARGET, "to": LINES[0], "needs": "生产线数据"}],
    "sharing": [{"what": "updates", "from": list(LINES), "to": ["*"]}],
    "access": [{"what": "updates", "who": ["*"], "action": "训练"}],
    "data": {
        "label": {"column": "Target", "meaning": "1: it failed", "classes": ["0", "1"]},
        "columns": [{"name": "温度"}, {"name": "torque"}],
        "split": {"test": 0.25},
    },
    "model": {"name": "mlp", "arguments": {"hidden": [3]}},
    "training": {"steps": 2, "batch": 8, "optimiser": {"learning_rate": 0.1}},
    "rounds": {"count": 3},
    "aggregation": {"secure": False},
    "report": {"metrics": ["auc", "loss"]},
}

SECURE: Tree = {
    "departments": [*({"name": name} for name in FOUR), {"name": TARGET, "roles": ["target"]}],
    "sharing": [{"what": "updates", "from": list(FOUR), "to": ["*"]}],
    "weights": {"counts": [8, 24]},
    "aggregation": {},
}

COUPLINGS: dict[str, Tree] = {
    "average": {},
    "average with adam at the server": {"server": {"optimiser": "adam", "learning_rate": 0.05}},
    "average with momentum at the server": {"server": {"optimiser": "momentum", "learning_rate": 0.3}},
    "mr-mtl with private parts and local adam": {
        "coupling": {"kind": "proximal", "method": "mr-mtl", "lambda": 0.5},
        "model": {"name": "mlp", "arguments": {"hidden": [3]}, "private": ["head.*"]},
        "training": {"steps": 2, "batch": 8, "optimiser": {"name": "adam", "learning_rate": 0.01}},
    },
    "ditto": {"coupling": {"kind": "proximal", "method": "ditto", "lambda": 0.5}},
    "pfedme": {"coupling": {"kind": "proximal", "method": "pfedme", "lambda": 2.0, "server_mix": 0.5}},
    "fedprox with dropout": {
        "coupling": {"kind": "proximal", "method": "fedprox", "lambda": 0.5},
        "model": {"name": "mlp", "arguments": {"hidden": [3], "dropout": 0.5}},
    },
    "scaffold": {"training": {"steps": 2, "batch": 8, "correction": "scaffold", "optimiser": {"learning_rate": 0.1}}},
    "updates in int8": {"aggregation": {"secure": False, "transport": "int8"}},
    "soft clusters": {"coupling": {"kind": "clusters", "hubs": 2, "read": "soft", "freeze": 3, "reset": False}},
    "participants drawn": {
        "rounds": {"count": 3, "participants": 1, "evaluate_every": 2},
        "training": {"steps": 2, "batch": 8, "optimiser": {"learning_rate": 0.1, "momentum": 0.9}},
    },
    "distill between two architectures": {
        "coupling": {"kind": "distill", "common": {"path": "common.csv"}},
        "departments": [
            {"name": LINES[0]},
            {"name": LINES[1], "model": {"name": "linear"}},
        ],
        "graph": [],
    },
    "secure sums": SECURE,
    "sealed sums with adam at the coordinator's place": {
        **SECURE,
        "aggregation": {"coordinator_sees": "nothing"},
        "server": {"optimiser": "adam", "learning_rate": 0.05},
    },
}
"""What each coupling adds to the base."""


def tree(changes: Mapping[str, Any] | None = None) -> Tree:
    """The base with some tables replaced; None removes one."""
    merged = copy.deepcopy(BASE) | copy.deepcopy(dict(changes or {}))
    return {key: value for key, value in merged.items() if value is not None}


def quick(changes: Mapping[str, Any], rounds: int) -> Tree:
    """The changes, with so many rounds and nothing trained beside the federation."""
    counted = {**changes.get("rounds", {}), "count": rounds}
    return {**changes, "rounds": counted, "report": {"metrics": ["auc", "loss"], "baselines": []}}


def written(folder: Path, changes: Mapping[str, Any] | None = None, *, rows: int = 32) -> Federation:
    """The federation in `folder`, with each line's rows beside its own file."""
    path = write(folder, changes, rows=rows)
    return Federation.load(path)


def write(folder: Path, changes: Mapping[str, Any] | None = None, *, rows: int = 32) -> Path:
    """The files of a federation, whether or not they are right; returns the federation file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "federation.toml"
    file = tree(changes)
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    for k, name in enumerate(n for n in FOUR if n in LINES or {"name": n} in file["departments"]):
        write_own(path, name, {"path": f"{name}.csv"})
        write_rows(path, name, *table(rows, seed=k))
    x, _ = table(12, seed=99)
    lines = ["温度,torque", *(f"{a!r},{b!r}" for a, b in x.tolist())]
    (folder / "common.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_own(path: Path, name: str, data: Mapping[str, Any], **rest: Any) -> Path:
    """A department's own file, readable by its owner alone."""
    own = path.parent / path.stem / f"{name}.toml"
    own.parent.mkdir(exist_ok=True)
    own.write_text(tomli_w.dumps({"device": "cpu", **rest, "data": dict(data)}), encoding="utf-8")
    own.chmod(0o600)
    return own


def table(rows: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (rows, 2) and labels (rows,), a third of them 1; the features say something about the label."""
    draw = np.random.default_rng(seed)
    y = (np.arange(rows) % 3 == 0).astype(int)
    x = draw.normal(size=(rows, 2)) + np.stack([y, -y], axis=1) + seed
    return np.round(x, 6), y


def write_rows(path: Path, name: str, x: np.ndarray, y: np.ndarray, *, header: str = "温度,torque,Target") -> Path:
    """A line's rows as CSV beside its own file."""
    file = path.parent / path.stem / f"{name}.csv"
    rows = [f"{a!r},{b!r},{label}" for (a, b), label in zip(x.tolist(), y.tolist(), strict=True)]
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file
