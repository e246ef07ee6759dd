"""The files of attachments, in a folder of the portal's: each by the SHA-256 of its content, of mode 600.

    .part-<16 hex digits>  --what it is, cleaned, hashed, fsync-->  rename  ab/abcdef…  --then its row-->  acknowledged

So a kill leaves a part, or a whole file without a row, and never a row without its file. What is left over is removed
when the portal is served next.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.portal.attachments import mp3, ogg, pictures, recordings, sounds
from lepton_fed.portal.attachments.kinds import FLAC, HEAD, M4A, MIB, MP3, MP4, OGG, WAV, Kind, kind_of
from lepton_fed.portal.errors import Conflict, Unacceptable
from lepton_fed.storage.atomic import is_leftover, sync_folder, unwritable

FOLDER = "attachments"
SPARE = 1024 * MIB
"""Bytes that stay free on the disk."""

LEFT_OVER = 3600.0
"""Seconds: a file without a row that is older than that nobody is about to acknowledge."""

_CLEANED = {
    WAV.media_type: sounds.blanked_wav,
    FLAC.media_type: sounds.blanked_flac,
    MP3.media_type: mp3.without_tags,
    OGG.media_type: ogg.blanked,
}
"""What takes out of a sound what it says of itself, in place."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Ready:
    """A file that may be kept: what it is, its size in bytes, its digest, and where it lies meanwhile."""

    kind: Kind
    size: int
    digest: str
    path: Path


class AttachmentFiles:
    """What there is on the disk; rows say whose it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._depth = threading.RLock(), 0

    @contextmanager
    def steady(self) -> Iterator[None]:
        """For one thread of one process: from a file's coming to its row, and from a row's going to its file's."""
        self._made()
        with self._lock, (self._folder / ".lock").open("a") as file:
            if self._depth == 0:
                fcntl.flock(file, fcntl.LOCK_EX)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def path(self, digest: str) -> Path:
        """Where the file of that digest is, if it is anywhere."""
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError(f"{digest!r} is no SHA-256")
        return self._folder / digest[:2] / digest

    @contextmanager
    def part(self) -> Iterator[Path]:
        """A new empty file to receive something in, gone at the end of the block."""
        path = self._new()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def ready(self, received: Path) -> Iterator[Ready]:
        """What was received, cleaned and fit to be kept; Unacceptable."""
        with received.open("rb") as file:
            kind = kind_of(file.read(HEAD))
        if kind is None:
            raise Unacceptable("attachment_kind")
        if received.stat().st_size > kind.largest:
            raise Unacceptable("attachment_size", most=kind.largest // MIB)
        with self.part() as clean:
            found = _cleaned(received, clean, kind)
            with clean.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            yield Ready(found, clean.stat().st_size, digest, clean)

    def place(self, ready: Ready) -> None:
        """Put it where its digest says; it is there after a power cut."""
        target = self.path(ready.digest)
        if target.exists():
            return
        target.parent.mkdir(mode=0o700, exist_ok=True)
        ready.path.replace(target)
        sync_folder(target.parent)
        sync_folder(self._folder)

    def remove(self, digest: str) -> None:
        """Remove the file of that digest."""
        self.path(digest).unlink(missing_ok=True)

    def take_back(self, digest: str) -> None:
        """Remove a file, if it was placed, that nobody was told of; with its folder, where it was alone there."""
        with suppress(OSError):
            self.remove(digest)
            self.path(digest).parent.rmdir()

    def require_space(self, size: int) -> None:
        """Conflict where so many bytes more would fill the disk."""
        self._made()
        if shutil.disk_usage(self._folder).free < size + SPARE:
            raise Conflict("no_space")

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        """Remove what a kill left over: parts, and files that no row knows; returns how many."""
        before, gone = time.time() - LEFT_OVER, 0
        for path in [*self._folder.glob(".part-*"), *self._folder.glob("??/*")]:
            stray = is_leftover(path) or (_DIGEST.fullmatch(path.name) and not is_known(path.name))
            with suppress(FileNotFoundError):
                if stray and path.lstat().st_mtime < before:
                    path.unlink()
                    gone += 1
        return gone

    def _new(self) -> Path:
        self._made()
        path = self._folder / f".part-{secrets.token_hex(8)}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise unwritable(error, path) from error
        return path

    def _made(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(error, self._folder) from error


def _cleaned(received: Path, clean: Path, kind: Kind) -> Kind:
    """Write what may be kept of it; returns what it is after all."""
    if kind.shown == "picture":
        pictures.rewritten(received, clean, kind)
        return kind
    with received.open("rb") as source, clean.open("wb") as target:
        shutil.copyfileobj(source, target, MIB)
    if kind.media_type in _CLEANED:
        _CLEANED[kind.media_type](clean)
    return recordings.cleaned(clean) if kind in (MP4, M4A) else kind
