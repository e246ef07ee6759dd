"""Writes a file so that a reader finds the old content or the new, never half of it.

    .part-<16 hex digits>  --fsync, rename-->  the file  --fsync of the folder-->  durable

A process killed on the way leaves a `.part-` file, which `remove_leftovers` takes for what it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from lepton_fed.errors import StorageError
from lepton_fed.translation import Sentence, sentence, term

Chunk: TypeAlias = bytes | memoryview
"""Bytes to write: C-contiguous, any item size."""

_LEFTOVER = re.compile(r"\.part-[0-9a-f]{16}")


def write_atomically(
    path: Path, content: bytes | str | Iterable[Chunk], *, durable: bool = True, private: bool = False
) -> None:
    """Replace `path` with the content (text as UTF-8); StorageError leaves what was there.

    `durable`: wait until the disk has it, so that a power cut cannot undo it.
    Against a killed process no wait is needed. `private`: mode 600 from the first byte on.
    """
    # The temporary name does not contain the target's, which may already be as long as a name can be.
    part = path.parent / f".part-{secrets.token_hex(8)}"
    try:
        write_new(part, _chunks(content), durable=durable, private=private)
        part.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise unwritable(error, path) from error
    finally:
        _remove(part)


def write_new(path: Path, chunks: Iterable[Chunk], *, durable: bool, private: bool = False) -> tuple[int, int]:
    """Write a file that nobody reads yet; returns its size in bytes and CRC-32. OSError leaves no file."""
    size = crc = 0
    try:
        if private:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                size += memoryview(chunk).nbytes
                crc = zlib.crc32(chunk, crc)
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except BaseException:
        _remove(path)
        raise
    return size, crc


def sync_folder(folder: Path) -> None:
    """Make names that were created, renamed or removed in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do this for a folder, and do not need it.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def is_leftover(path: Path) -> bool:
    """Whether the name is one that `write_atomically` gives to a file it has not finished."""
    return _LEFTOVER.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process did not finish; only for the one process that may write here."""
    for path in folder.iterdir():
        if is_leftover(path):
            _remove(path)


def unwritable(error: OSError, path: Path) -> StorageError:
    """The sentence for a failure to write `path`."""
    return StorageError(sentence("cannot write {path}: {reason}", path=path, reason=_reason(error, path)))


def unreadable(error: OSError, path: Path) -> StorageError:
    """The sentence for a failure to read `path`."""
    return StorageError(sentence("cannot read {path}: {reason}", path=path, reason=_reason(error, path)))


def _chunks(content: bytes | str | Iterable[Chunk]) -> Iterable[Chunk]:
    if isinstance(content, str):
        return (content.encode(),)
    return (content,) if isinstance(content, bytes) else content


def _remove(path: Path) -> None:
    # Clearing away must not hide the error that led here; what stays is removed on the next opening.
    with contextlib.suppress(OSError):
        path.unlink()


def _reason(error: OSError, path: Path) -> Sentence:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return sentence("there is no space left; free some or choose another folder")
        case errno.EACCES | errno.EPERM:
            return sentence("permission denied; choose a folder of yours or have its permissions changed")
        case errno.EROFS:
            return sentence("the file system is read-only; choose another folder")
        case errno.ENAMETOOLONG:
            return sentence("the name is too long for this file system; choose a shorter one")
        case errno.EISDIR:
            return sentence("it is a folder, and a file is expected there; move it away")
        case errno.ENOTDIR | errno.EEXIST:
            file = next((p for p in (path, *path.parents) if p.exists()), path)
            return sentence(
                "{file} is a file, and a folder is expected there; move it away or choose another folder", file=file
            )
        case errno.ENOENT:
            missing = next((p for p in reversed((path, *path.parents)) if not p.exists()), path)
            return sentence("{missing} does not exist; check the path", missing=missing)
    reason = term(error.strerror or str(error))
    return sentence("{reason}; check the disk or choose another folder", reason=reason)
