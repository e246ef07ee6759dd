"""On PostgreSQL the facts, their revisions and matches are what they are on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_fed.knowledge import Fact, KnowledgeGraph, Pair
from tests.knowledge.example import RESEARCH, RESEARCHES, SUPPLIES, SUPPLY, access, provenance


@pytest.mark.postgres
def test_facts_in_postgresql_change_and_are_asked_as_in_sqlite(postgresql_url: str, tmp_path: Path) -> None:
    with KnowledgeGraph(postgresql_url, index=tmp_path / "index") as graph:
        graph.add(SUPPLIES, provenance(SUPPLY))
        graph.add(RESEARCHES, provenance(RESEARCH))
        assert graph.add(SUPPLIES[:3], provenance(SUPPLY)) is None
        retracted = graph.retract(provenance(SUPPLY), head="王芳")
        assert retracted is not None
        assert retracted.ended == 3
        restored = graph.restore(1, provenance(SUPPLY))
        assert restored is not None
        assert restored.added == 3
        assert {fact.key for fact in graph.facts(SUPPLY)} == {fact.key for fact in SUPPLIES}
        assert [held.until for held in graph.history(SUPPLY, SUPPLIES[-1])] == [retracted.number, None]
        assert graph.altered() == []
        graph.add([Fact("HD", "交付", "样品")], provenance(RESEARCH))
        graph.propose_pair(Pair.of(SUPPLY, "华东钢铁", RESEARCH, "HD"))
        graph.decide(1, "accept", by="王芳", canonical="华东")
        question = "SELECT ?y ?z { e:华东 r:供应 ?y ; r:交付 ?z }"
        assert graph.ask(question, access(RESEARCH)).rows == (("齿轮箱", "样品"),)
