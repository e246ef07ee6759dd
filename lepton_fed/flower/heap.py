"""Large blocks of memory go back to the system as soon as they are free, where the C library would keep them.

glibc learns from each large block that is freed to take the next ones of that size from a heap of the thread, which
keeps its pages. Every thread that has once carried a part of a large model would hold several parts' room for good.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 1 << 18
"""Bytes from which a block is the system's own."""

MMAP_THRESHOLD = -3
"""glibc's number of the setting (malloc.h)."""


def give_large_blocks_back() -> None:
    """For this process from now on; on another C library nothing changes."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ctypes.c_int(MMAP_THRESHOLD), ctypes.c_int(LARGE))
