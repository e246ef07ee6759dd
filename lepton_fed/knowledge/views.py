"""What one asker may read, as a store of its own: what is not in it, no question can reach.

    index: a graph per sort of facts ──the sorts that may be read──► view: a graph per owner

A question over hundreds of graphs looks into each of them for every step of a join: seconds, where one that goes over
a view takes milliseconds. Askers who may read the same share a view. Views lie in the index's folder and go with it;
the ones that nobody has asked for longest go first.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.index import Index
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.sorts import Sort

MOST = 8
"""Views that are kept: as many as there are departments, more or less, each up to the size of the index."""

FOLDER = "views"


@dataclass(frozen=True)
class View:
    """A store that holds what may be read, and the names of the graphs in it: one for each owner."""

    store: Path
    graphs: tuple[str, ...]


def view(index: Index, readable: Iterable[Sort]) -> View:
    """The view of those sorts, made if there is none yet; StorageError if it cannot be written."""
    owned: dict[str, list[str]] = {}
    for sort in readable:
        if sort in index.graphs:
            owned.setdefault(graph_of(sort.owner), []).append(index.graphs[sort])
    names = sorted(graph for graphs in owned.values() for graph in graphs)
    folder = index.folder / FOLDER / hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]
    try:
        if folder.is_dir():
            os.utime(folder)
        else:
            _make(index, owned, folder)
            _forget(folder.parent)
    except OSError as error:
        raise StorageError(f"the index {index.folder} cannot be written: {error.strerror or error}") from None
    return View(folder, tuple(sorted(owned)))


def graph_of(owner: str) -> str:
    """The name of the graph with an owner's facts."""
    return iris.GRAPH + iris.escaped(owner)


def _make(index: Index, owned: Mapping[str, list[str]], folder: Path) -> None:
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        _fill(index, owned, fresh)
        # Two processes may make the same view at once; whichever is second finds it made.
        with suppress(OSError):
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fill(index: Index, owned: Mapping[str, list[str]], fresh: Path) -> None:
    """Copy the graphs as text: the store's own writer and reader are many times faster than facts one by one."""
    library = oxigraph()
    form, node = library.RdfFormat.N_TRIPLES, library.NamedNode
    source, target = library.Store.read_only(str(index.store)), library.Store(str(fresh))
    for owner, graphs in owned.items():
        with tempfile.TemporaryFile(dir=fresh.parent) as text:
            for graph in graphs:
                source.dump(text, form, from_graph=node(graph))
            text.seek(0)
            target.bulk_load(text, form, to_graph=node(owner))
    target.flush()


def _forget(folder: Path) -> None:
    """Remove the views that nobody has asked for longest."""
    kept = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda p: p.stat().st_mtime)
    for path in kept[:-MOST]:
        shutil.rmtree(path, ignore_errors=True)
