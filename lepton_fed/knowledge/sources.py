"""Where facts come from: a table, a file of RDF, or a query; read as a stream of facts.

FactSource(path="供应商.csv")                                  head, relation, tail
FactSource(path="供应商.csv", subject="名称", type="供应商")    a row an entity
FactSource(path="目录.ttl")                                    Turtle, N-Triples, JSON-LD, RDF/XML, TriG, N-Quads
FactSource(url="postgresql://…", query="SELECT …")             a table that a database gives
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lepton_fed.errors import DataError
from lepton_fed.knowledge.facts import Fact
from lepton_fed.knowledge.tables import Shape, facts_of, read_table
from lepton_fed.translation import joined, sentence

SEPARATORS = {".csv": ",", ".tsv": "\t"}

RDF_SUFFIXES = (".ttl", ".nt", ".jsonld", ".nq", ".trig", ".rdf")


@dataclass(frozen=True, kw_only=True)
class FactSource:
    """`[[knowledge]]` of a department's own file: one of `path` and `url`, and how its rows are read."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    name: str | None = None
    """What the facts' provenance calls it; default: the path, or `a query`."""
    path: str | None = None
    """A .csv, .tsv, .ttl, .nt, .jsonld, .rdf, .trig or .nq file, relative to the department's own file."""
    encoding: str | None = None
    """Of a table; default utf-8, with or without a byte order mark."""
    subject: str | None = None
    """The column that names the entity of each row; without, columns are called head, relation and tail."""
    type: str | None = None
    """What the entities of `subject` are."""
    literals: dict[str, str] = field(default_factory=dict)
    """Columns whose values are no entities, with their types: string, integer, decimal, date, ..."""
    url: str | None = field(default=None, repr=False)
    """A SQLAlchemy URL of a database."""
    query: str | None = None
    password_file: str | None = None
    password_env: str | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.url is None):
            raise ValueError(sentence("give one of path and url"))
        if (self.url is None) != (self.query is None):
            raise ValueError(sentence("url and query belong together"))
        if self.url is None and (self.password_file or self.password_env):
            raise ValueError(sentence("a password belongs to a url"))
        if self.path is not None and self.suffix not in (*SEPARATORS, *RDF_SUFFIXES):
            raise ValueError(
                sentence(
                    "the suffix of {path!r} says no format; it is {known}",
                    path=self.path,
                    known=joined(", ", _SUFFIXES),
                )
            )
        if self.suffix in RDF_SUFFIXES and (self.subject or self.type or self.literals or self.encoding):
            raise ValueError(sentence("subject, type, literals and encoding belong to tables"))
        if self.subject is None and (self.type or self.literals):
            raise ValueError(sentence("type and literals belong to a table with a subject"))

    @property
    def suffix(self) -> str:
        return "" if self.path is None else Path(self.path).suffix.lower()

    @property
    def called(self) -> str:
        """As provenance names it."""
        return self.name or self.path or "a query"

    @property
    def shape(self) -> Shape:
        return Shape(self.subject, self.literals, self.type)


_SUFFIXES = (*SEPARATORS, *RDF_SUFFIXES)


def read_facts(source: FactSource, base: Path, department: str) -> Iterator[Fact]:
    """The facts of a source of the department; paths are relative to `base`. DataError in its name."""
    try:
        yield from _facts(source, base, department)
    except DataError as error:
        said = str(error)
        raise DataError(said if said.startswith(f"{department}: ") else f"{department}: {said}") from None


def _facts(source: FactSource, base: Path, department: str) -> Iterator[Fact]:
    if source.path is None:
        yield from _queried(source, base, department)
        return
    path = base / Path(source.path).expanduser()
    if not path.is_file():
        raise DataError(f"the file of facts {path} does not exist; correct `path`")
    if source.suffix in SEPARATORS:
        yield from read_table(path, source.shape, SEPARATORS[source.suffix], source.encoding or "utf-8-sig")
    else:
        from lepton_fed.knowledge.rdf import read_rdf

        yield from read_rdf(path, source.called)


def _queried(source: FactSource, base: Path, department: str) -> Iterator[Fact]:
    from lepton_fed.data.database import read_sql
    from lepton_fed.data.department_file import DataSource

    where = DataSource(
        url=source.url,
        query=source.query,
        password_file=source.password_file,
        password_env=source.password_env,
    )
    table = read_sql(where, base, department)
    rows = table.itertuples(index=False, name=None)
    cells = (
        (f"row {number} of the query", ["" if cell is None else str(cell) for cell in row])
        for number, row in enumerate(rows, 1)
    )
    yield from facts_of([str(name) for name in table.columns], cells, source.shape, "the query")
