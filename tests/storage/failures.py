"""Makes the disk fail at the n-th call that touches it."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def failing_after(calls: int, number: int = errno.ENOSPC) -> Iterator[None]:
    """Let so many opens, writes, syncs and renames succeed; every one after them fails.

    A write that fails has written half of what it was given. Removing a file always works.
    """
    left = [calls]

    def spend() -> bool:
        left[0] -= 1
        return left[0] < 0

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            if spend():
                raise OSError(number, os.strerror(number))
            return call(*args, **options)

        return wrapped

    class HalfWriter(io.FileIO):
        def write(self, data: Any) -> int:
            if spend():
                view = memoryview(data).cast("B")
                super().write(view[: len(view) // 2])
                raise OSError(number, os.strerror(number))
            return super().write(data)

    real = Path.open

    def opened(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if mode != "wb":
            return real(path, mode, *args, **options)
        if spend():
            raise OSError(number, os.strerror(number))
        return io.BufferedWriter(HalfWriter(path, "w"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", opened)
        patch.setattr(Path, "replace", failing(Path.replace))
        patch.setattr(os, "fsync", failing(os.fsync))
        yield
