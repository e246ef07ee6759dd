"""A database that only its owner may read: an SQLite file of mode 600, made so before anything is written there."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unwritable


def make_private(url: str | URL, what: str) -> None:
    """Make SQLite's file, and what lies beside it, their owner's alone; `what` is kept there, for sentences.

    Other databases have users and rights of their own. StorageError if there is no such file to be had.
    """
    name = _file_name(url)
    if name is None:
        return
    if name in ("", ":memory:") or name.startswith("file:"):
        raise StorageError(f"{what} needs a file of its own name; write sqlite:///folder/file.sqlite")
    try:
        _restrict(Path(name))
    except OSError as error:
        raise unwritable(error, Path(name)) from error


def files_of(url: str | URL) -> tuple[Path, ...]:
    """SQLite's file and what it puts beside it; none of another database."""
    name = _file_name(url)
    return (Path(name), *_beside(Path(name))) if name else ()


def _file_name(url: str | URL) -> str | None:
    """As the URL has it, None where that is not SQLite's."""
    with suppress(ArgumentError, ValueError):  # Told, without its secrets, where the database is opened.
        url = make_url(url)
    if isinstance(url, str) or url.get_backend_name() != "sqlite":
        return None
    return url.database or ""


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _restrict(path: Path) -> None:
    """Mode 600 for a database that is there or is made here; SQLite gives its mode to what it puts beside it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not opened: closing it would end the locks of this process's other connections to it.
        for there in (path, *_beside(path)):
            with suppress(FileNotFoundError):
                _require_file(there)
                there.chmod(0o600)


def _require_file(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise StorageError(f"{path} is no file of its own (a link or a folder, say); choose another path")
