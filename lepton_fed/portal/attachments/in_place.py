"""Reads and changes parts of a file where they stand; Unacceptable where it ends before the part does."""

from __future__ import annotations

import os
from typing import BinaryIO

from lepton_fed.portal.errors import Unacceptable

AT_ONCE = 65536


def size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    found = file.read(count)
    if len(found) < count:
        raise Unacceptable("damaged")
    return found


def write(file: BinaryIO, start: int, content: bytes) -> None:
    file.seek(start)
    file.write(content)


def blank(file: BinaryIO, start: int, end: int) -> None:
    """Make all bytes zero."""
    file.seek(start)
    left = end - start
    while left > 0:
        left -= file.write(bytes(min(left, AT_ONCE)))


def keep_only(file: BinaryIO, start: int, end: int) -> None:
    """Move a part to the beginning, and end the file with it."""
    if start:
        for at in range(start, end, AT_ONCE):
            write(file, at - start, read(file, at, min(AT_ONCE, end - at)))
    file.truncate(end - start)
