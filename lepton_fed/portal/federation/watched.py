"""The federation that a portal watches, and where on this machine its runs, its pipeline and its audit log are.

Watched(Path("federation.toml"), runs=Path("runs"))     as `simulate`, `pipeline` and `local` leave them
Watched(Path("kits/coordinator"))                       a deployed one: all is in the kit's state folder
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from lepton_fed.audit.places import kit_at
from lepton_fed.config import Federation
from lepton_fed.deploy.kit import Kit
from lepton_fed.portal.federation.rights import Member
from lepton_fed.portal.federation.trouble import told
from lepton_fed.record import DATABASE
from lepton_fed.storage import sqlite_url


class Watched:
    """`place`: a federation file, or a kit. `runs`, `database`: as the commands of runs and pipelines take them.

    ConfigError if the federation cannot be read at first. Threads may share one.
    """

    def __init__(self, place: Path, *, runs: Path = Path("runs"), database: str | None = None) -> None:
        self.place = place
        self._runs, self._database = runs, database
        self.members = self._members(self._read())
        """As last read: who may look is known also while the file is broken."""

    def federation(self) -> Federation:
        """As its file is now; Unreadable."""
        with told():
            found = self._read()
        self.members = self._members(found)
        return found

    def kit(self) -> Kit | None:
        """Of a deployed federation; Unreadable where it cannot be used."""
        with told():
            return kit_at(self.place)

    @property
    def runs(self) -> Path:
        """The folder of runs, in which the database is if it has no address of its own."""
        kit = self.kit()
        return self._runs if kit is None else kit.state

    @property
    def database(self) -> str | None:
        """Its address, where it was given one."""
        return self._database

    @property
    def url(self) -> str | None:
        """Of the database of runs, pipelines and the audit log; None where nothing has been written yet."""
        if self._database is not None:
            return self._database if _is_there(self._database) else None
        file = self.runs / DATABASE
        # SQLite would make the file; whoever only looks makes nothing.
        return sqlite_url(file) if file.exists() else None

    def _read(self) -> Federation:
        kit = kit_at(self.place)
        return Federation.load(self.place) if kit is None else kit.federation

    @staticmethod
    def _members(federation: Federation) -> tuple[Member, ...]:
        return tuple(map(Member, federation.settings.names))


def _is_there(url: str) -> bool:
    with told():
        from lepton_fed.storage.database import Database

        Database(url, patience=1.0, durable=True).close()  # Says so where it is no URL.
    found = make_url(url)
    return found.get_backend_name() != "sqlite" or bool(found.database and Path(found.database).exists())
