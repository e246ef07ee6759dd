"""Commands for a portal as a whole: `backup | restore`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lepton_fed.errors import ConfigError
from lepton_fed.portal.commands.opening import none_half_made, opened, unprepared
from lepton_fed.portal.commands.options import ARGUMENTS, Database, Folder
from lepton_fed.translation import counted


def backup(
    portal_folder: Folder,
    backup_file: Annotated[Path, typer.Argument(help=ARGUMENTS["backup_file"])],
    database: Database = None,
) -> None:
    """Write everything that the portal holds to one new file, also while it is served."""
    from lepton_fed.portal.backup import backup as write

    with closing(opened(portal_folder, database, new=False)) as portal:
        typer.echo(f"{counted(write(portal, backup_file), 'row', 'rows')} written to {backup_file}")


def restore(
    portal_folder: Folder,
    backup_file: Annotated[Path, typer.Argument(help=ARGUMENTS["backup_file"])],
    database: Database = None,
) -> None:
    """Fill a new portal from a backup, whichever database that was made of."""
    from lepton_fed.portal.backup import restore as read

    if not backup_file.exists():
        raise ConfigError(f"cannot read {backup_file}: it does not exist; check the path")
    with none_half_made(portal_folder, database), closing(unprepared(portal_folder, database)) as portal:
        typer.echo(f"{counted(read(portal, backup_file), 'row', 'rows')} restored from {backup_file}")
