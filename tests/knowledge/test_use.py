"""Who else knows about something, and what may be taken out: as much as policies let through."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import rdflib

from lepton_fed.errors import ConfigError
from lepton_fed.knowledge import Fact, FactSource, KnowledgeGraph, Knows, Literal
from tests.knowledge.example import GRANTS, QUALITY, RESEARCH, SUPPLIES, SUPPLY, access, grant, provenance


def test_whoever_may_read_learns_that_there_is_something_to_read(asked: KnowledgeGraph) -> None:
    assert asked.who_knows("华东钢铁", access(RESEARCH)) == [Knows(SUPPLY, readable=True)]


def test_whoever_may_know_of_it_learns_of_the_department_alone(asked: KnowledgeGraph) -> None:
    told = access(QUALITY, grant("供应商", QUALITY, "发布"))
    assert asked.who_knows("华东钢铁", told) == [Knows(SUPPLY, readable=False)]
    assert asked.ask("SELECT * { ?x ?r ?y }", told).rows == ()


def test_whoever_may_do_neither_learns_nothing(asked: KnowledgeGraph) -> None:
    assert asked.who_knows("华东钢铁", access(QUALITY)) == []
    assert asked.who_knows("王芳", access(RESEARCH)) == []
    assert asked.who_knows("没有", access(RESEARCH)) == []


def test_a_type_that_may_not_be_known_is_not_told_of_as_if_it_were_an_entity(asked: KnowledgeGraph) -> None:
    told = access(QUALITY, grant("entity", QUALITY, "发布"))
    assert asked.who_knows("人员", told) == asked.who_knows("没有的类型", told) == []


def test_nobody_is_told_about_himself(asked: KnowledgeGraph) -> None:
    assert asked.who_knows("华东钢铁", access(SUPPLY)) == []


def test_an_entity_is_known_by_its_common_name(graph: KnowledgeGraph) -> None:
    graph.add([Fact("HD", "供货", "x")], provenance(QUALITY))
    from lepton_fed.knowledge import Pair

    graph.propose_pair(Pair.of(SUPPLY, "华东钢铁", QUALITY, "HD"))
    graph.decide(1, "accept", by="王芳", canonical="华东")
    assert graph.who_knows("华东", access(RESEARCH)) == [Knows(SUPPLY, readable=True)]
    assert graph.who_knows("华东钢铁", access(RESEARCH)) == []


@pytest.mark.parametrize(("name", "form"), [("a.ttl", "turtle"), ("a.nt", "nt")])
def test_what_is_written_out_is_what_may_be_read(asked: KnowledgeGraph, tmp_path: Path, name: str, form: str) -> None:
    count = asked.export(tmp_path / name, access(RESEARCH))
    text = (tmp_path / name).read_text(encoding="utf-8")
    triples = rdflib.Graph().parse(data=text, format=form)
    assert len(triples) == count == 8
    assert "王芳" not in text
    assert "125.5" not in text
    assert (tmp_path / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["a.ttl", "a.nt", "a.csv", "a.tsv"])
def test_what_is_written_out_can_be_read_in(asked: KnowledgeGraph, tmp_path: Path, name: str) -> None:
    asked.export(tmp_path / name, access(SUPPLY), [SUPPLY])
    with KnowledgeGraph(tmp_path / "k.sqlite") as copy:
        copy.load(FactSource(path=name), department=SUPPLY, by="王芳", base=tmp_path)
        assert {fact.key for fact in copy.facts(SUPPLY)} == {fact.key for fact in SUPPLIES}


def test_a_table_has_names_as_they_were_written_and_where_facts_come_from(tmp_path: Path) -> None:
    with KnowledgeGraph(tmp_path / "k.sqlite") as graph:
        graph.add([Fact("ＡＢＣ", "简称", Literal("甲", "string", "zh"), 0.5)], provenance(SUPPLY))
        graph.export(tmp_path / "a.csv", access(SUPPLY))
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["time"].startswith("20")
    del row["time"]
    assert row == {
        "department": SUPPLY,
        "head": "ＡＢＣ",
        "relation": "简称",
        "tail": "甲",
        "type": "string",
        "language": "zh",
        "confidence": "0.5",
        "source": "测试",
    }


def test_a_format_that_is_not_known_writes_nothing(asked: KnowledgeGraph, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"facts are written as \.ttl, \.nt, \.csv, \.tsv"):
        asked.export(tmp_path / "a.docx", access(SUPPLY))
    assert list(tmp_path.iterdir()) == []


def test_an_outsider_the_coordinator_and_another_department_learn_nothing_of_a_private_relation(
    asked: KnowledgeGraph, tmp_path: Path
) -> None:
    """报价 is permitted to nobody: whatever is asked for, it does not come out, under any name."""
    for who in ("路人", "coordinator", QUALITY, RESEARCH):
        given = access(who, *GRANTS, *(grant(g.what, QUALITY) for g in GRANTS))
        asked.export(tmp_path / "a.csv", given)
        seen = (tmp_path / "a.csv").read_text(encoding="utf-8")
        seen += repr(asked.ask("SELECT * { GRAPH ?g { ?x ?r ?y } }", given))
        seen += repr(asked.who_knows("125.5", given))
        assert "报价" not in seen
        assert "125.5" not in seen
