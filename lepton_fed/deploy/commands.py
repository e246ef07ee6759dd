"""Commands for kits: `provision | request | accept | add-department | revoke | rotate | renew | update`.

Each is a plain function that typer reads; `COMMANDS` names them with their examples, for whoever builds the command
line. Fingerprints are printed for people to compare by another way than the one that files travel by.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lepton_fed.deploy.changes import Changed
    from lepton_fed.deploy.key_request import Publics

ARGUMENTS = {
    "file": "The federation file.",
    "administrator": "The administrator's folder, as provision made it.",
    "name": "The department's name.",
    "kit": "A start-up kit: a folder.",
    "keys": "The folder that request made.",
    "update": "A file from the administrator's updates folder.",
}
"""What the commands' arguments mean, for their help."""

FederationFile = Annotated[Path, typer.Argument(help=ARGUMENTS["file"])]
AdministratorFolder = Annotated[Path, typer.Argument(help=ARGUMENTS["administrator"])]
Name = Annotated[str, typer.Argument(help=ARGUMENTS["name"])]
KitFolder = Annotated[Path, typer.Argument(help=ARGUMENTS["kit"])]
Request = Annotated[Path | None, typer.Option(help="The department's request file; default: its keys are made here.")]
NewKit = Annotated[
    Path | None, typer.Option(help="New folder for the kit; default: departments/<name> beside the administrator's.")
]
CoordinatorKit = Annotated[
    Path | None, typer.Option(help="The coordinator's kit; default: beside the administrator's folder, if it is there.")
]


def provision(
    file: FederationFile = Path("federation.toml"),
    out: Annotated[Path, typer.Option(help="New folder for the administrator's folder and all kits.")] = Path("kits"),
    address: Annotated[str, typer.Option(help="Where departments find the coordinator, host:port.")] = "localhost:8000",
    requests: Annotated[
        Path | None, typer.Option(help="Folder of departments' requests; their keys stay with them.")
    ] = None,
    days: Annotated[int, typer.Option(help="Days that the certificate and the roster are valid.")] = 365,
) -> None:
    """Make keys, certificates and one start-up kit per party of a federation.

    The administrator's folder stays with you; the other folders go to the machines that they are named after.
    """
    from lepton_fed.config import Federation
    from lepton_fed.deploy.keys import fingerprint
    from lepton_fed.deploy.provisioning import provision as make

    made = make(Federation.load(file), out, address=address, requests=requests, days=days)
    typer.echo(f"administrator  {made.administrator}  (keep it to yourself, away from the coordinator)")
    typer.echo(f"coordinator    {made.coordinator}")
    for name, kit in made.departments.items():
        typer.echo(f"department     {kit}" + ("  (without keys)" if name in {p.name for p in made.requested} else ""))
    typer.echo(f"administrator's fingerprint, for every department to compare: {fingerprint(made.public)}")
    for publics in made.requested:
        _compare(publics)


def request(
    name: Name,
    out: Annotated[Path, typer.Option(help="New folder for the keys, which stay in it, and the request.")],
) -> None:
    """At a department: make its own keys, and a request to send to the administrator."""
    from lepton_fed.deploy.key_request import request_fingerprint
    from lepton_fed.deploy.provisioning import request as make

    path, publics = make(name, out)
    typer.echo(f"send {path} to the administrator, and nothing else of that folder")
    typer.echo(f"its fingerprint, to say by telephone: {request_fingerprint(publics)}")


def accept(
    kit: KitFolder,
    keys: Annotated[Path, typer.Argument(help=ARGUMENTS["keys"])],
    fingerprint: Annotated[
        str | None, typer.Option(help="The administrator's fingerprint, heard by another way; compared.")
    ] = None,
) -> None:
    """At a department: bring the kit from the administrator together with the keys that were made here."""
    from lepton_fed.deploy import keys as spelling
    from lepton_fed.deploy.provisioning import accept as bring_together

    made = bring_together(kit, keys, administrator=fingerprint)
    typer.echo(f"{kit} is ready for {made.name}")
    if fingerprint is None:
        typer.echo(f"compare with the administrator before the first start: {spelling.fingerprint(made.administrator)}")


def add_department(
    administrator: AdministratorFolder,
    name: Name,
    file: Annotated[Path, typer.Option(help="The federation file with the department.")],
    request: Request = None,
    out: NewKit = None,
    coordinator: CoordinatorKit = None,
) -> None:
    """Make a kit for a department that joins or comes back, and a roster update for the coordinator."""
    from lepton_fed.config import Federation
    from lepton_fed.deploy.changes import add_department as add

    _say(add(administrator, Federation.load(file), name, request=request, out=out, coordinator=coordinator))


def revoke(administrator: AdministratorFolder, name: Name, coordinator: CoordinatorKit = None) -> None:
    """Take a department out of the roster; it is refused from the next round on."""
    from lepton_fed.deploy.changes import revoke as take_out

    _say(take_out(administrator, name, coordinator=coordinator))


def rotate(
    administrator: AdministratorFolder,
    name: Name,
    request: Request = None,
    out: NewKit = None,
    coordinator: CoordinatorKit = None,
) -> None:
    """Make a kit with new keys for a department; its old ones are refused from the next round on."""
    from lepton_fed.deploy.changes import rotate as replace

    _say(replace(administrator, name, request=request, out=out, coordinator=coordinator))


def renew(
    administrator: AdministratorFolder,
    out: Annotated[Path, typer.Option(help="New folder for the coordinator's kit.")],
) -> None:
    """Make a new kit for the coordinator: new certificate, keys and token, and a roster that is valid longer."""
    from lepton_fed.deploy.changes import renew as make

    _list(make(administrator, out))
    typer.echo("stop the coordinator, move its state folder into the new kit, and start it from there")
    typer.echo("departments hear of it from the coordinator, those whose roster has ended by lepton-fed update")


def update(kit: KitFolder, update: Annotated[Path, typer.Argument(help=ARGUMENTS["update"])]) -> None:
    """At any party: take a roster update that came by another way than from the coordinator."""
    from lepton_fed.deploy.folder import read_public
    from lepton_fed.deploy.provisioning import take_update

    typer.echo(f"{kit} has the roster of serial {take_update(kit, read_public(update))}")


COMMANDS: dict[Callable[..., None], str] = {
    provision: "lepton-fed provision federation.toml --address lepton.example.com:8000 --out kits",
    request: "lepton-fed request 生产车间-L --out my-keys",
    accept: "lepton-fed accept kit my-keys",
    add_department: "lepton-fed add-department kits/administrator 研发部门 --file federation.toml",
    revoke: "lepton-fed revoke kits/administrator 研发部门",
    rotate: "lepton-fed rotate kits/administrator 研发部门",
    renew: "lepton-fed renew kits/administrator --out kits/coordinator-2",
    update: "lepton-fed update kit 000002.update",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line; `cls`: the class that writes their help."""
    for command, example in COMMANDS.items():
        name = command.__name__.replace("_", "-")
        app.command(name, cls=cls, epilog=f"Example: {example}")(command)


def _say(changed: Changed) -> None:
    _list(changed)
    if changed.told:
        typer.echo("the coordinator's kit beside this folder has it; a copy on another machine takes it there, with")
    else:
        typer.echo("the coordinator's kit is not here: take the update to its machine, and there")
    typer.echo(f"lepton-fed update KIT {changed.update.name}")
    if changed.requested is not None:
        _compare(changed.requested)


def _list(changed: Changed) -> None:
    if changed.kit is not None:
        typer.echo(f"new kit        {changed.kit}")
    typer.echo(f"roster update  {changed.update}  (serial {changed.serial})")


def _compare(publics: Publics) -> None:
    from lepton_fed.deploy.key_request import request_fingerprint

    typer.echo(f"compare with {publics.name} by telephone: {request_fingerprint(publics)}")
