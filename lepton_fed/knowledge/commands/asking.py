"""Commands that read facts under policy: `ask | export`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError
from lepton_fed.knowledge.commands.given import opened, tell
from lepton_fed.knowledge.commands.options import (
    ARGUMENTS,
    DATABASE,
    AsDepartment,
    Cedar,
    Database,
    FederationFile,
    Purpose,
    Role,
)
from lepton_fed.knowledge.commands.permission import access

if TYPE_CHECKING:
    from lepton_fed.knowledge import Answer
    from lepton_fed.knowledge.asking import Term


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"


def ask(
    question: Annotated[str | None, typer.Argument(help=ARGUMENTS["question"])] = None,
    *,
    as_: AsDepartment,
    database: Database = DATABASE,
    file: FederationFile = Path("federation.toml"),
    who_knows: Annotated[
        str | None, typer.Option(help="Instead of a question: which departments know about this entity.")
    ] = None,
    role: Role = "department",
    purpose: Purpose = None,
    cedar: Cedar = None,
    rows: Annotated[int, typer.Option(min=1, help="At most so many rows of an answer.")] = 1000,
    seconds: Annotated[float, typer.Option(help="At most so many seconds for a question.")] = 30.0,
    form: Annotated[Form, typer.Option(help="table, json or csv.")] = Form.table,
) -> None:
    """Ask a question in SPARQL; the answer holds what the owners' policies let the department read."""
    from lepton_fed.knowledge import Bounds

    if (question is None) == (who_knows is None):
        raise ConfigError("ask a question, or say --who-knows and the name of an entity")
    given = access(file, as_, role, purpose, cedar, database)
    with opened(database, bounds=Bounds(rows=rows, seconds=seconds)) as graph:
        if who_knows is not None:
            for one in graph.who_knows(who_knows, given):
                typer.echo(f"{one.department}  " + ("may be asked here" if one.readable else "ask the department"))
        elif question is not None:
            answer = graph.ask(question, given)
            typer.echo(_printed(answer, form), nl=False)
            if answer.more:
                tell("note: there are more rows than these; --rows asks for more")


def export(
    export_file: Annotated[Path, typer.Argument(help=ARGUMENTS["export_file"])],
    as_: AsDepartment,
    database: Database = DATABASE,
    file: FederationFile = Path("federation.toml"),
    department: Annotated[list[str] | None, typer.Option(help="Only this owner's facts; may be repeated.")] = None,
    role: Role = "department",
    purpose: Purpose = None,
    cedar: Cedar = None,
) -> None:
    """Write the facts that a department may read to a .ttl, .nt, .csv or .tsv file."""
    given = access(file, as_, role, purpose, cedar, database)
    with opened(database) as graph:
        typer.echo(f"{graph.export(export_file, given, department or None)} facts written to {export_file}")


def _printed(answer: Answer, form: Form) -> str:
    texts = [[_text(term) for term in row] for row in answer.rows]
    if form is Form.json:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in texts]
        return json.dumps({"rows": rows, "more": answer.more}, ensure_ascii=False) + "\n"
    if form is Form.csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([answer.columns, *texts])
        return text.getvalue()
    return "".join(line + "\n" for line in _table(list(answer.columns), texts))


def _table(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    from rich.cells import cell_len

    from lepton_fed.policies.request import said

    shown = [columns, *([said(text) if text else "" for text in row] for row in rows)]
    widths = [max(cell_len(row[k]) for row in shown) for k in range(len(columns))]
    for row in shown:
        yield "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)).rstrip()


def _text(term: Term) -> str:
    from lepton_fed.knowledge import Literal

    return "" if term is None else term.text if isinstance(term, Literal) else term
