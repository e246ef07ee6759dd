"""A department's own log of what it decided and spent, in one file of mode 600: lines are added, never changed.

    {"entry": "6c00...", "openings": ["6c00...", ...]}      both in hexadecimal, canonical bytes

The entry goes into the coordinator's log as it is; the openings (texts and salts that it commits to) stay here. What
is noted survives a killed process at once, and a power cut before it is told to anybody.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from lepton_fed.docket import AT_ONCE, ROLLED_BACK, Noted
from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unreadable, unwritable


class DocketFile:
    """A docket at `path`, in a folder that exists. Any number of processes may use it.

    `durable`: what is told survives a power cut; a simulation, whose database does not, does not wait for the disk.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = Path(path)
        self._durable = durable

    def note(self, noted: Noted) -> None:
        """Add a line; StorageError if it cannot be added, and then nothing of it stays."""
        line = {"entry": noted.entry.hex(), "openings": [one.hex() for one in noted.openings]}
        content = json.dumps(line).encode() + b"\n"
        with self._locked() as file:
            end = _whole(file)
            if os.pwrite(file, content, end) != len(content):
                os.ftruncate(file, end)
                raise StorageError(f"{self.path} cannot be written: its disk is full; free some space")

    def after(self, number: int) -> Sequence[bytes]:
        """At most `AT_ONCE` entries after the first `number`; StorageError if there are fewer, or a line is damaged."""
        if self._durable:
            with self._locked() as file:
                os.fsync(file)
        found = list(islice(self.noted(), number, number + AT_ONCE))
        if not found and sum(1 for _ in self.noted()) < number:
            raise StorageError(ROLLED_BACK)
        return [one.entry for one in found]

    def noted(self) -> Iterator[Noted]:
        """Everything, in order; nothing where there is no file."""
        try:
            with self.path.open("rb") as lines:
                for place, line in enumerate(lines, start=1):
                    if not line.endswith(b"\n"):
                        return  # Its process was killed while it wrote it.
                    yield self._read(place, line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(error, self.path) from error

    def _read(self, place: int, line: bytes) -> Noted:
        try:
            said = json.loads(line)
            return Noted(bytes.fromhex(said["entry"]), tuple(bytes.fromhex(one) for one in said["openings"]))
        except (KeyError, TypeError, ValueError):
            raise StorageError(f"{self.path} is damaged in line {place}; put its newest copy back") from None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise unwritable(error, self.path) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        except OSError as error:
            raise unwritable(error, self.path) from error
        finally:
            os.close(file)


BLOCK = 4096


def _whole(file: int) -> int:
    """Where the last whole line ends; what a killed process left behind it is cut off."""
    size = end = os.fstat(file).st_size
    while end:
        start = max(0, end - BLOCK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(file, end)
    return end
