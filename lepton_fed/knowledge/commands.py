"""Commands for the knowledge graph: `knowledge import | revisions | retract | restore | check | join | ask | export`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples. What is asked and exported goes
by the policies of the federation file, of departments' own files and of the .cedar files that are named, and each
decision goes into its owner's docket beside the database; the rest is for whoever has the database.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError, DataError
from lepton_fed.knowledge.embedding import commands as embedding

if TYPE_CHECKING:
    from lepton_fed.config import Federation
    from lepton_fed.knowledge import Access, Answer, FactSource, KnowledgeGraph, Match, Provenance, Revision
    from lepton_fed.knowledge.asking import Term
    from lepton_fed.knowledge.dockets import Dockets
    from lepton_fed.policies import CedarFile, Decision, Policies

ARGUMENTS = {
    "facts": "A file of facts (.csv .tsv .ttl .nt .jsonld .rdf), or with --own the department's own file.",
    "number": "The number of the revision, as `lepton-fed knowledge revisions` lists it; 0 is before the first.",
    "question": "SPARQL; e:, r: and t: stand for entities, relations and types by their names.",
    "export_file": "The new file; its suffix says the format.",
    "departments": "Two departments, to propose matches between them; none, to list what was proposed.",
}
"""What the commands' arguments mean, for their help."""

DATABASE = "knowledge.sqlite"


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"


Database = Annotated[
    str,
    typer.Option(envvar="LEPTON_FED_KNOWLEDGE", help="File of SQLite with the facts, or the URL of a database."),
]
Department = Annotated[str, typer.Option(help="The department whose facts they are.")]
By = Annotated[str | None, typer.Option(help="Who does it; default: the name of the account.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the revision.")]
FederationFile = Annotated[Path, typer.Option(help="The federation file, whose policies decide.")]
AsDepartment = Annotated[str, typer.Option("--as", help="The department that asks.")]
Role = Annotated[str, typer.Option(help="The role of the person who asks; default: the department itself.")]
Purpose = Annotated[str | None, typer.Option(help="What for; default: the purpose of the federation.")]
Cedar = Annotated[
    list[str] | None,
    typer.Option(help="Further policies of an owner, OWNER=FILE.cedar; those that its own file names count anyway."),
]


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
    with _opened(database, make=True) as graph:
        for source in sources:
            made = graph.load(source, department=department, by=_person(by), reason=reason, base=base)
            typer.echo(f"{source.called}: {_change(made)}")


def revisions(
    database: Database = DATABASE,
    department: Annotated[str | None, typer.Option(help="Only this department's.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also compute every digest again; code 2 if facts were edited by hand.")
    ] = False,
) -> None:
    """List the changes of facts: who made them, when, out of what."""
    with _opened(database) as graph:
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
    with _opened(database) as graph:
        provenance = _provenance(department, "retract", by, reason)
        typer.echo(_change(graph.retract(provenance, head=head, relation=relation, tail=tail)))


def restore(
    number: Annotated[int, typer.Argument(help=ARGUMENTS["number"])],
    department: Department,
    database: Database = DATABASE,
    by: By = None,
    reason: Reason = "",
) -> None:
    """Make a department's facts again what they were after a revision; this is a revision, too."""
    with _opened(database) as graph:
        typer.echo(_change(graph.restore(number, _provenance(department, f"revision {number}", by, reason))))


def check(
    rules: Annotated[Path, typer.Option(help="File of rules (.toml), or of SHACL shapes (.ttl .nt .jsonld).")],
    database: Database = DATABASE,
    department: Annotated[str | None, typer.Option(help="Only this department's facts.")] = None,
) -> None:
    """Check facts against rules: what is wrong, what is missing, and each department's scores."""
    from lepton_fed.knowledge import Rules
    from lepton_fed.knowledge.quality import table

    read = Rules.read(rules)
    with _opened(database) as graph:
        names = graph.departments if department is None else [department]
        for line in table([graph.check(name, read) for name in names]):
            typer.echo(line)


def join(
    departments: Annotated[list[str] | None, typer.Argument(help=ARGUMENTS["departments"])] = None,
    database: Database = DATABASE,
    accept: Annotated[int | None, typer.Option(help="Number of a match: both entities are one.")] = None,
    refuse: Annotated[int | None, typer.Option(help="Number of a match: they are two.")] = None,
    undo: Annotated[int | None, typer.Option(help="Number of a match: as if nobody had decided.")] = None,
    name: Annotated[str | None, typer.Option(help="With --accept: what both are called from now on.")] = None,
    same_name: Annotated[
        str | None, typer.Option(help="An entity of both departments, to be taken apart with --refuse.")
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="The first asks the second privately, in one process: only common entities are shown."
        ),
    ] = False,
    other_database: Annotated[
        str | None, typer.Option(help="With --private: where the second's facts are; default: in the same database.")
    ] = None,
    file: FederationFile = Path("federation.toml"),
    cedar: Cedar = None,
    by: By = None,
    reason: Reason = "",
) -> None:
    """Propose which entities of two departments are one, list what was proposed, and decide."""
    if private:
        for line in _introduced(departments or [], database, other_database or database, file, cedar):
            typer.echo(line)
        return
    with _opened(database) as graph:
        moves = {"accept": accept, "refuse": refuse, "undo": undo}
        for move, number in moves.items():
            if number is not None:
                decided = graph.decide(number, move, by=_person(by), reason=reason, canonical=name)  # type: ignore[arg-type]
                typer.echo(_match(decided))
                return
        if departments:
            typer.echo(f"{_proposed(graph, departments, same_name)} proposed")
        for match in graph.matches():
            typer.echo(_match(match))


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
    given = _access(file, as_, role, purpose, cedar, database)
    with _opened(database, bounds=Bounds(rows=rows, seconds=seconds)) as graph:
        if who_knows is not None:
            for one in graph.who_knows(who_knows, given):
                typer.echo(f"{one.department}  " + ("may be asked here" if one.readable else "ask the department"))
        elif question is not None:
            answer = graph.ask(question, given)
            typer.echo(_printed(answer, form), nl=False)
            if answer.more:
                _tell("note: there are more rows than these; --rows asks for more")


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
    given = _access(file, as_, role, purpose, cedar, database)
    with _opened(database) as graph:
        typer.echo(f"{graph.export(export_file, given, department or None)} facts written to {export_file}")


COMMANDS: dict[Callable[..., None], str] = {
    import_: "lepton-fed knowledge import 供应商.csv --department 供应链部门 --subject 名称 --type 供应商",
    revisions: "lepton-fed knowledge revisions --verify",
    retract: "lepton-fed knowledge retract --department 供应链部门 --head 华东钢铁 --reason 合并",
    restore: "lepton-fed knowledge restore 1 --department 供应链部门",
    check: "lepton-fed knowledge check --rules rules.toml",
    join: "lepton-fed knowledge join 供应链部门 研发部门",
    ask: "lepton-fed knowledge ask 'SELECT ?x { ?x r:供应 e:齿轮箱 }' --as 研发部门",
    export: "lepton-fed knowledge export facts.ttl --as 研发部门",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line as `knowledge …`; `cls`: the class that writes their help."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, suggest_commands=False)
    for command, example in COMMANDS.items():
        name = command.__name__.strip("_")
        group.command(name, cls=cls, epilog=f"Example: {example}")(command)
    embedding.register(group, cls)
    app.add_typer(
        group,
        name="knowledge",
        help="Departments' facts: imported, checked, joined, asked under policy.",
        epilog="Example: lepton-fed knowledge import 供应商.csv --department 供应链部门",
    )


# ------------------------------------------------------------ what is given


@contextmanager
def _opened(database: str, *, make: bool = False, bounds: object = None) -> Iterator[KnowledgeGraph]:
    from lepton_fed.knowledge import Bounds, KnowledgeGraph

    if not make and "://" not in database and not Path(database).is_file():
        raise ConfigError(f"{database} does not exist; name a database with --database, or import facts first")
    assert bounds is None or isinstance(bounds, Bounds)
    with KnowledgeGraph(database, bounds=bounds) as graph:
        yield graph


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
    literals = dict(_halves(one, "--literal", "COLUMN=TYPE") for one in literal or ())
    try:
        source = FactSource(
            path=facts.name, subject=subject, type=kind, literals=literals, encoding=encoding, name=str(facts)
        )
    except ValueError as error:
        raise ConfigError(f"{facts}: {error}") from None
    return (source,), facts.parent


def _access(
    file: Path, department: str, role: str, purpose: str | None, cedar: list[str] | None, database: str
) -> Access:
    from lepton_fed.config import Federation
    from lepton_fed.knowledge import Access, Asker
    from lepton_fed.policies import Context

    federation = Federation.load(file)
    federation.department_file(department)  # Says which departments there are where this is none.
    policies = _policies(federation, cedar)
    context = Context.outside_training(
        purpose=purpose or federation.settings.federation.purpose,
        hour=datetime.now().astimezone().hour,
        federation=f"sha256:{federation.fingerprint}",
    )
    return Access(
        policies, Asker(department=department, role=role, context=context), _dockets(database, policies).heard
    )


def _policies(federation: Federation, cedar: list[str] | None) -> Policies:
    """The file's, every department's own where its file is here, and those that are named; notes what is wrong."""
    from lepton_fed.own_policies import all_here

    named: dict[str, list[CedarFile]] = {}
    for one in cedar or ():
        owner, path = _halves(one, "--cedar", "OWNER=FILE.cedar")
        named.setdefault(owner, []).append(_cedar_file(Path(path)))
    policies = all_here(federation, named)
    for problem in policies.problems:
        _tell(f"note: {problem}")
    return policies


def _dockets(database: str, policies: Policies) -> Dockets:
    from lepton_fed.knowledge.dockets import Dockets

    return Dockets(Path() if "://" in database else Path(database).parent, policies)


def _introduced(
    departments: list[str], database: str, other_database: str, file: Path, cedar: list[str] | None
) -> Iterator[str]:
    """What the second department says after the first one has asked it privately, and what is to be decided there."""
    from lepton_fed.config import Federation
    from lepton_fed.knowledge.introducing import introduced

    if len(departments) != 2:
        raise ConfigError("name two departments: the one that asks, and the one that it asks")
    federation = Federation.load(file)
    for name in departments:
        federation.department_file(name)
    policies = _policies(federation, cedar)
    asker, owner = departments
    with _opened(database) as ours, _opened(other_database) as theirs:
        dockets = {asker: _dockets(database, policies), owner: _dockets(other_database, policies)}

        def heard(decision: Decision) -> None:
            dockets[decision.request.owner].heard(decision)

        done = introduced((asker, ours), (owner, theirs), federation, policies, heard)
        yield f"{done.common} in common, {done.proposed} proposed to {owner}"
        for match in theirs.matches("proposed"):
            if {match.pair.department, match.pair.other_department} == {asker, owner}:
                yield _match(match)


def _cedar_file(path: Path) -> CedarFile:
    from lepton_fed.config.load import read_text
    from lepton_fed.policies import CedarFile

    return CedarFile(path.name, read_text(path, "file of policies"))


def _halves(text: str, option: str, form: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not sign or not left or not right:
        raise ConfigError(f"{option} is written {form}, found {text!r}")
    return left, right


def _person(by: str | None) -> str:
    import getpass

    return by or os.environ.get("LEPTON_FED_PERSON") or getpass.getuser()


def _provenance(department: str, source: str, by: str | None, reason: str) -> Provenance:
    from lepton_fed.knowledge import Provenance

    return Provenance(department=department, source=source, by=_person(by), reason=reason)


def _proposed(graph: KnowledgeGraph, departments: list[str], same_name: str | None) -> int:
    from lepton_fed.knowledge import Pair

    known = graph.departments
    unknown = [name for name in departments if name not in known]
    if len(departments) != 2 or unknown:
        raise ConfigError(f"name two departments whose facts are here: {', '.join(known)}")
    one, other = departments
    if same_name is not None:
        return graph.propose_pair(Pair.of(one, same_name, other, same_name), "exact")
    return graph.propose(one, other)


# ------------------------------------------------------------ what is said


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


def _match(match: Match) -> str:
    pair = match.pair
    both = f"{pair.entity} ({pair.department}) = {pair.other_entity} ({pair.other_department})"
    name = f"  as {match.canonical}" if match.state == "accepted" else ""
    return f"{match.number:>5}  {match.state:<8}  {match.method:<7}  {both}{name}"


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


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
