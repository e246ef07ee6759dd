"""The index that questions are asked of: facts as they stand, sort by sort, in an embedded SPARQL store.

    revisions ──build──► folder: store/ (a named graph per sort of facts), catalogue.json (which graph holds which sort)
        later ones ──follow──► the same folder, as if it had been built anew

Nothing is in it that is not in the revisions, so it may be thrown away at any time. It is built beside the old one,
which answers until it is replaced; the catalogue says which revisions and matches it is of.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.addresses import GRAPH, KEPT
from lepton_fed.knowledge.changes import Standing
from lepton_fed.knowledge.facts import TYPE, Fact, Literal
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.sorts import Sort, Sorting

STORE, CATALOGUE = "store", "catalogue.json"

VERSION = 2
"""Of what a folder holds; one of another version is built again."""

Canonical = Callable[[str, str], str]
"""The name by which an entity of a department is known to all, from (department, name)."""

Known = Mapping[tuple[str, str], str]
"""The same for those that have another name than their department's."""


@dataclass(frozen=True)
class Index:
    """An index that was built. `graphs`: the name of the graph of each sort. `state`: what it is of."""

    folder: Path
    state: Standing
    graphs: Mapping[Sort, str]
    names: Known = field(repr=False)

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
            names = {(owner, own): known for owner, own, known in said["names"]}
            return cls(folder, Standing(**said["state"]), graphs, names)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def build(folder: Path, state: Standing, owned: Iterable[tuple[Sorting, Iterable[Fact]]], names: Known) -> Index:
    """Build the index anew from departments' standing facts; StorageError if the folder cannot be written."""
    graphs: dict[Sort, str] = {}
    with replaced(folder) as fresh:
        _fill(fresh / STORE, (quad for sorting, facts in owned for quad in quads(facts, sorting, names, graphs)))
        describe(fresh, state, graphs, names)
    return Index(folder, state, graphs, names)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """The only process and thread that replaces the index; what a killed one left behind, with facts in it, goes."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.parent / f".{folder.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in folder.parent.iterdir():
            if path.name.startswith(_beside(folder)):
                shutil.rmtree(path, ignore_errors=True)
        yield
    finally:
        os.close(lock)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of the old one at the end of the block, and is gone if that fails.

    For one at a time: inside `alone`.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=_beside(folder), dir=folder.parent))
        try:
            yield fresh
            _replace(folder, fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as error:
        raise _unwritable(folder, error) from None


def _beside(folder: Path) -> str:
    """How the names of folders begin that are made beside it, and are there while it is replaced."""
    return f".{folder.name}-"


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"the index {folder} cannot be written: {error.strerror or error}")


def quads(facts: Iterable[Fact], sorting: Sorting, names: Known, graphs: dict[Sort, str]) -> Iterator[Any]:
    """Facts as the store has them; their sorts' graphs are noted in `graphs`."""
    return _of_owner(facts, sorting, lambda owner, own: names.get((owner, own), own), graphs)


def _of_owner(facts: Iterable[Fact], sorting: Sorting, canonical: Canonical, graphs: dict[Sort, str]) -> Iterator[Any]:
    library, owner = oxigraph(), sorting.owner
    node, quad = library.NamedNode, library.Quad
    named: dict[Sort, object] = {}
    for fact in facts:
        sort = sorting.sort(fact)
        if sort not in named:
            graphs[sort] = graph_of(sort)
            named[sort] = node(graphs[sort])
        head = node_of(canonical(owner, fact.head), "entity")
        tail: object
        if isinstance(fact.tail, Literal):
            tail = iris.value(fact.tail)
        elif fact.relation == TYPE:
            tail = node_of(fact.tail, "type")
        else:
            tail = node_of(canonical(owner, fact.tail), "entity")
        yield quad(head, node_of(fact.relation, "relation"), tail, named[sort])


@lru_cache(maxsize=KEPT)
def node_of(name: str, use: iris.Use) -> Any:
    """The node of what is called so."""
    return oxigraph().NamedNode(iris.iri(name, use))


def graph_of(sort: Sort) -> str:
    """The name of the graph that holds a sort, in this index and in every later one.

    Somebody who still has an older catalogue must not find another sort under the name that he was permitted.
    """
    texts = "\0".join((sort.owner, sort.relation, *sorted(sort.types)))
    return f"{GRAPH}{hashlib.sha256(texts.encode()).hexdigest()[:32]}"


def _fill(path: Path, quads: Iterator[object]) -> None:
    store = oxigraph().Store(str(path))
    store.bulk_extend(quads)
    store.optimize()
    store.flush()


def describe(folder: Path, state: Standing, graphs: Mapping[Sort, str], names: Known) -> None:
    """Write the catalogue."""
    sorts = [
        {"owner": sort.owner, "relation": sort.relation, "types": sorted(sort.types), "graph": graph}
        for sort, graph in graphs.items()
    ]
    known = [[owner, own, name] for (owner, own), name in names.items()]
    said = {"version": VERSION, "state": asdict(state), "sorts": sorts, "names": known}
    (folder / CATALOGUE).write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")


def _replace(folder: Path, fresh: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=_beside(folder), dir=folder.parent))
    try:
        folder.rename(old / "old")
        fresh.rename(folder)
    finally:
        # All facts are in it, whether or not the new one could take its place.
        shutil.rmtree(old, ignore_errors=True)
