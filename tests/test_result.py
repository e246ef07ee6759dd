"""What `simulate` returns knows its models and its last measurements."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from lepton_fed import simulate
from tests.federations import COUPLINGS, LINES, TARGET, quick, tree, write, write_own, written


def test_a_module_is_a_copy_on_the_cpu_ready_to_predict(tmp_path: Path) -> None:
    result = simulate(written(tmp_path, quick(COUPLINGS["fedprox with dropout"], 2)))
    module = result.module(TARGET)
    assert not module.training
    x = torch.randn(5, 2)
    assert torch.equal(module(x), module(x))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert result.models[TARGET]["layer1.weight"].abs().sum() > 0
    assert not torch.equal(result.module(TARGET)(x), module(x))


def test_departments_with_architectures_of_their_own_get_them_back(tmp_path: Path) -> None:
    result = simulate(written(tmp_path, quick(COUPLINGS["distill between two architectures"], 2)))
    assert isinstance(result.module(LINES[0]), nn.Sequential)
    assert isinstance(result.module(LINES[1]), nn.Linear)


def test_a_model_of_the_departments_own_code_comes_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import torch\ndef make(inputs, outputs):\n    return torch.nn.Linear(inputs[0], outputs)\n"
    (tmp_path / "resulting_models.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = write(tmp_path, quick({"model": {"name": "resulting_models:make"}}, 1))
    write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"}, code=["resulting_models"])
    result = simulate(path)
    assert result.code == ("resulting_models",)
    assert isinstance(result.module(TARGET), nn.Linear)


def test_who_is_no_target_has_no_model(tmp_path: Path) -> None:
    departments = [{"name": LINES[0]}, {"name": LINES[1], "roles": ["source"]}, {"name": TARGET, "roles": ["target"]}]
    result = simulate(written(tmp_path, quick({"departments": departments}, 2)))
    assert list(result.models) == [LINES[0], TARGET]
    with pytest.raises(KeyError):
        result.module(LINES[1])


def test_a_department_that_is_a_source_only_is_not_measured_by_the_federation(tmp_path: Path) -> None:
    departments = [{"name": LINES[0]}, {"name": LINES[1], "roles": ["source"]}, {"name": TARGET, "roles": ["target"]}]
    result = simulate(written(tmp_path, {**tree(), "departments": departments}))
    assert {m.department for m in result.history} == {"", LINES[0]}
    compared = {c.department: c.federated for c in result.comparison if c.metric == "auc"}
    assert compared[LINES[0]] is not None
    assert compared.get(LINES[1]) is None
