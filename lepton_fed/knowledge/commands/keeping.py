"""Commands for whoever keeps the facts: `import | revisions | retract | restore | check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError, DataError
from lepton_fed.knowledge.commands.given import halves, opened, person, provenance
from lepton_fed.knowledge.commands.options import ARGUMENTS, DATABASE, By, Database, Department, Reason

if TYPE_CHECKING:
    from lepton_fed.knowledge import FactSource, Revision


def import_(
    facts: Annotated[Path, typer.Argument(help=ARGUMENTS["facts"])],
    department: Department,
    database: Database = DATABASE,
    own: Annotated[
        bool, typer.Option("--own", help="Import every [[knowledge]] source of the department's own file.")
    ] = False,
    subject: Annotated[
        str | None, typer.Option(help="The column that names the entity of each row, where a row is an entity.")
    ] = None,
    type: Annotated[str | None, typer.Option(help="What the entities of that column are.")] = None,  # noqa: A002
    literal: Annotated[
        list[str] | None, typer.Option(help="A column of values instead of entities, COLUMN=TYPE; may be repeated.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a table, gb18030 for example; default: utf-8.")] = None,
    by: By = None,
    reason: Reason = "",
) -> None:
    """Add a department's facts from a table, a file of RDF or a query: all of them or, if one is wrong, none."""
    sources, base = _sources(facts, department, own, subject, type, literal, encoding)
    with opened(database, make=True) as graph:
        for source in sources:
            made = graph.load(source, department=department, by=person(by), reason=reason, base=base)
            typer.echo(f"{source.called}: {_change(made)}")


def revisions(
    database: Database = DATABASE,
    department: Annotated[str | None, typer.Option(help="Only this department's.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also compute every digest again; code 2 if facts were edited by hand.")
    ] = False,
) -> None:
    """List the changes of facts: who made them, when, out of what."""
    with opened(database) as graph:
        for one in graph.revisions(department):
            typer.echo(_line(one))
        altered = graph.altered() if verify else []
    if altered:
        raise DataError(
            f"facts of revision {', '.join(str(r.number) for r in altered)} are no longer those it recorded"
        )


def retract(
    department: Department,
    database: Database = DATABASE,
    head: Annotated[str | None, typer.Option(help="Facts that are about this entity,")] = None,
    relation: Annotated[str | None, typer.Option(help="of this relation,")] = None,
    tail: Annotated[
        str | None, typer.Option(help="that end in this entity or value; all that is said must hold.")
    ] = None,
    by: By = None,
    reason: Reason = "",
) -> None:
    """End facts: they are asked for no more, and their history stays."""
    with opened(database) as graph:
        said = provenance(department, "retract", by, reason)
        typer.echo(_change(graph.retract(said, head=head, relation=relation, tail=tail)))


def restore(
    number: Annotated[int, typer.Argument(help=ARGUMENTS["number"])],
    department: Department,
    database: Database = DATABASE,
    by: By = None,
    reason: Reason = "",
) -> None:
    """Make a department's facts again what they were after a revision; this is a revision, too."""
    with opened(database) as graph:
        typer.echo(_change(graph.restore(number, provenance(department, f"revision {number}", by, reason))))


def check(
    rules: Annotated[Path, typer.Option(help="File of rules (.toml), or of SHACL shapes (.ttl .nt .jsonld).")],
    database: Database = DATABASE,
    department: Annotated[str | None, typer.Option(help="Only this department's facts.")] = None,
) -> None:
    """Check facts against rules: what is wrong, what is missing, and each department's scores."""
    from lepton_fed.knowledge import Rules
    from lepton_fed.knowledge.quality import table

    read = Rules.read(rules)
    with opened(database) as graph:
        names = graph.departments if department is None else [department]
        for line in table([graph.check(name, read) for name in names]):
            typer.echo(line)


def _sources(
    facts: Path,
    department: str,
    own: bool,
    subject: str | None,
    kind: str | None,
    literal: list[str] | None,
    encoding: str | None,
) -> tuple[tuple[FactSource, ...], Path]:
    from lepton_fed.knowledge import FactSource

    if own:
        from lepton_fed.data.department_file import load_department_file

        sources = load_department_file(facts, department).knowledge
        if not sources:
            raise ConfigError(f"{facts} has no [[knowledge]]; name a source there, or a file of facts here")
        return sources, facts.parent
    literals = dict(halves(one, "--literal", "COLUMN=TYPE") for one in literal or ())
    try:
        source = FactSource(
            path=facts.name, subject=subject, type=kind, literals=literals, encoding=encoding, name=str(facts)
        )
    except ValueError as error:
        raise ConfigError(f"{facts}: {error}") from None
    return (source,), facts.parent


def _change(made: Revision | None) -> str:
    if made is None:
        return "nothing changed"
    parts = [f"{made.added:,} facts added"] * bool(made.added) + [f"{made.ended:,} ended"] * bool(made.ended)
    return f"revision {made.number}, {', '.join(parts)}"


def _line(one: Revision) -> str:
    said = one.provenance
    when = "" if said.time is None else f"{said.time.astimezone():%Y-%m-%d %H:%M}"
    change = f"+{one.added:,}" * bool(one.added) + f" -{one.ended:,}" * bool(one.ended)
    where = f"{said.department}  {said.source}  {said.by}  {said.reason}".rstrip()
    return f"{one.number:>5}  {when}  {one.kind:<7}  {change.strip():<12}  {where}"
