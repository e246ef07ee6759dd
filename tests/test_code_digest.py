"""The digest of the code that would run stands for lepton-fed and for what a department's own file allows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from lepton_fed.code_digest import code_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "our_models_of_the_digest"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('nothing is run to be compared')\n")
    monkeypatch.syspath_prepend(tmp_path)
    code_digest.cache_clear()
    return folder


def test_it_changes_with_the_code_that_is_allowed_and_with_nothing_else(package: Path) -> None:
    bare = code_digest(())
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", bare)
    first = code_digest((package.name,))
    assert first != bare
    (package / "nets.py").write_text("x = 1\n")
    code_digest.cache_clear()
    assert code_digest((package.name,)) != first
    assert code_digest(()) == bare
    assert package.name not in sys.modules


def test_a_module_that_is_not_there_changes_nothing() -> None:
    assert code_digest(("no_module_of_that_name", "no.module.either")) == code_digest(())
