"""Commands that carry entries in or out: `export | import | import-reviews | draft`."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lepton_fed.portal.commands.opening import opened, person_of
from lepton_fed.portal.commands.options import ARGUMENTS, As, Database, Folder, Language, Runs, RunsDatabase
from lepton_fed.translation import counted


class Sensitive(StrEnum):
    """What an import does about places that look sensitive."""

    ask = "ask"
    mask = "mask"
    keep = "keep"


def export(
    portal_folder: Folder,
    markdown: Annotated[Path, typer.Argument(help=ARGUMENTS["markdown"])],
    as_: As,
    database: Database = None,
) -> None:
    """Write the published entries that a person may read as Markdown files, a folder for each department.

    Into a new or an empty folder: what somebody has edited in one is not written over.
    """
    from lepton_fed.portal.entries.markdown_files import exported

    with closing(opened(portal_folder, database, new=False)) as portal:
        person = person_of(portal, as_)
        with portal.reading(person) as acting:
            typer.echo(f"{counted(exported(acting, markdown), 'entry', 'entries')} written to {markdown}")


def import_(
    portal_folder: Folder,
    markdown: Annotated[Path, typer.Argument(help=ARGUMENTS["markdown"])],
    as_: As,
    department: Annotated[str, typer.Option(help="The department whose entries they become.")],
    sensitive: Annotated[
        Sensitive, typer.Option(help="What looks sensitive is masked, kept, or nothing is imported (ask).")
    ] = Sensitive.ask,
    database: Database = None,
) -> None:
    """Make a draft of each Markdown file in a folder: all of them or, if one is wrong, none."""
    from lepton_fed.portal.entries.markdown_files import imported

    with closing(opened(portal_folder, database, new=False)) as portal:
        person = person_of(portal, as_)
        made = imported(portal, person, markdown, department, sensitive.value)
        typer.echo(f"{counted(len(made), 'draft', 'drafts')} made of {markdown}")


def import_reviews(
    portal_folder: Folder,
    reviews_file: Annotated[Path, typer.Argument(help=ARGUMENTS["reviews_file"])],
    as_: As,
    department: Annotated[str, typer.Option(help="The department whose drafts they become.")],
    names: Annotated[bool, typer.Option("--names", help="With the names of those who commented.")] = False,
    language: Annotated[Language, typer.Option(help="The language of what is around the comments.")] = Language.en,
    database: Database = None,
) -> None:
    """Make drafts of review comments, one for each topic or file; what looks sensitive is masked."""
    from lepton_fed.portal.entries import code_reviews
    from lepton_fed.storage.atomic import unreadable

    try:
        with reviews_file.open("rb") as file:
            content = file.read(code_reviews.LARGEST + 1)
    except OSError as error:
        raise unreadable(error, reviews_file) from None
    found = code_reviews.read(content)
    with closing(opened(portal_folder, database, new=False)) as portal:
        person = person_of(portal, as_)
        made = code_reviews.imported(portal, person, found, department, names=names, language=language.value)
        comments = counted(len(found), "comment", "comments")
        typer.echo(f"{counted(len(made), 'draft', 'drafts')} made of {comments}")


def draft(
    portal_folder: Folder,
    watch: Annotated[Path, typer.Option(help="The federation: its federation file, or the coordinator's kit.")],
    as_: As,
    department: Annotated[str, typer.Option(help="The department whose draft it becomes.")],
    run: Annotated[str, typer.Option(help="The run, by its id; default: the newest that has finished.")] = "",
    data_of: Annotated[
        str, typer.Option(help="A department of the federation: a card of its data instead of one of a run.")
    ] = "",
    language: Annotated[Language, typer.Option(help="The language of the card.")] = Language.en,
    runs: Runs = Path("runs"),
    runs_database: RunsDatabase = None,
    database: Database = None,
) -> None:
    """Make a draft of a model card from a finished run, or of a data set card from a department's file."""
    with closing(opened(portal_folder, database, new=False)) as portal:
        from lepton_fed.portal.errors import NotThere
        from lepton_fed.portal.federation import drafts
        from lepton_fed.portal.federation.rights import Onlooker
        from lepton_fed.portal.federation.watched import Watched

        person, watched = person_of(portal, as_), Watched(watch, runs=runs, database=runs_database)
        if not Onlooker(person, portal.rights).may_watch(watched.members):
            raise NotThere
        if data_of:
            number = drafts.draft_of_data(portal, person, watched, data_of, department, language.value)
        else:
            one = run or drafts.newest_finished(watched)
            number = drafts.draft_of_run(portal, person, watched, one, department, language.value)
        typer.echo(f"draft {number} made in {department}")
