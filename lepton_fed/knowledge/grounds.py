"""A department's common ground from its own file: its facts, whom it asks, and where what it has in common is kept.

ground_of([common_ground], identity, roster, consent, base) -> MeetingPlace
"""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.consent import Consent
from lepton_fed.data.department_file import OwnGround
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.knowledge.graph import KnowledgeGraph
from lepton_fed.knowledge.library import intersection
from lepton_fed.knowledge.meeting import MeetingPlace
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.storage.atomic import write_atomically
from lepton_fed.storage.file_names import file_name

_log = logging.getLogger("lepton_fed.knowledge.grounds")


def ground_of(said: OwnGround, identity: Identity, roster: Roster, consent: Consent, base: Path) -> MeetingPlace:
    """A place to meet the others. `base`: what the file's paths are relative to.

    ConfigError where its facts are not there, or it asks somebody who is no other department.
    """
    strangers = [name for name in said.ask if name == identity.name or name not in roster.names]
    if strangers:
        raise ConfigError(f"{identity.name}: common_ground asks {strangers[0]!r}, which is no other department")
    intersection()  # Says what to install where it is missing.
    graph = _graph(said.database, base, identity.name)
    kept = None if said.to is None else Kept(base / Path(said.to).expanduser()).keep
    return MeetingPlace(identity, roster, graph, consent, _proposed, said.ask, kept)


@dataclass(frozen=True)
class Kept:
    """The folder of what a department has in common with those that it asked, for its own people."""

    folder: Path

    def keep(self, other: str, names: tuple[str, ...]) -> None:
        """Write `<other>.csv`, mode 600, in the place of what was found before; StorageError if that cannot be."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["entity"], *([name] for name in names)])
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be written: {error.strerror or error}") from None
        write_atomically(self.folder / f"{file_name(other)}.csv", text.getvalue(), private=True)
        _log.info("%d in common with %s", len(names), other)


def _graph(database: str, base: Path, name: str) -> KnowledgeGraph:
    if "://" in database:
        return KnowledgeGraph(database)
    path = base / Path(database).expanduser()
    if not path.is_file():
        raise ConfigError(f"{name}: its facts are to be in {path}, which does not exist; import them first")
    return KnowledgeGraph(path)


def _proposed(other: str, common: int, new: int) -> None:
    _log.info("%d in common with %s, %d proposed; decide with lepton-fed knowledge join", common, other, new)
