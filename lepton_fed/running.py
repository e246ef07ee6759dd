"""Commands that run a deployed federation: `server | client | local | submit | status | stop | logs | carry`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples, for whoever builds the command
line. What they start is in server/ and clients/.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lepton_fed.deploy.commands import FederationFile, KitFolder

if TYPE_CHECKING:
    from lepton_fed.department import Department
    from lepton_fed.flower.operator import Operator

Address = Annotated[str | None, typer.Option(help="Where the coordinator is, host:port; default: where its kit says.")]
POLL = 0.5
"""Seconds between two looks at a run."""


def server(
    kit: KitFolder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104  The gate decides.
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: the kit's.", min=1, max=65535)] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for departments where too few are there.")] = 600.0,
    grace: Annotated[float, typer.Option(help="Seconds at least for late ones once enough have answered.")] = 10.0,
    code: Annotated[
        list[str] | None, typer.Option(help="Module whose models and losses may be used; may be repeated.")
    ] = None,
) -> None:
    """The coordinator: one port for departments and for whoever submits runs. It runs until it is ended.

    A run that was under way when it was ended, or killed, goes on.
    """
    from lepton_fed.deploy.kit import CoordinatorKit
    from lepton_fed.flower.superlink import HOME, quieten

    opened = CoordinatorKit.load(kit)
    _warn(opened.warnings)
    quieten(opened.state / HOME)
    from lepton_fed.server.patience import Patience
    from lepton_fed.server.process import serve

    serve(
        opened,
        host=host,
        port=port,
        patience=Patience(wait=wait, grace=grace),
        code=tuple(code or ()),
        ready=lambda link: _tell(f"{opened.membership.roster.federation}: departments are answered on {link.address}"),
    )


def client(
    kit: KitFolder,
    data: Annotated[
        Path | None, typer.Option(help="The department's own file; default: where the federation file says.")
    ] = None,
    disclose: Annotated[bool, typer.Option("--disclose", help="Let this department's measurements leave.")] = False,
) -> None:
    """A department: loads its rows, dials the coordinator, and takes part until it is ended.

    Only connections from here to the coordinator. No row leaves; what does is in the kit's README.
    """
    from lepton_fed.deploy.kit import DepartmentKit
    from lepton_fed.flower.superlink import HOME, quieten

    opened = DepartmentKit.load(kit)
    _warn(opened.warnings)
    quieten(opened.state / HOME)
    from lepton_fed.clients.process import reside

    reside(
        opened,
        data,
        disclose=disclose,
        ready=lambda department: _tell("\n".join(about(department, str(opened.address)))),
    )


def about(department: Department, address: str) -> Iterator[str]:
    """What a department says when it starts: what it goes by, and what is wrong with that."""
    from lepton_fed.own_policies import troubles

    guard = department.policies
    for sentence in troubles([guard]):
        yield f"note: {sentence}"
    own = guard.policies.own.get(department.name)
    if own is not None and not own.problems:
        yield f"{department.name}: policies of its own: {', '.join(file.name for file in own.files)}"
    yield f"{department.name}: rows are loaded, dialling {address}"


def submit(
    kit: KitFolder,
    file: Annotated[
        Path | None, typer.Argument(help="The federation file; default: the one that the kit was made with.")
    ] = None,
    address: Address = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show the run until it ends.")] = False,
) -> None:
    """Begin the run of a federation, or go on with one that was stopped or failed."""
    from lepton_fed.config import Federation

    with _operator(kit, address) as operator:
        text = _kit_file(kit) if file is None else Federation.load(file).to_toml()
        said = operator.submit(text)
        _tell("the run goes on" if said["going_on"] else "the run has begun")
        if follow:
            _followed(operator)


def status(kit: KitFolder, address: Address = None) -> None:
    """How the run stands, and which departments are there."""
    with _operator(kit, address) as operator:
        typer.echo(described(operator.status()))


def stop(kit: KitFolder, address: Address = None) -> None:
    """End the run; `submit` goes on with it after its last round."""
    with _operator(kit, address) as operator:
        operator.stop()
        while operator.status()["state"] == "running":
            time.sleep(POLL)
        typer.echo(described(operator.status()))


def logs(
    kit: KitFolder,
    address: Address = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until interrupted.")] = False,
) -> None:
    """What the coordinator has said about its run."""
    with _operator(kit, address) as operator:
        last = 0
        while True:
            for number, line in operator.logs(last):
                typer.echo(line)
                last = number
            if not follow:
                return
            time.sleep(POLL)


def carry(kit: KitFolder, address: Address = None) -> None:
    """Carry what departments want of each other, as their own files say: tables, and which entities both know.

    A run does so before its first round; this, before or after a run. `logs` says what came of it.
    """
    with _operator(kit, address) as operator:
        operator.carry()
        _tell("on its way; lepton-fed logs says what comes of it")


def local(
    file: FederationFile = Path("federation.toml"),
    out: Annotated[
        Path | None, typer.Option(help="New folder for kits, logs and the run; default: runs/<file>-local-<time>.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """A deployed federation on this machine: coordinator and departments as processes, with TLS and all keys.

    Ends every process that it started, when the run is over or when it is interrupted.
    """
    from datetime import datetime

    from lepton_fed.config import Federation
    from lepton_fed.local import run_locally
    from lepton_fed.progress import Quiet, progress

    federation = Federation.load(file)
    place = out or Path("runs") / f"{file.stem}-local-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    shown = Quiet() if quiet else progress(federation.settings.report.metrics[0])
    try:
        typer.echo(run_locally(federation, place, shown))
    except KeyboardInterrupt:
        _tell(f"stopped; every process that was started has ended, and {place} has what they left")
        raise typer.Exit(130) from None


COMMANDS: dict[Callable[..., None], str] = {
    local: "lepton-fed local configs/manufacturing.toml",
    server: "lepton-fed server kits/coordinator",
    client: "lepton-fed client kits/departments/研发部门 --data department.toml",
    submit: "lepton-fed submit kits/coordinator federation.toml --follow",
    status: "lepton-fed status kits/coordinator",
    stop: "lepton-fed stop kits/coordinator",
    logs: "lepton-fed logs kits/coordinator --follow",
    carry: "lepton-fed carry kits/coordinator",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line; `cls`: the class that writes their help."""
    for command, example in COMMANDS.items():
        app.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)


def described(said: dict[str, Any]) -> str:
    """A status as lines for a person."""
    from rich.cells import cell_len

    reason = f": {said['reason']}" if said["reason"] else ""
    lines = [f"{said['federation']}  {said['state']}{reason}", f"round {said['round']} of {said['rounds']}"]
    measured = (f"{name.replace('_', ' ')} {value:.4g}" for name, value in said["measured"].items())
    lines += [f"after round {said['measured_round']}: {'  '.join(measured)}"] if said["measured"] else []
    width = max(cell_len(name) for name in said["departments"])
    for name, seen in said["departments"].items():
        lines.append(name + " " * (width - cell_len(name)) + ("  online" if seen["online"] else "  away"))
    return "\n".join([*lines, f"folder: {said['folder']}"])


def _operator(kit: Path, address: str | None) -> Operator:
    from lepton_fed.deploy.kit import CoordinatorKit
    from lepton_fed.flower.operator import Operator

    return Operator(CoordinatorKit.load(kit), address)


def _kit_file(kit: Path) -> str:
    from lepton_fed.deploy.kit import CoordinatorKit

    return CoordinatorKit.load(kit).membership.file


def _followed(operator: Operator) -> None:
    """Shows the coordinator's lines until the run has ended; exit code 1 where it did not finish."""
    last = 0
    while True:
        running = operator.status()["state"] == "running"
        for number, line in operator.logs(last):
            typer.echo(line)
            last = number
        if not running:
            break
        time.sleep(POLL)
    if operator.status()["state"] != "finished":
        raise typer.Exit(1)


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        _tell(f"note: {warning}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
