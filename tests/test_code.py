"""Code named by the federation file runs only where the department allows its module."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from lepton_fed.code import load_callable
from lepton_fed.errors import ConfigError


def load(name: str, allowed: tuple[str, ...] = ()) -> object:
    return load_callable(name, "model.name", ("linear", "mlp"), allowed)


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("our_models")
    module.net = lambda inputs, outputs: None  # type: ignore[attr-defined]
    module.net.__module__ = "our_models.deep"
    module.run = subprocess.run  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "our_models", module)
    monkeypatch.setitem(sys.modules, "our_models.deep", module)
    monkeypatch.setitem(sys.modules, "our_models_of_somebody_else", module)
    return module


def test_what_an_allowed_module_has_merely_imported_is_refused(ours: types.ModuleType) -> None:
    with pytest.raises(ConfigError, match="defined in another module"):
        load("our_models:run", ("our_models",))


def test_an_allowed_module_and_its_submodules_are_loaded(ours: types.ModuleType) -> None:
    assert load("our_models:net", ("our_models",)) is ours.net
    assert load("our_models.deep:net", ("x", "our_models")) is ours.net


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("our_models:net", ()),
        ("our_models_of_somebody_else:net", ("our_models",)),
        ("our_models:net", ("our_models.deep",)),
        ("os:system", ("our_models",)),
        ("os:system", ("",)),
    ],
)
def test_any_other_module_is_refused_before_it_is_imported(name: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="is not allowed here; add it to `code` in the department's own file"):
        load(name, allowed)


def test_a_module_that_is_not_allowed_is_never_imported() -> None:
    with pytest.raises(ConfigError):
        load("this:zen", ("our_models",))
    assert "this" not in sys.modules


def test_a_name_that_is_neither_built_in_nor_a_callable_says_what_there_is() -> None:
    with pytest.raises(
        ConfigError, match=r"model.name: 'mpl' is not built in \(linear, mlp\) nor written module:callable"
    ):
        load("mpl")


@pytest.mark.parametrize("attribute", ["nothing", "number", "", "net.__globals__"])
def test_what_is_not_there_or_no_callable_is_refused(attribute: str) -> None:
    with pytest.raises(ConfigError, match="has no callable"):
        load(f"our_models:{attribute}", ("our_models",))


def test_a_module_that_cannot_be_imported_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="module 'no_such_module' cannot be imported"):
        load("no_such_module:net", ("no_such_module",))
