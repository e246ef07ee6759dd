"""The process that asks a store: one question a line, one answer a line, within bounds of time and memory.

    {"question": …, "store": …, "graphs": [...], "rows": 1000, …}  ──►  {"columns": …, "rows": …, "more": false}

The store's evaluation cannot be interrupted from outside and a join of everything with everything takes for ever, so it
runs here, where `asking` can end it. Stores are opened for reading only. The process is started as
`python -m lepton_fed.knowledge.answering BYTES`.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from lepton_fed.knowledge.iris import PREFIXES, XSD
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.values import LARGEST, Ordered, naming_values

NOWHERE = "urn:lepton:graph:"
"""A graph in which nothing is, for an asker who may read nothing."""

READY = "ready"
"""Said once, before the first question: starting is not part of its time."""


def main() -> None:
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    oxigraph()
    print(READY, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_answered(asked), ensure_ascii=False), flush=True)


@lru_cache(maxsize=4)
def _opened(path: str, state: str) -> Any:
    """A store that stays open for the next question. A view is never changed: one of another state takes its place.

    OSError where it cannot be opened.
    """
    try:
        return oxigraph().Store.read_only(path)
    except RuntimeError as error:  # Some of its files are there, and others are not.
        raise OSError(str(error)) from None


def _answered(asked: dict[str, Any]) -> dict[str, Any]:
    held = asked["store"], asked["state"], tuple(asked["graphs"])
    try:
        question = naming_values(asked["question"], lambda before, relation: _values(*held, before, relation))
        return _within(_result(*held, question), asked["rows"], asked["characters"])
    except SyntaxError as error:
        return {"wrong": str(error.msg)}
    except OSError as error:
        return {"gone": str(error)}
    except (RuntimeError, ValueError) as error:
        return {"wrong": str(error)}
    except MemoryError:
        return {"large": True}


def _result(store: str, state: str, graphs: tuple[str, ...], question: str) -> Any:
    library = oxigraph()
    nodes = [library.NamedNode(one) for one in graphs]
    # Both lists are what there is: the default graph is their union, and GRAPH finds no other.
    return _opened(store, state).query(
        question,
        prefixes=PREFIXES,
        default_graph=nodes or [library.NamedNode(NOWHERE)],
        named_graphs=nodes,
    )


@lru_cache(maxsize=8)
def _values(store: str, state: str, graphs: tuple[str, ...], before: str, relation: str) -> Ordered | None:
    """A relation's values, read when the first question about them comes; None where there are too many."""
    every = f"{before} SELECT DISTINCT ?v {{ ?x {relation} ?v FILTER(isLiteral(?v)) }} LIMIT {LARGEST + 1}"
    try:
        found = [row[0] for row in _result(store, state, graphs, every)]
    except (SyntaxError, MemoryError):  # The question itself will say what is wrong, or fit as it is.
        return None
    return Ordered.of(found) if len(found) <= LARGEST else None


def _within(result: Any, most: int, characters: int) -> dict[str, Any]:
    library = oxigraph()
    if isinstance(result, library.QueryBoolean):
        return {"columns": ["answer"], "rows": [[[str(bool(result)).lower(), f"{XSD}boolean", ""]]], "more": False}
    if isinstance(result, library.QueryTriples):
        columns = ["head", "relation", "tail"]
        found: Iterable[Any] = ((one.subject, one.predicate, one.object) for one in result)
    else:
        columns = [variable.value for variable in result.variables]
        found = (tuple(row) for row in result)
    rows: list[list[Any]] = []
    for row in found:
        terms = [_term(term) for term in row]
        characters -= sum(len(part) for term in terms if term for part in term)
        if len(rows) == most or characters < 0:
            return {"columns": columns, "rows": rows, "more": True}
        rows.append(terms)
    return {"columns": columns, "rows": rows, "more": False}


def _term(term: Any) -> list[str] | None:
    """An address as [address], a literal as [text, datatype, language]."""
    if term is None:
        return None
    library = oxigraph()
    if isinstance(term, library.Literal):
        return [term.value, term.datatype.value, term.language or ""]
    if isinstance(term, library.Triple):
        return [str(term)]
    return [term.value]


if __name__ == "__main__":
    main()
