"""Flower's message store within the test, and departments that speak to it as their calls over HTTPS would.

there = Store.made(tmp_path)          a store like a coordinator's, with nodes that are online
with there.run() as grid: ...         LinkGrid's side
there.client                          Flower's fleet interface, called directly
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.server.superlink.linkstate import LinkState
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.servicer.fleet import fleet_handlers

from lepton_fed.flower.doorbell import Doorbell
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.link_members import Members
from lepton_fed.flower.spool import Spool, SpoolFile

NAMES = ("生产车间", "研发部门", "supply chain")


@dataclass
class Fleet:
    """Flower's interface for nodes, with the names that its client has."""

    state: LinkState

    def PullMessages(self, request: Any) -> Any:
        return fleet_handlers.pull_messages(request, self.state, self.state.object_store)

    def PullObject(self, request: Any) -> Any:
        return fleet_handlers.pull_object(request, self.state)

    def ConfirmMessageReceived(self, request: Any) -> Any:
        return fleet_handlers.confirm_message_received(request, self.state, self.state.object_store)

    def PushMessages(self, request: Any) -> Any:
        return fleet_handlers.push_messages(request, self.state)

    def PushObject(self, request: Any) -> Any:
        return fleet_handlers.push_object(request, self.state)


@dataclass
class Store:
    """Flower's store and registry. `nodes`: the number of each department's node; all are online at first."""

    state: InMemoryLinkState
    doorbell: Doorbell
    members: Members
    nodes: dict[str, int]

    @classmethod
    def made(cls, folder: Path, names: tuple[str, ...] = NAMES) -> Store:
        state = InMemoryLinkState(NoOpFederationManager(), Spool(SpoolFile(folder / "spool")))
        bell = Doorbell()
        members = Members(state, bell)
        members.allow({name: name.encode() for name in names})
        there = cls(state, bell, members, members.numbers)
        for name in names:
            there.come(name)
        return there

    @property
    def client(self) -> Fleet:
        return Fleet(self.state)

    @contextmanager
    def run(self) -> Iterator[LinkGrid]:
        with LinkGrid.begun(self.state, self.doorbell) as grid:
            yield grid

    def come(self, name: str) -> None:
        """A department connects, whether or not it is there already."""
        entry = self.members.entry(name.encode())
        assert entry is not None
        self.members.arrive(entry, name.encode())
        assert self.state.activate_node(entry.number, 30.0)

    def go(self, name: str) -> None:
        """A department is gone."""
        self.state.deactivate_node(self.nodes[name])

    @property
    def left(self) -> tuple[int, int, int]:
        """How many objects, questions and answers the store holds."""
        return len(self.state.object_store), self.state.num_message_ins(), self.state.num_message_res()
