"""Contents of reports for the tests: three departments of a hospital, and thousands of shops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lepton_fed.history import Measurement
from lepton_fed.report import Comparison, Denied, ModelFile, ReportContent, Sums
from lepton_fed.settings import (
    Column,
    Coupling,
    DataContract,
    DepartmentSettings,
    Dependency,
    Flow,
    Identity,
    Label,
    ModelSettings,
    Report,
    Rounds,
    Settings,
)

EVERYBODY_TEACHES = Flow(what="updates", from_=("*",), to=("*",))
THREE = ("内科", "外科", "急诊科")

SECURE = Sums(
    secure=True,
    modes={"updates": "atom", "measurements": "cohort"},
    members=10,
    colluders=3,
    crowd=2,
    full_crowd=3,
    fewest=5,
    largest_share=0.8,
    counts=(10, 40),
    rounds=20,
    said=("3 of 4 must deliver",),
)
SEALED = replace(SECURE, recipients=(*THREE, "院务管理"))
NOISED = replace(SECURE, counts=None, epsilon=12.3412, delta=1e-5)
TWO = replace(SECURE, members=2, colluders=0, crowd=1, full_crowd=1, fewest=2)
"""How sums are made in federations of some size."""


def settings(names: Sequence[str], **changes: Any) -> Settings:
    """A federation of these departments that predicts a readmission."""
    given: dict[str, Any] = {
        "federation": Identity(
            name="市第一医院再入院预测",
            purpose="预测出院后三十天内再入院 (readmission within 30 days)",
            seed=7,
        ),
        "departments": tuple(DepartmentSettings(name=n) for n in names),
        "data": DataContract(
            label=Label(column="再入院", meaning="readmitted within 30 days", classes=("0", "1")),
            columns=(Column(name="年龄", range=(0, 120)), Column(name="血压", range=(40, 260))),
        ),
        "model": ModelSettings(name="mlp", arguments={"hidden": [32, 16]}, private=("head.*",)),
        "rounds": Rounds(count=20),
        "coupling": Coupling(kind="proximal", lambda_=0.5),
        "report": Report(metrics=("auc", "balanced_accuracy", "log_loss")),
    }
    return Settings(**{**given, **changes})


def three(**changes: Any) -> ReportContent:
    """A finished run of three departments and a management that only receives."""
    names = (*THREE, "院务管理")
    departments = (
        *(DepartmentSettings(name=n) for n in THREE),
        DepartmentSettings(name="院务管理", roles=("target",)),
    )
    graph = (
        Dependency(from_="急诊科", to="内科", needs="会诊意见"),
        Dependency(from_="院务管理", to="外科", needs="手术排期"),
    )
    ends = {"内科": (0.842, 0.861, 0.872), "外科": (0.771, 0.912, 0.905), "急诊科": (0.846, 0.834, 0.858)}
    comparison = tuple(
        Comparison(n, "auc", *v, examples=e) for (n, v), e in zip(ends.items(), (1800, 900, 301), strict=True)
    )
    comparison += tuple(
        Comparison(n, "balanced_accuracy", *(x - 0.08 for x in v), examples=900) for n, v in ends.items()
    )
    given: dict[str, Any] = {
        "settings": settings(names, departments=departments, graph=graph, sharing=(EVERYBODY_TEACHES,)),
        "run": "20260301-093012-7f3a",
        "started": datetime(2026, 3, 1, 9, 30, 12, tzinfo=UTC),
        "finished": datetime(2026, 3, 1, 9, 31, 44, tzinfo=UTC),
        "seconds": 92.4,
        "versions": {"lepton-fed": "0.1.0", "torch": "2.13.0", "Python": "3.11.9"},
        "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "command": "lepton-fed simulate configs/医院.toml --out runs",
        "edges": tuple((s, t) for s in THREE for t in names),
        "denied": (Denied("急诊科", "院务管理", "rows 原始记录", "急诊科 forbids reading its rows"),),
        "alpha": {"": {"内科": 0.6, "外科": 0.3, "急诊科": 0.1}},
        "beta": {"内科": 1.0, "外科": 1.0, "急诊科": 0.5, "院务管理": 1.0},
        "history": tuple(curves(ends)),
        "comparison": comparison,
        "timing": {
            "loading data": 3.1, "training": 61.0, "aggregating": 2.2, "evaluating": 9.4,
            "checkpoints": 1.1, "baselines": 14.8, "report": 0.8,
        },
        "models": tuple(
            ModelFile(n, f"models/{n}.safetensors", f"{i:064x}", 1377, 17) for i, n in enumerate(names)
        ),
        "warnings": ("急诊科 has 21 positive examples",),
    }  # fmt: skip
    return ReportContent(**{**given, **changes})


def curves(ends: dict[str, tuple[float, float, float]], rounds: int = 20) -> list[Measurement]:
    """Learning curves that rise to the federated value, and a joint loss that falls."""
    made = []
    for r in range(rounds + 1):
        left = math.exp(-r / 4)
        made.append(Measurement(r, "", "federation", "joint_loss", 3.0 * left + 0.02 + 0.01 * math.sin(r)))
        for i, (name, (_, end, _)) in enumerate(ends.items()):
            wobble = 0.006 * math.sin(r * (i + 1.3))
            made.append(Measurement(r, name, "test", "auc", end - (end - 0.5) * left + wobble * (r > 0)))
            made.append(Measurement(r, name, "test", "balanced_accuracy", end - 0.08 - (end - 0.58) * left + wobble))
            made.append(Measurement(r, name, "test", "log_loss", 0.35 + 0.05 * i + 0.3 * left - wobble))
            made.append(Measurement(r, name, "train", "loss", 0.3 + 0.05 * i + 0.35 * left - wobble))
    return made


def many(count: int, rounds: int = 30) -> ReportContent:
    """A run of `count` sites with numbers spread around a small gain."""
    names = tuple(f"门店{i:04d}" for i in range(count))
    spread = {n: 0.02 + 0.05 * math.sin(i * 12.9898) for i, n in enumerate(names)}
    ends = {n: (0.8, 0.8 + s, 0.83) for n, s in spread.items()}
    history = [m for m in curves(ends, rounds) if m.metric in ("auc", "joint_loss")]
    return three(
        settings=settings(names),
        history=tuple(history),
        comparison=tuple(Comparison(n, "auc", *v, examples=400) for n, v in ends.items()),
        edges=tuple((s, t) for s in names for t in names) if count <= 300 else tuple((s, names[0]) for s in names),
        alpha={"": {n: (i + 1) / count**2 for i, n in enumerate(names)}},
        beta=dict.fromkeys(names, math.inf),
        models=tuple(ModelFile(n, f"models/{n}.safetensors", "0" * 64, 100, 0) for n in names),
        denied=tuple(Denied(n, names[0], "rows", "no") for n in names),
        warnings=tuple(f"{n} is small" for n in names),
    )
