"""The command `user`: accounts, made by whoever has the portal's folder."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from lepton_fed.errors import ConfigError
from lepton_fed.portal.commands.opening import opened
from lepton_fed.portal.commands.options import ARGUMENTS, Database, Folder


def user(
    portal_folder: Folder,
    person: Annotated[str, typer.Argument(help=ARGUMENTS["person"])],
    department: Annotated[str, typer.Option(help="The department of the account, or of the role; made if new.")],
    role: Annotated[
        str | None,
        typer.Option(
            help="reader, author, reviewer, approver or administrator, in that department; "
            "default: reader for a new account, else as it is."
        ),
    ] = None,
    shown: Annotated[str, typer.Option(help="The name that others read; default: the one to sign in with.")] = "",
    operator: Annotated[
        bool | None,
        typer.Option(
            "--operator/--no-operator",
            help="May make departments and administer all, and reads nothing by that; or may no longer.",
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="A new password for an account that is there.")] = False,
    database: Database = None,
) -> None:
    """Make an account, or give one that is there a role or, with --reset, a new password."""
    from lepton_fed.portal.people import accounts
    from lepton_fed.portal.people.by_command import Wanted, by_command
    from lepton_fed.portal.people.person import sign_in_name

    key = sign_in_name(person)
    if role is not None:
        accounts.require_role(role)
    with closing(opened(portal_folder, database)) as portal:
        with portal.database.reading() as connection:
            known = accounts.exists(connection, key)
        if known and role is None and operator is None and not reset:
            raise ConfigError(f"{key} has an account; say what changes: --role, --operator, --no-operator or --reset")
        hashed = portal.passwords.hashed(_password(), key) if reset or not known else ""
        with portal.database.writing() as connection:
            wanted = Wanted(
                name=key, shown=shown or person, department=department, role=role, operator=operator, password=hashed
            )
            held, where = by_command(connection, wanted, portal.clock())
    typer.echo(f"{key}: {held or 'no role'} in {where}")


def _password() -> str:
    """Typed twice where somebody types, else the first line of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Once more: "):
        raise ConfigError("the two passwords differ; nothing was changed")
    return first
