"""A federation file that is right, as a tree of tables to bend."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import tomli_w

Tree = dict[str, Any]

VALID: Tree = {
    "federation": {"name": "制造联邦", "purpose": "Predict machine failures", "seed": 7},
    "departments": [
        {"name": "生产车间"},
        {"name": "质检部门"},
        {"name": "研发部门", "roles": ["target"]},
        {"name": "供应链部门", "roles": []},
    ],
    "graph": [
        {"from": "研发部门", "to": "生产车间", "needs": "数据"},
        {"from": "生产车间", "to": "供应链部门", "needs": "原材料"},
    ],
    "sharing": [
        {"what": "updates", "from": ["生产车间", "质检部门"], "to": ["*"]},
        {"what": "原材料表", "from": ["供应链部门"], "to": ["研发部门"]},
    ],
    "access": [
        {"what": "updates", "who": ["*"], "action": "train"},
        {"what": "原材料表", "who": ["研发部门"], "action": "读取"},
    ],
    "data": {
        "label": {"column": "Target", "meaning": "the machine fails", "classes": ["0", "1"]},
        "columns": [{"name": "温度", "range": [200.0, 400.0]}, {"name": "torque"}],
    },
    "model": {"name": "mlp", "arguments": {"hidden": [8]}},
    "weights": {"counts": [100, 150]},
    "aggregation": {"crowd": 1, "across_rounds": "warn"},
    "report": {"metrics": ["auc", "loss"]},
}


def valid(**tables: Any) -> Tree:
    """A fresh copy of the example with these tables in place of its own."""
    return copy.deepcopy(VALID) | tables


def distilling(**more: Any) -> Tree:
    """The example under `distill`, where every target trains on rows of its own."""
    tree = valid(coupling={"kind": "distill", "common": {"path": "common.npz"}} | more)
    tree["departments"][2]["roles"] = []
    return tree


def write(folder: Path, tree: Tree | str) -> Path:
    """The federation file of a tree, or of a text."""
    path = folder / "federation.toml"
    path.write_text(tree if isinstance(tree, str) else tomli_w.dumps(tree), encoding="utf-8")
    return path
