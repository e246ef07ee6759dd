"""A department's connection to the SuperLink, outbound only, as an authenticated node of Flower.

    with connected(address, authority, node_key) as link:      activate ... deactivate, whatever happens
        link.receive()  link.pull_object(...)  link.confirm(...)  link.send(...)  link.push_object(...)

It uses the client of Flower's own SuperNode, without what is around it there: that ends the process where it cannot
connect, interrupts it where a signature is refused, and waits without end in between. Here each failure is one of
two exceptions, and what to do about it is the caller's decision.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message as FlowerMessage
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    ObjectUnavailableError,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from lepton_fed.deploy.certificates import clock_in
from lepton_fed.flower.heartbeat import beating

Answer = TypeVar("Answer")

PASSING = (502, 503, 504)
"""HTTP statuses of a server that is on its way."""

UNAUTHORISED, FORBIDDEN, UNPREPARED = 401, 403, 412

INTERVAL = 10.0
"""Seconds; twice as long after its last sign of life a node counts as gone. Flower takes no less, and says 30."""


class UnreachableError(Exception):
    """Nobody answers there, or not so that it could be read; says why."""


class DeniedError(Exception):
    """The SuperLink answers no. `status`: of HTTP; 412 for a node that it still takes for connected."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"status {status}")


class Link(Protocol):
    """What a department needs of a connection. Everything raises UnreachableError or DeniedError."""

    @property
    def node(self) -> int: ...

    def receive(self) -> tuple[FlowerMessage, ObjectTree] | None:
        """The next message, without its content, and of what objects its content is; None if there is none."""

    def pull_object(self, run: int, number: str) -> bytes: ...

    def confirm(self, run: int, number: str) -> None: ...

    def send(self, reply: FlowerMessage, tree: ObjectTree, seconds: float) -> tuple[set[str], str]:
        """Announces a reply; which of its objects are wanted, and under which upload."""

    def push_object(self, run: int, upload: str, number: str, content: bytes) -> None: ...


class FleetLink:
    """A Link over HTTPS."""

    def __init__(self, client: FleetHttpClient, node: int) -> None:
        self.client = client
        self.node = node
        self._node = Node(node_id=node)

    def receive(self) -> tuple[FlowerMessage, ObjectTree] | None:
        answer = asked(self.client.PullMessages, PullMessagesRequest(node=self._node))
        if not answer.messages_list:
            return None
        return message_from_proto(answer.messages_list[0]), answer.message_object_trees[0]

    def pull_object(self, run: int, number: str) -> bytes:
        answer = asked(self.client.PullObject, PullObjectRequest(node=self._node, run_id=run, object_id=number))
        if not answer.object_found:
            raise ObjectPullError(number, "the SuperLink does not have it")
        if not answer.object_available:
            raise ObjectUnavailableError(number)
        return answer.object_content

    def confirm(self, run: int, number: str) -> None:
        request = ConfirmMessageReceivedRequest(node=self._node, run_id=run, message_object_id=number)
        asked(self.client.ConfirmMessageReceived, request)

    def send(self, reply: FlowerMessage, tree: ObjectTree, seconds: float) -> tuple[set[str], str]:
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[message_to_proto(remove_content_from_message(reply))],
            message_object_trees=[tree],
            clientapp_runtime_list=[seconds],
        )
        answer = asked(self.client.PushMessages, request)
        return set(answer.objects_to_push), answer.session_id

    def push_object(self, run: int, upload: str, number: str, content: bytes) -> None:
        request = PushObjectRequest(
            node=self._node, run_id=run, object_id=number, object_content=content, session_id=upload
        )
        if not asked(self.client.PushObject, request).stored:
            raise ObjectPushError(number, run, upload)

    def beat(self) -> None:
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=INTERVAL)
        self.client.SendNodeHeartbeat(request)


@contextmanager
def connected(address: str, authority: bytes, key: ec.EllipticCurvePrivateKey) -> Iterator[FleetLink]:
    """A link as the node with this key, while the block lasts. UnreachableError or DeniedError if there is none.

    `address`: host:port; `authority`: the certificate (PEM) that the SuperLink's must be issued by.
    """
    interceptors: list[ProtobufClientInterceptor] = [
        RuntimeVersionHttpInterceptor(component_name="SuperNode"),
        NodeAuthHttpInterceptor(key, key.public_key()),
    ]
    with FleetHttpClient.from_server_address(address, False, authority, interceptors) as client:
        request = ActivateNodeRequest(public_key=public_key_to_bytes(key.public_key()), heartbeat_interval=INTERVAL)
        link = FleetLink(client, asked(client.ActivateNode, request).node_id)
        try:
            with beating(link.beat, 0.4 * INTERVAL):
                yield link
        finally:
            # A node that does not say goodbye cannot come back until it counts as gone.
            with suppress(UnreachableError, DeniedError):
                asked(client.DeactivateNode, DeactivateNodeRequest(node_id=link.node))


def asked(call: Callable[[Any], Answer], request: object) -> Answer:
    """The answer of the SuperLink to one request."""
    try:
        return call(request)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in PASSING:
            raise UnreachableError(f"it answers with status {status}") from None
        raise DeniedError(status) from None
    except (httpx.TransportError, RuntimeError) as error:
        raise UnreachableError(_why(error)) from None


def _why(error: Exception) -> str:
    if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return clock_in(str(error)) or "its certificate is not of this federation's authority, or for another address"
    if isinstance(error, httpx.ConnectError):
        return "nobody answers at its address"
    return type(error).__name__
