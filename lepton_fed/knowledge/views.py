"""What one asker may read, as a store of its own: what is not in it, no question can reach.

    index: a graph per sort of facts ──the sorts that may be read──► view: a graph per owner

A question over hundreds of graphs looks into each of them for every step of a join: seconds, where one that goes over
a view takes milliseconds. Askers who may read the same share a view. One who may read more than another, since there
are facts of a new sort, begins with the other's. Views lie in the index's folder and follow it; the ones that nobody
has asked for longest go first.

    views/<digest of the graphs>/store/  graphs.json
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.addresses import GRAPH
from lepton_fed.knowledge.copying import shared_copy
from lepton_fed.knowledge.index import STORE, Index
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.sorts import Sort

MOST = 8
"""Views that are kept: as many as there are departments, more or less, each up to the size of the index."""

FOLDER, GRAPHS = "views", "graphs.json"


@dataclass(frozen=True)
class View:
    """A store that holds what may be read, and the names of the graphs in it: one for each owner."""

    store: Path
    graphs: tuple[str, ...]


class ViewGone(StorageError):
    """A view cannot be read or made, most often since another process is replacing the index: a reason to ask again."""

    def __init__(self, index: Path, reason: object) -> None:
        said = " ".join(str(reason).split())[:200]
        super().__init__(f"the index {index} cannot be read ({said}); ask again, or remove it: it is built anew")


def view(index: Index, readable: Iterable[Sort]) -> View:
    """The view of those sorts, made if there is none yet; StorageError if it cannot be written."""
    owners = {index.graphs[sort]: graph_of(sort.owner) for sort in readable if sort in index.graphs}
    folder, before = folder_of(index.folder, owners), _identity(index.folder)
    try:
        if folder.is_dir():
            os.utime(folder)
        else:
            _make(index, owners, folder)
            _forget(folder.parent)
    except (OSError, RuntimeError) as error:  # A store that loses some of its files says the latter.
        if isinstance(error, FileNotFoundError | RuntimeError) or _identity(index.folder) != before:
            raise ViewGone(index.folder, error) from None
        raise StorageError(f"the index {index.folder} cannot be written: {error.strerror or error}") from None
    return View(folder / STORE, tuple(sorted(set(owners.values()))))


def folder_of(index: Path, graphs: Iterable[str]) -> Path:
    """Where the view of these graphs of the index is, if it was made."""
    return index / FOLDER / hashlib.sha256("\n".join(sorted(graphs)).encode()).hexdigest()[:32]


def made(index: Path) -> list[Path]:
    """The folders of an index's views, those asked for last first."""
    try:
        found = [path for path in (index / FOLDER).iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    asked: dict[Path, float] = {}
    for path in found:
        with suppress(FileNotFoundError):  # Another process may have forgotten it just now.
            asked[path] = path.stat().st_mtime
    return sorted(asked, key=asked.__getitem__, reverse=True)


def graphs_of(folder: Path) -> frozenset[str] | None:
    """Which graphs of the index a view holds; None where that cannot be read."""
    try:
        return frozenset(json.loads((folder / GRAPHS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def say(folder: Path, graphs: Iterable[str]) -> None:
    """Write down which graphs of the index a view holds."""
    (folder / GRAPHS).write_text(json.dumps(sorted(graphs)), encoding="utf-8")


def graph_of(owner: str) -> str:
    """The name of the graph with an owner's facts."""
    return GRAPH + iris.escaped(owner)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Of the folder that is there now; an index is replaced by another folder of the same name."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make(index: Index, owners: Mapping[str, str], folder: Path) -> None:
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        base = _base(index, frozenset(owners))
        if base is not None:
            shared_copy(base / STORE, fresh / STORE)
        held = (graphs_of(base) if base is not None else None) or frozenset()
        _fill(index, {graph: owner for graph, owner in owners.items() if graph not in held}, fresh)
        say(fresh, owners)
        # Two processes may make the same view at once; whichever is second finds it made.
        with suppress(OSError):
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _base(index: Index, wanted: frozenset[str]) -> Path | None:
    """The view that holds most of what is wanted, and nothing else."""
    held = ((graphs_of(folder), folder) for folder in made(index.folder))
    within = [(len(graphs), folder) for graphs, folder in held if graphs and graphs <= wanted]
    return max(within, key=lambda one: one[0], default=(0, None))[1]


def _fill(index: Index, owners: Mapping[str, str], fresh: Path) -> None:
    """Copy the graphs as text: the store's own writer and reader are many times faster than facts one by one."""
    library = oxigraph()
    form, node = library.RdfFormat.N_TRIPLES, library.NamedNode
    source, target = library.Store.read_only(str(index.store)), library.Store(str(fresh / STORE))
    for owner in sorted(set(owners.values())):
        with tempfile.TemporaryFile(dir=fresh.parent) as text:
            for graph in sorted(graph for graph, whose in owners.items() if whose == owner):
                source.dump(text, form, from_graph=node(graph))
            text.seek(0)
            target.bulk_load(text, form, to_graph=node(owner))
    target.flush()


def _forget(folder: Path) -> None:
    """Remove the views that nobody has asked for longest."""
    for path in made(folder.parent)[MOST:]:
        shutil.rmtree(path, ignore_errors=True)
