"""A file as a lock between processes, each of which waits for its turn."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_fed.storage.atomic import unwritable


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time; whoever is killed lets go of it. StorageError where the file cannot be made."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(error, path) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
