"""An index that follows the revisions is what it would be if it had been built anew, and so is every view of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.errors import DataError, StorageError
from lepton_fed.knowledge import Fact, KnowledgeGraph, Literal, changes, copying, index, views
from lepton_fed.knowledge.asking import Questioner
from lepton_fed.knowledge.index import Index
from lepton_fed.knowledge.views import view
from tests.knowledge.example import RESEARCH, SUPPLY, access, provenance
from tests.thoroughness import at_most

NAMES = ("甲", "乙", "丙")
OWNERS = (SUPPLY, RESEARCH)
WHO = "SELECT ?x { ?x r:供应 e:轴承 }"

FACTS = st.one_of(
    st.builds(Fact, st.sampled_from(NAMES), st.sampled_from(("供应", "x")), st.sampled_from(NAMES)),
    st.builds(Fact, st.sampled_from(NAMES), st.just("rdf:type"), st.sampled_from(("供应商", "零件"))),
    # To the store both are one value, to a department they are two facts.
    st.builds(
        Fact, st.sampled_from(NAMES), st.just("x"), st.sampled_from([Literal(t, "decimal") for t in ("1.5", "1.50")])
    ),
)

Change = Callable[[KnowledgeGraph], object]

CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        lambda owner, facts: lambda graph: graph.add(facts, provenance(owner)),
        st.sampled_from(OWNERS),
        st.lists(FACTS, min_size=1, max_size=6),
    ),
    st.builds(
        lambda owner, head: lambda graph: graph.retract(provenance(owner), head=head),
        st.sampled_from(OWNERS),
        st.sampled_from(NAMES),
    ),
    st.builds(
        lambda owner, number: lambda graph: graph.restore(number, provenance(owner)),
        st.sampled_from(OWNERS),
        st.integers(0, 4),
    ),
    st.builds(
        lambda one, other, name: lambda graph: joined(graph, one, other, name),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.sampled_from((*NAMES, "丁")),
    ),
    st.builds(
        lambda number, move: lambda graph: graph.decide(number, move, by="王芳"),
        st.integers(1, 3),
        st.sampled_from(("undo", "refuse")),
    ),
)


def joined(graph: KnowledgeGraph, one: str, other: str, name: str) -> None:
    from lepton_fed.knowledge import Pair

    graph.propose_pair(Pair.of(SUPPLY, one, RESEARCH, other))
    graph.decide(graph.matches()[-1].number, "accept", by="王芳", canonical=name)


def held(store: Path) -> list[str]:
    return sorted(str(quad) for quad in pyoxigraph.Store.read_only(str(store)))


def seen(found: Index) -> list[list[str]]:
    """What everybody's view holds, and that of somebody who may read one relation."""
    return [held(view(found, [sort for sort in found.graphs if sort.relation in some]).store) for some in SEEN]


SEEN = (("供应", "x", "rdf:type"), ("供应",))


@settings(max_examples=at_most(5), deadline=None)
@given(st.lists(CHANGES, min_size=2, max_size=4), st.lists(FACTS, min_size=3, max_size=8))
def test_an_index_that_follows_equals_one_that_is_built(made: list[Change], first: list[Fact]) -> None:
    with tempfile.TemporaryDirectory() as folder, KnowledgeGraph(Path(folder) / "知识.sqlite") as graph:
        graph.add(first, provenance(SUPPLY))
        for change in made:
            seen(graph.indexed())
            try:
                change(graph)
            except DataError:
                continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(KnowledgeGraph, "_built", unexpected)
            followed = graph.indexed()
        found = held(followed.store), seen(followed), followed.graphs
        built = graph.rebuild()
        assert found == (held(built.store), seen(built), built.graphs)


def unexpected(graph: KnowledgeGraph) -> Index:
    raise AssertionError("the index is there, and was built anew")


def test_a_question_after_a_change_is_asked_of_the_facts_as_they_stand(
    graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "SELECT ?x { ?x r:供应 e:轴承 }"
    before = set(graph.ask(question, access(RESEARCH)).rows)
    monkeypatch.setattr(KnowledgeGraph, "_built", unexpected)
    graph.add([Fact("新厂", "供应", "轴承"), Fact("新厂", "rdf:type", "供应商")], provenance(SUPPLY))
    assert set(graph.ask(question, access(RESEARCH)).rows) == before | {("新厂",)}
    graph.retract(provenance(SUPPLY), head="新厂", relation="rdf:type")
    # What it is, nobody says any more: it is an `entity`, which nobody may read.
    assert set(graph.ask(question, access(RESEARCH)).rows) == before


def test_what_may_no_longer_be_read_leaves_every_view(graph: KnowledgeGraph) -> None:
    found = graph.indexed()
    readable = access(RESEARCH).readable(found.graphs)
    assert any("华东钢铁" in quad for quad in held(view(found, readable).store))
    graph.add([Fact("华东钢铁", "rdf:type", "机密")], provenance(SUPPLY))
    after = graph.indexed()
    stores = list(after.folder.glob("views/*/store"))
    assert stores
    assert not any("华东钢铁" in quad for store in stores for quad in held(store))


def test_what_an_entity_becomes_moves_the_facts_that_end_in_it(graph: KnowledgeGraph) -> None:
    before = view(graph.indexed(), access(RESEARCH).readable(graph.indexed().graphs))
    assert any("供应>" in quad and "entity:轴承" in quad for quad in held(before.store))
    graph.add([Fact("轴承", "rdf:type", "机密")], provenance(SUPPLY))
    after = graph.indexed()
    stores = [*after.folder.glob("views/*/store"), view(after, access(RESEARCH).readable(after.graphs)).store]
    assert not any("entity:轴承" in quad for store in stores for quad in held(store))


def test_what_two_names_of_one_entity_say_stays_while_one_of_them_says_it(graph: KnowledgeGraph) -> None:
    types = [Fact("甲", "rdf:type", "供应商"), Fact("乙", "rdf:type", "零件")]
    graph.add([*types, Fact("甲", "供应", "丙"), Fact("乙", "供应", "丙")], provenance(SUPPLY))
    for name in ("甲", "乙"):
        joined(graph, name, "丁", "丁")
    found = graph.indexed()
    everything = view(found, found.graphs)
    assert sum("丁> <urn:lepton:relation:供应>" in quad for quad in held(everything.store)) == 1
    graph.retract(provenance(SUPPLY), head="甲", relation="供应")
    followed = graph.indexed()
    (quad,) = [quad for quad in held(view(followed, followed.graphs).store) if "丁> <urn:lepton:relation:供应>" in quad]
    assert "丙" in quad
    graph.retract(provenance(SUPPLY), head="乙", relation="供应")
    last = graph.indexed()
    assert not any("丁> <urn:lepton:relation:供应>" in quad for quad in held(view(last, last.graphs).store))


def test_a_database_that_took_the_place_of_another_is_not_followed(graph: KnowledgeGraph, tmp_path: Path) -> None:
    old = graph.indexed()
    with KnowledgeGraph(tmp_path / "另一个.sqlite", index=old.folder) as other:
        for name in ("甲", "乙", "丙"):
            other.add([Fact(name, "供应", "丁")], provenance(SUPPLY))
        found = other.indexed()
    assert len(held(found.store)) == 3


def test_more_changes_than_are_worth_following_build_anew(
    graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.indexed()
    monkeypatch.setattr(changes, "MOST", 1)
    graph.add([Fact("甲", "供应", "丁"), Fact("乙", "供应", "丁")], provenance(SUPPLY))
    monkeypatch.setattr(KnowledgeGraph, "_built", unexpected)
    with pytest.raises(AssertionError, match="built anew"):
        graph.indexed()


def test_a_view_that_another_process_forgets_meanwhile_is_not_followed(
    graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = graph.indexed()
    view(old, old.graphs)
    original = copying.shared_copy

    def forgotten(source: Path, target: Path) -> None:
        if source.parent.name == "views":
            shutil.rmtree(source)
        original(source, target)

    graph.add([Fact("甲", "供应", "丁")], provenance(SUPPLY))
    monkeypatch.setattr("lepton_fed.knowledge.following.shared_copy", forgotten)
    found = graph.indexed()
    assert any("entity:丁" in quad for quad in held(view(found, found.graphs).store))


@pytest.mark.parametrize(("owner", "step"), [(views, "say"), (Questioner, "_said")], ids=["made", "asked"])
def test_a_question_is_answered_also_where_another_process_replaces_the_index_as_its_view_is(
    graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str
) -> None:
    original = getattr(owner, step)

    def replaced(*arguments: object) -> object:
        monkeypatch.undo()
        with KnowledgeGraph(tmp_path / "知识.sqlite") as other:
            other.add([Fact("新厂", "供应", "轴承"), Fact("新厂", "rdf:type", "供应商")], provenance(SUPPLY))
            other.rebuild()
        return original(*arguments)

    monkeypatch.setattr(owner, step, replaced)
    assert ("新厂",) in graph.ask(WHO, access(RESEARCH)).rows


def test_an_index_that_is_replaced_again_and_again_is_told_in_a_sentence(
    graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Questioner, "_said", lambda *_: {"gone": "No such file\nor directory"})
    with pytest.raises(StorageError, match=r"cannot be read \(No such file or directory\); ask again, or remove it"):
        graph.ask(WHO, access(RESEARCH))


def test_an_index_that_was_thrown_away_is_built_for_the_next_question(graph: KnowledgeGraph) -> None:
    before = graph.ask(WHO, access(RESEARCH))
    shutil.rmtree(graph.indexed().folder)
    assert graph.ask(WHO, access(RESEARCH)) == before


def test_a_store_that_loses_a_file_as_another_process_replaces_it_is_asked_again(
    graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, said = graph.ask(WHO, access(RESEARCH)), Questioner._said
    graph.close()

    def half(questioner: Questioner, line: bytes) -> dict[str, Any]:
        monkeypatch.undo()
        lose_a_table(Path(json.loads(line)["store"]))
        answer = said(questioner, line)
        with KnowledgeGraph(tmp_path / "知识.sqlite") as other:
            other.rebuild()
        return answer

    monkeypatch.setattr(Questioner, "_said", half)
    with KnowledgeGraph(tmp_path / "知识.sqlite") as again:
        assert again.ask(WHO, access(RESEARCH)) == before


def test_of_an_index_that_lost_a_file_no_view_is_made_and_that_is_a_sentence(graph: KnowledgeGraph) -> None:
    found = graph.indexed()
    lose_a_table(found.store)
    with pytest.raises(StorageError, match=r"cannot be read .*built anew"):
        view(found, found.graphs)


def lose_a_table(store: Path) -> None:
    next(store.glob("*.sst")).unlink()


def test_following_that_fails_leaves_the_old_index(graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    old = graph.indexed()
    before = held(old.store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    graph.add([Fact("甲", "供应", "丁")], provenance(SUPPLY))
    monkeypatch.setattr("lepton_fed.knowledge.following.describe", full)
    with pytest.raises(StorageError, match="cannot be written: No space left on device"):
        graph.indexed()
    assert Index.opened(old.folder) == old
    assert held(old.store) == before
    assert index.STORE in {path.name for path in old.folder.iterdir()}
