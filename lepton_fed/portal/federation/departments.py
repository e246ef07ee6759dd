"""Who is in the watched federation, and who was heard from: now where a coordinator says so, else in the last round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.errors import LeptonError
from lepton_fed.portal.federation.runs import RunSeen, newest
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.translation import said_by


@dataclass(frozen=True)
class DepartmentSeen:
    """A department. `online`: what the coordinator says, None where none was asked; `measured`: the last round of the
    newest run that it was measured in, None without any.
    """

    name: str
    roles: tuple[str, ...]
    description: str
    own_file: bool
    """Whether its own file is on this machine."""
    online: bool | None
    measured: int | None


@dataclass(frozen=True)
class Departments:
    """All of them. `silence`: why the coordinator did not say who is online; empty where it did, or was not asked."""

    name: str
    purpose: str
    listed: tuple[DepartmentSeen, ...]
    run: RunSeen | None
    silence: str


def departments(watched: Watched) -> Departments:
    """As the federation file, the newest run and, of a deployed federation, its coordinator say; Unreadable."""
    federation, run = watched.federation(), newest(watched)
    online, silence = _online(watched)
    measured = {name: round for curves in (run.curves if run else ()) for name, round, _ in curves.last}
    return Departments(
        name=federation.settings.federation.name,
        purpose=federation.settings.federation.purpose,
        listed=tuple(_listed(federation, online, measured)),
        run=run,
        silence=silence,
    )


def _listed(federation: Federation, online: Mapping[str, bool], measured: Mapping[str, int]) -> list[DepartmentSeen]:
    return [
        DepartmentSeen(
            name=one.name,
            roles=tuple(one.roles),
            description=one.description,
            own_file=federation.department_file(one.name).exists(),
            online=online.get(one.name),
            measured=measured.get(one.name),
        )
        for one in federation.settings.departments
    ]


def _online(watched: Watched) -> tuple[dict[str, bool], str]:
    """Asked of the coordinator where its kit is watched, which has the token for that."""
    kit = watched.kit()
    if not isinstance(kit, CoordinatorKit):
        return {}, ""
    from lepton_fed.flower.operator import Operator

    try:
        with Operator(kit) as operator:
            said = operator.status()["departments"]
    except LeptonError as error:
        return {}, said_by(error)
    return {name: bool(seen["online"]) for name, seen in said.items()}, ""
