"""Options of the commands for a portal, each as typer reads it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ARGUMENTS = {
    "portal_folder": "The portal's folder; `serve`, `user` and `restore` make it where there is none.",
    "person": "The name to sign in with.",
    "backup_file": "The backup: `backup` writes a new file, `restore` reads one.",
    "markdown": "The folder of Markdown files.",
    "table_file": "The CSV file to write.",
    "reviews_file": "The file of review comments, as JSON.",
}
"""What the commands' arguments mean, for their help."""


class Language(StrEnum):
    """Of what is written."""

    zh = "zh"
    en = "en"


Folder = Annotated[Path, typer.Argument(help=ARGUMENTS["portal_folder"])]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="LEPTON_FED_PORTAL_DATABASE",
        help="URL of a database, PostgreSQL for example; default: portal.sqlite in the folder.",
    ),
]
As = Annotated[str, typer.Option("--as", help="The name that the person signs in with whose rights count.")]
Runs = Annotated[Path, typer.Option(help="Folder in which that federation's runs are kept.")]
RunsDatabase = Annotated[
    str | None,
    typer.Option(
        envvar="LEPTON_FED_DATABASE",
        help="URL of its database of runs and pipelines; default: lepton-fed.sqlite in the folder of runs.",
    ),
]
