"""Names as the addresses (IRIs) that RDF and SPARQL know things by, and back.

    华东钢铁  ──►  urn:lepton:entity:华东钢铁      e:华东钢铁 in a question
    供应      ──►  urn:lepton:relation:供应        r:供应
    供应商    ──►  urn:lepton:type:供应商          t:供应商

A name that is an address already stays as it is. An IRI may hold Chinese; only what it may not hold is escaped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from typing import Literal as OneOf

from lepton_fed.knowledge.addresses import CLASS, ENTITY, KEPT, NAMESPACE, NODE, RELATION, is_address, own_name
from lepton_fed.knowledge.facts import DATATYPES, STRING, TYPE, Literal
from lepton_fed.knowledge.library import oxigraph

Use = OneOf["entity", "relation", "type"]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF_TYPE = f"{RDF}type"

PREFIXES = {
    "e": ENTITY,
    "r": RELATION,
    "t": CLASS,
    "rdf": RDF,
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": XSD,
}
"""Known in every question."""

_ENDS = "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(1, 15))
"""The last two characters of each plane, which are none."""

_ILLEGAL = re.compile(
    r"[\x00-\x20<>\"{}|\\^`%\[\]\x7f-\xa0\u3000"  # RFC 3987: neither reserved for something else, nor blank,
    r"\ue000-\uf8ff\ufdd0-\ufdef\ufff0-\uffff"  # nor private, nor none, nor special, as U+FFFD is,
    r"\U000e0000-\U000e0fff\U000f0000-\U0010ffff" + _ENDS + "]"  # nor a tag or one of the later variation selectors.
)


@lru_cache(maxsize=KEPT)
def iri(name: str, use: Use) -> str:
    """The address of what is called so."""
    if use == "relation" and name == TYPE:
        return RDF_TYPE
    if not is_address(name):
        return f"{NAMESPACE}{use}:{escaped(name)}"
    return NODE + name[2:] if name.startswith("_:") else name


@lru_cache(maxsize=KEPT)
def name(address: str) -> str:
    """What the address stands for."""
    if address == RDF_TYPE:
        return TYPE
    return own_name(address)


def escaped(text: str) -> str:
    """The text without characters that no IRI may hold."""
    return _ILLEGAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def datatype_iri(datatype: str) -> str:
    """The address of a literal's type."""
    return XSD + datatype if datatype in DATATYPES else datatype


def value(one: Literal) -> Any:
    """The literal as RDF has it."""
    library = oxigraph()
    if one.language:
        return library.Literal(one.text, language=one.language.lower())
    return library.Literal(one.text, datatype=library.NamedNode(datatype_iri(one.datatype)))


def literal(text: str, datatype: str, language: str) -> Literal:
    """The literal that RDF writes so. One whose text is none of its type is kept as a string: RDF allows that."""
    from lepton_fed.errors import DataError

    short = datatype.removeprefix(XSD)
    known = short if short in DATATYPES else datatype
    if language:
        return Literal(text, STRING, language)
    try:
        return Literal(text, known)
    except DataError:
        return Literal(text, STRING)
