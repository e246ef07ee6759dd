"""Commands about the audit log: `lepton-fed audit verify | prove | export | keys`. All of them work offline.

Each is a plain function that typer reads; `COMMANDS` names them with their examples, for whoever builds the command
line. What a log is and how it is checked is in `lepton_fed.audit`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lepton_fed.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from lepton_fed.audit.places import Found
    from lepton_fed.audit.verification import Verdict

HELP = "What was decided, and the proof of it: check the audit log, and what made a model."
EXAMPLE = "lepton-fed audit verify runs/first"

ARGUMENTS = {
    "where": "Where the log is: a run's folder, a database (file or URL), the coordinator's kit, or an exported file.",
    "model": "A model's file, or its SHA-256.",
    "out": "The file to write; it must not exist.",
}
"""What the commands' arguments mean, for their help."""

Where = Annotated[str, typer.Argument(help=ARGUMENTS["where"])]
In = Annotated[str | None, typer.Option("--in", help="Where the log is; default: beside the model's run, else runs.")]
KeysOption = Annotated[
    Path | None, typer.Option(help="A file of public keys, or your kit; default: the keys beside the log.")
]
LogName = Annotated[str | None, typer.Option(help="The log's name, where there are several.")]


def verify(where: Where = "runs", keys: KeysOption = None, log: LogName = None) -> None:
    """Check a log, offline: is each entry as it was signed, and who countersigned it?

    Names whatever was edited, dropped, added, reordered or forked, and ends with code 2 then. With a department's kit
    as keys, also against the head that it saw last and what it told.
    """
    from lepton_fed.audit.places import logs_at

    verdicts = [(found, found.verdict()) for found in logs_at(where, keys, log)]
    for found, verdict in verdicts:
        typer.echo(said(found, verdict))
    if not all(verdict.sound for _, verdict in verdicts):
        raise typer.Exit(2)


def prove(
    model: Annotated[str, typer.Argument(help=ARGUMENTS["model"])],
    in_: In = None,
    keys: KeysOption = None,
    log: LogName = None,
) -> None:
    """Print what made a model: who, which code, data contracts and policies, and how much ε.

    The log is verified first; with code 2 if it is not what was signed.
    """
    from lepton_fed.audit.places import logs_at
    from lepton_fed.audit.provenance import names
    from lepton_fed.audit.provenance import prove as provenance

    digest = model_digest(model)
    for found in logs_at(in_ or beside(model), keys, log):
        if not names(found.written.records, digest):
            continue
        verdict = found.verdict()
        typer.echo(said(found, verdict))
        if not verdict.sound:
            raise typer.Exit(2)
        for one in provenance(found.written.records, digest):
            typer.echo(one.text)
        return
    raise ConfigError(
        f"no entry of the log names a model {digest.hex()}; check the file, or name another log with --in"
    )


def export(
    out: Annotated[Path, typer.Argument(help=ARGUMENTS["out"])],
    in_: In = None,
    log: LogName = None,
) -> None:
    """Write a log into a file of JSON lines, for an auditor: it verifies as the database does.

    Texts that entries only commit to (reasons, addresses, persons) are not in it.
    """
    from lepton_fed.audit.export import export_log

    found = single(in_ or "runs", log)
    if out.exists():
        raise StorageError(f"{out} exists already; name a new file")
    export_log(found.written, out)
    entries, heads = len(found.written.records), len(found.written.heads)
    typer.echo(f"{out}: the log {found.written.log}, {entries} entries, {heads} heads")


def keys(
    where: Where = "runs",
    out: Annotated[Path | None, typer.Option(help="File to write them to; default: only print them.")] = None,
    log: LogName = None,
) -> None:
    """The public keys that a log is checked by, for an auditor; there is no secret among them.

    Hand them over by another way than the log: whoever can change both can make a log of his own.
    """
    from lepton_fed.audit.key_file import write_keys
    from lepton_fed.audit.places import keys_at, no_keys

    known = keys_at(where, log)
    if known is None:
        raise ConfigError(no_keys(log or ""))
    if out is not None:
        if out.exists():
            raise StorageError(f"{out} exists already; name a new file")
        write_keys(known, out)
    typer.echo(f"log          {known.log}")
    for one in known.coordinator:
        typer.echo(f"coordinator  {one.hex()}")
    for name, some in known.departments.items():
        for one in some:
            typer.echo(f"department   {one.hex()}  {name}")


COMMANDS: dict[Callable[..., None], str] = {
    verify: "lepton-fed audit verify runs/first",
    prove: "lepton-fed audit prove runs/first/models/研发部门.safetensors",
    export: "lepton-fed audit export log.jsonl --in kits/coordinator",
    keys: "lepton-fed audit keys kits/coordinator --out keys.json",
}
"""Each command with an example of its use."""


def register(app: typer.Typer, cls: type | None = None) -> None:
    """Add the commands to a command line; `cls`: the class that writes their help."""
    group = typer.Typer(help=HELP, epilog=f"Example: {EXAMPLE}", no_args_is_help=True, rich_markup_mode=None)
    for command, example in COMMANDS.items():
        group.command(command.__name__, cls=cls, epilog=f"Example: {example}")(command)
    app.add_typer(group, name="audit")


def said(found: Found, verdict: Verdict) -> str:
    """A verdict, and how many departments stand by it."""
    if not verdict.sound or found.keys is None:
        return verdict.text
    signed, asked = verdict.countersigned, len(found.keys.departments)
    lines = [verdict.text]
    if signed:
        lines.append(f"{len(signed)} of {asked} departments have countersigned at least {min(signed.values())} entries")
    else:
        lines.append(f"none of {asked} departments has countersigned any: only the coordinator stands by it")
    return "\n".join(lines)


def model_digest(model: str) -> bytes:
    """The digest (32 bytes) that a user means: of a file, or as he has written it."""
    path = Path(model)
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    try:
        found = bytes.fromhex(model.removeprefix("sha256:"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise ConfigError(f"{model} is no file and no SHA-256 (64 hexadecimal digits); name a model's file")
    return found


def beside(model: str) -> str:
    """The folder of the run that a model's file is in; else where runs are by default."""
    run = Path(model).resolve().parent.parent
    return str(run) if Path(model).is_file() and (run / "run.json").is_file() else "runs"


def single(where: str, log: str | None) -> Found:
    """The one log there; ConfigError if there are several and none was named."""
    from lepton_fed.audit.places import logs_at

    found = logs_at(where, None, log)
    if len(found) > 1:
        names = ", ".join(one.written.log for one in found)
        raise ConfigError(f"{where} has several logs ({names}); name one with --log")
    return found[0]
