"""Keeps a run as it happens: its folder, its checkpoints, its rows in the database; and finds it again.

After each round, first the measurements are committed to the database, together with what the audit log says of the
round; then the checkpoint is replaced. A run killed between the two does the round again and records the same numbers
again; the log, which is only added to, has the round already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from lepton_fed.config import Federation
from lepton_fed.errors import LeptonError, StoppedError, StorageError
from lepton_fed.history import Measurement
from lepton_fed.translation import sentence

if TYPE_CHECKING:
    from lepton_fed.accounts import Account
    from lepton_fed.audit.entries import MembershipTaken
    from lepton_fed.audit.run_entries import Beginning
    from lepton_fed.audit.run_log import RunLog

    # SQLAlchemy takes 0.3 s to import; a simulation that keeps nothing does not wait for it.
    from lepton_fed.storage import RunFolder, RunRecord, RunStore, Saved
    from lepton_fed.storage.store import Also
    from lepton_fed.storage.tensors import MappedTensors

DATABASE = "lepton-fed.sqlite"


@dataclass(frozen=True)
class Logging:
    """How a run writes the audit log: what it begins with, and its pen, given its database and its id."""

    beginning: Beginning
    pen: Callable[[RunStore, str], RunLog]
    membership: MembershipTaken | None = None


class Recorder:
    """One run's folder and rows. Use it in a `with`: an error marks the run as failed or stopped."""

    def __init__(self, folder: RunFolder, record: RunRecord, store: RunStore, log: RunLog | None = None) -> None:
        self.folder = folder
        self.record = record
        self.store = store
        self.log = log
        self.checkpoint = folder.checkpoint(durable=False)
        self.rounds = self.checkpoint.last_round()
        """That the run has played."""

    @classmethod
    def create(
        cls, path: Path, federation: Federation, database: str | None, needs: int, logging: Logging | None = None
    ) -> Recorder:
        """A new run in a new or empty folder. The database defaults to one beside the run folders.

        `logging`: without, nothing of the run is in the audit log.
        """
        from lepton_fed.storage import RunFolder, RunRecord

        settings = federation.settings
        record = RunRecord.new(
            name=settings.federation.name, fingerprint=federation.fingerprint, seed=settings.federation.seed
        )
        made = [p for p in (path, *path.parents) if not p.exists()]
        folder = RunFolder.create(path, record, needs=needs)
        try:
            _write(folder.federation, federation.to_toml())
            return cls(folder, record, *_started(_store(path, database), path, federation, record, logging))
        except BaseException:
            # Nothing stays of a run that did not begin: the same command works once the cause is gone.
            _undo(folder, made)
            raise

    @classmethod
    def reopen(
        cls,
        path: Path,
        federation: Federation,
        database: str | None,
        *,
        changed: bool = False,
        logging: Logging | None = None,
    ) -> Recorder:
        """A run that was killed, stopped or finished; StorageError if the federation file has changed since.

        `changed`: it may have, because a membership that the administrator signed says so.
        """
        from lepton_fed.storage import RunFolder

        folder = RunFolder.open(path)
        try:
            if not changed and _but_rounds(_began(folder) or federation) != _but_rounds(federation):
                raise StorageError(
                    sentence(
                        "{path} was started with another federation file; resume it with {file}'s settings or start a "
                        "new run",
                        path=path,
                        file=folder.federation,
                    )
                )
            record = replace(folder.record().resumed(), fingerprint=federation.fingerprint)
            store, log = _started(_store_of(folder, database, record), path, federation, record, logging)
            folder.write_record(record)
            _write(folder.federation, federation.to_toml())
            return cls(folder, record, store, log)
        except BaseException:
            folder.close()
            raise

    def saved(self) -> Saved | None:
        """The last completed round, if any; rows of later rounds are forgotten."""
        saved = self.checkpoint.latest()
        self._forget_after(saved)
        return saved

    def mapped(self) -> tuple[Saved, tuple[MappedTensors, ...]] | None:
        """Likewise, with arrays that are views of the checkpoint's files, and these."""
        found = self.checkpoint.mapped()
        self._forget_after(found[0] if found is not None else None)
        return found

    def _forget_after(self, saved: Saved | None) -> None:
        self.store.forget_after(self.record.id, saved.round - 1 if saved is not None else -1)

    def history(self) -> list[Measurement]:
        """What was measured before this process took over."""
        return self.store.history(self.record.id)

    def keep_round(
        self,
        number: int,
        seconds: float,
        measurements: Sequence[Measurement],
        accounts: Sequence[Account] = (),
        *,
        closing: bool = False,
    ) -> None:
        """Commits what was measured about a round, and what was summed since: in the next, or for the last report."""
        self.rounds = number
        also = self._also(lambda log: log.summed(number if closing else number + 1, accounts, closing=closing))
        self.store.record_round(self.record.id, number, seconds, measurements, also)

    def keep_model(self, target: str, digest: str, parameters: bytes, file: Path, round: int) -> None:
        """Commits where a target's model is. `digest`: of its file, in hex; `parameters`: of its numbers, 32 bytes."""
        also = self._also(lambda log: log.made(round, target, bytes.fromhex(digest), parameters))
        self.store.record_model(self.record.id, target, digest=digest, file=file, also=also)

    def finish(self) -> None:
        """Marks the run as done."""
        self._end("finished", "")

    def _end(self, status: str, reason: str) -> None:
        ended = self.record.ended(status, reason)  # type: ignore[arg-type]
        # The database first: a run that has ended by its folder is not begun again, and would never be said to have.
        also = self._also(lambda log: log.ended(status, self.rounds, reason))
        self.store.finish_run(self.record.id, ended.status, reason, also)
        self.folder.write_record(ended)
        self.record = ended

    def _also(self, say: Callable[[RunLog], Also]) -> Also:
        """What the log says, in the same transaction; nothing, without a log."""
        from lepton_fed.storage.store import nothing

        return nothing if self.log is None else say(self.log)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None and not isinstance(error, StorageError) and self.record.status == "running":
                stopped = isinstance(error, (KeyboardInterrupt, StoppedError))
                self._end("stopped" if stopped else "failed", _reason(error))
        finally:
            self.store.close()
            self.folder.close()


def recorded_rounds(path: Path) -> int | None:
    """How many rounds the run in this folder was asked for; None if it was killed before that was written."""
    from lepton_fed.storage import RunFolder

    began = _began(RunFolder.open(path, writing=False))
    return None if began is None else began.settings.rounds.count


def _began(folder: RunFolder) -> Federation | None:
    """The federation as the run has it; a run that was killed at its very beginning has none, and no rounds."""
    return Federation.load(folder.federation) if folder.federation.exists() else None


def folder_of(path: Path, database: str | None) -> Path:
    """The folder that the database of a run in this folder is in; of one that is no file, the folder beside runs."""
    if database is not None and database.startswith("sqlite"):
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        with contextlib.suppress(ArgumentError, ValueError):  # Told where it is opened.
            place = make_url(database).database
            if place and place != ":memory:" and not place.startswith("file:"):
                return Path(place).resolve().parent
    return _default(path).parent


def _default(path: Path) -> Path:
    """The database beside the run folders; also where the folder is given as "." or through a link."""
    return path.resolve().parent / DATABASE


def _store(path: Path, database: str | None) -> RunStore:
    from lepton_fed.storage import RunStore, sqlite_url

    return RunStore(database or sqlite_url(_default(path)), durable=False)


def _store_of(folder: RunFolder, database: str | None, record: RunRecord) -> RunStore:
    """The database that holds the rounds of a run so far; StorageError, with nothing written, if it is another."""
    saved = folder.checkpoint(durable=False).latest()
    elsewhere = StorageError(
        f"the rounds of the run in {folder.path} are not in this database; "
        "name the one it was started with (--database)"
    )
    if saved is not None and database is None and not _default(folder.path).exists():
        raise elsewhere
    store = _store(folder.path, database)
    try:
        known = any(run.id == record.id for run in store.runs())
        if saved is not None and saved.round > (len(store.rounds(record.id)) if known else 0):
            raise elsewhere
    except BaseException:
        store.close()
        raise
    return store


def _started(
    store: RunStore, path: Path, federation: Federation, record: RunRecord, logging: Logging | None
) -> tuple[RunStore, RunLog | None]:
    """The same database, in which the run now goes on, and the run's pen in the log."""
    from lepton_fed.storage.store import nothing

    log = None
    also: Also = nothing
    try:
        if logging is not None:
            log = logging.pen(store, record.id)
            also = log.begun(logging.beginning, logging.membership)
        store.start_run(
            id=record.id,
            name=record.name,
            purpose=federation.settings.federation.purpose,
            fingerprint=record.fingerprint,
            federation_toml=federation.to_toml(),
            seed=record.seed,
            folder=path.absolute(),
            started=record.started,
            also=also,
        )
    except BaseException:
        store.close()
        raise
    return store, log


def _undo(folder: RunFolder, made: list[Path]) -> None:
    """Removes a run that did not begin, and the folders that were made for it."""
    with contextlib.suppress(OSError):
        for file in folder.path.iterdir():
            file.unlink()
    folder.close()
    with contextlib.suppress(OSError):
        for empty in made:
            empty.rmdir()


def _reason(error: BaseException) -> str:
    """Why a run failed. Only our own sentences: those of other libraries may quote a row."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by hand"
    return str(error) if isinstance(error, LeptonError) else type(error).__name__


def _but_rounds(federation: Federation) -> object:
    """What must not change between the parts of a run: everything but how long it goes on."""
    return replace(federation.settings, rounds=replace(federation.settings.rounds, count=1))


def _write(path: Path, text: str) -> None:
    from lepton_fed.storage import write_atomically

    write_atomically(path, text)
