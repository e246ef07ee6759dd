"""The command line: `lepton-fed simulate | check | example | runs`, and what `auditing`, `deploy.commands`,
`knowledge`, `pipelines`, `policy_commands`, `portal`, `running` and `sharing_commands` add.

Results go to stdout, talk to stderr. Whatever a user can get wrong is answered with one sentence and exit code
2; an interrupted run says how to go on and exits with 130.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import traceback
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer.core import TyperCommand

from lepton_fed import auditing, pipelines, policy_commands, running, sharing_commands
from lepton_fed.deploy import commands
from lepton_fed.errors import ConfigError, LeptonError, StorageError
from lepton_fed.knowledge import commands as knowledge
from lepton_fed.knowledge.commands import options as knowledge_options
from lepton_fed.portal import commands as portal
from lepton_fed.portal.commands import options as portal_options

if TYPE_CHECKING:
    from lepton_fed.config import Federation
    from lepton_fed.parameters import FlatModel

app = typer.Typer(
    name="lepton-fed",
    help="Departments train together without showing each other their data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    suggest_commands=False,  # Click does that itself by now, and twice is once too often.
)

ARGUMENTS = {
    "file": "The federation file.",
    "name": "Which example; without, they are listed.",
    "folder": "Where to copy it.",
    "knowledge_file": "The knowledge file.",
    **policy_commands.ARGUMENTS,
    **{name: said for name, said in commands.ARGUMENTS.items() if name != "name"},
    "where": auditing.ARGUMENTS["where"],
    "model": auditing.ARGUMENTS["model"],
    "out": auditing.ARGUMENTS["out"],
    **sharing_commands.ARGUMENTS,
    **pipelines.ARGUMENTS,
    **knowledge_options.ARGUMENTS,
    **portal_options.ARGUMENTS,
}
"""What a command's arguments mean, for its help."""


class Described(TyperCommand):
    """A command whose help is whole: with newer versions of Click, Typer 0.20 loses the help of arguments.

    It also escapes square brackets for a markup that is switched off.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if isinstance(parameter, click.Argument) and parameter.name in ARGUMENTS:
                parameter.help = ARGUMENTS[parameter.name]

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing: Typer writes them with the options, Click would write them once more."""

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx).replace("\\[", "[")


SMALL = 200_000
"""Below this many parameters a second thread costs more than it brings."""


class EngineName(StrEnum):
    """What carries the messages of a simulation."""

    inprocess = "inprocess"
    flower = "flower"


FederationFile = Annotated[Path, typer.Argument(show_default=True)]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="LEPTON_FED_DATABASE",
        help="SQLAlchemy URL of the database of runs; default: lepton-fed.sqlite beside the run folders.",
    ),
]


@app.command(
    cls=Described, epilog="Example: lepton-fed simulate configs/manufacturing.toml --rounds 20 --out runs/first"
)
def simulate(
    file: FederationFile = Path("federation.toml"),
    rounds: Annotated[int | None, typer.Option(help="Number of rounds; default: what the file says.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="New or empty folder for the run; default: runs/<file>-<time>.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder of an earlier run to go on with.")] = None,
    engine: Annotated[EngineName, typer.Option(help="inprocess, or flower (extra `ray`).")] = EngineName.inprocess,
    database: DatabaseUrl = None,
    track: Annotated[
        list[str] | None, typer.Option(help="Also log to mlflow:PLACE or tensorboard:FOLDER; may be repeated.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for torch; default: one for small models, else torch's.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Train a federation on this machine and write a report.

    Each department's own file is beside the federation file. Nothing is written if something is wrong with
    them. Models, history, report and checkpoints go into the run folder.
    """
    where = resume
    try:
        from lepton_fed.config import Federation
        from lepton_fed.progress import Quiet, progress
        from lepton_fed.simulation import simulate as run

        federation = Federation.load(file)
        for sentence in _refused_now(federation):
            _say(f"note: {sentence}")
        set_threads(federation, threads)
        if out is None and resume is None:
            out = Path("runs") / f"{file.stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        where = resume if resume is not None else out
        result = run(
            federation,
            rounds=rounds,
            out=out,
            resume=resume,
            engine=engine.value,
            database=database,
            track=track or (),
            progress=Quiet() if quiet else progress(federation.settings.report.metrics[0]),
        )
    except KeyboardInterrupt:
        _say(_how_to_go_on(file, where, database))
        raise typer.Exit(130) from None
    from lepton_fed.summary import summary

    typer.echo(summary(result))


@app.command(cls=Described, epilog="Example: lepton-fed check configs/manufacturing.toml")
def check(
    file: FederationFile = Path("federation.toml"),
    data: Annotated[
        bool, typer.Option("--data", help="Also read each department's rows and check the data contract.")
    ] = False,
) -> None:
    """Explain a federation file: who learns from whom, what stays private, how sums are protected.

    Also what would be refused and why. Ends with code 2 where its secure sums would be refused, or where a department's
    own policies cannot be used.
    """
    from lepton_fed.assembly import Benches, allowed_code, device_of, guards_from, read_file, read_own, terms
    from lepton_fed.config import Federation, explain
    from lepton_fed.own_policies import troubles
    from lepton_fed.preflight import refusals_now
    from lepton_fed.secrecy import audit

    federation = Federation.load(file)
    files = {name: read_file(federation, name) for name in federation.settings.names}
    for name, file_ in files.items():
        device_of(file_, name)
    benches, code = Benches(federation), allowed_code(files.values())
    model = benches.for_(None, "cpu", code).model
    for department in federation.settings.departments:
        benches.for_(department.model, "cpu", code)
    asked = {name: terms(federation.settings, file_) for name, file_ in files.items()}
    found = audit(federation.settings, _length(federation, model), asked)
    typer.echo(explain(federation, [(s.name, s.shared) for s in model.layout.slots], found), nl=False)
    if data:
        for name in federation.settings.names:
            own = read_own(federation, name)
            if own.prepared is not None:
                parts = (own.prepared.train, own.prepared.validation, own.prepared.test)
                counts = "/".join(str(len(p)) for p in parts)
                typer.echo(f"{name}: the data keep the contract; {counts} rows to train/validate/test")
    guards = guards_from(federation)
    for sentence in refusals_now(guards, federation.settings):
        typer.echo(sentence)
    broken = troubles(guards.values())
    if found.refused is not None or broken:
        raise ConfigError(found.refused or broken[0])


@app.command(cls=Described, epilog="Example: lepton-fed example manufacturing my-federation")
def example(
    name: Annotated[str | None, typer.Argument()] = None,
    folder: Annotated[Path, typer.Argument()] = Path(),
) -> None:
    """Copy a shipped example: its federation file and the departments' own files."""
    from lepton_fed.shipped import copy, examples

    if name is None:
        for one, purpose in examples().items():
            typer.echo(f"{one:<18} {purpose}")
        return
    typer.echo(copy(name, folder))


@app.command(cls=Described, epilog="Example: lepton-fed runs --database sqlite:///runs/lepton-fed.sqlite")
def runs(database: DatabaseUrl = None) -> None:
    """List the runs in the database, the newest first."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from lepton_fed.record import DATABASE
    from lepton_fed.storage import RunStore, sqlite_url

    url = database or sqlite_url(Path("runs") / DATABASE)
    with contextlib.suppress(ArgumentError, ValueError):
        # SQLite would make the file; whoever lists runs wants those that are there.
        place = make_url(url).database
        if url.startswith("sqlite:///") and place and not Path(place).exists():
            raise StorageError(f"{place} does not exist; name a database with --database, or simulate first")
    with RunStore(url) as store:
        for run in store.runs():
            typer.echo(f"{run.started:%Y-%m-%d %H:%M}  {run.status:<9} {run.name}  {run.folder}")


pipelines.register(app, cls=Described)
policy_commands.register(app, cls=Described)
running.register(app, cls=Described)
auditing.register(app, cls=Described)
sharing_commands.register(app, cls=Described)
commands.register(app, cls=Described)
knowledge.register(app, cls=Described)
portal.register(app, cls=Described)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors of ours become one sentence and exit code 2."""
    # Chinese names must come out whole also where the locale is C.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app(arguments, prog_name="lepton-fed")
    except LeptonError as error:
        _say(f"lepton-fed: {error}")
        raise SystemExit(2) from None
    except Exception as error:
        raise SystemExit(_unexpected(error)) from None


def _unexpected(error: Exception) -> int:
    """A defect of ours: one sentence, the details on demand. Exit code 70 (EX_SOFTWARE of sysexits.h)."""
    if os.environ.get("LEPTON_FED_DEBUG"):
        traceback.print_exc()
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    _say(f"lepton-fed: this is a defect ({type(error).__name__} at {place}); LEPTON_FED_DEBUG=1 shows the details")
    return 70


def _how_to_go_on(file: Path, folder: Path | None, database: str | None) -> str:
    if folder is None or not (folder / "run.json").exists():
        return "stopped before the run began; nothing was written"
    command = shlex.join(["lepton-fed", "simulate", str(file), "--resume", str(folder)])
    # The database's URL may hold a password, so it is not repeated.
    again = "" if database is None else " with the same --database"
    return f"stopped; go on{again} with: {command}"


def _refused_now(federation: Federation) -> tuple[str, ...]:
    """Which departments' own policies would refuse to train at this hour."""
    from lepton_fed.assembly import guards_from
    from lepton_fed.preflight import refusals_now

    return refusals_now(guards_from(federation), federation.settings)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _length(federation: Federation, model: FlatModel) -> int:
    """How many numbers an update has; under `distill` it is predictions on the common set."""
    settings = federation.settings
    if settings.coupling.kind != "distill":
        controls = model.pulled.numel() if settings.training.correction == "scaffold" else 0
        return model.layout.shared_size + controls
    from lepton_fed.data import prepare_unlabelled

    common = federation.common_path
    if settings.aggregation.noise is None or common is None:
        return 1  # Only what noise costs depends on it, and the common set need not be read.
    return len(prepare_unlabelled(settings.data, common)) * max(2, settings.data.outputs)


def set_threads(federation: object, threads: int | None) -> None:
    """Small models lose time to a second thread; torch's default is for large ones."""
    import torch

    from lepton_fed.config import Federation
    from lepton_fed.models import BUILT_IN, build

    assert isinstance(federation, Federation)
    settings = federation.settings
    if threads is None and settings.model.name in BUILT_IN:
        size = sum(p.numel() for p in build(settings.model, settings.data, 0).parameters())
        threads = 1 if size < SMALL else None
    if threads is not None:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
