"""One run's messages on a SuperLink that runs in this process: a Grid of Flower's without a request of its own.

    with LinkGrid.begun(state, doorbell) as grid:     a run of Flower's, whose task this process has taken
        grid.push_messages(...)  grid.pull_messages(...)

Flower would start a process for the coordinator, hand it a token, and carry each object over HTTP. Here the
coordinator writes into Flower's message store and reads from it, so there is no interface for it that somebody else
could call, and an application bundle is never taken from anybody.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flwr.app import Error, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.app.message import make_message, remove_content_from_message
from flwr.common.constant import NOOP_FLWR_AID, SUPERLINK_NODE_ID, SubStatus
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_body,
    get_object_children_ids_from_object_content,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.object_store import NoObjectInStoreError
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.flower.doorbell import Doorbell
from lepton_fed.flower.grid import UNREADABLE
from lepton_fed.flower.heartbeat import beating
from lepton_fed.flower.parts import StoredPart, is_part
from lepton_fed.flower.posting_grid import PostingGrid
from lepton_fed.flower.spool import Piece, Spool

if TYPE_CHECKING:
    from flwr.server.superlink.linkstate import LinkState

_log = logging.getLogger("lepton_fed.flower")


@dataclass(eq=False)
class LinkGrid(PostingGrid):
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
        taken = self.state.store_message_ins(remove_content_from_message(message)) is not None
        if not taken:
            store.delete(message.metadata.message_id)
        return taken

    def pull_messages(self, message_ids: Iterable[str]) -> list[FlowerMessage]:
        """Replies to these messages that have arrived whole, and errors that Flower reports in a node's place."""
        wanted, away = set(message_ids), dict[str, FlowerMessage]()
        for reply in self.state.get_message_res(set(wanted), self.number) if wanted else ():
            number = reply.metadata.reply_to_message_id
            if reply.has_error():
                away[number] = reply
                self.state.object_store.delete(reply.metadata.message_id)
            else:
                self._announced(number, reply)
        found = {number: whole for number in wanted & self._arriving.keys() if (whole := self._whole(number))}
        # What had arrived whole counts, even if its sender is gone by now.
        gone = away.keys() - found.keys()
        self._drop(set(gone))
        return [*found.values(), *(away[number] for number in gone)]

    def _announced(self, number: str, reply: FlowerMessage) -> None:
        with suppress(NoObjectInStoreError):
            self._arriving[number] = reply, self.state.object_store.get_object_tree(reply.metadata.message_id)

    def _whole(self, number: str) -> FlowerMessage | None:
        """A reply with its content, once everything of it is there; then the store forgets it."""
        reply, tree = self._arriving[number]
        store, numbers = self.state.object_store, [one.object_id for one in iterate_object_tree(tree)]
        assert isinstance(store, Spool)
        held = {one: found for one in numbers if (found := store.held(one)) is not None}
        missing = next((one for one in numbers if one not in held), None)
        if missing is not None:
            self.state.get_object(self.number, missing)  # Which ends an upload that has come to a stop.
            return None
        # Until now its sender may have announced it again, which Flower takes for a question that it knows.
        self._drop({number})
        return read(reply, held)

    def forget(self, message_ids: Iterable[str]) -> None:
        """Gives up on these messages: whatever answers them later is not kept."""
        numbers = set(message_ids)
        # Of an answer that nobody has looked at yet only Flower knows the name.
        self.pull_messages(numbers)
        self._drop(numbers)

    def _drop(self, numbers: set[str]) -> None:
        """Takes questions out of Flower's store, and what there is of their answers."""
        arriving = (self._arriving.pop(number)[0] for number in numbers & self._arriving.keys())
        for number in numbers | {reply.metadata.message_id for reply in arriving}:
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


def read(head: FlowerMessage, held: dict[str, bytes | Piece]) -> FlowerMessage:
    """The reply announced by `head`; where what was uploaded is no such message, an error in its place.

    `held`: its objects by number. Its parts stay where they are until somebody joins them.
    """
    number = head.metadata.message_id
    try:
        parts = {one: StoredPart(_reading(held.pop(one))) for one in _parts(number, held) if one in held}
        contents = {one: _reading(found)() for one, found in held.items()}
        message = inflate_object_from_contents(number, contents, objects=dict(parts))
        if not isinstance(message, FlowerMessage) or _origin(message) != _origin(head):
            raise PeerError(f"node {head.metadata.src_node_id}", "it uploaded another message than it announced")
    except Exception as error:
        # Whatever one department uploads costs it its answer, and nobody else the run.
        _log.warning("an answer cannot be read (%s)", type(error).__name__)
        return make_message(head.metadata, None, Error(UNREADABLE, "it cannot be read"))
    message.metadata.__dict__["_message_id"] = number
    return message


def _parts(number: str, held: Mapping[str, bytes | Piece]) -> set[str]:
    """Which of a message's objects are parts of long values; any exception where it is no message."""
    children = get_object_children_ids_from_object_content(_reading(held[number])())
    bodies = (get_object_body(_reading(held[one])(), RecordDict) for one in children)
    return {one for body in bodies for name, one in json.loads(body).items() if is_part(name)} - {number, *children}


def _reading(found: bytes | Piece) -> Callable[[], bytes]:
    return found.read if isinstance(found, Piece) else lambda: found


def _origin(message: FlowerMessage) -> tuple[object, ...]:
    """Whose answer it is, and to what: announced, and checked, before the message itself is there to be read."""
    data = message.metadata
    return data.run_id, data.src_node_id, data.reply_to_message_id
