"""What a command names: the portal, opened for it, or a person of that portal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.errors import ConfigError

if TYPE_CHECKING:
    from lepton_fed.portal.people.person import Person
    from lepton_fed.portal.portal import Portal

NEEDED = ("PIL", "argon2", "authlib", "httpx", "markdown_it", "multipart", "nh3")


def opened(folder: Path, database: str | None, *, new: bool = True) -> Portal:
    _require_installed()
    from lepton_fed.portal.portal import DATABASE, Portal

    if not new and database is None and not (folder / DATABASE).is_file():
        raise ConfigError(f"there is no portal in {folder}; name its folder, or its database with --database")
    return Portal.opened(folder, database)


def unprepared(folder: Path, database: str | None) -> Portal:
    """A portal whose tables are not made yet."""
    _require_installed()
    from lepton_fed.portal.portal import Portal

    return Portal.unprepared(folder, database)


@contextmanager
def none_half_made(folder: Path, database: str | None) -> Iterator[None]:
    """Where the block fails, nothing is left of what opening a portal makes, but for what others put into its folders.

    Its database, too, if that is a file of SQLite which was not there.
    """
    from lepton_fed.portal.attachments.files import FOLDER
    from lepton_fed.portal.portal import DATABASE
    from lepton_fed.storage import sqlite_url
    from lepton_fed.storage.private_file import files_of

    files = files_of(database or sqlite_url(folder / DATABASE))
    made = [path for path in (*files, folder / FOLDER, folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.unlink() if path in files else path.rmdir()
        raise


def _require_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the portal needs {', '.join(missing)}; install the extra: pip install 'lepton-fed[portal]'")


def person_of(portal: Portal, name: str) -> Person:
    """Whose rights count; ConfigError for a name that nobody signs in with."""
    from lepton_fed.portal.errors import NotThere
    from lepton_fed.portal.people import accounts

    with portal.database.reading() as connection:
        try:
            return accounts.named(connection, name)
        except NotThere:
            raise ConfigError(f"nobody signs in as {name}; --as takes the name of an account") from None
