"""Flower's message store with what is large in a file instead of in memory, unreadable to anybody but this process.

    put  --AES-256-GCM under a key of this process--> blocks of one file without a name
    get  <--decrypt, verify--                         blocks are free again when nobody holds the object

The file's name is removed as soon as it is open, so a process that is killed leaves nothing behind; what a disk may
still hold of it is noise, since the key was in this process's memory only. A full disk refuses one object, whole.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unwritable

LARGE = 256 << 10
"""Bytes from which an object's content goes to the file."""

BLOCK = 256 << 10
"""Bytes of the file that are given out together."""

LEFTOVER = "spool-*"
"""A file that a process left which was killed between opening it and removing its name: it is empty."""

_log = logging.getLogger("lepton_fed.flower")


class SpoolFile:
    """Encrypted pieces of bytes in one file that has no name. All threads may use it."""

    def __init__(self, folder: Path, random: Callable[[int], bytes] = os.urandom) -> None:
        """StorageError if there can be no file in the folder, which is made where it is missing."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in folder.glob(LEFTOVER):
                path.unlink(missing_ok=True)
            path = folder / LEFTOVER.replace("*", random(8).hex())
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            path.unlink()
        except OSError as error:
            raise unwritable(error, folder) from error
        self.folder = folder
        self._cipher = AESGCM(random(32))
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._free: list[int] = []
        self._blocks = 0
        # Closed when the last piece of it is gone: whoever still held one would read what the number stands for then.
        weakref.finalize(self, os.close, self._file).atexit = False

    def keep(self, content: bytes, label: bytes) -> Piece:
        """The content as a piece of the file, which lasts as long as the value; OSError leaves nothing.

        `label`: what the content is; it is part of what is verified when the piece is read.
        """
        nonce = next(self._numbers).to_bytes(12, "big")  # Of a key that no other process has: never twice.
        sealed = self._cipher.encrypt(nonce, content, label)
        piece = Piece(self, nonce, label, len(sealed), self._taken(-(-len(sealed) // BLOCK)))
        view = memoryview(sealed)
        try:
            for place, length in piece.places():
                _write_all(self._file, view[:length], place)
                view = view[length:]
        except OSError:
            del piece  # Or its blocks would be taken for as long as somebody looks at the error.
            raise
        return piece

    def read(self, piece: Piece) -> bytes:
        """A piece's content; StorageError if it is not what was written."""
        sealed = bytearray(piece.size)
        view = memoryview(sealed)
        for place, length in piece.places():
            if os.preadv(self._file, [view[:length]], place) != length:
                raise self._damaged()
            view = view[length:]
        try:
            return self._cipher.decrypt(piece.nonce, sealed, piece.label)
        except InvalidTag:
            raise self._damaged() from None

    def free(self, blocks: list[int]) -> None:
        """Gives blocks back; the disk's room with the last of them."""
        with self._lock:
            self._free += blocks
            if len(self._free) == self._blocks:
                with suppress(OSError):
                    os.ftruncate(self._file, 0)
                self._free, self._blocks = [], 0

    @property
    def size(self) -> int:
        """Bytes that are in use."""
        with self._lock:
            return (self._blocks - len(self._free)) * BLOCK

    def _damaged(self) -> StorageError:
        return StorageError(f"messages in {self.folder} are not what was written there; look at the disk")

    def _taken(self, number: int) -> list[int]:
        with self._lock:
            found = [self._free.pop() for _ in range(min(number, len(self._free)))]
            more = number - len(found)
            found += range(self._blocks, self._blocks + more)
            self._blocks += more
            return sorted(found)


@dataclass(eq=False)
class Piece:
    """Bytes in a file, as long as this value lives."""

    file: SpoolFile = field(repr=False)
    nonce: bytes
    label: bytes
    size: int
    blocks: list[int] = field(repr=False)

    def places(self) -> Iterator[tuple[int, int]]:
        """Where its bytes are, in order: (offset, length)."""
        rest = self.size
        for block in self.blocks:
            yield block * BLOCK, min(rest, BLOCK)
            rest -= BLOCK

    def read(self) -> bytes:
        return self.file.read(self)

    def __del__(self) -> None:
        self.file.free(self.blocks)


def _write_all(file: int, view: memoryview, place: int) -> None:
    while len(view):
        written = os.pwrite(file, view, place)
        view, place = view[written:], place + written


# ---------------------------------------------------------------- Flower's store


class Spool(InMemoryObjectStore):
    """Flower's store; contents of `LARGE` bytes and more are in the file."""

    def __init__(self, file: SpoolFile) -> None:
        super().__init__()
        self._file = file
        self._pieces: dict[str, Piece] = {}
        self._full = False
        self.unkept: set[str] = set()
        """Objects whose upload failed for want of room, until somebody has been told."""

    def put(self, object_id: str, object_content: bytes) -> None:
        """As Flower's; StorageError where the disk has no room, and then the object is as it was before."""
        if len(object_content) < LARGE:
            super().put(object_id, object_content)
            return
        with self.lock_store:
            entry = self.store.get(object_id)
            is_here = entry is not None and entry.is_available
            super().put(object_id, object_content)  # Checks the content, and keeps it until the file has it.
            if entry is not None and not is_here:
                entry.content = b""
                try:
                    self._pieces[object_id] = self._file.keep(object_content, object_id.encode())
                except OSError as error:
                    entry.is_available = False
                    self.unkept.add(object_id)
                    raise self._told(unwritable(error, self._file.folder)) from error
                self._full = False

    def get(self, object_id: str) -> bytes | None:
        with self.lock_store:
            piece = self._pieces.get(object_id)
        return piece.read() if piece is not None else super().get(object_id)

    def held(self, object_id: str) -> bytes | Piece | None:
        """An object as it lies here, for who reads it later, even after it was deleted; None if it is not here yet."""
        with self.lock_store:
            entry = self.store.get(object_id)
            if entry is None or not entry.is_available:
                return None
            return self._pieces.get(object_id, entry.content)

    def delete(self, object_id: str) -> None:
        with self.lock_store:
            super().delete(object_id)
            if object_id not in self.store:
                self._pieces.pop(object_id, None)
                self.unkept.discard(object_id)

    def clear(self) -> None:
        with self.lock_store:
            super().clear()
            self._pieces.clear()
            self.unkept.clear()

    def _told(self, error: StorageError) -> StorageError:
        """The error; the log has it once, until there is room again."""
        if not self._full:
            self._full = True
            _log.error("%s; departments try again until the exchange is over", error)
        return error
