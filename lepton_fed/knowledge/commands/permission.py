"""Policies under which a command asks: of the federation file, of departments' own files, of those that are named."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.knowledge.commands.given import halves, tell

if TYPE_CHECKING:
    from lepton_fed.config import Federation
    from lepton_fed.knowledge import Access
    from lepton_fed.knowledge.dockets import Dockets
    from lepton_fed.policies import CedarFile, Policies


def access(
    file: Path, department: str, role: str, purpose: str | None, cedar: list[str] | None, database: str
) -> Access:
    from lepton_fed.config import Federation
    from lepton_fed.knowledge import Access, Asker
    from lepton_fed.policies import Context

    federation = Federation.load(file)
    federation.department_file(department)  # Says which departments there are where this is none.
    policies = policies_here(federation, cedar)
    context = Context.outside_training(
        purpose=purpose or federation.settings.federation.purpose,
        hour=datetime.now().astimezone().hour,
        federation=f"sha256:{federation.fingerprint}",
    )
    return Access(
        policies, Asker(department=department, role=role, context=context), dockets_beside(database, policies).heard
    )


def policies_here(federation: Federation, cedar: list[str] | None) -> Policies:
    """The file's, every department's own where its file is here, and those that are named; notes what is wrong."""
    from lepton_fed.own_policies import all_here

    named: dict[str, list[CedarFile]] = {}
    for one in cedar or ():
        owner, path = halves(one, "--cedar", "OWNER=FILE.cedar")
        named.setdefault(owner, []).append(_cedar_file(Path(path)))
    policies = all_here(federation, named)
    for problem in policies.problems:
        tell(f"note: {problem}")
    return policies


def dockets_beside(database: str, policies: Policies) -> Dockets:
    from lepton_fed.knowledge.dockets import Dockets

    return Dockets(Path() if "://" in database else Path(database).parent, policies)


def _cedar_file(path: Path) -> CedarFile:
    from lepton_fed.config.load import read_text
    from lepton_fed.policies import CedarFile

    return CedarFile(path.name, read_text(path, "file of policies"))
