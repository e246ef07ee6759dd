"""Departments from their files: who needs one, on which device, with which code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lepton_fed.assembly import (
    Benches,
    allowed_code,
    build_department,
    build_departments,
    device_of,
    read_file,
    read_own,
)
from lepton_fed.config import Federation
from lepton_fed.data import DepartmentFile
from lepton_fed.errors import ConfigError
from lepton_fed.resident import Resident, Streamed
from tests.federations import COUPLINGS, LINES, TARGET, tree, write, write_own, written


def test_a_target_without_a_file_has_no_rows(tmp_path: Path) -> None:
    federation = written(tmp_path)
    assert read_own(federation, TARGET).prepared is None
    department = build_department(federation, TARGET)
    assert (department.rows.train, department.rows.test) == (None, None)


def test_a_target_with_a_file_is_measured_on_its_rows(tmp_path: Path) -> None:
    path = write(tmp_path)
    write_own(path, TARGET, {"path": f"{LINES[0]}.csv"})
    department = build_department(Federation.load(path), TARGET)
    assert department.rows.test is not None
    assert len(department.rows.test) == 8


def test_a_source_needs_a_file_with_rows(tmp_path: Path) -> None:
    federation = written(tmp_path)
    own = tmp_path / "federation" / f"{LINES[0]}.toml"
    own.write_text('device = "cpu"\n', "utf-8")
    with pytest.raises(ConfigError, match=rf"{LINES[0]} is a source, but .* has no \[data\]"):
        read_file(federation, LINES[0])
    own.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        read_file(federation, LINES[0])


def test_rows_are_split_by_the_federations_seed_or_the_splits_own(tmp_path: Path) -> None:
    def train_rows(k: int, seed: int, split: int | None) -> bytes:
        data = {**tree()["data"], "scale": "none", "split": {"test": 0.25} | ({} if split is None else {"seed": split})}
        federation = written(tmp_path / str(k), {"data": data, "federation": {**tree()["federation"], "seed": seed}})
        prepared = read_own(federation, LINES[0]).prepared
        assert prepared is not None
        return prepared.train.x.tobytes()

    assert train_rows(0, 7, None) == train_rows(1, 9, 7)
    assert train_rows(0, 7, None) != train_rows(2, 9, None)


def test_departments_of_one_process_share_a_bench_and_not_their_state(tmp_path: Path) -> None:
    federation = written(tmp_path)
    departments = build_departments(federation, {n: read_own(federation, n) for n in federation.settings.names})
    first, second, target = departments.values()
    assert first.bench is second.bench is target.bench
    assert first.participant.kept is not second.participant.kept
    assert all(d.disclose for d in departments.values())
    assert not build_department(federation, LINES[0]).disclose


def test_departments_of_two_architectures_have_benches_of_their_own(tmp_path: Path) -> None:
    federation = written(tmp_path, COUPLINGS["distill between two architectures"])
    departments = build_departments(federation, {n: read_own(federation, n) for n in federation.settings.names})
    first, second = departments.values()
    assert first.bench is not second.bench
    assert first.common is not None
    assert first.common.shape == (12, 2)


def test_a_bench_is_made_once_for_the_same_architecture_device_and_code(tmp_path: Path) -> None:
    benches = Benches(written(tmp_path))
    assert benches.for_(None, "cpu", ()) is benches.for_(None, "cpu", ())
    assert benches.for_(None, "cpu", ()) is not benches.for_(None, "cpu", ("models",))


def test_rows_that_take_more_than_their_limit_are_streamed(tmp_path: Path) -> None:
    path = write(tmp_path)
    write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"}, memory_limit=100)
    federation = Federation.load(path)
    assert isinstance(build_department(federation, LINES[0]).rows.train, Streamed)
    assert isinstance(build_department(federation, LINES[1]).rows.train, Resident)


def test_an_empty_part_is_no_part(tmp_path: Path) -> None:
    federation = written(tmp_path, {"data": {**tree()["data"], "split": {"test": 0.0}}})
    rows = build_department(federation, LINES[0]).rows
    assert (rows.validation, rows.test) == (None, None)
    assert rows.train is not None


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(DepartmentFile(), "x").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of(DepartmentFile(), "x").type == "cuda"


@pytest.mark.parametrize("device", ["cuda:99", "steam", "mps"])
def test_a_device_that_is_not_there_is_refused_by_name(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{TARGET}: this machine has no device '{device}'; use auto or cpu$"):
        device_of(DepartmentFile(device=device), TARGET)


def test_code_is_allowed_on_one_machine_if_any_department_allows_it() -> None:
    files = [DepartmentFile(code=("b", "a")), DepartmentFile(), DepartmentFile(code=("b.c",))]
    assert allowed_code(files) == ("a", "b", "b.c")


MODELS = """
import torch

class Odd(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.head = torch.nn.Linear(inputs[0], outputs)
        self.norm = torch.nn.BatchNorm1d(inputs[0])
    def forward(self, x):
        return self.head(self.norm(x))

def flat(inputs, outputs):
    return torch.nn.Sequential(Odd(inputs, outputs), torch.nn.Flatten(0))

def pair(inputs, outputs):
    class Pair(Odd):
        def forward(self, x):
            return super().forward(x), x
    return Pair(inputs, outputs)
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assembled_models.py").write_text(MODELS, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def benches(tmp_path: Path, name: str) -> Benches:
    return Benches(written(tmp_path / "f", {"model": {"name": f"assembled_models:{name}"}}))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", ["Odd", "flat"])
def test_trying_a_model_changes_nothing_in_it(tmp_path: Path, name: str) -> None:
    made = benches(tmp_path, name).for_(None, "cpu", ("assembled_models",))
    assert torch.equal(made.model.vector, made.model.initial)
    for key, buffer in made.model.buffers.items():
        assert torch.equal(buffer, made.model.initial_buffers[key])


@pytest.mark.usefixtures("models")
def test_a_model_that_gives_something_else_than_a_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gives tuple for 2 examples; \[2, 1\] was expected"):
        benches(tmp_path, "pair").for_(None, "cpu", ("assembled_models",))


@pytest.mark.usefixtures("models")
def test_a_department_runs_only_code_that_its_own_file_allows(tmp_path: Path) -> None:
    path = write(tmp_path / "f", {"model": {"name": "assembled_models:Odd"}})
    write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"}, code=["assembled_models"])
    federation = Federation.load(path)
    build_department(federation, LINES[0])
    with pytest.raises(ConfigError, match="not allowed"):
        build_department(federation, LINES[1])
    together = build_departments(federation, {n: read_own(federation, n) for n in federation.settings.names})
    assert together.keys() == set(federation.settings.names)
