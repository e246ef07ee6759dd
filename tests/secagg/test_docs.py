"""docs/security.md names tests, and they exist; what `explain` says is what the plan does."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import lepton_fed.secagg
from lepton_fed.secagg.explain import explain
from lepton_fed.secagg.plan import Cohort
from tests.secagg.federation import Federation, group

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "security.md"
FOLDERS = (
    *("secure", "flower", "deploy", "statistics", "reads", "privacy", "storage", "server"),
    *("knowledge", "knowledge/embedding", "."),
)


def test_every_test_that_the_security_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    folders = (HERE, *(HERE.parent / name for name in FOLDERS))
    files = [file for folder in folders for file in folder.glob("test_*.py")]
    written = set(re.findall(r"^def (test_\w+)", "\n".join(f.read_text() for f in files), re.M))
    assert len(named) > 25 and named <= written, named - written


def test_every_attack_is_on_the_security_page() -> None:
    attacks = set(re.findall(r"^def (test_\w+)\(\s*monkeypatch", (HERE / "test_adversary.py").read_text(), re.M))
    page = PAGE.read_text()
    spared = {"test_a_truncated_vector_counts_as_a_drop_out", "test_nan_is_refused_by_who_holds_it"}
    assert not {attack for attack in attacks - spared if attack not in page}


def test_examples_in_docstrings_run() -> None:
    tried = 0
    for module in pkgutil.iter_modules(lepton_fed.secagg.__path__):
        found = doctest.testmod(importlib.import_module(f"lepton_fed.secagg.{module.name}"))
        assert found.failed == 0
        tried += found.attempted
    assert tried >= 3


def test_explain_says_what_three_departments_learn() -> None:
    said = " ".join(explain(Federation.of(3).plan()))
    assert "no drop-outs can be survived" in said
    assert "each learns the sum of the other two" in said


def test_explain_names_who_is_exposed_and_the_way_out() -> None:
    federation = Federation.of(7)
    cohorts = (
        Cohort.of("everybody", dict.fromkeys(federation.names, 1)),
        Cohort.of("friends", dict.fromkeys(federation.names[1:], 1)),
    )
    said = " ".join(explain(federation.plan((group(federation.names, cohorts=cohorts),))))
    assert "involves only d00" in said
    assert "it passes with everybody+friends" in said
