"""Folders of keys: they appear whole or not at all, and a secret that others may read is not used.

    .kits-<16 hex digits>   (locked while it is filled)  --fsync, rename-->  the folder, mode 700

A process that is killed on the way leaves a `.kits-` folder; the next one that makes a folder there removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.storage.atomic import sync_folder, unreadable, unwritable
from lepton_fed.translation import sentence

LARGEST = 64 * 1024 * 1024
"""Bytes. No file of a kit comes near it but the common examples of `distill`, which must not be larger."""

_UNFINISHED = re.compile(r"\.kits-[0-9a-f]{16}")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A new folder, mode 700, that is called `out` once the block has ended well; otherwise nothing is left of it.

    StorageError where `out` exists or cannot be written.
    """
    _require_free(out)
    part = out.parent / f".kits-{secrets.token_hex(8)}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(out.parent)
        part.mkdir(mode=0o700)
        lock = _locked(part)
    except OSError as error:
        raise unwritable(error, out) from error
    try:
        yield part
        _sync(part)
        _require_free(out)
        part.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise unwritable(error, out) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(lock)


def new_folder(path: Path) -> Path:
    """A folder that only its owner may enter."""
    path.mkdir(mode=0o700)
    return path


def write_secret(path: Path, content: bytes) -> None:
    """A new file that only its owner may read, from its first byte on."""
    _write(path, content, 0o600)


def write_public(path: Path, content: bytes) -> None:
    """A new file that anybody may read who may enter its folder."""
    _write(path, content, 0o644)


def read_secret(path: Path) -> bytes:
    """The content of a file that only its owner may read; ConfigError with the command to run where others may."""
    return _read(path, private=True)


def read_public(path: Path) -> bytes:
    """The content of a file; StorageError if it cannot be read."""
    return _read(path, private=False)


def require_own_folder(path: Path) -> None:
    """ConfigError unless `path` is a folder in which only its owner may replace files."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(error, path) from None
    if not stat.S_ISDIR(mode):
        raise ConfigError(sentence("{path} is a file; give the kit's folder", path=path))
    if mode & 0o022:
        raise ConfigError(
            sentence(
                "others may write into {path} (mode {mode:o}); run: chmod 700 {quoted}",
                path=path,
                mode=mode & 511,
                quoted=_quoted(path),
            )
        )


def _write(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        # The umask may have taken away what others need to read, and never adds what they must not have.
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, *, private: bool) -> bytes:
    try:
        with path.open("rb") as file:
            # Of the open file, so that nobody can put another one there between the look and the reading.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if private and mode & 0o077:
                raise ConfigError(
                    sentence(
                        "{path} is secret and others may read it (mode {mode:o}); run: chmod 600 {quoted}",
                        path=path,
                        mode=mode,
                        quoted=_quoted(path),
                    )
                )
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise unreadable(error, path) from None
    if len(content) > LARGEST:
        raise ConfigError(
            sentence("{path} is larger than {most} MiB, so it is no file of a kit", path=path, most=LARGEST // 2**20)
        )
    return content


def _require_free(out: Path) -> None:
    if os.path.lexists(out):
        raise StorageError(f"{out} exists and is left as it is; choose a folder that does not exist yet")


def _locked(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _remove_unfinished(parent: Path) -> None:
    """What killed processes left: it may hold keys that nobody will ever use."""
    for path in parent.iterdir():
        if not _UNFINISHED.fullmatch(path.name):
            continue
        try:
            lock = _locked(path)
        except OSError:
            continue  # Somebody is filling it.
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _sync(folder: Path) -> None:
    for inner, _, _ in os.walk(folder):
        sync_folder(Path(inner))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
