"""The index holds each sort of facts in a graph of its own, can be thrown away, and is whole or not there."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import Any

import pyoxigraph
import pytest

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import Fact, KnowledgeGraph, following
from lepton_fed.knowledge import index as indices
from lepton_fed.knowledge.index import CATALOGUE, Index, graph_of
from lepton_fed.knowledge.sorts import Sort
from tests.knowledge.example import RESEARCH, RESEARCHES, SUPPLIES, SUPPLY, access, provenance

QUESTION = "SELECT ?x { ?x r:供应 ?y }"


def test_each_sort_of_facts_lies_in_its_own_graph(graph: KnowledgeGraph) -> None:
    index = graph.rebuild()
    store = pyoxigraph.Store.read_only(str(index.store))
    assert len(store) == len(SUPPLIES) + len(RESEARCHES)
    price = pyoxigraph.NamedNode(index.graphs[Sort(SUPPLY, "报价", frozenset({"供应商"}))])
    (quad,) = store.quads_for_pattern(None, None, None, price)
    assert quad.predicate.value == "urn:lepton:relation:报价"
    assert list(store.quads_for_pattern(None, None, None, pyoxigraph.DefaultGraph())) == []


def test_a_graph_is_called_the_same_in_every_index_and_no_two_are(graph: KnowledgeGraph) -> None:
    before = graph.rebuild().graphs
    graph.restore(0, provenance(SUPPLY))
    graph.add([Fact("甲", "报价", "乙"), *reversed(SUPPLIES)], provenance(SUPPLY))
    after = graph.rebuild().graphs
    assert all(after[sort] == name for sort, name in before.items())
    assert len(set(after.values())) == len(after) > len(before)
    assert graph_of(Sort("a", "b", frozenset("cd"))) != graph_of(Sort("a", "b", frozenset("c")))


def test_a_name_with_characters_that_no_address_has_is_a_name_like_others(graph: KnowledgeGraph) -> None:
    names = ["葛\U000e0100城", "读坏\ufffd", "甲[1]", "100%"]
    graph.add([Fact(name, "供应", "轴承") for name in names], provenance(RESEARCH))
    assert {row[0] for row in graph.ask(QUESTION, access(RESEARCH)).rows} >= set(names)


@pytest.mark.parametrize("damage", ["gone", "catalogue gone", "catalogue broken", "store gone"])
def test_an_index_that_is_not_whole_is_built_again(graph: KnowledgeGraph, damage: str) -> None:
    rows = set(graph.ask(QUESTION, access(RESEARCH)).rows)
    folder = graph.rebuild().folder
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "store gone":
        shutil.rmtree(folder / "store")
    elif damage == "catalogue gone":
        (folder / CATALOGUE).unlink()
    else:
        (folder / CATALOGUE).write_text("{")
    assert Index.opened(folder) is None
    assert set(graph.ask(QUESTION, access(RESEARCH)).rows) == rows
    assert rows


def test_an_index_of_another_state_is_not_asked(graph: KnowledgeGraph, tmp_path: Path) -> None:
    graph.rebuild()
    with KnowledgeGraph(tmp_path / "知识.sqlite") as other:
        other.add([Fact("新厂", "供应", "轴承"), Fact("新厂", "类型", "供应商")], provenance(SUPPLY))
    assert ("新厂",) in graph.ask(QUESTION, access(RESEARCH)).rows


def test_an_index_of_a_database_that_came_to_the_same_last_change_another_way_is_not_asked(tmp_path: Path) -> None:
    folder, last = tmp_path / "index", [Fact("乙", "供应", "丁")]
    for first in ("甲", "丙"):
        with KnowledgeGraph(tmp_path / f"{first}.sqlite", index=folder) as graph:
            graph.add([Fact(first, "供应", "丁")], provenance(SUPPLY))
            graph.add(last, provenance(SUPPLY))
            heads = {str(quad.subject) for quad in pyoxigraph.Store.read_only(str(graph.indexed().store))}
        assert heads == {f"<urn:lepton:entity:{one}>" for one in (first, "乙")}


def test_databases_used_by_url_from_one_folder_have_an_index_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        with KnowledgeGraph(f"sqlite:///{name}.sqlite") as graph:
            graph.add([Fact("甲", "供应", "丁")], provenance(SUPPLY))
            graph.indexed()
    assert len(list(tmp_path.glob("knowledge-index-*"))) == 2


def test_a_build_that_fails_leaves_the_old_index(graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    index = graph.rebuild()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lepton_fed.knowledge.index.describe", full)
    with pytest.raises(StorageError, match="cannot be written: No space left on device"):
        graph.rebuild()
    assert Index.opened(index.folder) == index
    assert beside(index) == []


def beside(index: Index) -> list[str]:
    """What lies beside an index because of it, but for the lock."""
    name = index.folder.name
    return [path.name for path in index.folder.parent.iterdir() if path.name.startswith(f".{name}-")]


def test_no_two_replace_an_index_at_once(graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []
    original = indices.describe

    def described(folder: Path, *rest: Any) -> None:
        with (folder.parent / f".{graph_folder.name}.lock").open() as lock, pytest.raises(BlockingIOError):
            tried.append(folder)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        original(folder, *rest)

    graph_folder = graph.rebuild().folder
    monkeypatch.setattr(indices, "describe", described)
    monkeypatch.setattr(following, "describe", described)
    graph.rebuild()
    graph.add([Fact("甲", "供应", "丁")], provenance(SUPPLY))
    graph.indexed()
    assert len(tried) == 2


def test_what_a_killed_process_left_of_an_index_goes_with_the_next_one(graph: KnowledgeGraph) -> None:
    index = graph.rebuild()
    left = index.folder.parent / f".{index.folder.name}-abc"
    shutil.copytree(index.folder, left / "old")
    graph.rebuild()
    assert beside(index) == []


def test_an_index_that_cannot_take_the_place_of_another_leaves_no_facts_behind(
    graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = graph.rebuild()
    original = Path.rename

    def refused(source: Path, target: Path) -> Path:
        if target == index.folder:
            raise OSError(16, "Device or resource busy")
        return original(source, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(StorageError, match="cannot be written: Device or resource busy"):
        graph.rebuild()
    assert beside(index) == []
