"""A department's privacy accounts as one SQLite file, which outlive kills, power cuts and a second process.

    <name>         bookings in their order, each with a digest over itself and the one before      mode 600
    <name>.begun   there has been a ledger here: whoever removes it gets its budget back

`BEGIN IMMEDIATE` lets one process at a time look what is left and book; `synchronous = EXTRA` returns when the disk
has it. A ledger that is gone or damaged is never begun anew, because an empty one would give the budget back. What no
file can notice is an older copy of itself, put back. It is the department's own and no part of the database of runs:
several federations may name one file, and then share one budget.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.privacy.account import Account, Booking, Limit
from lepton_fed.secagg.skellam import ORDERS, Cost
from lepton_fed.storage.atomic import sync_folder
from lepton_fed.translation import Sentence, sentence, term

PATIENCE = 30.0
"""Seconds to wait for another process that books, which needs milliseconds."""

_APPLICATION = 0x4C455054
"""Tells our files from other SQLite files ("LEPT")."""

_FORMAT = 1
"""Raised whenever an older program could not read what is written."""

_SCHEMA = """
CREATE TABLE orders (value INTEGER PRIMARY KEY) STRICT;
CREATE TABLE booking (
    number INTEGER PRIMARY KEY,
    data_set TEXT NOT NULL,
    question BLOB NOT NULL,
    about TEXT NOT NULL,
    round INTEGER NOT NULL,
    rdp BLOB NOT NULL,
    distance BLOB NOT NULL,
    booked TEXT NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE (data_set, question)
) STRICT;
"""

ANEW = sentence("put its newest copy back; an empty ledger would give this department its budget a second time")
"""What to do about a ledger that cannot be used."""

Row = tuple[int, str, bytes, str, int, bytes, bytes, str, bytes]


@dataclass(frozen=True)
class Line:
    """A booking as it is shown: of which data set, when, what."""

    data_set: str
    booked: str
    booking: Booking


class PrivacyFile:
    """The privacy accounts of one department; an `Accounts`. Any number of processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Begins the ledger if there has never been one at `path`, in a folder that exists.

        StorageError: it is gone, damaged, no ledger, or cannot be written.
        """
        self.path = Path(path)
        with _explaining(self.path):
            # Looked at in this order: another process may begin the ledger in between.
            if self._begun.exists() and not self.path.exists():
                raise StorageError(sentence("the privacy ledger {path} is gone; {remedy}", path=self.path, remedy=ANEW))
            # By us, with its mode: SQLite would let others read it.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with self._writing() as connection:
                self._begin(connection)
            self._mark()

    def read(self, data_set: str) -> Account:
        """The account as last booked."""
        return Account(tuple(line.booking for line in self.lines() if line.data_set == data_set))

    def book(self, data_set: str, booking: Booking, limit: Limit) -> Account:
        """See `Accounts`. StorageError: it cannot be written, and the numbers that wait for it must not leave."""
        with _explaining(self.path), self._writing() as connection:
            rows = _checked(connection, self.path)
            account = Account(tuple(_booking(row) for row in rows if row[1] == data_set))
            after = account.book(booking, limit)
            if after is not account:
                _append(connection, rows, data_set, booking)
            return after

    def lines(self) -> tuple[Line, ...]:
        """All bookings in their order."""
        with _explaining(self.path), self._writing() as connection:
            return tuple(Line(row[1], row[7], _booking(row)) for row in _checked(connection, self.path))

    # ------------------------------------------------------------ the file

    @property
    def _begun(self) -> Path:
        return self.path.with_name(f"{self.path.name}.begun")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside; undone where anything is raised inside."""
        if not self.path.exists():
            raise StorageError(sentence("the privacy ledger {path} is gone; {remedy}", path=self.path, remedy=ANEW))
        with closing(sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Makes the tables of a new ledger, or makes sure that these are a ledger's."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (application, number, tables) == (0, 0, 0):
            if self._begun.exists():
                raise StorageError(
                    sentence("the privacy ledger {path} is empty; {remedy}", path=self.path, remedy=ANEW)
                )
            self._make(connection)
            return
        if application != _APPLICATION:
            raise StorageError(
                sentence("{path} is a database of something else; name another file for the ledger", path=self.path)
            )
        orders = tuple(value for (value,) in connection.execute("SELECT value FROM orders ORDER BY value"))
        if (number, orders) != (_FORMAT, ORDERS):
            raise StorageError(
                sentence(
                    "the privacy ledger {path} was written by another version of lepton-fed; use that version",
                    path=self.path,
                )
            )
        _checked(connection, self.path)

    def _make(self, connection: sqlite3.Connection) -> None:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.executemany("INSERT INTO orders VALUES (?)", [(value,) for value in ORDERS])
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")

    def _mark(self) -> None:
        """Only after the ledger is there: a kill in between would lock the department out."""
        if not self._begun.exists():
            os.close(os.open(self._begun, os.O_RDWR | os.O_CREAT, 0o600))
            sync_folder(self.path.parent)


def _append(connection: sqlite3.Connection, rows: list[Row], data_set: str, booking: Booking) -> None:
    number, before = (rows[-1][0] + 1, rows[-1][8]) if rows else (1, b"")
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    distance = struct.pack("<d", booking.distance)
    rdp = struct.pack(f"<{len(ORDERS)}d", *booking.cost.rdp)
    row = (number, data_set, booking.question, booking.about, booking.round, rdp, distance, moment)
    connection.execute("INSERT INTO booking VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, _digest(before, row)))


def _checked(connection: sqlite3.Connection, path: Path) -> list[Row]:
    """All rows, if none was changed or taken out from between others."""
    rows: list[Row] = connection.execute("SELECT * FROM booking ORDER BY number").fetchall()
    before = b""
    for place, row in enumerate(rows, start=1):
        if row[0] != place or row[8] != _digest(before, row[:8]):
            raise StorageError(sentence("the privacy ledger {path} is damaged; {remedy}", path=path, remedy=ANEW))
        before = row[8]
    return rows


def _digest(before: bytes, row: tuple[object, ...]) -> bytes:
    """SHA-256 over the digest before and the row's fields, each headed by its length."""
    state = hashlib.sha256(before)
    for value in row:
        raw = value if isinstance(value, bytes) else str(value).encode()
        state.update(len(raw).to_bytes(8, "little") + raw)
    return state.digest()


def _booking(row: Row) -> Booking:
    _, _, question, about, round_, rdp, distance, _, _ = row
    return Booking(
        question, about, round_, Cost(struct.unpack(f"<{len(ORDERS)}d", rdp)), *struct.unpack("<d", distance)
    )


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """What the disk or SQLite says no to inside, as a sentence about `path`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        busy = error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        why: Sentence = term(str(error))
        if busy:
            why = sentence(
                "another process has held it for {seconds:g} seconds; end that one, then try again", seconds=PATIENCE
            )
        raise StorageError(sentence("the privacy ledger {path} cannot be used: {why}", path=path, why=why)) from error
    except sqlite3.Error as error:
        raise StorageError(
            sentence(
                "the privacy ledger {path} is damaged or no ledger ({error}); {remedy}",
                path=path,
                error=term(str(error)),
                remedy=ANEW,
            )
        ) from error
    except OSError as error:
        raise StorageError(
            sentence(
                "the privacy ledger {path} cannot be used: {why}; correct `ledger` or its folder",
                path=path,
                why=term(error.strerror or str(error)),
            )
        ) from error
