"""Memory goes back to the system as soon as nobody needs it, where the C library and Python would keep it for a while.

glibc learns from each large block that is freed to take the next ones of that size from a heap of the thread, which
keeps its pages. Every thread that has once carried a part of a large model would hold several parts' room for good.

Python frees at once what is in no cycle. A request to Flower's application is in one, with its body; and cycles are
looked for less and less often the more objects a process has, of which PyTorch alone makes hundreds of thousands.
"""

from __future__ import annotations

import ctypes
import gc
import time
from contextlib import suppress

LARGE = 1 << 18
"""Bytes from which a block is the system's own."""

MMAP_THRESHOLD = -3
"""glibc's number of the setting (malloc.h)."""


def give_large_blocks_back() -> None:
    """For this process from now on; on another C library nothing changes."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ctypes.c_int(MMAP_THRESHOLD), ctypes.c_int(LARGE))


INTERVAL = 0.25
"""Seconds between two sweeps."""


class Sweeper:
    """Frees cycles often. What is there when it is made is taken to last, and not looked at again."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        self._swept = time.monotonic()

    def sweep(self) -> None:
        """To be called again and again; does something every `INTERVAL` seconds."""
        now = time.monotonic()
        if now - self._swept >= INTERVAL:
            gc.collect()
            self._swept = now
