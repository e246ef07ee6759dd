"""One process at a time works from a kit: its state folder is locked while it runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unwritable

LOCK = "running.lock"


@contextmanager
def claimed(state: Path) -> Iterator[None]:
    """Holds the lock of a state folder, which goes with the process; StorageError if another process has it."""
    path = state / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unwritable(error, path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StorageError(f"another process works from the kit {state.parent}; stop it first") from None
    try:
        yield
    finally:
        os.close(descriptor)
