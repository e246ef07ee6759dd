"""The model card: what a stranger must know of one department's model, in Markdown that no name can break."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lepton_fed.report import DIGEST_PLACEHOLDER, ReportContent, model_card
from lepton_fed.settings import ArrayShape, Column, DataContract, Identity, Label
from tests.report.contents import NOISED, SEALED, SECURE, settings, three
from tests.report.test_page import as_department


def test_the_card_says_what_it_is_who_taught_it_and_for_what() -> None:
    card = model_card(three(), "外科", {"auc": 0.912})
    for expected in (
        "# 市第一医院再入院预测 / 外科", "## Intended use", "预测出院后三十天内再入院",
        "| AUC ↑ | 0.912 | 0.771 | 0.905 |",
        "gains 0.14 AUC", "| 内科 | 0.6 |", "with β 1.", "`年龄`: number from 0 to 120",
        "readmitted within 30 days",
        "Plain sums: the coordinator could see single updates.",
        "load_file('models/外科.safetensors')", f"{1:064x}",
        "1,377 of its parameters are shared, 17 are private",
    ):  # fmt: skip
        assert expected in card, expected


def test_the_card_says_what_the_coordinator_could_see_and_what_noise_promises() -> None:
    assert "- Secure sums: the coordinator saw sums over departments" in model_card(three(sums=SECURE), "外科", {})
    assert "- Sealed sums: the coordinator could open no sum" in model_card(three(sums=SEALED), "外科", {})
    card = model_card(three(sums=NOISED), "外科", {})
    assert "ε at most 12.4 at δ = 1e-05, for one department's contribution set to zero" in card
    assert "ε" not in model_card(three(sums=SECURE), "外科", {})


def test_before_the_model_is_written_a_placeholder_stands_for_its_digest() -> None:
    assert DIGEST_PLACEHOLDER in model_card(three(models=()), "外科", {})
    assert DIGEST_PLACEHOLDER not in model_card(three(), "外科", {})


def test_what_was_not_measured_is_said_and_left_out_of_the_front_matter() -> None:
    card = model_card(three(comparison=()), "外科", {"auc": math.nan, "f1": 0.5})
    assert "| AUC ↑ | not measured | not measured | not measured |" in card
    assert card.split("---")[1].count("value:") == 1


def test_a_department_nobody_taught_has_a_card_too() -> None:
    card = model_card(three(edges=(), comparison=()), "内科", {})
    assert "Nobody else" in card
    assert "Not measured." in card


def test_long_contracts_and_many_teachers_are_counted_not_listed() -> None:
    names = [f"d{i}" for i in range(500)]
    content = three(settings=settings(names), edges=tuple((s, "d0") for s in names))
    assert "and 470 more" in model_card(content, "d0", {})


@pytest.mark.parametrize(
    ("contract", "task"),
    [
        (
            DataContract(label=Label(meaning="m", classes=("0", "1")), columns=(Column(name="a"),)),
            "tabular-classification",
        ),
        (DataContract(label=Label(meaning="m"), columns=(Column(name="a"),)), "tabular-regression"),
        (
            DataContract(label=Label(meaning="m", classes=("0", "1")), array=ArrayShape(shape=(1, 28, 28))),
            "image-classification",
        ),
    ],
)
def test_the_front_matter_is_yaml_that_names_the_task_and_the_metrics(contract: DataContract, task: str) -> None:
    yaml = pytest.importorskip("yaml")
    card = model_card(three(settings=settings(("内科",), data=contract)), "内科", {"auc": 0.75})
    read = yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))
    assert read["pipeline_tag"] == task
    result = read["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "auc", "value": 0.75}]
    assert result["dataset"]["name"] == "test part of 内科"


@pytest.mark.parametrize("name", ['a: "b" # c', "yes", "{x}", "[x", "- x", "% & *", "'", "back\\slash"])
def test_the_front_matter_reads_any_name_back_as_it_was(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    named = settings(("内科",), federation=Identity(name=name, purpose="p"))
    card = model_card(three(settings=named), "内科", {"auc": 0.5})
    read = yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))
    assert read["model-index"][0]["name"] == f"{name} / 内科"


def hostile(name: str, word: str) -> ReportContent:
    return three(settings=settings((name,)), edges=((name, name),), models=(), warnings=(word,), run=word, status=word)


_HOSTILE = (
    "<script>",
    "# h",
    "a|b",
    "```\n# x",
    "- x",
    "1. x",
    "---\n---",
    "[a](b)",
    "\x00\ud800",
    "\u2028# h",
)


@examples(deadline=None)
@given(st.text(min_size=1) | st.sampled_from(_HOSTILE))
def test_no_name_becomes_markup(word: str) -> None:
    name = as_department(f"x{word}x" if word.strip() != word else word)
    card = model_card(hostile(name, word), name, {"auc": 0.5})
    card.encode("utf-8")
    plain = model_card(hostile("x", "x"), "x", {"auc": 0.5})
    headings = re.compile(r"^#+ ", re.M)
    assert len(headings.findall(card)) == len(headings.findall(plain))
    assert len(card.split("\n")) == len(plain.split("\n"))
    assert re.findall(r"^```", card, re.M) == ["```", "```"]
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))["library_name"] == "lepton-fed"
    body = card.split("\n---\n", 1)[1]
    assert not re.search(r"(?<!\\)<(?!sha256)", re.sub(r"```.*?```", "", re.sub(r"`[^`]*`", "", body), flags=re.S))
