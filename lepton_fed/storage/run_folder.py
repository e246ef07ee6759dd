"""The folder that one run leaves behind, held by the one process that writes it.

    run.json                           which run, with what programs, how it ended
    federation.toml                    the resolved federation
    history.parquet                    every measurement
    models/<department>.safetensors    one per target, and <department>.md, its card
    report.html                        the report
    checkpoint/                        what a resumed run needs
    .lock                              locked while a process writes

A folder without run.json holds no run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lepton_fed.closing import Closing
from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import is_leftover, remove_leftovers, unreadable, unwritable, write_atomically
from lepton_fed.storage.checkpoint import Checkpoint
from lepton_fed.storage.file_names import file_name
from lepton_fed.storage.run_record import RunRecord, read_record
from lepton_fed.storage.tensors import Array, tensor_chunks
from lepton_fed.translation import sentence

_LOCK = ".lock"
_RECORD = "run.json"


class RunFolder(Closing):
    """Paths and records of one run; from `create` or `open`. `close`, or a `with`, gives up the lock."""

    def __init__(self, path: Path, lock: int | None) -> None:
        self.path = path
        self._lock = lock
        """Descriptor of the locked file; None where the folder was opened for reading."""

    @classmethod
    def create(cls, path: Path, record: RunRecord, *, needs: int = 0) -> RunFolder:
        """Begin a run in a new or empty folder that this process then holds.

        `needs`: bytes that the run will want there. StorageError: the folder holds a run or other files,
        cannot be written, or has no such space; then nothing was made.
        """
        path = Path(path)
        _check_space(path, needs)
        _check_empty(path)
        made = _make(path)
        lock = None
        try:
            lock = _locked(path)
            # Again, now that nobody else can begin a run here.
            _check_empty(path)
            remove_leftovers(path)
            folder = cls(path, lock)
            folder.write_record(record)
        except BaseException:
            _give_up(path, made, lock)
            raise
        return folder

    @classmethod
    def open(cls, path: Path, *, writing: bool = True) -> RunFolder:
        """The folder of a run that exists; StorageError if it holds none or another process writes it.

        `writing` locks it and clears away what a killed process left half done.
        """
        path = Path(path)
        folder = cls(path, None)
        folder.record()
        if writing:
            folder._lock = _locked(path)
            for place in (path, folder.models):
                if place.is_dir():
                    remove_leftovers(place)
        return folder

    def close(self) -> None:
        """Give up the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def federation(self) -> Path:
        """The resolved federation file."""
        return self.path / "federation.toml"

    @property
    def history(self) -> Path:
        """Every measurement, for `read_history`."""
        return self.path / "history.parquet"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def models(self) -> Path:
        """The folder of models and their cards."""
        return self.path / "models"

    def model(self, department: str) -> Path:
        """A target's model."""
        return self.models / f"{file_name(department)}.safetensors"

    def card(self, department: str) -> Path:
        """The card of a target's model."""
        return self.models / f"{file_name(department)}.md"

    def checkpoint(self, *, durable: bool = True) -> Checkpoint:
        """What a resumed run needs."""
        return Checkpoint(self.path / "checkpoint", durable=durable)

    def record(self) -> RunRecord:
        """What run.json says; StorageError if there is none or it is damaged."""
        path = self.path / _RECORD
        try:
            return read_record(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise StorageError(
                sentence("{path} holds no run; give the folder of an earlier one", path=self.path)
            ) from None
        except OSError as error:
            raise unreadable(error, path) from error
        except ValueError as error:
            raise StorageError(
                sentence("{path} is damaged: it is no run's record; restore it from a copy", path=path)
            ) from error

    def write_record(self, record: RunRecord) -> None:
        """Replace run.json."""
        write_atomically(self.path / _RECORD, record.to_text())

    def write_model(
        self,
        department: str,
        arrays: Mapping[str, Array],
        card: str,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Store a target's model and its card; returns the sha256 of the model's file in hex."""
        path = self.model(department)
        _make(self.models)
        chunks = tensor_chunks(arrays, metadata)
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
        write_atomically(self.card(department), card)
        write_atomically(path, chunks)
        return digest.hexdigest()


def _check_space(path: Path, needs: int) -> None:
    existing = next((p for p in (path, *path.absolute().parents) if p.is_dir()), None)
    if existing is None:
        return
    free = shutil.disk_usage(existing).free
    if free < needs:
        raise StorageError(
            sentence(
                "{path} needs {needs} and its disk has {free} left; free some or choose another folder",
                path=path,
                needs=_bytes(needs),
                free=_bytes(free),
            )
        )


def _check_empty(path: Path) -> None:
    """Refuse a folder that holds anything but what a run leaves that was killed before it had begun."""
    try:
        found = {p.name for p in path.iterdir() if p.name != _LOCK and not is_leftover(p)}
    except FileNotFoundError:
        return
    except OSError as error:
        raise unwritable(error, path) from error
    if _RECORD in found:
        raise StorageError(sentence("{path} already holds a run; resume that one or choose another folder", path=path))
    if found:
        raise StorageError(sentence("{path} is not empty and holds no run; choose a new or an empty folder", path=path))


def _make(path: Path) -> list[Path]:
    """Make the folder and those above it; returns those that were missing, the innermost first."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error, path) from error
    return missing


def _locked(path: Path) -> int:
    """Descriptor of the folder's lock; it goes with the process, however that ends."""
    lock = path / _LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unwritable(error, lock) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StorageError(
            sentence(
                "another process is writing the run in {path}; wait until it ends or choose another folder", path=path
            )
        ) from None
    except OSError as error:
        os.close(descriptor)
        raise StorageError(
            sentence(
                "{path} is on a file system without file locks ({reason}); choose a folder on a local disk",
                path=path,
                reason=error.strerror,
            )
        ) from error
    if not _is_at(lock, descriptor):
        os.close(descriptor)
        raise StorageError(sentence("another process has just given up the run in {path}; try again", path=path))
    return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether this is the file of that name: whoever gives a folder up takes its lock away, and another may come."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _give_up(path: Path, made: list[Path], lock: int | None) -> None:
    """Undo `create`, as far as it came; a lock that another process holds stays, and so does its folder."""
    if lock is None:
        # Not ours: either somebody else holds it or it could not be made at all.
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()
        return
    with contextlib.suppress(OSError):
        if not (path / _RECORD).exists():
            (path / _LOCK).unlink()
    os.close(lock)
    with contextlib.suppress(OSError):
        for folder in made:
            folder.rmdir()


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
