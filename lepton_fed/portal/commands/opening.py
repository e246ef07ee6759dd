"""What a command names: the portal, opened for it, or a person of that portal."""

from __future__ import annotations

import shutil
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
    from importlib.util import find_spec

    from lepton_fed.portal.portal import DATABASE, Portal

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the portal needs {', '.join(missing)}; install the extra: pip install 'lepton-fed[portal]'")
    if not new and database is None and not (folder / DATABASE).is_file():
        raise ConfigError(f"there is no portal in {folder}; name its folder, or its database with --database")
    return Portal.opened(folder, database)


@contextmanager
def none_half_made(folder: Path, database: str | None) -> Iterator[None]:
    """Where the block fails, nothing is left in the folder of what opening a portal makes there; nor the folder.

    Files of attachments go only with a database that was made for them: another one may be somebody else's portal,
    who puts a file there meanwhile.
    """
    from lepton_fed.portal.attachments.files import FOLDER
    from lepton_fed.portal.portal import DATABASE

    own = [folder / name for name in (FOLDER, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")]
    made = [path for path in (*own, folder, *folder.parents) if not path.exists()]
    alone = database is None and folder / DATABASE in made
    try:
        yield
    except BaseException:
        for path in made:
            with suppress(OSError):
                _remove(path, whole=alone and path in own)
        raise


def _remove(path: Path, *, whole: bool) -> None:
    """A file, or a folder: an empty one, or with all that is in it."""
    if not path.is_dir():
        path.unlink()
    elif whole:
        shutil.rmtree(path)
    else:
        path.rmdir()


def person_of(portal: Portal, name: str) -> Person:
    """Whose rights count; ConfigError for a name that nobody signs in with."""
    from lepton_fed.portal.errors import NotThere
    from lepton_fed.portal.people import accounts

    with portal.database.reading() as connection:
        try:
            return accounts.named(connection, name)
        except NotThere:
            raise ConfigError(f"nobody signs in as {name}; --as takes the name of an account") from None
