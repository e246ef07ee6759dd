"""Turtle, N-Triples, JSON-LD and their kin as facts, read as a stream and never from a network.

Oxigraph's parsers read the files: a million triples in seconds, in constant memory, and a context of JSON-LD that lies
elsewhere is an error instead of a request to a stranger's server. Nodes without a name get one from their file and
their place in it, so that a file imported again says the same facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.errors import DataError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.facts import Fact, Literal
from lepton_fed.knowledge.library import oxigraph

if TYPE_CHECKING:
    import pyoxigraph

FORMATS = {
    ".ttl": "TURTLE",
    ".nt": "N_TRIPLES",
    ".jsonld": "JSON_LD",
    ".nq": "N_QUADS",
    ".trig": "TRIG",
    ".rdf": "RDF_XML",
}
"""By suffix. Graphs of a file that names some are read as one: whose facts they are is said by who imports them."""


def read_rdf(path: Path, source: str) -> Iterator[Fact]:
    """The facts of the file. DataError says where it is broken."""
    library = oxigraph()
    form = getattr(library.RdfFormat, FORMATS[path.suffix.lower()])
    nodes = _Nodes(source)
    try:
        with path.open("rb") as file:
            for quad in library.parse(file, form):
                yield _fact(quad, nodes)
    except SyntaxError as error:
        line = "" if error.lineno is None else f", line {error.lineno}"
        raise DataError(f"{path}{line}: this is not {form.name}: {' '.join(str(error.msg).split())[:200]}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


class _Nodes:
    """Names of the nodes without one of a file."""

    def __init__(self, source: str) -> None:
        self._file = blake2b(source.encode(), digest_size=6).hexdigest()
        self._seen: dict[str, str] = {}

    def name(self, label: str) -> str:
        return self._seen.setdefault(label, f"_:{self._file}-{len(self._seen)}")


def _fact(quad: pyoxigraph.Quad, nodes: _Nodes) -> Fact:
    tail = quad.object
    return Fact(_name(quad.subject, nodes), iris.name(quad.predicate.value), _tail(tail, nodes))


def _tail(term: object, nodes: _Nodes) -> str | Literal:
    library = oxigraph()
    if isinstance(term, library.Literal):
        return iris.literal(term.value, term.datatype.value, term.language or "")
    return _name(term, nodes)


def _name(term: object, nodes: _Nodes) -> str:
    library = oxigraph()
    if isinstance(term, library.BlankNode):
        return nodes.name(term.value)
    if isinstance(term, library.NamedNode):
        return iris.name(term.value)
    raise DataError("a triple about a triple (RDF-star) is no fact of this graph; state it in words of its own")
