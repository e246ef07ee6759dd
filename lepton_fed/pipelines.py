"""Commands for the pipeline of a federation file: `pipeline run | status | approve | decline | cancel`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples. What goes on is said on stderr,
what came of it on stdout; an interrupted run says how to go on and exits with 130.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lepton_fed.deploy.commands import FederationFile

if TYPE_CHECKING:
    from lepton_fed.pipeline import AutoPipeline, Status

ARGUMENTS = {"step": "The step: department/description, or the description where it is the only one."}
"""What the commands' arguments mean, for their help; `file` is a federation file as everywhere."""

Database = Annotated[
    str | None,
    typer.Option(
        envvar="LEPTON_FED_DATABASE",
        help="SQLAlchemy URL of the database of pipelines and runs; default: lepton-fed.sqlite in the folder of runs.",
    ),
]
Runs = Annotated[Path, typer.Option(help="Folder in which the runs of the pipeline are kept.")]
Who = Annotated[str | None, typer.Option(help="Who asks; default: the name that the system knows.")]
Role = Annotated[str, typer.Option(help="The role that the step waits for.")]
StepName = Annotated[str, typer.Argument(help=ARGUMENTS["step"])]
Why = Annotated[str, typer.Option(help="A sentence for the record.")]


def run(
    file: FederationFile = Path("federation.toml"),
    by: Who = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--as", help="Take up this department's steps only, and wait for the others; may be repeated."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the run is over, through approvals, too.")] = False,
    runs: Runs = Path("runs"),
    database: Database = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Run the pipeline of a federation file; one that was killed, stopped or failed goes on.

    Ends with code 1 where the run failed or was cancelled, with 0 where it finished or waits for somebody.
    """
    from lepton_fed.pipeline.account import described, ending
    from lepton_fed.pipeline.live import Screen

    screen = Screen()
    pipeline = _pipeline(file, runs, database, say=_nothing if quiet else screen.say, show=screen.show)
    try:
        with screen:
            status = pipeline.run(by=by, only=only or None, wait=wait or bool(only))
    except KeyboardInterrupt:
        words = ["lepton-fed", "pipeline", "run", str(file), *(w for name in only or () for w in ("--as", name))]
        again = "" if database is None else " with the same --database"
        print(f"stopped; go on{again} with: {shlex.join(words)}", file=sys.stderr, flush=True)
        raise typer.Exit(130) from None
    typer.echo(described(status))
    if quiet:
        typer.echo(ending(status, pipeline.plan()))
    typer.echo(f"report: {pipeline.report(_report(runs, status))}")
    if status.state in ("failed", "cancelled"):
        raise typer.Exit(1)


def status(
    file: FederationFile = Path("federation.toml"), runs: Runs = Path("runs"), database: Database = None
) -> None:
    """Where the newest run is, step by step, and what it waits for."""
    from lepton_fed.pipeline.account import described, ending

    pipeline = _pipeline(file, runs, database)
    found = pipeline.status()
    if found is None:
        typer.echo(f"the pipeline of {file} has not been run yet")
        return
    typer.echo(described(found))
    typer.echo(ending(found, pipeline.plan()))


def approve(
    file: FederationFile,
    step: StepName,
    role: Role,
    by: Who = None,
    why: Why = "",
    runs: Runs = Path("runs"),
    database: Database = None,
) -> None:
    """Approve a step that waits for a role; whoever began the run cannot."""
    _pipeline(file, runs, database).approve(step, role=role, by=by, why=why)
    typer.echo(f"approved; go on with: {shlex.join(['lepton-fed', 'pipeline', 'run', str(file)])}")


def decline(
    file: FederationFile,
    step: StepName,
    role: Role,
    by: Who = None,
    why: Why = "",
    runs: Runs = Path("runs"),
    database: Database = None,
) -> None:
    """Decline a step that waits for a role: it is refused, and what comes after it does not begin."""
    _pipeline(file, runs, database).decline(step, role=role, by=by, why=why)
    typer.echo("declined")


def cancel(
    file: FederationFile = Path("federation.toml"),
    by: Who = None,
    why: Why = "",
    runs: Runs = Path("runs"),
    database: Database = None,
) -> None:
    """End the run under way: what is done stays done, nothing else begins, and the next run starts anew."""
    _pipeline(file, runs, database).cancel(by=by, why=why)
    typer.echo("cancelled")


COMMANDS: dict[Callable[..., None], str] = {
    run: "lepton-fed pipeline run configs/manufacturing.toml",
    status: "lepton-fed pipeline status configs/manufacturing.toml",
    approve: "lepton-fed pipeline approve federation.toml 发布 --role 质量经理 --by 李四",
    decline: "lepton-fed pipeline decline federation.toml 发布 --role 质量经理 --by 李四",
    cancel: "lepton-fed pipeline cancel configs/manufacturing.toml",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line as `pipeline ...`; `cls`: the class that writes their help."""
    group = typer.Typer(
        help="Run the departments' work in the right order, through any crash.",
        no_args_is_help=True,
        rich_markup_mode=None,
        suggest_commands=False,
    )
    for command, example in COMMANDS.items():
        group.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)
    app.add_typer(group, name="pipeline", epilog="Example: lepton-fed pipeline run configs/manufacturing.toml")


def _pipeline(file: Path, runs: Path, database: str | None, **options: Any) -> AutoPipeline:
    from lepton_fed.cli import set_threads
    from lepton_fed.config import Federation
    from lepton_fed.pipeline import AutoPipeline

    federation = Federation.load(file)
    made = AutoPipeline.of(federation, folder=runs, database=database, **options)
    set_threads(federation, None)
    return made


def _report(runs: Path, status: Status) -> Path:
    from lepton_fed.storage.file_names import file_name

    return runs / file_name(f"pipeline-{status.pipeline}-{status.number}") / "pipeline.html"


def _nothing(_: str) -> None: ...
