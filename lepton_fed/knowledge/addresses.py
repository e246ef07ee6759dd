"""Which texts are addresses (IRIs), and whether RDF takes them and the other terms that it has rules for.

A term that the index cannot hold would end every later question about every department's facts; so it is refused when
it comes, with the place in its file where it stands.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from lepton_fed.errors import DataError
from lepton_fed.knowledge.library import oxigraph

NAMESPACE = "urn:lepton:"
ENTITY, RELATION, CLASS, GRAPH, NODE = (f"{NAMESPACE}{use}:" for use in ("entity", "relation", "type", "graph", "node"))

KEPT = 1 << 16
"""Terms that are remembered: an import meets the same ones over and over."""

_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|urn:|_:)[^\s<>\"{}|\\^`]+")


def is_address(text: str) -> bool:
    """Whether it is an IRI (or a node without a name, `_:…`) rather than a name in words."""
    return ":" in text and _ADDRESS.fullmatch(text) is not None


def own_name(address: str) -> str:
    """What an address of this program's own namespaces stands for, or the address itself."""
    for space in (ENTITY, RELATION, CLASS):
        if address.startswith(space):
            return unquote(address[len(space) :])
    return "_:" + address[len(NODE) :] if address.startswith(NODE) else address


def require_address(text: str) -> None:
    """DataError unless RDF takes what `is_address` took for one."""
    address = NODE + text[2:] if text.startswith("_:") else text
    _require(f"<{address}>", f"{text[:60]!r} is no address that RDF takes")


def require_datatype(address: str) -> None:
    """DataError unless RDF takes the address as the type of literals."""
    _require(f'"x"^^<{address}>', f"{address[:60]!r} is no type of literals that RDF takes")


def require_language(language: str) -> None:
    """DataError unless it is one by RFC 5646's grammar."""
    _require(f'"x"@{language}', f"{language[:20]!r} is no language such as zh or zh-Hant")


@lru_cache(maxsize=KEPT)
def _require(term: str, otherwise: str) -> None:
    # The parser, which also fills views: it is stricter than the store, which takes an rdf:langString without one.
    library = oxigraph()
    try:
        list(library.parse(f"<urn:x> <urn:x> {term} .", library.RdfFormat.N_TRIPLES))
    except (SyntaxError, ValueError):
        raise DataError(otherwise) from None
