"""Rules find what breaks them and what is missing; the scores count each fact once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_fed.errors import ConfigError
from lepton_fed.knowledge import Fact, KnowledgeGraph, Literal, Rules
from lepton_fed.knowledge.quality import Report, check, table
from lepton_fed.knowledge.rules import RelationRule
from tests.knowledge.example import SUPPLY

TYPED = [
    Fact("甲厂", "rdf:type", "供应商"),
    Fact("乙厂", "rdf:type", "供应商"),
    Fact("轴承", "rdf:type", "零件"),
    Fact("王芳", "rdf:type", "人员"),
]


def checked(facts: list[Fact], **rule: object) -> Report:
    disjoint = (("供应商", "人员"),)
    relation = (RelationRule(name="供应", **rule),) if rule else ()  # type: ignore[arg-type]
    return check(SUPPLY, lambda: [*TYPED, *facts], Rules(relation=relation, disjoint=disjoint))


def test_facts_that_keep_the_rules_are_accurate_and_complete() -> None:
    report = checked([Fact("甲厂", "供应", "轴承"), Fact("乙厂", "供应", "轴承")], domain=("供应商",), minimum=1)
    assert (report.found, report.wrong, report.accuracy, report.completeness, report.score) == ({}, 0, 1.0, 1.0, 1.0)


def test_no_facts_and_no_rules_are_nothing_wrong() -> None:
    report = check(SUPPLY, list, Rules())
    assert (report.facts, report.accuracy, report.completeness) == (0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("rule", "facts", "kind", "wrong", "says"),
    [
        ({"domain": ("供应商",)}, [Fact("王芳", "供应", "轴承")], "domain", 1, "王芳 is no 供应商"),
        ({"range": ("零件", "材料")}, [Fact("甲厂", "供应", "王芳")], "range", 1, "王芳 is no 零件 or 材料"),
        ({"range": ("零件",)}, [Fact("甲厂", "供应", Literal("轴承"))], "range", 1, "an entity is expected"),
        ({"datatype": "integer"}, [Fact("甲厂", "供应", Literal("三"))], "datatype", 1, "integer is expected"),
        ({"datatype": "integer"}, [Fact("甲厂", "供应", "轴承")], "datatype", 1, "a literal is expected"),
        (
            {"maximum": 1},
            [Fact("甲厂", "供应", "轴承"), Fact("甲厂", "供应", "齿轮"), Fact("乙厂", "供应", "轴承")],
            "too many",
            2,
            "甲厂 供应: 2 values, at most 1 can be true",
        ),
        ({}, [Fact("甲厂", "rdf:type", "人员")], "contradiction", 2, "甲厂 is 人员 and 供应商"),
        ({}, [Fact("甲厂", "r", "轴承"), Fact("甲 厂", "r", "轴承")], "duplicate", 1, "said before in other letters"),
    ],
)
def test_what_is_wrong_is_found(rule: dict[str, object], facts: list[Fact], kind: str, wrong: int, says: str) -> None:
    report = checked(facts, **rule)
    assert list(report.found) == [kind]
    assert says in report.examples[kind][0]
    assert report.wrong == wrong
    assert report.accuracy == pytest.approx(1 - wrong / (len(TYPED) + len(facts)))


def test_what_every_entity_of_a_type_should_have_is_missed() -> None:
    report = checked([Fact("甲厂", "供应", "轴承")], domain=("供应商",), minimum=2)
    assert report.found == {"missing": 2}
    assert (report.expected, report.present, report.completeness) == (4, 1, 0.25)
    assert report.examples["missing"] == ["甲厂 has 1 of 2 供应", "乙厂 has 0 of 2 供应"]


def test_the_other_way_round_is_missed_in_both_directions() -> None:
    facts = [Fact("甲厂", "供应", "轴承"), Fact("轴承", "供应自", "甲厂"), Fact("齿轮", "供应自", "乙厂")]
    report = checked(facts, inverse="供应自")
    assert report.found == {"missing inverse": 1}
    assert (report.expected, report.present) == (3, 2)
    assert report.examples["missing inverse"] == ["齿轮 供应自 乙厂, and not 乙厂 供应 齿轮"]


def test_what_goes_both_ways_is_missed_one_way() -> None:
    facts = [Fact("a", "供应", "b"), Fact("b", "供应", "a"), Fact("a", "供应", "c")]
    assert checked(facts, symmetric=True).found == {"missing inverse": 1}


def test_a_rule_for_some_heads_leaves_the_others_alone() -> None:
    facts = [Fact("王芳", "供应", "轴承"), Fact("王芳", "供应", "齿轮")]
    assert checked(facts, only_for=("供应商",), maximum=1, range=("人员",)).found == {}


def test_a_fact_with_two_faults_is_one_wrong_fact_and_few_examples_are_kept() -> None:
    facts = [Fact(f"e{k}", "供应", f"f{k}") for k in range(9)]
    report = checked(facts, domain=("供应商",), range=("零件",))
    assert report.found == {"domain": 9, "range": 9}
    assert report.wrong == 9
    assert len(report.examples["domain"]) == 5


def test_the_table_shows_departments_scores_and_findings() -> None:
    lines = list(table([checked([Fact("王芳", "供应", "轴承")], domain=("供应商",), minimum=1)]))
    assert lines[0].startswith("供应链部门          5 facts  accuracy  80.0%  completeness   0.0%  ░░░")
    assert "1 domain" in lines[1]
    assert "王芳 供应 轴承: 王芳 is no 供应商" in lines[2]


TOML = """
disjoint = [["供应商", "人员"]]

[[relation]]
name = "供应"
domain = ["供应商"]
range = ["零件"]
minimum = 1

[[relation]]
name = "报价"
datatype = "decimal"
maximum = 1
"""

SHACL = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix r: <urn:lepton:relation:> . @prefix t: <urn:lepton:type:> .
<urn:shape> a sh:NodeShape ; sh:targetClass t:供应商 ;
  sh:property [ sh:path r:供应 ; sh:minCount 1 ; sh:class t:零件 ; sh:message "每个供应商都供应零件" ] ;
  sh:property [ sh:path r:报价 ; sh:maxCount 1 ; sh:datatype xsd:decimal ] .
"""


def read(folder: Path, name: str, text: str) -> Rules:
    (folder / name).write_text(text, encoding="utf-8")
    return Rules.read(folder / name)


def test_rules_are_read_from_toml(tmp_path: Path, graph: KnowledgeGraph) -> None:
    rules = read(tmp_path, "规则.toml", TOML)
    assert [rule.name for rule in rules.relation] == ["供应", "报价"]
    report = graph.check(SUPPLY, rules)
    assert report.found == {"domain": 1}
    assert "王芳" in report.examples["domain"][0]


def test_rules_are_read_from_shacl(tmp_path: Path, graph: KnowledgeGraph) -> None:
    rules = read(tmp_path, "规则.ttl", SHACL)
    assert set(rules.relation) == {
        RelationRule(name="供应", only_for=("供应商",), minimum=1, range=("零件",)),
        RelationRule(name="报价", only_for=("供应商",), maximum=1, datatype="decimal"),
    }
    assert graph.check(SUPPLY, rules).found == {}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("r.toml", "[[relation]]\nname = 'r'\nminimum = 1\n", "minimum needs domain or only_for"),
        ("r.toml", "[[relation]]\nname = 'r'\nmaximum = 0\n", "maximum at least 1"),
        ("r.toml", "[[relation]]\nname = 'r'\ndatatype = 'int'\n", "there is no datatype 'int'"),
        ("r.toml", "[[relation]]\nname = 'r'\ndatatype = 'integer'\ninverse = 'q'\n", "a literal has no range"),
        ("r.toml", "[[relation]]\nname = 'r'\ncolour = 1\n", "colour"),
        ("r.toml", "disjoint = [['a']]\n", "names two types or more"),
        ("r.docx", "", "rules are in a .toml file, or in SHACL"),
        ("r.ttl", SHACL.replace("sh:minCount 1", "sh:pattern 'x'"), "sh:pattern of a property is not known here"),
        ("r.ttl", SHACL.replace("sh:NodeShape ;", "sh:NodeShape ; sh:closed true ;"), "sh:closed of a shape"),
        ("r.ttl", "<urn:a> <urn:b> <urn:c> .", "has no shape with a sh:targetClass"),
        ("r.ttl", SHACL.replace("sh:path r:供应", "sh:path (r:供应 r:供应)"), "a sh:path of several steps"),
        ("r.ttl", SHACL.replace("sh:path r:供应 ;", ""), "a sh:property has no sh:path"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_in_a_sentence(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, name, text)
