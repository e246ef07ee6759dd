"""One fact: a head, a relation, and a tail that is an entity or a literal, believed to a degree.

    Fact("华东钢铁", "供应", "齿轮箱")                       an entity stands at both ends
    Fact("齿轮箱", "重量", Literal("12.5", "decimal"))       a literal is a value with its type
    Fact("华东钢铁", "rdf:type", "供应商")                   what an entity is; `供应商` is then an entity type

Entities and relations are known by their normalised names (NFKC, single spaces): `ＡＢＣ　公司` is `ABC 公司`. How a
name was written is kept beside it. An address (`https://…`, `urn:…`) is a name as it stands, unless it is one that RDF
files have of a name (`urn:lepton:entity:华东钢铁`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b

from lepton_fed.audit.commitments import storable
from lepton_fed.errors import DataError
from lepton_fed.knowledge.addresses import (
    KEPT,
    is_address,
    own_name,
    require_address,
    require_datatype,
    require_language,
)

TYPE = "rdf:type"
"""The relation that says what an entity is; also written a, type or 类型."""

TYPES_WRITTEN = frozenset({TYPE, "a", "type", "类型", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"})

UNTYPED = "entity"
"""The type of an entity of which no fact says what it is."""

LONGEST = 1000
"""Characters of a name."""

LONGEST_LITERAL = 100_000
"""Characters of a literal; longer text is a document, not a fact."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

STRING = "string"


@lru_cache(maxsize=KEPT)
def name_of(written: str) -> str:
    """The name by which what is written so is known; DataError for none."""
    text = written.strip()
    # Once is enough for nearly all; full-width letters may spell an address, and an address may stand for another one.
    while (plain := _plain(text)) != text:
        text = plain
    if not text or len(text) > LONGEST or not text.isprintable():
        raise DataError(f"a name has 1 to {LONGEST} visible characters, found {written[:40]!r}")
    if is_address(text):
        require_address(text)
    return text


def _plain(text: str) -> str:
    if is_address(text):
        # One that stands for a name is that name, as in RDF: policies know the relation 报价 by no other.
        return own_name(text).strip()
    # The common case costs one look: most names are written as they are known.
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    if not text.isprintable() or "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    return text


@lru_cache(maxsize=KEPT)
def relation_of(written: str) -> str:
    """The relation that is written so."""
    name = name_of(written)
    return TYPE if name in TYPES_WRITTEN else name


_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?INF|NaN", re.ASCII)
_YEAR = re.compile(r"-?\d{4,}(Z|[+-]\d\d:\d\d)?", re.ASCII)
_BOOLEAN = re.compile(r"true|false|0|1", re.ASCII)


def _is_date(text: str) -> bool:
    return _read(date.fromisoformat, text) and len(text) == 10


def _is_moment(text: str) -> bool:
    return "T" in text and _read(datetime.fromisoformat, text)


def _read(reader: Callable[[str], object], text: str) -> bool:
    try:
        reader(text)
    except ValueError:
        return False
    return True


DATATYPES: dict[str, Callable[[str], bool]] = {
    STRING: lambda text: True,
    "integer": lambda text: _WHOLE.fullmatch(text) is not None,
    "decimal": lambda text: _DECIMAL.fullmatch(text) is not None,
    "double": lambda text: _DOUBLE.fullmatch(text) is not None,
    "boolean": lambda text: _BOOLEAN.fullmatch(text) is not None,
    "date": _is_date,
    "dateTime": _is_moment,
    "gYear": lambda text: _YEAR.fullmatch(text) is not None,
}
"""Types of literals by their names in XML Schema, and what is written as one; other types are known by an address."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value: text, its type (a key of DATATYPES or an address) and, of a string, its language."""

    text: str
    datatype: str = STRING
    language: str = ""

    def __post_init__(self) -> None:
        written = DATATYPES.get(self.datatype)
        if written is None and not is_address(self.datatype):
            known = ", ".join(DATATYPES)
            raise DataError(f"there is no type {self.datatype[:60]!r} of literals; there are {known}, or an address")
        if written is not None and not written(self.text):
            raise DataError(f"{self.text[:40]!r} is no {self.datatype}")
        if len(self.text) > LONGEST_LITERAL or self.text != storable(self.text):
            raise DataError(f"a literal has at most {LONGEST_LITERAL} characters, none of them 0 or half a character")
        if self.language and (self.datatype != STRING or not _LANGUAGE.fullmatch(self.language)):
            raise DataError(f"a string may have a language such as zh or zh-Hant, found {self.language[:20]!r}")
        if written is None:
            require_datatype(self.datatype)
        if self.language:
            require_language(self.language.lower())


@dataclass(frozen=True, slots=True)
class Fact:
    """What a department holds to be true. Made from names as they are written; what differs from the name is kept.

    `confidence`: above 0, at most 1. `source` is said where it differs from that of the revision it came with.
    DataError for what is none.
    """

    head: str
    relation: str
    tail: str | Literal
    confidence: float = 1.0
    source: str | None = None
    head_written: str | None = None
    tail_written: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.confidence <= 1:
            raise DataError(f"a confidence lies above 0 and is at most 1, found {self.confidence}")
        self._normalise("head", self.head, name_of(self.head))
        relation = relation_of(self.relation)
        if relation != self.relation:
            object.__setattr__(self, "relation", relation)
        if not isinstance(self.tail, Literal):
            self._normalise("tail", self.tail, name_of(self.tail))
        elif relation == TYPE:
            raise DataError(f"{self.head[:40]!r}: what an entity is, is no literal: {self.tail.text[:40]!r}")

    def _normalise(self, end: str, written: str, name: str) -> None:
        # A million facts are made in one import, nearly all of them with nothing to do here.
        if name != written:
            object.__setattr__(self, end, name)
            object.__setattr__(self, f"{end}_written", written)

    @property
    def key(self) -> bytes:
        """16 bytes by which a department tells it from its other facts: what it says, not how sure or from where."""
        return key_of(self.head, self.relation, self.tail)


def key_of(head: str, relation: str, tail: str | Literal) -> bytes:
    """See `Fact.key`."""
    end = f"\0{tail.text}\0{tail.datatype}\0{tail.language}" if isinstance(tail, Literal) else tail
    # No name holds the character 0, so that two facts never spell the same bytes.
    return blake2b(f"{head}\0{relation}\0{end}".encode(), digest_size=16).digest()
