"""A view holds what may be read, and nothing else; it is made once for all who may read the same."""

from __future__ import annotations

import pyoxigraph
import pytest

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import KnowledgeGraph, views
from lepton_fed.knowledge.views import view
from tests.knowledge.example import QUALITY, RESEARCH, RESEARCHES, SUPPLIES, SUPPLY, access


def test_what_may_not_be_read_is_not_in_the_store(asked: KnowledgeGraph) -> None:
    index = asked.rebuild()
    seen = view(index, access(RESEARCH).readable(index.graphs))
    held = "\n".join(str(quad) for quad in pyoxigraph.Store.read_only(str(seen.store)))
    assert "齿轮箱" in held
    assert not any(secret in held for secret in ("报价", "125.5", "王芳", "负责", "人员"))


def test_who_may_read_nothing_has_an_empty_one(asked: KnowledgeGraph) -> None:
    index = asked.rebuild()
    seen = view(index, access(QUALITY).readable(index.graphs))
    assert seen.graphs == ()
    assert len(pyoxigraph.Store.read_only(str(seen.store))) == 0


def test_graphs_say_whose_facts_they_are(asked: KnowledgeGraph) -> None:
    question = "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?x ?r ?y } } GROUP BY ?g"
    counts = {str(row[0]): row[1].text for row in asked.ask(question, access(RESEARCH)).rows}  # type: ignore[union-attr]
    assert counts == {views.graph_of(SUPPLY): "6", views.graph_of(RESEARCH): str(len(RESEARCHES))}


def test_a_view_is_made_once_for_all_who_may_read_the_same(asked: KnowledgeGraph) -> None:
    index = asked.rebuild()
    sorts = list(index.graphs)
    first = view(index, sorts)
    written = first.store.stat().st_ctime_ns, sorted(p.name for p in first.store.iterdir())
    again = view(index, reversed(sorts))
    assert again == first
    assert sorted(p.name for p in again.store.iterdir()) == written[1]
    assert len(pyoxigraph.Store.read_only(str(first.store))) == len(SUPPLIES) + len(RESEARCHES)


def test_only_the_views_asked_for_last_are_kept(asked: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST", 2)
    index = asked.rebuild()
    made = [view(index, [sort]).store for sort in list(index.graphs)[:4]]
    assert [path.is_dir() for path in made] == [False, False, True, True]


def test_a_view_that_cannot_be_written_is_told(asked: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    index = asked.rebuild()
    monkeypatch.setattr("lepton_fed.knowledge.views.tempfile.mkdtemp", full)
    with pytest.raises(StorageError, match="cannot be written: No space left on device"):
        view(index, index.graphs)
