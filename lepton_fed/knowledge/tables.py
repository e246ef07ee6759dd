"""Rows of a table as facts: each a head, a relation and a tail; or each an entity, its columns what is said of it.

    head,relation,tail,confidence           facts row by row; further columns: type, language, source
    供应商,供应,地点                          `subject = "供应商"`: 供应商 供应 …, 供应商 地点 … in every row

The first form is taken where the columns are so called (subject, predicate, object and 主体/关系/客体 are, too).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lepton_fed.errors import DataError
from lepton_fed.knowledge.facts import Fact, Literal, relation_of

CALLED = {
    "head": ("head", "subject", "主体", "头实体"),
    "relation": ("relation", "predicate", "关系"),
    "tail": ("tail", "object", "客体", "尾实体"),
    "type": ("type", "datatype", "数据类型"),
    "language": ("language", "lang", "语言"),
    "confidence": ("confidence", "置信度"),
    "source": ("source", "来源"),
}
"""What each column of the first form may be called."""


@dataclass(frozen=True)
class Shape:
    """How a table's rows are read. `subject`: the column that names the entity of a row, in the second form.

    `literals`: columns whose values are literals, with their types; values of other columns are entities.
    """

    subject: str | None = None
    literals: Mapping[str, str] = field(default_factory=dict)
    entity_type: str | None = None
    """What every entity of the column `subject` is."""


def read_table(path: Path, shape: Shape, separator: str, encoding: str = "utf-8-sig") -> Iterator[Fact]:
    """The facts of a CSV or TSV file, row by row. DataError names the line, never what else is in it."""
    try:
        with path.open(encoding=encoding, newline="") as file:
            csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
            rows = csv.reader(file, delimiter=separator, strict=True)
            header = next(rows, None)
            if header is None:
                raise DataError(f"{path} is empty; a header and rows were expected")
            numbered = ((f"{path}, line {rows.line_num}", row) for row in rows if row)
            yield from facts_of(header, numbered, shape, str(path))
    except LookupError:
        raise DataError(f"encoding {encoding!r} is not known; gb18030 and utf-8 are examples") from None
    except UnicodeError:
        raise DataError(f"{path} is not {encoding} text; say its encoding, for example gb18030") from None
    except csv.Error:
        raise DataError(f"{path} cannot be read as a table; a row of it is broken") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or 'it is broken'}") from None


def facts_of(
    header: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], shape: Shape, where: str
) -> Iterator[Fact]:
    """The facts of rows, each with the words for its place; an empty cell says nothing."""
    columns = [one.strip() for one in header]
    if shape.subject is not None:
        yield from _described(columns, rows, shape, where)
        return
    places = _places(columns, where)
    for place, row in rows:
        if len(row) != len(columns):
            raise DataError(f"{place}: {len(row)} cells in a table of {len(columns)} columns")
        try:
            yield _fact(row, places)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None


def _places(columns: Sequence[str], where: str) -> dict[str, int]:
    """Where the columns of the first form are."""
    lowered = [one.lower() for one in columns]
    found = {key: lowered.index(name) for key, names in CALLED.items() for name in names if name in lowered}
    missing = [key for key in ("head", "relation", "tail") if key not in found]
    if missing:
        raise DataError(
            f"{where} has no column {' or '.join(missing)} (found {', '.join(columns)[:100]}); call them head, "
            "relation and tail, or say which column is the subject"
        )
    return found


def _fact(row: Sequence[str], places: Mapping[str, int]) -> Fact:
    head, relation, tail = row[places["head"]], row[places["relation"]], row[places["tail"]]
    datatype, language = _cell(row, places, "type"), _cell(row, places, "language")
    end = Literal(tail, datatype or "string", language) if datatype or language else tail
    confidence, source = _cell(row, places, "confidence"), _cell(row, places, "source")
    return Fact(head, relation, end, _number(confidence) if confidence else 1.0, source or None)


def _cell(row: Sequence[str], places: Mapping[str, int], key: str) -> str:
    place = places.get(key)
    return "" if place is None else row[place].strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"a confidence is a number, found {text[:20]!r}") from None


def _described(
    columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], shape: Shape, where: str
) -> Iterator[Fact]:
    unknown = [one for one in (shape.subject, *shape.literals) if one not in columns]
    if unknown:
        raise DataError(f"{where} has no column {unknown[0]!r}; it has {', '.join(columns)[:200]}")
    subject = columns.index(shape.subject or "")
    others = [(k, relation_of(name), shape.literals.get(name)) for k, name in enumerate(columns) if k != subject]
    for place, row in rows:
        if len(row) != len(columns):
            raise DataError(f"{place}: {len(row)} cells in a table of {len(columns)} columns")
        try:
            if shape.entity_type:
                yield Fact(row[subject], "rdf:type", shape.entity_type)
            for k, relation, datatype in others:
                if row[k].strip():
                    yield Fact(row[subject], relation, Literal(row[k].strip(), datatype) if datatype else row[k])
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
