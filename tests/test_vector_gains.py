"""Entity vectors as inputs of departments' models, from the federation file to the report of what they brought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_fed import Federation, simulate
from lepton_fed.assembly import read_own
from lepton_fed.errors import ConfigError, ContractError, DataError
from lepton_fed.storage.atomic import write_atomically
from lepton_fed.storage.tensors import tensor_chunks
from lepton_fed.summary import summary
from tests.federations import LINES, quick, write, write_own

WIDTH, PARTS = 4, tuple(f"零件{k}" for k in range(80))

JOIN = {"join": "column", "columns": ["零件"], "width": WIDTH}


def vectors(path: Path, names: tuple[str, ...] = PARTS, width: int = WIDTH) -> np.ndarray:
    """A file of vectors as `knowledge train` writes them."""
    rows = np.random.default_rng(3).normal(size=(len(names), width)).astype(np.float32)
    metadata = {"model": "rotate", "entities": json.dumps(names, ensure_ascii=False), "relations": "[]"}
    write_atomically(path, tensor_chunks({"entities": rows, "relations": np.zeros((1, 1), np.float32)}, metadata))
    return rows


def made(folder: Path, **join: Any) -> Path:
    """Two lines whose label is decided by what the part is, and by nothing else that stands in a row."""
    path = write(
        folder,
        {
            **quick({}, 12),
            "knowledge": {**JOIN, **join},
            "training": {"steps": 8, "batch": 16, "optimiser": {"name": "adam", "learning_rate": 0.05}},
        },
    )
    for k, name in enumerate(LINES):
        write_own(path, name, {"path": f"{name}.csv"}, vectors="向量.safetensors")
        rows = vectors(path.parent / path.stem / "向量.safetensors")
        noise = np.random.default_rng(k).normal(size=(len(PARTS), 2)).round(3)
        lines = [f"{a},{b},{int(row[0] > 0)},{part}" for (a, b), row, part in zip(noise, rows, PARTS, strict=True)]
        csv = path.parent / path.stem / f"{name}.csv"
        csv.write_text("\n".join(["温度,torque,Target,零件", *lines]) + "\n", encoding="utf-8")
    return path


def test_where_knowledge_decides_the_gain_is_there_and_the_control_has_none(tmp_path: Path) -> None:
    result = simulate(made(tmp_path), out=tmp_path / "run")
    gains = [one for one in result.vector_gains if one.metric == "auc"]
    assert [one.department for one in gains] == list(LINES)
    for one in gains:
        assert one.with_vectors is not None
        assert one.without is not None
        assert one.shuffled is not None
        assert one.with_vectors > 0.8
        assert one.with_vectors > max(one.without, one.shuffled) + 0.15
    kept = json.loads((tmp_path / "run" / "knowledge.json").read_text(encoding="utf-8"))
    assert [(one["department"], one["metric"]) for one in kept] == [
        (one.department, one.metric) for one in result.vector_gains
    ]
    assert "entity vectors" in summary(result)
    assert "实体向量的增益" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    # The vectors are inputs: no model has them.
    assert not any("table" in key for key in result.models[LINES[0]])


def test_values_that_are_no_entity_are_counted_and_marked(tmp_path: Path) -> None:
    path = made(tmp_path)
    vectors(path.parent / path.stem / "向量.safetensors", PARTS[:60])
    own = read_own(Federation.load(path), LINES[0])
    assert own.prepared is not None
    assert f"{LINES[0]}: 20 of 80 values of '零件' are no entity it has learnt" in own.prepared.notes
    x = np.concatenate([own.prepared.train.x, own.prepared.test.x, own.prepared.validation.x])
    assert x.shape[1] == 2 + WIDTH + 1
    assert (x[:, -1] > 0).sum() == 20
    # Standardised, and what is unknown stands at the mean of the training rows.
    assert np.abs(x[x[:, -1] > 0][:, 2:-1]).max() < 1e-5
    assert np.abs(own.prepared.train.x[:, 2:-1].mean(axis=0)).max() < 1e-5


def test_what_cannot_be_joined_is_said(tmp_path: Path) -> None:
    path = made(tmp_path)
    file = path.parent / path.stem / "向量.safetensors"
    vectors(file, width=3)
    with pytest.raises(ConfigError, match=r"vectors have 3 numbers each, and knowledge\.width is 4"):
        simulate(path)
    file.write_bytes(b"{}")
    with pytest.raises(DataError, match=f"{LINES[0]}: .* is no file of entity vectors"):
        simulate(path)
    file.unlink()
    with pytest.raises(DataError, match="does not exist; correct `vectors`"):
        simulate(path)
    write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"})
    with pytest.raises(ConfigError, match="its own file names none; say `vectors`"):
        simulate(path)


def test_a_column_that_a_table_lacks_is_said(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="knowledge column '零件号': its data have no such column"):
        simulate(made(tmp_path, columns=["零件号"]))


@pytest.mark.parametrize(
    ("join", "said"),
    [
        ({"columns": []}, "names at least one column"),
        ({"width": 0}, "width must be at least 1, not 0"),
        ({"columns": ["Target"]}, "names the label 'Target'"),
        ({"join": "row"}, "join"),
    ],
)
def test_a_join_that_makes_no_sense_is_refused(tmp_path: Path, join: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Federation.load(made(tmp_path, **join))


def test_controls_are_trained_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = made(tmp_path, control=False)
    assert simulate(path, rounds=1).vector_gains == ()
