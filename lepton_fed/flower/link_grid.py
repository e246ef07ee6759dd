"""One run's messages on a SuperLink that runs in this process: a Grid of Flower's without a request of its own.

    with LinkGrid.begun(state, doorbell) as grid:     a run of Flower's, whose task this process has taken
        grid.push_messages(...)  grid.pull_messages(...)

Flower would start a process for the coordinator, hand it a token, and carry each object over HTTP. Here the
coordinator writes into Flower's message store and reads from it, so there is no interface for it that somebody else
could call, and an application bundle is never taken from anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import NOOP_FLWR_AID, SUPERLINK_NODE_ID, SubStatus
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.object_store import NoObjectInStoreError
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from lepton_fed.errors import ConfigError
from lepton_fed.flower.doorbell import Doorbell
from lepton_fed.flower.heartbeat import beating

if TYPE_CHECKING:
    from flwr.server.superlink.linkstate import LinkState


@dataclass(eq=False)
class LinkGrid(Grid):
    """Messages of the run `number` in Flower's store. One at a time in one process, as Flower numbers a process."""

    state: LinkState
    doorbell: Doorbell
    number: int
    _arriving: dict[str, tuple[FlowerMessage, ObjectTree]] = field(default_factory=dict, init=False)
    """Replies that were announced and are still being uploaded, by the request that they answer."""

    @classmethod
    @contextmanager
    def begun(cls, state: LinkState, doorbell: Doorbell) -> Iterator[LinkGrid]:
        """The Grid of a new run of Flower's, which ends with the block."""
        number = state.create_run(None, None, None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP)
        task = state.get_run_info(run_ids=[number])[0].primary_task_id if number else None
        if task is None or state.claim_task(task) is None or not state.activate_task(task):
            raise ConfigError("Flower began no run; this release is not the one that lepton-fed needs")
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = number, task, SUPERLINK_NODE_ID
        try:
            with beating(lambda: state.acknowledge_task_heartbeat(task)):
                yield cls(state, doorbell, number)
        finally:
            state.finish_task(task, SubStatus.COMPLETED, "")
            state.cleanup_run(number)

    def push_messages(self, messages: Iterable[FlowerMessage]) -> list[str]:
        """Leaves the messages for their nodes; the numbers of those that Flower took."""
        taken = []
        with no_object_id_recompute():
            for message in messages:
                message.metadata.__dict__["_message_id"] = message.object_id
                if self._left(message):
                    taken.append(message.metadata.message_id)
                    self.doorbell.ring(message.metadata.dst_node_id)
        return taken

    def _left(self, message: FlowerMessage) -> bool:
        store, objects = self.state.object_store, get_all_nested_objects(message)
        # The content goes before the message, so that nobody fetches a message that is not whole.
        for number in store.preregister(self.number, get_object_tree(message)):
            store.put(number, objects[number].deflate())
        return self.state.store_message_ins(remove_content_from_message(message)) is not None

    def pull_messages(self, message_ids: Iterable[str]) -> list[FlowerMessage]:
        """Replies to these messages that have arrived whole, and errors that Flower reports in a node's place."""
        wanted = set(message_ids)
        asked = wanted - self._arriving.keys()
        found = []
        for reply in self.state.get_message_res(asked, self.number) if asked else ():
            number = reply.metadata.reply_to_message_id
            if reply.has_error():
                found.append(reply)
                continue
            try:
                self._arriving[number] = reply, self.state.object_store.get_object_tree(reply.metadata.message_id)
            except NoObjectInStoreError:
                continue
            self.state.delete_messages({number})
        return found + [whole for number in wanted & self._arriving.keys() if (whole := self._whole(number))]

    def _whole(self, number: str) -> FlowerMessage | None:
        """A reply with its content, once everything of it is there; then the store forgets it."""
        reply, tree = self._arriving[number]
        name = reply.metadata.message_id
        wanted = [one.object_id for one in iterate_object_tree(tree)]
        contents = {one: self.state.get_object(self.number, one) for one in wanted}
        if not all(contents.values()):
            return None
        del self._arriving[number]
        self.state.object_store.delete(name)
        message = inflate_object_from_contents(name, {one: raw for one, raw in contents.items() if raw})
        assert isinstance(message, FlowerMessage)
        message.metadata.__dict__["_message_id"] = name
        return message

    def forget(self, message_ids: Iterable[str]) -> None:
        """Gives up on these messages: whatever answers them later is not kept."""
        numbers = set(message_ids)
        for number in numbers:
            reply, _ = self._arriving.pop(number, (None, None))
            if reply is not None:
                self.state.object_store.delete(reply.metadata.message_id)
            self.state.object_store.delete(number)
        self.state.delete_messages(numbers)

    # What follows is the Grid's own.

    def get_node_ids(self) -> Iterable[int]:
        return self.state.get_nodes(self.number)

    def get_nodes(self) -> Iterable[NodeInfo]:
        return self.state.get_node_info(node_ids=list(self.get_node_ids()))

    def set_run(self, run: Run) -> None:
        self.number = run.run_id

    @property
    def run(self) -> Run:
        return self.state.get_run_info(run_ids=[self.number])[0]

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> FlowerMessage:
        return FlowerMessage(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def send_and_receive(
        self, messages: Iterable[FlowerMessage], *, timeout: float | None = None
    ) -> Iterable[FlowerMessage]:
        """Not here: lepton_fed.flower.grid posts and collects."""
        raise NotImplementedError("lepton_fed.flower.grid posts and collects")
