"""A department's log of reads, one line of JSON each: what it gave to read, what it read. Mode 600, forced to the disk.

    {"time": ..., "owner": ..., "reader": ..., "what": ..., "purpose": ..., "request": hex, "parcel": hex, "size": n}

It is the owner's memory of the requests that it has answered, so a request is answered once whatever restarts between.
A half-written last line, left by a kill, is of a parcel that never left; it is closed off and counts for nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from lepton_fed.errors import StorageError
from lepton_fed.reads.log import Delivered, Noted


class ReadLogFile:
    """A `ReadLog` in a folder that exists. Nothing is made before the first read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, delivered: Delivered) -> None:
        """See `ReadLog`."""
        said = asdict(delivered)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **said,
            "request": delivered.request.hex(),
            "parcel": delivered.parcel.hex(),
        }
        with self._locked(os.O_RDWR | os.O_CREAT | os.O_APPEND) as file:
            content = file.read()
            if delivered.request in _requests(content):
                raise Noted
            closed = b"" if not content or content.endswith(b"\n") else b"\n"
            file.write(closed + json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def holds(self, request: bytes) -> bool:
        """See `ReadLog`."""
        if not self.path.exists():
            return False
        with self._locked(os.O_RDONLY) as file:
            return request in _requests(file.read())

    @contextmanager
    def _locked(self, flags: int) -> Iterator[BinaryIO]:
        try:
            descriptor = os.open(self.path, flags, 0o600)
            with os.fdopen(descriptor, "rb" if flags == os.O_RDONLY else "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                yield file
        except OSError as error:
            raise StorageError(f"the log of reads {self.path} cannot be used: {error.strerror}") from None


def _requests(content: bytes) -> set[bytes]:
    """Digests of the requests in whole lines."""
    found = set()
    for line in content.split(b"\n"):
        try:
            found.add(bytes.fromhex(json.loads(line)["request"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
