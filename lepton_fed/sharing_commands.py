"""Commands about what departments share beside models: `ledger | statistics | read`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples, for whoever builds the command
line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lepton_fed.deploy.commands import FederationFile

ARGUMENTS = {
    "place": "The federation file, or a department's kit.",
    "what": "What is shared, as [[sharing]] names it.",
}
"""What the commands' arguments mean, for their help."""

Place = Annotated[Path, typer.Argument(help=ARGUMENTS["place"])]


def ledger(place: Place = Path("federation.toml")) -> None:
    """What releases about each data set have cost so far, of its department's privacy budget."""
    from rich.cells import cell_len

    from lepton_fed.ledgers import balances

    found = balances(place)
    if not found:
        typer.echo("no department keeps a privacy budget: none has [privacy] in its own file")
        return
    width = max(cell_len(one.department) for one in found)
    for one in found:
        name = one.department + " " * (width - cell_len(one.department))
        spent = f"epsilon {one.spent:.4g} of {one.budget:g} at delta {one.delta:g}"
        typer.echo(f"{name}  {one.data_set}  {spent}, {one.releases} releases  {one.ledger}")
        if one.last:
            typer.echo(f"{' ' * width}  last: {one.last}")


def statistics(
    file: FederationFile = Path("federation.toml"),
    out: Annotated[Path | None, typer.Option(help="HTML file for the tables, with histograms.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The statistics as JSON instead of a table.")] = False,
) -> None:
    """Count what [statistics] asks for over all departments' rows, through one secure sum, and print it."""
    import json as written

    from lepton_fed.config import Federation
    from lepton_fed.report.statistics import lines, page
    from lepton_fed.storage.atomic import write_atomically
    from lepton_fed.survey_run import survey

    findings = survey(Federation.load(file))
    if out is not None:
        write_atomically(out, page(findings))
    if json:
        typer.echo(written.dumps(findings.written(), ensure_ascii=False))
        return
    for line in lines(findings):
        typer.echo(line)
    if out is not None:
        typer.echo(f"page: {out}")


def read(
    file: FederationFile,
    what: Annotated[str, typer.Argument(help=ARGUMENTS["what"])],
    reader: Annotated[str, typer.Option("--as", help="The department that reads.")],
    owner: Annotated[str, typer.Option("--from", help="The department whose table it is.")],
    out: Annotated[Path, typer.Option(help="File for the table: .parquet or .csv.")],
    purpose: Annotated[str | None, typer.Option(help="What for; default: the federation's purpose.")] = None,
) -> None:
    """Read a shared table on this machine, as its owner's rules let this reader have it.

    Request, decision, masking, sealing and both logs are those of a deployed federation; only the keys are made here.
    """
    from lepton_fed.config import Federation
    from lepton_fed.read_run import read as carry

    errand = carry(Federation.load(file), what, reader=reader, owner=owner, out=out, purpose=purpose)
    typer.echo(f"{errand.reader} has read {errand.what} of {errand.owner}: {out}")


COMMANDS: dict[Callable[..., None], str] = {
    statistics: "lepton-fed statistics configs/manufacturing.toml --out statistics.html",
    ledger: "lepton-fed ledger configs/manufacturing.toml",
    read: ("lepton-fed read configs/manufacturing.toml 物料管理 --as 研发部门 --from 供应链部门 --out materials.csv"),
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line; `cls`: the class that writes their help."""
    for command, example in COMMANDS.items():
        app.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)
