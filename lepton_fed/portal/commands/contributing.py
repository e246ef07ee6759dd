"""The command `contributions`: what somebody contributed, for a yearly review."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lepton_fed.portal.commands.opening import opened, person_of
from lepton_fed.portal.commands.options import ARGUMENTS, As, Database, Folder, Language


def contributions(
    portal_folder: Folder,
    person: Annotated[str, typer.Argument(help=ARGUMENTS["person"])],
    table_file: Annotated[Path, typer.Argument(help=ARGUMENTS["table_file"])],
    as_: As,
    since: Annotated[str, typer.Option(help="The first quarter, as 2026-1.")],
    until: Annotated[str, typer.Option(help="The last quarter, as 2026-4.")],
    language: Annotated[Language, typer.Option(help="The language of the headings.")] = Language.en,
    database: Database = None,
) -> None:
    """Write what somebody contributed, by quarter and entry, as CSV for a yearly review."""
    from lepton_fed.portal.reward import yearly
    from lepton_fed.portal.reward.period import Quarter
    from lepton_fed.portal.wording import wording
    from lepton_fed.storage.atomic import write_atomically
    from lepton_fed.translation import counted

    quarters = Quarter.parse(since), Quarter.parse(until)
    with closing(opened(portal_folder, database, new=False)) as portal:
        with portal.reading(person_of(portal, as_)) as acting:
            found = yearly.contributions(acting, person_of(portal, person).name, *quarters)
        write_atomically(table_file, yearly.as_csv(found, wording(language.value)), private=True)
        typer.echo(f"{counted(len(found.rows), 'row', 'rows')} written to {table_file}")
