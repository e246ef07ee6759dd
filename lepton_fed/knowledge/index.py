"""The index that questions are asked of: facts as they stand, sort by sort, in an embedded SPARQL store.

    revisions ──build──► folder: store/ (a named graph per sort of facts), catalogue.json (which graph holds which sort)

Nothing is in it that is not in the revisions, so it may be thrown away at any time. It is built beside the old one,
which answers until it is replaced; the catalogue says from which revision and matches it was built.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.facts import KEPT, TYPE, Fact, Literal
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.sorts import Sort, Sorting

STORE, CATALOGUE = "store", "catalogue.json"

VERSION = 1
"""Of what a folder holds; one of another version is built again."""

Canonical = Callable[[str, str], str]
"""The name by which an entity of a department is known to all, from (department, name)."""


@dataclass(frozen=True)
class Index:
    """An index that was built. `graphs`: the name of the graph of each sort. `state`: what it was built from."""

    folder: Path
    state: str
    graphs: Mapping[Sort, str]

    @property
    def store(self) -> Path:
        return self.folder / STORE

    @classmethod
    def opened(cls, folder: Path) -> Index | None:
        """The index in the folder; None where there is none that this program reads."""
        try:
            said = json.loads((folder / CATALOGUE).read_text(encoding="utf-8"))
            if said["version"] != VERSION or not (folder / STORE).is_dir():
                return None
            graphs = {Sort(s["owner"], s["relation"], frozenset(s["types"])): s["graph"] for s in said["sorts"]}
            return cls(folder, said["state"], graphs)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def build(folder: Path, state: str, owned: Iterable[tuple[Sorting, Iterable[Fact]]], canonical: Canonical) -> Index:
    """Build the index anew from departments' standing facts; StorageError if the folder cannot be written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            graphs: dict[Sort, str] = {}
            _fill(fresh / STORE, _quads(owned, canonical, graphs))
            _describe(fresh / CATALOGUE, state, graphs)
            _replace(folder, fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageError(f"the index {folder} cannot be written: {error.strerror or error}") from None
    return Index(folder, state, graphs)


def _quads(
    owned: Iterable[tuple[Sorting, Iterable[Fact]]], canonical: Canonical, graphs: dict[Sort, str]
) -> Iterator[object]:
    for sorting, facts in owned:
        yield from _of_owner(facts, sorting, canonical, graphs)


def _of_owner(
    facts: Iterable[Fact], sorting: Sorting, canonical: Canonical, graphs: dict[Sort, str]
) -> Iterator[object]:
    library, owner = oxigraph(), sorting.owner
    node, quad = library.NamedNode, library.Quad
    named: dict[Sort, object] = {}
    for fact in facts:
        sort = sorting.sort(fact)
        if sort not in named:
            graphs[sort] = graph_of(sort)
            named[sort] = node(graphs[sort])
        head = _node(canonical(owner, fact.head), "entity")
        tail: object
        if isinstance(fact.tail, Literal):
            tail = iris.value(fact.tail)
        elif fact.relation == TYPE:
            tail = _node(fact.tail, "type")
        else:
            tail = _node(canonical(owner, fact.tail), "entity")
        yield quad(head, _node(fact.relation, "relation"), tail, named[sort])


@lru_cache(maxsize=KEPT)
def _node(name: str, use: iris.Use) -> object:
    return oxigraph().NamedNode(iris.iri(name, use))


def graph_of(sort: Sort) -> str:
    """The name of the graph that holds a sort, in this index and in every later one.

    Somebody who still has an older catalogue must not find another sort under the name that he was permitted.
    """
    texts = "\0".join((sort.owner, sort.relation, *sorted(sort.types)))
    return f"{iris.GRAPH}{hashlib.sha256(texts.encode()).hexdigest()[:32]}"


def _fill(path: Path, quads: Iterator[object]) -> None:
    store = oxigraph().Store(str(path))
    store.bulk_extend(quads)
    store.optimize()
    store.flush()


def _describe(path: Path, state: str, graphs: Mapping[Sort, str]) -> None:
    sorts = [
        {"owner": sort.owner, "relation": sort.relation, "types": sorted(sort.types), "graph": graph}
        for sort, graph in graphs.items()
    ]
    text = json.dumps({"version": VERSION, "state": state, "sorts": sorts}, ensure_ascii=False, indent=1)
    path.write_text(text, encoding="utf-8")


def _replace(folder: Path, fresh: Path) -> None:
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        folder.rename(old / "old")
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        fresh.rename(folder)
