"""A department's connection to a SuperLink, within the process: messages as objects of bytes, failures on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flwr.app import Message as FlowerMessage
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, inflate_object_from_contents

NODE = 1001


@dataclass(eq=False)
class LinkDouble:
    """Hands out the messages of `inbox`; `stop` is set at the second look for more. `before(what)`: may raise."""

    stop: threading.Event
    node: int = NODE
    before: Callable[[str], None] = lambda what: None
    inbox: list[tuple[FlowerMessage, ObjectTree]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    announced: list[FlowerMessage] = field(default_factory=list)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    looks: int = 0
    visits: int = 0
    goodbyes: int = 0

    def put(self, message: FlowerMessage) -> ObjectTree:
        """A message for the department; what of it is not in `objects` later on was never uploaded."""
        tree = get_object_tree(message)
        message.metadata.__dict__["_message_id"] = tree.object_id
        self.objects |= {number: one.deflate() for number, one in get_all_nested_objects(message).items()}
        head = message_from_proto(message_to_proto(remove_content_from_message(message)))
        self.inbox.append((head, tree))
        return tree

    @contextmanager
    def connect(self) -> Iterator[LinkDouble]:
        self.before("connect")
        self.visits += 1
        try:
            yield self
        finally:
            self.goodbyes += 1

    def receive(self) -> tuple[FlowerMessage, ObjectTree] | None:
        self.before("receive")
        if self.inbox:
            return self.inbox.pop(0)
        self.looks += 1
        if self.looks == 2:
            self.stop.set()
        return None

    def pull_object(self, run: int, number: str) -> bytes:
        self.before("pull_object")
        if number not in self.objects:
            raise ObjectPullError(number, "not here")
        return self.objects[number]

    def confirm(self, run: int, number: str) -> None:
        self.before("confirm")

    def send(self, reply: FlowerMessage, tree: ObjectTree, seconds: float) -> tuple[set[str], str]:
        self.before("send")
        assert not reply.content
        self.announced.append(message_from_proto(message_to_proto(reply)))
        return set(_numbers(tree)), "upload"

    def push_object(self, run: int, upload: str, number: str, content: bytes) -> None:
        assert upload == "upload"
        self.before("push_object")
        self.uploaded[number] = content

    def replies(self) -> list[FlowerMessage]:
        """What the coordinator would read."""
        found = []
        for head in self.announced:
            contents = dict(self.uploaded)
            message = inflate_object_from_contents(head.metadata.message_id, contents, keep_object_contents=True)
            assert isinstance(message, FlowerMessage)
            found.append(message)
        return found


def _numbers(tree: ObjectTree) -> Iterator[str]:
    for child in tree.children:
        yield from _numbers(child)
    yield tree.object_id
