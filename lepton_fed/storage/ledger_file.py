"""A department's ledger as one file, which outlives kills, power cuts and a second process of the department.

    <name>        "lepton-fed ledger 1\\n", SHA-256 of the rest, canonical bytes of `Entries`       mode 600
    <name>.part   --fsync, rename--> <name> --fsync of the folder--> durable
    <name>.lock   locked while entries are compared and replaced; not empty once there has been a ledger

A ledger that is gone, damaged or another federation's is never begun anew, because an empty one would let its
department take part twice. What no file can notice is an older copy of itself, put back with its lock file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.ledger import Entries, Forbidden
from lepton_fed.storage.atomic import sync_folder, write_new

_TITLE = b"lepton-fed ledger 1\n"
"""Its number is raised whenever an older program could not read what is written."""

_HEAD = len(_TITLE) + hashlib.sha256().digest_size

_MARK = b"A ledger was begun here. Whoever removes it lets the department take part twice.\n"

PATIENCE = 30.0
"""Seconds to wait for another process of the same department, which needs milliseconds."""

ANEW = (
    "put its newest copy back, or stay out until the federation begins anew under a new roster; "
    "an empty ledger would let this department take part twice"
)
"""What to do about a ledger that cannot be used."""


class LedgerFile:
    """The ledger of one department in one federation. Any number of processes may hold it open."""

    def __init__(self, path: Path, federation: str) -> None:
        """Begins the ledger if there has never been one at `path`, in a folder that exists.

        StorageError: it is gone, damaged or another federation's, or cannot be written.
        """
        self.path = Path(path)
        self.federation = federation
        self._known: tuple[bytes, Entries] | None = None
        """The head of the file as last read or written here, and what it vouches for."""
        with self._locked() as lock:
            begun = _is_marked(lock, self._lock)
            if not begun and self._content() is None:
                self._write(Entries(federation))
            self.read()
            if not begun:
                # Only now: a kill between a mark and a ledger yet to come would lock the department out.
                _mark(lock, self._lock)

    def read(self) -> Entries:
        """The entries as last written; StorageError if they are gone, damaged or another federation's."""
        entries = self._content()
        if entries is None:
            raise StorageError(f"the ledger {self.path} is gone; {ANEW}")
        return entries

    def replace(self, old: Entries, new: Entries) -> None:
        """Write `new` if the entries still are `old`; returns once a power cut could not undo it.

        Forbidden: another process wrote meanwhile, or `new` takes something back. StorageError: it cannot be
        written, and the message that waits for it must not leave.
        """
        if new.federation != self.federation or not continues(old, new):
            raise Forbidden("the new entries take back what the ledger holds")
        with self._locked():
            if self.read() != old:
                raise Forbidden("the ledger was written by somebody else meanwhile")
            # Also where nothing changes: who wrote it may have been killed before the disk had it.
            self._write(new)

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Descriptor of the lock file; no other process or thread is in here."""
        with _explaining(self._lock):
            lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait_for(lock, self._lock)
            try:
                yield lock
            finally:
                # Closing alone would leave the lock to a process that was forked meanwhile.
                fcntl.flock(lock, fcntl.LOCK_UN)
        finally:
            os.close(lock)

    def _content(self) -> Entries | None:
        """What the file holds, or None where there is no file; decoded again only if its digest is new."""
        known = self._known
        with _explaining(self.path):
            try:
                with self.path.open("rb") as file:
                    head = file.read(_HEAD)
                    if known is not None and head == known[0]:
                        return known[1]
                    body = file.read()
            except FileNotFoundError:
                return None
        entries = self._decoded(head, body)
        self._known = head, entries
        return entries

    def _decoded(self, head: bytes, body: bytes) -> Entries:
        _check_title(head, self.path)
        if head != _head(body):
            raise StorageError(f"the ledger {self.path} is damaged; {ANEW}")
        try:
            entries = Entries.from_bytes(body)
        except Malformed as error:
            raise StorageError(
                f"the ledger {self.path} was written by another version of lepton-fed ({error}); use that version"
            ) from None
        if entries.federation != self.federation:
            raise StorageError(
                f"the ledger {self.path} belongs to the federation {entries.federation!r}, not to "
                f"{self.federation!r}; give each federation a ledger of its own"
            )
        return entries

    def _write(self, entries: Entries) -> None:
        body = entries.to_bytes()
        head = _head(body)
        with _explaining(self.path):
            _replace_file(self.path, head, body)
        self._known = head, entries


def continues(old: Entries, new: Entries) -> bool:
    """Whether `new` forgets nothing that `old` holds, as every move of `Entries` sees to."""
    last, now = (old.round, old.attempt), (new.round, new.attempt)
    same = now == last and new.instance == old.instance
    return (
        new.serial >= old.serial
        and new.used_serial >= old.used_serial
        and (now > last or same)
        and not (same and old.spent and not new.spent)
        and not (same and old.survivors and (new.survivors, new.shares_hash) != (old.survivors, old.shares_hash))
        and new.burned[: len(old.burned)] == old.burned
        and new.released[: len(old.released)] == old.released
    )


def _replace_file(path: Path, head: bytes, body: bytes) -> None:
    """Under the lock, so that one name for the new file will do: what a killed process left there goes first."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    write_new(part, (head, body), durable=True)
    part.replace(path)
    sync_folder(path.parent)


def _is_marked(lock: int, path: Path) -> bool:
    with _explaining(path):
        return os.read(lock, 1) != b""


def _mark(lock: int, path: Path) -> None:
    with _explaining(path):
        os.write(lock, _MARK)
        os.fsync(lock)
        sync_folder(path.parent)


def _head(body: bytes) -> bytes:
    return _TITLE + hashlib.sha256(body).digest()


def _check_title(head: bytes, path: Path) -> None:
    if head.startswith(_TITLE):
        return
    newer = re.match(rb"lepton-fed ledger (\d+)\n", head)
    if newer:
        raise StorageError(
            f"the ledger {path} has format {int(newer[1])} and this program reads 1; use a newer lepton-fed"
        )
    raise StorageError(f"{path} is damaged or no ledger; if it is this department's ledger, {ANEW}")


def _wait_for(lock: int, path: Path) -> None:
    patient_until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > patient_until:
                raise StorageError(
                    f"another process has held {path} for {PATIENCE:g} seconds; end that one, then try again"
                ) from None
            time.sleep(0.002)
        except OSError as error:
            raise StorageError(
                f"{path} is on a file system without file locks ({error.strerror}); keep ledgers on a local disk"
            ) from error
        else:
            return


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """What the disk says no to inside, as a sentence about `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"the ledger's file {path} cannot be used: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "there is no space left; free some, and keep the ledger where it is"
        case errno.EACCES | errno.EPERM:
            return "permission denied; give this account the file, its folder and the right to write there"
        case errno.EROFS:
            return "the file system is read-only; have it made writable"
        case errno.ENOENT:
            return "its folder does not exist; make the folder, or correct the ledger's path"
        case errno.EISDIR:
            return "it is a folder, and a file is expected there; move it away or correct the ledger's path"
        case errno.ENOTDIR:
            return "something above it is a file, and a folder is expected there; correct the ledger's path"
        case errno.ENAMETOOLONG:
            return "the name is too long for this file system; choose a shorter one"
    return f"{error.strerror or error}; check the disk"
