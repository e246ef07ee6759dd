"""Facts written out, as much of them as somebody may read: Turtle or N-Triples for programs, a table for people.

A table holds the names as they were written, and where each fact comes from; what RDF has no place for stays out of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lepton_fed.errors import ConfigError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.facts import TYPE, Literal
from lepton_fed.knowledge.index import Canonical
from lepton_fed.knowledge.library import oxigraph
from lepton_fed.knowledge.revisions import Held

COLUMNS = ("department", "head", "relation", "tail", "type", "language", "confidence", "source", "time")

FORMATS = (".ttl", ".nt", ".csv", ".tsv")


def written(facts: Iterable[Held], form: str, canonical: Canonical) -> bytes:
    """The facts in a format: the suffix of a file's name. ConfigError for one that is not known."""
    if form in (".csv", ".tsv"):
        return _table(facts, "," if form == ".csv" else "\t").encode()
    if form not in (".ttl", ".nt"):
        raise ConfigError(f"facts are written as {', '.join(FORMATS)}, not as {form or 'a file without a suffix'}")
    library = oxigraph()
    kind = library.RdfFormat.TURTLE if form == ".ttl" else library.RdfFormat.N_TRIPLES
    prefixes = iris.PREFIXES if form == ".ttl" else None
    text: bytes = library.serialize(_triples(facts, canonical), format=kind, prefixes=prefixes)
    return text


def write(path: Path, make: Callable[[str], bytes]) -> None:
    """Write a file whole or not at all, for its owner alone; its suffix says the format."""
    from lepton_fed.storage import write_atomically

    write_atomically(path, [make(path.suffix.lower())], private=True)


def _triples(facts: Iterable[Held], canonical: Canonical) -> Iterator[object]:
    library = oxigraph()
    node = library.NamedNode
    said = set()
    for held in facts:
        fact, owner = held.fact, held.department
        head = node(iris.iri(canonical(owner, fact.head), "entity"))
        if isinstance(fact.tail, Literal):
            tail = iris.value(fact.tail)
        elif fact.relation == TYPE:
            tail = node(iris.iri(fact.tail, "type"))
        else:
            tail = node(iris.iri(canonical(owner, fact.tail), "entity"))
        triple = library.Triple(head, node(iris.iri(fact.relation, "relation")), tail)
        if triple not in said:
            said.add(triple)
            yield triple


def _table(facts: Iterable[Held], separator: str) -> str:
    text = io.StringIO()
    rows = csv.writer(text, delimiter=separator, lineterminator="\n")
    rows.writerow(COLUMNS)
    for held in facts:
        fact = held.fact
        tail, datatype, language = fact.tail_written or fact.tail, "", ""
        if isinstance(fact.tail, Literal):
            tail, datatype, language = fact.tail.text, fact.tail.datatype, fact.tail.language
        rows.writerow(
            (
                held.department,
                fact.head_written or fact.head,
                fact.relation,
                tail,
                datatype,
                language,
                fact.confidence,
                held.source,
                held.time.isoformat(timespec="seconds"),
            )
        )
    return text.getvalue()
