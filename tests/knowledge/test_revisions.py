"""Facts change by revisions that are only added to; what stood can be read and restored; each has its audit entry."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from lepton_fed.audit import KnowledgeRevised, written
from lepton_fed.audit.entries import Entry
from lepton_fed.errors import DataError, StorageError
from lepton_fed.knowledge import Fact, KnowledgeGraph, Literal
from lepton_fed.storage import schema, sqlite_url
from tests.knowledge.example import RESEARCH, RESEARCHES, SUPPLIES, SUPPLY, filled, provenance


def audited(folder: Path) -> list[KnowledgeRevised]:
    database = schema.opened(sqlite_url(folder / "知识.sqlite"), patience=5, durable=False)
    try:
        log = written(database, "knowledge")
    finally:
        database.close()
    entries = [Entry.read(record.body) for record in log.records]
    return [one for one in entries if isinstance(one, KnowledgeRevised)]


def test_facts_stand_as_they_came(graph: KnowledgeGraph) -> None:
    assert graph.departments == sorted([SUPPLY, RESEARCH])
    assert list(graph.facts(SUPPLY)) == SUPPLIES
    assert list(graph.facts(RESEARCH)) == RESEARCHES


def test_what_stands_already_is_not_added_again(graph: KnowledgeGraph) -> None:
    assert graph.add(SUPPLIES, provenance(SUPPLY)) is None
    more = graph.add(
        [*SUPPLIES, SUPPLIES[0], Fact("新", "供应", "轴承"), Fact("新", "供应", "轴承")], provenance(SUPPLY)
    )
    assert more is not None
    assert (more.added, more.ended) == (1, 0)
    assert [one.added for one in graph.revisions(SUPPLY)] == [len(SUPPLIES), 1]


def test_two_departments_may_hold_the_same_fact(graph: KnowledgeGraph) -> None:
    revision = graph.add(SUPPLIES[:1], provenance(RESEARCH))
    assert revision is not None
    assert revision.added == 1


def test_retracted_facts_stand_no_more_and_are_not_forgotten(graph: KnowledgeGraph) -> None:
    revision = graph.retract(provenance(SUPPLY, "李雷"), head="王芳")
    assert revision is not None
    assert (revision.kind, revision.added, revision.ended) == ("retract", 0, 3)
    assert [fact for fact in graph.facts(SUPPLY) if fact.head == "王芳"] == []
    assert list(graph.facts(SUPPLY, at=1)) == SUPPLIES
    (held,) = graph.history(SUPPLY, Fact("王芳", "负责", "华东钢铁"))
    assert (held.since, held.until, held.source) == (1, revision.number, "测试")


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ({"head": "南方（集团）"}, 3),
        ({"relation": "类型"}, 1),
        ({"tail": "ＡＢＣ"}, 1),
        ({"head": "南方(集团)", "tail": " １２ "}, 1),
        ({"tail": "12"}, 0),
    ],
)
def test_facts_are_retracted_by_names_as_they_are_written_and_values_as_they_are(
    tmp_path: Path, said: dict[str, str], ended: int
) -> None:
    facts = [
        Fact("南方（集团）", "类型", "供应商"),
        Fact("南方（集团）", "供应", "ＡＢＣ"),
        Fact("南方（集团）", "编号", Literal(" １２ ")),
    ]
    with KnowledgeGraph(tmp_path / "k.sqlite") as graph:
        graph.add(facts, provenance(SUPPLY))
        revision = graph.retract(provenance(SUPPLY), **said)
        assert (0 if revision is None else revision.ended) == ended


def test_restoring_makes_the_facts_what_they_were(graph: KnowledgeGraph) -> None:
    graph.retract(provenance(SUPPLY), relation="供应")
    graph.add([Fact("误", "供应", "误")], provenance(SUPPLY))
    graph.add(SUPPLIES[5:6], provenance(SUPPLY))
    restored = graph.restore(1, provenance(SUPPLY))
    assert restored is not None
    assert (restored.added, restored.ended) == (2, 1)
    assert sorted(f.key for f in graph.facts(SUPPLY)) == sorted(f.key for f in SUPPLIES)
    assert graph.restore(1, provenance(SUPPLY)) is None
    emptied = graph.restore(0, provenance(SUPPLY))
    assert emptied is not None
    assert list(graph.facts(SUPPLY)) == []
    assert list(graph.facts(RESEARCH)) == RESEARCHES


def test_a_department_cannot_restore_what_another_one_had(graph: KnowledgeGraph) -> None:
    for number in (2, 99):
        with pytest.raises(DataError, match=f"{SUPPLY} has no revision {number}"):
            graph.restore(number, provenance(SUPPLY))
    assert len(graph.revisions()) == 2


def test_nothing_is_retracted_by_saying_nothing(graph: KnowledgeGraph) -> None:
    with pytest.raises(DataError, match="say which facts to retract"):
        graph.retract(provenance(SUPPLY))
    assert graph.retract(provenance(SUPPLY), head="nobody") is None


def test_every_fact_comes_back_whole(tmp_path: Path) -> None:
    facts = [
        Fact("a", "r", Literal("价", "string", "zh"), 0.25, "访谈", "Ａ"),
        Fact("ＡＢＣ", "供应", "轴承 "),
        Fact("urn:a", "urn:p", "_:x-0"),
    ]
    with KnowledgeGraph(tmp_path / "k.sqlite") as graph:
        graph.add(facts, provenance(SUPPLY))
        assert list(graph.facts(SUPPLY)) == facts


def test_each_revision_has_its_audit_entry_and_people_are_not_in_the_open(tmp_path: Path) -> None:
    with filled(tmp_path) as graph:
        graph.retract(provenance(SUPPLY), head="王芳")
        revisions = graph.revisions()
    entries = audited(tmp_path)
    assert [(e.change, e.revision, e.added, e.ended, e.digest) for e in entries] == [
        (r.kind, r.number, r.added, r.ended, r.digest) for r in revisions
    ]
    assert all("王芳".encode() not in entry.body for entry in entries)


def test_facts_and_audit_entry_are_committed_together_or_not_at_all(
    graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StorageError("the log is full")

    before = audited(tmp_path)
    monkeypatch.setattr("lepton_fed.knowledge.revisions.append", fails)
    with pytest.raises(StorageError, match="the log is full"):
        graph.add([Fact("x", "r", "y")], provenance(SUPPLY))
    assert list(graph.facts(SUPPLY)) == SUPPLIES
    assert len(graph.revisions()) == 2
    assert audited(tmp_path) == before


def test_a_fact_edited_by_hand_is_found(graph: KnowledgeGraph, tmp_path: Path) -> None:
    assert graph.altered() == []
    engine = create_engine(sqlite_url(tmp_path / "知识.sqlite"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE knowledge_fact SET tail = '轴承' WHERE relation = '用于'"))
    engine.dispose()
    assert [one.number for one in graph.altered()] == [2]


def test_the_database_and_its_index_are_their_owners_alone(graph: KnowledgeGraph, tmp_path: Path) -> None:
    graph.rebuild()
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0}, modes


def test_many_facts_come_in_many_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton_fed.knowledge.revisions.BATCH", 7)
    facts = [Fact(f"e{k % 5}", "r", f"e{k}") for k in range(50)]
    with KnowledgeGraph(tmp_path / "k.sqlite") as graph:
        revision = graph.add(facts, provenance(SUPPLY))
        assert revision is not None
        assert revision.added == 50
        assert list(graph.facts(SUPPLY)) == facts


def test_triples_are_the_facts_between_entities(graph: KnowledgeGraph) -> None:
    assert ("华东钢铁", "供应", "齿轮箱") in graph.triples(SUPPLY)
    assert graph.triples(RESEARCH) == [("齿轮箱", "用于", "电机")]
    assert graph.entities(RESEARCH) == ["电机", "齿轮箱"]
