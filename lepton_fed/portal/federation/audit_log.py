"""The audit log of the watched federation: its entries, the heads that vouch for them, and proofs to take along.

page ──► entries, the newest first        verdict ──► is each as it was signed?
export, keys ──► files for an auditor     proof   ──► what made this model
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from sqlalchemy import Connection, make_url, select

from lepton_fed.audit.commitments import Commitment
from lepton_fed.audit.entries import Entry, spoken
from lepton_fed.audit.export import export_log
from lepton_fed.audit.key_file import write_keys
from lepton_fed.audit.key_folder import KeyFolder
from lepton_fed.audit.log import last_head, size_of
from lepton_fed.audit.places import Found, logs_at
from lepton_fed.audit.provenance import Provenance, names, prove
from lepton_fed.audit.record import Sealed
from lepton_fed.audit.verification import Verdict
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.federation.trouble import Unreadable, told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.record import folder_of
from lepton_fed.secagg.errors import Malformed
from lepton_fed.storage import schema
from lepton_fed.storage.audit_log_tables import AuditEntryRow
from lepton_fed.translation import joined, sentence

A_PAGE = 50
PATIENCE = 10.0


@dataclass(frozen=True)
class EntrySeen:
    """An entry: what it says in the open. Digests, and texts that it only commits to, are left to the export."""

    number: int
    kind: str
    """A word of its own for each kind: run_begun, decision ..."""
    time: str
    run: str
    says: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LogSeen:
    """A page of it. `sealed`: entries under the last head, which was signed at `head`; `older`: where to go on."""

    name: str
    size: int
    sealed: int
    head: str
    entries: tuple[EntrySeen, ...]
    older: int | None


@dataclass(frozen=True)
class VerdictSeen:
    """What checking every entry, hash and signature came to."""

    sound: bool
    lines: tuple[str, ...]


def page(watched: Watched, before: int | None = None) -> LogSeen | None:
    """The newest entries, or those before a number; None where there is no log yet."""
    with told(), _reading(watched) as (connection, name):
        size = 0 if connection is None else size_of(connection, name)
        if connection is None or not size:
            return None
        head = _last_head(connection, name)
        entries = tuple(_entries(connection, name, size if before is None else before))
        return LogSeen(
            name=name,
            size=size,
            sealed=head.signed.head.size if head is not None else 0,
            head=spoken(head.signed.head.time) if head is not None else "",
            entries=entries,
            older=entries[-1].number if entries and entries[-1].number > 0 else None,
        )


def verdict(watched: Watched) -> VerdictSeen:
    """Checks the whole log, which takes longer the longer it is; NotThere without one."""
    with told():
        found = _log(watched).verdict()
    return VerdictSeen(found.sound, found.lines)


def export(watched: Watched) -> bytes:
    """The file that `lepton-fed audit export` writes; it verifies as the database does. NotThere without a log."""
    with told():
        written = _log(watched).written
        return _as_file(lambda path: export_log(written, path))


def keys(watched: Watched) -> bytes:
    """The file that `lepton-fed audit keys` writes: public keys alone. NotThere where none lie beside the log."""
    with told():
        known = _log(watched).keys
        if known is None:
            raise NotThere
        return _as_file(lambda path: write_keys(known, path))


def proof(watched: Watched, model: str) -> str:
    """What made a model, by the SHA-256 of its file in hex, from a log that was verified first. NotThere."""
    digest = _digest(model)
    with told():
        found = _log(watched)
        if not names(found.written.records, digest):
            raise NotThere
        checked = found.verdict()
        _require_sound(checked)
        return "\n".join((checked.text, *(one.text for one in prove(found.written.records, digest)))) + "\n"


def _require_sound(checked: Verdict) -> None:
    if not checked.sound:
        found = joined("; ", (one.sentence for one in checked.findings))
        raise Unreadable(
            sentence("the log is NOT what was signed, {count} found: {found}", count=len(checked.findings), found=found)
        )


def provenances(watched: Watched, run: str, models: Iterable[str]) -> Iterator[Provenance]:
    """How each of a run's models came to be, from a log that was verified first; NotThere, Unreadable."""
    with told():
        found = _log(watched)
        checked = found.verdict()
        _require_sound(checked)
        for model in map(_digest, models):
            if names(found.written.records, model):
                yield from (one for one in prove(found.written.records, model) if one.run == run)


def word_of(kind: str) -> str:
    """A kind of entry as one word: audit-run-begun/1 is run_begun."""
    return kind.removeprefix("audit-").partition("/")[0].replace("-", "_")


@contextmanager
def _reading(watched: Watched) -> Iterator[tuple[Connection | None, str]]:
    """The database that the log is in, None where there is none yet; and the log's name."""
    name, url = watched.federation().settings.federation.name.strip(), watched.url
    if url is None:
        yield None, name
        return
    database = schema.opened(url, patience=PATIENCE, durable=True)
    try:
        with database.reading() as connection:
            yield connection, name
    finally:
        database.close()


def _last_head(connection: Connection, log: str) -> Sealed | None:
    """The newest head, None without any; Unreadable where somebody has edited it."""
    try:
        return last_head(connection, log)
    except (Malformed, TypeError) as error:  # SQLite lets somebody put text in the place of bytes.
        why = sentence("the last head of the log was edited: it cannot be read any more ({error})", error=str(error))
        raise Unreadable(why) from None


def _log(watched: Watched) -> Found:
    """The whole log; NotThere where there is none yet."""
    with _reading(watched) as (connection, name):
        if connection is None or not size_of(connection, name):
            raise NotThere
    return logs_at(*_place(watched, name), name)[0]


def _place(watched: Watched, name: str) -> tuple[str | Path, Path | None]:
    """Where the log is, and its keys where they do not lie beside it."""
    if isinstance(watched.kit(), CoordinatorKit):
        return watched.place, None
    if watched.database is None:
        return watched.runs, None
    url = make_url(watched.database)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database), None
    public = KeyFolder(folder_of(watched.runs / "any", watched.database), name).public
    return watched.database, public if public.exists() else None


def _entries(connection: Connection, log: str, before: int) -> Iterator[EntrySeen]:
    table = AuditEntryRow
    wanted = (
        select(table.number, table.body)
        .where(table.log == log, table.number < before)
        .order_by(table.number.desc())
        .limit(A_PAGE)
    )
    for row in connection.execute(wanted):
        yield _entry(row.number, row.body)


def _entry(number: int, body: bytes) -> EntrySeen:
    try:
        entry = Entry.read(body)
    except (Malformed, TypeError):  # SQLite lets somebody put text in the place of bytes.
        return EntrySeen(number, "unreadable", "", "", ())
    said = ((one.name, _said(getattr(entry, one.name))) for one in fields(entry) if one.name not in ("time", "run"))
    return EntrySeen(number, word_of(entry.KIND), spoken(entry.time), entry.run, tuple((n, v) for n, v in said if v))


def _said(value: object) -> str:
    """A field's value in the open; empty for digests and commitments, and for what is empty."""
    match value:
        case None | bytes() | Commitment():
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(filter(None, (_said(one[0] if isinstance(one, tuple) else one) for one in value)))
    return str(value)


def _digest(model: str) -> bytes:
    try:
        digest = bytes.fromhex(model)
    except ValueError:
        raise NotThere from None
    if len(digest) != 32:
        raise NotThere
    return digest


def _as_file(write: Callable[[Path], None]) -> bytes:
    """What `write` writes into a new file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()
