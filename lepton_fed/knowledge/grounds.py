"""The place at which a department meets others, made of what its own file says about common ground.

ground_of([common_ground], identity, roster, consent, base) -> MeetingPlace
"""

from __future__ import annotations

import logging
from pathlib import Path

from lepton_fed.consent import Consent
from lepton_fed.data.department_file import OwnGround
from lepton_fed.errors import ConfigError
from lepton_fed.knowledge.graph import KnowledgeGraph
from lepton_fed.knowledge.in_common import Kept
from lepton_fed.knowledge.library import intersection
from lepton_fed.knowledge.meeting import MeetingPlace
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster

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


def _graph(database: str, base: Path, name: str) -> KnowledgeGraph:
    if "://" in database:
        return KnowledgeGraph(database)
    path = base / Path(database).expanduser()
    if not path.is_file():
        raise ConfigError(f"{name}: its facts are to be in {path}, which does not exist; import them first")
    return KnowledgeGraph(path)


def _proposed(other: str, common: int, new: int) -> None:
    _log.info("%d in common with %s, %d proposed; decide with lepton-fed knowledge join", common, other, new)
