"""An index that follows the revisions: what changed since it was built is put into it, subject by subject.

    Touched: subjects, facts  ──►  their quads go, those of the facts come  ──►  the store, and every view of it
                                   (only what differs is written)

It is as if it had been built anew, which a property test holds. All happens in a new folder beside the old one, which
answers until it is replaced; tables that stay the same are shared by both, since the store never changes one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_fed.knowledge import views
from lepton_fed.knowledge.changes import Standing, Touched
from lepton_fed.knowledge.copying import shared_copy
from lepton_fed.knowledge.index import STORE, Index, Known, describe, node_of, quads, replaced
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.sorts import Sort


@dataclass(frozen=True)
class Difference:
    """Quads that are to go, and quads that are to come."""

    gone: frozenset[Any]
    came: frozenset[Any]


def followed(index: Index, state: Standing, all_touched: Iterable[Touched], names: Known) -> Index:
    """The index as it would be if it were built now; StorageError if the folder cannot be written."""
    graphs = dict(index.graphs)
    with replaced(index.folder) as fresh:
        shared_copy(index.store, fresh / STORE)
        store = oxigraph().Store(str(fresh / STORE))
        difference = _difference(store, all_touched, names, graphs)
        _apply(store, difference)
        graphs = {sort: graph for sort, graph in graphs.items() if not _emptied(store, graph, difference)}
        _follow_views(index, fresh, store, graphs, difference)
        store.flush()
        describe(fresh, state, graphs, names)
        del store  # It holds the folder open, which is about to be renamed.
    return Index(index.folder, state, graphs, names)


def _difference(store: Any, all_touched: Iterable[Touched], names: Known, graphs: dict[Sort, str]) -> Difference:
    """Between what the store says of the touched subjects and what the facts do; `graphs` gets the new sorts'."""
    gone: set[Any] = set()
    came: set[Any] = set()
    for one in all_touched:
        own = {graph for sort, graph in graphs.items() if sort.owner == one.sorting.owner}
        before = {
            quad
            for subject in one.subjects
            for quad in store.quads_for_pattern(node_of(subject, "entity"), None, None, None)
            if quad.graph_name.value in own
        }
        now = set(quads(one.facts, one.sorting, names, graphs))
        gone |= before - now
        came |= now - before
    return Difference(frozenset(gone), frozenset(came))


def _apply(store: Any, difference: Difference) -> None:
    # In this order: what differs by its spelling alone (1.50 and 1.5) is one quad to the store.
    for quad in difference.gone:
        store.remove(quad)
    store.extend(difference.came)


def _emptied(store: Any, graph: str, difference: Difference) -> bool:
    """Whether nothing is left in a graph."""
    node = oxigraph().NamedNode(graph)
    if not any(quad.graph_name == node for quad in difference.gone):
        return False
    return next(store.quads_for_pattern(None, None, None, node), None) is None


def _follow_views(index: Index, fresh: Path, store: Any, graphs: Mapping[Sort, str], difference: Difference) -> None:
    """Every view in the new folder, too. One that somebody is making now, or that is broken, is left out."""
    owners = {graph: sort.owner for sort, graph in (*index.graphs.items(), *graphs.items())}
    left = frozenset(graphs.values())
    for folder in views.made(index.folder):
        held = views.graphs_of(folder)
        if held is None or not held & left:
            continue
        place = views.folder_of(fresh, held & left)
        if place.exists() or not _copied(folder, place):
            continue
        _update(place / STORE, store, held, owners, difference)
        views.say(place, held & left)


def _copied(view: Path, place: Path) -> bool:
    """Copy a view, unless another process forgets it meanwhile: nobody misses it."""
    try:
        shared_copy(view, place)
    except (FileNotFoundError, shutil.Error):
        shutil.rmtree(place, ignore_errors=True)
        if view.exists():
            raise
        return False
    return True


def _update(path: Path, whole: Any, held: frozenset[str], owners: Mapping[str, str], difference: Difference) -> None:
    """Bring the difference into a view, which has a graph for each owner."""
    library = oxigraph()
    view = library.Store(str(path))

    def seen(quad: Any) -> Any:
        owner = owners[quad.graph_name.value]
        return library.Quad(quad.subject, quad.predicate, quad.object, library.NamedNode(views.graph_of(owner)))

    for quad in difference.gone:
        if quad.graph_name.value in held and not _elsewhere(whole, quad, held, owners):
            view.remove(seen(quad))
    view.extend(seen(quad) for quad in difference.came if quad.graph_name.value in held)
    view.flush()


def _elsewhere(whole: Any, quad: Any, held: frozenset[str], owners: Mapping[str, str]) -> bool:
    """Whether the owner still says the same in a sort that the view holds: two own names may be one entity."""
    owner = owners[quad.graph_name.value]
    same = whole.quads_for_pattern(quad.subject, quad.predicate, quad.object, None)
    return any(one.graph_name.value in held and owners[one.graph_name.value] == owner for one in same)
