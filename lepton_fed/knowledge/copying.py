"""A copy of a store that shares with it, on the disk, what neither will ever change.

The store writes facts into tables (`.sst`) that it replaces and never changes, so a link to each is a copy of it; what
else there is, is small.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def shared_copy(source: Path, target: Path) -> None:
    """Copy the folder of a store that nobody writes to, or a folder with one in it."""
    shutil.copytree(source, target, copy_function=_copy)


def _copy(source: str, target: str) -> None:
    if source.endswith(".sst"):
        # Some file systems have no links.
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)
