"""A Flower Grid within one process: unchanged apps, serialised messages, and faults on demand.

    ServerApp --push--> bytes --ClientApp--> bytes --pull--> ServerApp

Nothing passes as an object, so an array that both sides would share, or a type that only looks right, shows.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as Wire
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

RUN = 7
FIRST_NODE = 1001

Fault = Callable[[Message, Message], list[Message]]
"""(what was asked, what the app answered) -> what arrives."""


class GridDouble(Grid):
    """Nodes by number, each with one Context for the whole run; a message is answered when it is pushed.

    `faults`: by node number; they may be changed at any time. `refuses`: nodes whose messages are not taken.
    """

    def __init__(
        self, app: ClientApp, configs: Iterable[Mapping[str, object]], run_config: Mapping[str, object] = {}
    ) -> None:
        self.app = app
        self.faults: dict[int, Fault] = {}
        self.refuses: set[int] = set()
        self.pushed: list[Message] = []
        self.contexts = {
            FIRST_NODE + k: Context(RUN, FIRST_NODE + k, dict(config), RecordDict(), dict(run_config))  # type: ignore[arg-type]
            for k, config in enumerate(configs)
        }
        self._run = Run.create_empty(RUN)
        self._arrived: dict[str, list[Message]] = {}

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        taken = []
        for message in messages:
            if message.metadata.dst_node_id in self.refuses:
                continue
            _number(message)
            self.pushed.append(message)
            self._arrived[message.metadata.message_id] = self._answers(_carried(message))
            taken.append(message.metadata.message_id)
        return taken

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [answer for number in message_ids for answer in self._arrived.pop(number, [])]

    def get_node_ids(self) -> list[int]:
        return list(self.contexts)

    def get_nodes(self) -> list[NodeInfo]:
        return [NodeInfo(node_id=node) for node in self.contexts]

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        raise NotImplementedError

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        raise NotImplementedError

    def _answers(self, asked: Message) -> list[Message]:
        node = asked.metadata.dst_node_id
        try:
            answer = self.app(message=asked, context=self.contexts[node])
        except Exception as error:
            # As Flower does: the text of an exception leaves the node.
            answer = failed(asked, ErrorCode.CLIENT_APP_RAISED_EXCEPTION, f"{type(error)}:<'{error}'>")
        arriving = self.faults.get(node, lambda _, given: [given])(asked, answer)
        return [_carried(_number(message)) for message in arriving]


def failed(asked: Message, code: int, reason: str) -> Message:
    """An error in place of a reply."""
    return Message(Error(code, reason), reply_to=asked)


def from_another_node(answer: Message) -> Message:
    """The same reply, sent by a node that was not asked."""
    answer.metadata.__dict__["_src_node_id"] = FIRST_NODE + 99
    return answer


@contextmanager
def identity() -> Iterator[None]:
    """Flower's runtimes say once per process whose messages are written there."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = RUN, SUPERLINK_NODE_ID, 1
    try:
        yield
    finally:
        TaskIdentity._run_id = TaskIdentity._node_id = TaskIdentity._task_id = None


def _number(message: Message) -> Message:
    message.metadata.__dict__["_message_id"] = uuid.uuid4().hex
    return message


def _carried(message: Message) -> Message:
    return message_from_proto(Wire.FromString(message_to_proto(message).SerializeToString()))
