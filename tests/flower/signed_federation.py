"""A federation whose messages are signed, over a Grid within the process; every part can be made to misbehave."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flwr.app import Context
from flwr.app import Message as FlowerMessage

from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.flower.department_side import DepartmentSide
from lepton_fed.flower.desk import Desk
from lepton_fed.flower.grid import GridTransport, find_departments
from lepton_fed.flower.signed import Members
from lepton_fed.flower.signed_grid import SignedGrid
from lepton_fed.messages import Join, Joined, Message, Reply
from lepton_fed.secagg.keys import Identity
from tests.flower.grid_double import FIRST_NODE, GridDouble

FINGERPRINT = "the same file"
NAMES = ("生产车间", "研发部门")


@dataclass(eq=False)
class Listening:
    """Stands for a department: notes what reaches it, and says yes."""

    name: str
    heard: list[Message] = field(default_factory=list)
    reply: Callable[[Message], Reply] = lambda message: Joined("layout", 3)
    member: None = None
    """It takes part in no secure sum."""
    log: None = None
    """It keeps nothing for the audit."""

    def handle(self, message: Message) -> Reply:
        self.heard.append(message)
        return self.reply(message)


def identity(name: str) -> Identity:
    return Identity.generate(name, os.urandom)


class SignedFederation:
    """Departments at desks, one node each; the coordinator's Grid is `signed`, what carries it is `grid`."""

    def __init__(self, departments: Mapping[str, object] | None = None, **identities: Identity) -> None:
        self.departments = dict(departments or {name: Listening(name) for name in NAMES})
        self.coordinator = identity(COORDINATOR)
        self.identities = {name: identities.get(name) or identity(name) for name in self.departments}
        publics = {name: one.public for name, one in self.identities.items()}
        self.members = Members(FINGERPRINT, self.coordinator.public, publics)
        self.desks = {
            node: Desk(department, DepartmentSide(self.identities[name], self.members))  # type: ignore[arg-type]
            for node, (name, department) in enumerate(self.departments.items(), FIRST_NODE)
        }
        self.tamper: Callable[[FlowerMessage], FlowerMessage] = lambda message: message
        """What happens to a request on its way."""
        self.received: list[FlowerMessage] = []
        self.grid = GridDouble(self._answer, [{} for _ in self.desks])  # type: ignore[arg-type]
        self.signed = SignedGrid(self.grid, self.coordinator, self.members)

    def _answer(self, message: FlowerMessage, context: Context) -> FlowerMessage:
        message = self.tamper(message)
        self.received.append(message)
        return self.desks[context.node_id].answer(message, context.node_id)

    def transport(self) -> GridTransport:
        nodes = find_departments(self.signed, self.departments, 60.0, lambda seconds: None)
        return GridTransport(self.signed, nodes, 60.0, lambda seconds: None)

    def restart(self, node: int) -> None:
        """A department's process ends, and a new one begins."""
        old = self.desks[node]
        self.desks[node] = Desk(old.department, DepartmentSide(old.side.identity, self.members))


def join(transport: GridTransport, names: tuple[str, ...] = NAMES) -> dict[str, Reply]:
    return dict(transport.exchange({name: Join(FINGERPRINT) for name in names}))
