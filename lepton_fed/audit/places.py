"""Where a log is, and by which keys to check it: a database, a run's folder, a kit, or an exported file.

logs_at("runs/first")          [Found]      its database, the keys beside it, the heads that departments keep
logs_at("kits/coordinator")    [Found]      the database in its state folder, the keys that its rosters say
logs_at("log.jsonl", keys)     [Found]      an export, keys from a file or a kit
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from lepton_fed.audit.commitments import Commitment, Opening
from lepton_fed.audit.export import read_export
from lepton_fed.audit.head_file import HeadFile
from lepton_fed.audit.heads import Keys, SignedHead
from lepton_fed.audit.key_file import read_keys
from lepton_fed.audit.key_folder import FOLDER, KeyFolder
from lepton_fed.audit.kits import HEAD, docket_of, keys_of
from lepton_fed.audit.log import openings
from lepton_fed.audit.record import Written
from lepton_fed.audit.stored import written
from lepton_fed.audit.verification import Finding, Verdict, verify_written
from lepton_fed.config import Federation
from lepton_fed.deploy.kit import KIT, CoordinatorKit, DepartmentKit, Kit
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.record import DATABASE, folder_of
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.audit_log_tables import AuditLogRow
from lepton_fed.storage.database import Database
from lepton_fed.translation import Sentence, sentence

SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Found:
    """A log, and what it is checked by. `kept`: heads that departments keep; `noted`: entries in their dockets."""

    written: Written
    keys: Keys | None
    kept: Mapping[str, SignedHead] = field(default_factory=dict)
    openings: Mapping[Commitment, Opening] = field(default_factory=dict, repr=False)
    noted: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    def verdict(self) -> Verdict:
        """What it comes to; ConfigError without keys."""
        if self.keys is None:
            raise ConfigError(no_keys(self.written.log))
        found = verify_written(self.written, self.keys, self.kept, self.openings)
        return found.with_findings(_untold(self.written, self.noted))


def no_keys(log: str) -> Sentence:
    """Nobody can say whether the log is as it was signed."""
    return sentence(
        "there are no keys beside it to check the log {log!r} by; name a file of keys or your kit with --keys "
        "(lepton-fed audit keys makes the file)",
        log=log,
    )


def _untold(log: Written, noted: Mapping[str, tuple[bytes, ...]]) -> Iterator[Finding]:
    """What a department told, as far as it was told anything, and the log does not have."""
    there = {record.body for record in log.records}
    for name, bodies in noted.items():
        known = [body in there for body in bodies]
        # What comes after the last that is there may not have been told yet.
        told = len(known) - known[::-1].index(True) if True in known else 0
        missing = [place for place, here in enumerate(known[:told], start=1) if not here]
        if missing:
            which = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
            why = sentence(
                "{name} told the log what its docket has as {which}, and the log has it not", name=name, which=which
            )
            yield Finding("dropped", why)


def logs_at(where: str | Path, keys: Path | None = None, log: str | None = None) -> list[Found]:
    """The logs in a place, or the one of that name. ConfigError or StorageError, one sentence, where there is none.

    `keys`: a file of keys, or a kit; default: those that lie beside the log.
    """
    given = None if keys is None else _given(keys)
    wanted = log if log is not None else (given.keys.log if given is not None and given.keys is not None else None)
    found = list(_found(where, wanted))
    if wanted is not None and not found:
        raise ConfigError(f"{where} has no log {wanted!r}")
    if given is None:
        return found
    return [Found(one.written, given.keys, {**one.kept, **given.kept}, one.openings, given.noted) for one in found]


def keys_at(where: str | Path, log: str | None = None) -> Keys | None:
    """The public keys that lie beside a log, or in a kit; ConfigError where there are several logs and no name."""
    kit = None if "://" in str(where) else kit_at(Path(where))
    if kit is not None:
        return keys_of(kit)
    found = logs_at(where, None, log)
    if len(found) > 1:
        raise ConfigError(f"{where} has several logs ({', '.join(one.written.log for one in found)}); name one (--log)")
    return found[0].keys


def kit_at(place: Path) -> Kit | None:
    """The kit in a folder; None for any other."""
    return Kit.load(place) if (place / KIT).is_file() else None


@dataclass(frozen=True)
class _Given:
    keys: Keys | None
    kept: Mapping[str, SignedHead] = field(default_factory=dict)
    noted: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)


def _given(place: Path) -> _Given:
    """What an auditor, or a department with its kit, brings along."""
    if not place.is_dir():
        return _Given(read_keys(place))
    kit = kit_at(place)
    if kit is None:
        raise ConfigError(f"{place} is no file of keys and no kit")
    keys = keys_of(kit)
    if not isinstance(kit, DepartmentKit):
        return _Given(keys)
    kept = HeadFile(kit.state / HEAD).read()
    noted = tuple(one.entry for one in docket_of(kit).noted())
    return _Given(keys, {} if kept is None else {kit.name: kept}, {kit.name: noted})


def _found(where: str | Path, wanted: str | None) -> Iterator[Found]:
    if "://" in str(where):
        yield from _in_database(str(where), Path(), wanted)
        return
    place = Path(where)
    kit = kit_at(place)
    if isinstance(kit, CoordinatorKit):
        for one in _in_database(sqlite_url(_there(kit.state / DATABASE)), kit.state, wanted):
            yield Found(one.written, keys_of(kit), {}, one.openings)
    elif kit is not None:
        raise ConfigError(f"{place} is a department's kit, which has no log; name an export, and this kit with --keys")
    elif (place / "run.json").is_file():
        name = Federation.load(place / "federation.toml").settings.federation.name.strip()
        yield from _in_database(sqlite_url(_there(folder_of(place, None) / DATABASE)), folder_of(place, None), name)
    elif place.is_dir():
        yield from _in_database(sqlite_url(_there(place / DATABASE)), place, wanted)
    elif _is_sqlite(_there(place)):
        yield from _in_database(sqlite_url(place), place.resolve().parent, wanted)
    else:
        read = read_export(place)
        if wanted in (None, read.log):
            yield Found(read, None)


def _there(path: Path) -> Path:
    """SQLite would make the file; whoever checks a log wants the one that is there."""
    if not path.exists():
        raise StorageError(
            sentence("{path} does not exist; name a database, a run's folder, a kit or an exported log", path=path)
        )
    return path


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def _in_database(url: str, beside: Path, wanted: str | None) -> Iterator[Found]:
    with _opened(url) as database:
        with database.reading() as connection:
            names = sorted(connection.execute(select(AuditLogRow.log)).scalars())
        if not names:
            raise ConfigError("the database has no audit log; a run writes one beside its folder")
        for name in names:
            if wanted in (None, name):
                yield _stored(database, name, beside)


def _stored(database: Database, name: str, beside: Path) -> Found:
    folder = KeyFolder(beside, name)
    known = (beside / FOLDER).is_dir() and folder.public.exists()
    with database.reading() as connection:
        texts = openings(connection, name)
    keys = read_keys(folder.public) if known else None
    return Found(written(database, name), keys, folder.kept_heads() if known else {}, texts)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = schema.opened(url, patience=10.0, durable=True)
    try:
        yield database
    finally:
        database.close()
