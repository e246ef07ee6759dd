"""The explanation says who learns from whom with which weight, what stays private, what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from rich.cells import cell_len

from lepton_fed.config import Federation, explain
from lepton_fed.secrecy import Audit
from tests.config.example import Tree, valid, write
from tests.config.strategies import files
from tests.thoroughness import at_most

HEADINGS = (
    "What is optimised",
    "Departments",
    "Who learns from whom",
    "What is shared and what stays private",
    "How sums are protected",
    "What flows but is not trained on",
    "What would be refused",
    "Who depends on whom",
    "Data contract, checked at each department before training",
    "Report",
)


def said(tree: Tree, **keys: Any) -> str:
    """The explanation as one line, so that line breaks do not matter."""
    return " ".join(explain(Federation.parse(tomli_w.dumps(tree), Path("f.toml")), **keys).split())


def forbidden() -> Tree:
    tree = valid()
    forbid = {
        "what": "updates",
        "who": ["研发部门"],
        "action": "train",
        "owner": ["质检部门"],
        "effect": "forbid",
    }
    tree["access"].append(forbid)
    return tree


def test_the_sections_come_in_order() -> None:
    text = explain(Federation.parse(tomli_w.dumps(forbidden()), Path("f.toml")))
    lines = text.split("\n")
    assert [line for line in lines if line in HEADINGS] == list(HEADINGS)
    assert lines[0] == "制造联邦: Predict machine failures"


@settings(deadline=None, max_examples=at_most(30), suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_every_federation_can_be_explained_in_printable_lines(tree: Tree) -> None:
    text = explain(Federation.parse(tomli_w.dumps(tree), Path("f.toml")))
    assert all(line.isprintable() and line == line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("alpha", "weights"),
    [
        ("examples", ["生产车间 α by its number of training examples, which it alone knows"]),
        ("uniform", ["生产车间 α = 1/2", "质检部门 α = 1/2"]),
        ({"生产车间": 3, "质检部门": 1}, ["生产车间 α = 0.75", "质检部门 α = 0.25"]),
    ],
)
def test_alpha_is_said_per_source(alpha: Any, weights: list[str]) -> None:
    text = said(valid(weights={"alpha": alpha}))
    assert "生产车间, 质检部门, 研发部门 learn from" in text
    assert all(weight in text for weight in weights)


def test_a_table_of_weights_is_normalised_over_each_targets_own_sources() -> None:
    tree = forbidden() | {"weights": {"alpha": {"生产车间": 3, "质检部门": 1}}}
    assert "研发部门 learns from 生产车间 α = 1" in said(tree)
    assert "生产车间, 质检部门 learn from 生产车间 α = 0.75 质检部门 α = 0.25" in said(tree)


def test_the_pull_is_said_per_target_and_only_where_there_is_one() -> None:
    tree = valid(coupling={"kind": "proximal", "lambda": 0.5}, weights={"beta": {"研发部门": 3}})
    assert "β = 1 for 生产车间, 质检部门: a pull of λβ = 0.5" in said(tree)
    assert "β = 3 for 研发部门: a pull of λβ = 1.5" in said(tree)
    assert "λβ" not in said(valid())
    assert "λβ" not in said(valid(coupling={"kind": "clusters"}))
    assert "nobody is pulled" in said(valid(coupling={"kind": "proximal", "lambda": 0}))


def test_hubs_are_named_with_their_readers() -> None:
    text = said(valid(coupling={"kind": "clusters", "hubs": 2}))
    assert "hub 2, read by 生产车间, 质检部门, 研发部门, is the mean of those who choose it among" in text


def apart() -> Tree:
    """Three departments that must all be hidden, and a fourth that may not learn from one of them."""
    names = ["生产车间", "质检部门", "研发部门", "供应链部门"]
    rule = {"what": "updates", "who": ["供应链部门"], "action": "train", "owner": ["研发部门"], "effect": "forbid"}
    return valid(
        departments=[{"name": name} for name in names],
        graph=[],
        sharing=[{"what": "updates", "from": ["*"], "to": ["*"]}],
        access=[{"what": "updates", "who": ["*"], "action": "train"}, rule],
        weights={"alpha": "uniform"},
        aggregation={},
    )


def test_how_sums_are_protected_is_said() -> None:
    tree = apart() | {"access": valid()["access"][:1]}
    (text,) = re.findall(r"How sums are protected(.*?)Data contract", said(tree))
    assert "- secure: nobody sees one department's numbers, only sums over a crowd" in text
    assert "4 departments take part, 1 of whom may collude with the coordinator" in text
    assert "atom mode: all 4 departments are in the same sums, which makes them one atom" in text
    assert "the joint loss tell how far apart a crowd's models are" in text


def test_sums_that_are_refused_are_explained_with_who_is_exposed_and_the_nearest_way_out() -> None:
    text = said(apart())
    assert "- refused: sums of updates would not hide everybody: who sees the sums can compute" in text
    assert "'生产车间、质检部门、研发部门' - '供应链部门', which involves only 研发部门, and 3 departments are" in text
    assert "the smallest change that passes: let 生产车间, 质检部门, 研发部门, 供应链部门 all learn from" in text
    assert "secure: nobody" not in text


def test_plain_sums_are_said_plainly() -> None:
    text = said(valid(aggregation={"secure": False}))
    assert "How sums are protected - sums are plain: the coordinator could see single updates" in text


def test_updates_that_travel_in_fewer_bytes_are_said() -> None:
    text = said(valid(aggregation={"secure": False, "transport": "int8"}))
    assert "- updates travel as int8; what rounding takes from one is added to the next" in text
    assert "travel" not in said(valid())


def test_an_audit_that_knows_more_takes_the_place_of_the_files_own() -> None:
    found = Audit(True, "质检部门 would take no part", ("a sentence",))
    text = said(valid(), found=found)
    assert "How sums are protected - refused: 质检部门 would take no part - a sentence" in text


def test_what_flows_without_being_trained_on_is_set_apart_from_what_is_refused() -> None:
    apart, refused = said(forbidden()).split("What would be refused")
    assert "供应链部门 → 研发部门: may read '原材料表', but no rule of 供应链部门 permits" in apart
    assert "质检部门 → 研发部门: 质检部门 forbids 研发部门 to train 'updates'" in refused
    assert "What would be refused" not in said(valid())


def test_a_named_flow_that_training_cannot_use_says_why() -> None:
    tree = valid()
    tree["access"].append({"what": "原材料表", "who": ["研发部门"], "action": "train"})
    assert "供应链部门 is no source, so training cannot use '原材料表'" in said(tree)


def test_parameters_are_listed_where_they_are_known_and_patterns_where_not() -> None:
    tree = valid(model={"name": "mlp", "private": ["head.*"]})
    assert "shared: every parameter of mlp, but none called head.*" in said(tree)
    listed = said(tree, parameters=[("layer1.weight", True), ("head.bias", False)])
    assert "shared: layer1.weight" in listed
    assert "private, never leaves its department: head.bias" in listed
    assert "private" not in said(valid()).replace("What is shared and what stays private", "")


def test_the_order_of_work_follows_the_dependencies() -> None:
    assert "so the order of work is 供应链部门 → 生产车间 → 研发部门" in said(valid())


def test_the_contract_is_said_in_words() -> None:
    columns = [
        {"name": "温度", "range": [200, 400]},
        {"name": "等级", "type": "category", "codes": ["L", "M"], "missing": "indicator"},
    ]
    label = {"column": "Target", "meaning": "the machine fails", "classes": ["0", "1"]}
    text = said(valid(data={"label": label, "columns": columns, "minimum_rows": 50}))
    assert "feature 温度 a number from 200 to 400 may not be missing" in text
    assert "feature 等级 one of L, M if missing, the department's training mean and a mark" in text
    assert "label Target one of 0, 1 the machine fails" in text
    assert "at least 50 rows" in text


def test_a_password_that_others_can_read_is_told_without_showing_it(tmp_path: Path) -> None:
    path = write(tmp_path, valid())
    own = tmp_path / "federation" / "生产车间.toml"
    own.parent.mkdir()
    for text, holds in (
        ('[data]\nurl = "postgresql://reader:hunter2@db/rows"\n', True),
        ('[data]\npassword = "hunter2"\n', True),
        ('data = { "password" = "hunter2" }\n', True),
        ('[data]\npath = "rows.csv"\npassword_file = "hunter2"\n', False),
    ):
        own.write_text(text, encoding="utf-8")
        own.chmod(0o644)
        text = explain(Federation.load(path))
        assert ("others can read it (mode 644); run: chmod 600" in text) == holds
        own.chmod(0o600)
        text = explain(Federation.load(path))
        assert ("is here and holds a password (mode 600)" in text) == holds
        assert "others can read" not in text
        assert "hunter2" not in text
    assert f"{tmp_path}/federation/质检部门.toml is not here" in text


def test_only_a_source_is_asked_for_a_file_of_its_own() -> None:
    text = said(valid())
    assert "质检部门 source and target f/质检部门.toml is not here" in text
    assert "研发部门 target no file of its own, and none needed" in text


def test_names_of_two_scripts_line_up() -> None:
    tree = valid()
    tree["departments"].append({"name": "QA"})
    lines = explain(Federation.parse(tomli_w.dumps(tree), Path("f.toml"))).split("\n")
    rows = [line for line in lines if "is not here" in line]
    assert len({cell_len(row[: row.index("f/")]) for row in rows}) == 1


def test_a_large_federation_is_explained_briefly() -> None:
    names = [f"部门 {k}" for k in range(60)]
    tree = valid(
        departments=[{"name": name} for name in names],
        graph=[],
        sharing=[{"what": "updates", "from": ["*"], "to": ["*"]}],
        access=[
            {"what": "updates", "who": ["*"], "action": "train"},
            {"what": "updates", "who": [names[0]], "action": "train", "owner": names[2:], "effect": "forbid"},
        ],
    )
    text = said(tree)
    assert "and 46 more" in text  # of the 58 who forbid, after twelve
    assert "and 48 more" in text  # of the 60 sources
