"""A portal: its database, its policies, its clock; gives out transactions in which somebody acts.

with Portal.opened(folder) as portal, portal.writing(person) as acting:
    number = begin(acting, "研发部门", "note", content)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, make_url

from lepton_fed.closing import Closing
from lepton_fed.errors import StorageError
from lepton_fed.portal.acting import Acting
from lepton_fed.portal.afterwards import Afterwards
from lepton_fed.portal.attachments.files import FOLDER as FILES
from lepton_fed.portal.attachments.files import AttachmentFiles
from lepton_fed.portal.finding import keywords, sketch
from lepton_fed.portal.finding.index import WordIndex, filled, index_of
from lepton_fed.portal.finding.search import published
from lepton_fed.portal.people.passwords import Passwords
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.database import Database
from lepton_fed.storage.private_file import make_private

DATABASE = "portal.sqlite"
PATIENCE = 10.0
"""Seconds that a request waits for a database that others write to."""


def _utc() -> datetime:
    return datetime.now(UTC)


class Portal(Closing):
    """What serves a portal, and what its commands work on. Close it, or use it in a `with`; threads may share one."""

    def __init__(
        self,
        database: Database,
        rights: Rights,
        words: WordIndex,
        files: AttachmentFiles,
        *,
        passwords: Passwords | None = None,
        clock: Callable[[], datetime] = _utc,
    ) -> None:
        self.database, self.rights, self.words, self.files = database, rights, words, files
        self.passwords = passwords or Passwords()
        self.clock = clock
        self.afterwards = Afterwards(database)

    @classmethod
    def opened(
        cls,
        folder: Path,
        url: str | None = None,
        *,
        passwords: Passwords | None = None,
        clock: Callable[[], datetime] = _utc,
    ) -> Self:
        """The portal of a folder, which is made if it is new; `url`: a database instead of SQLite in the folder."""
        portal = cls.unprepared(folder, url, passwords=passwords, clock=clock)
        try:
            with portal.database.writing() as connection:
                portal.prepare(connection)
        except BaseException:
            portal.close()
            raise
        return portal

    @classmethod
    def unprepared(
        cls,
        folder: Path,
        url: str | None = None,
        *,
        passwords: Passwords | None = None,
        clock: Callable[[], datetime] = _utc,
    ) -> Self:
        """The same, but for its tables: for whoever prepares them in one transaction with what is to be in them."""
        rights = Rights.read(folder)
        where = url or sqlite_url(_made(folder) / DATABASE)
        make_private(where, "the portal")
        database = Database(where, patience=PATIENCE, durable=True)
        words = index_of(make_url(where).get_backend_name())
        return cls(database, rights, words, AttachmentFiles(folder / FILES), passwords=passwords, clock=clock)

    def prepare(self, connection: Connection) -> None:
        """Have the newest tables, an index of all that is published, and a sketch and the keywords of each."""
        schema.upgrade(connection)
        filled(self.words, connection, lambda: published(connection))
        sketch.fill(connection)
        keywords.fill(connection, lambda: published(connection))

    @contextmanager
    def reading(self, person: Person) -> Iterator[Acting]:
        """Somebody looks: one state of the database."""
        with self.database.reading() as connection:
            yield Acting(connection, person, self.clock(), self.rights, self.words, self.files)

    @contextmanager
    def writing(self, person: Person) -> Iterator[Acting]:
        """Somebody changes something: all of it at the end of the block, or nothing."""
        with self.database.writing() as connection:
            yield Acting(connection, person, self.clock(), self.rights, self.words, self.files)

    def note(self, acting: Acting, change: Callable[[Acting], object]) -> None:
        """Write down soon what nobody waits for, as of the moment of `acting`."""
        self.afterwards.do(lambda connection: change(replace(acting, connection=connection)))

    def close(self) -> None:
        """Write down what is left, and give back the connections."""
        self.afterwards.close()
        self.database.close()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}") from None
    return folder
