"""A coordinator's port for the tests: a provisioned federation, its link on 127.0.0.1, and callers of every kind."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.errors import ConfigError
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.flower.link_control import Json, control
from lepton_fed.flower.link_limits import Limits
from lepton_fed.flower.link_members import Entry
from lepton_fed.flower.superlink import Link, LinkSettings, quieten
from tests.federations import FOUR, SECURE, quick, write

PROTOBUF = {"content-type": "application/protobuf"}
ONE, OTHER = FOUR[:2]
STATUS = "/v1/control/status"

PATIENT = Limits(body=2**20, head=60.0, stall=60.0, calls=(1e6, 1e6), refusals=(1e6, 1e6))
"""Small bodies, deadlines that no caller misses unless it means to, any number of calls."""

SHORT = 0.3
"""Seconds of a deadline that a caller is to miss."""


@dataclass
class Kept:
    """A sink that keeps events in a list; `full`: it fails as a full disk does."""

    events: list[AuditEvent] = field(default_factory=list)
    full: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, event: AuditEvent) -> None:
        if self.full is not None:
            raise self.full
        with self.lock:
            self.events.append(event)


@dataclass
class Conducting:
    """In place of what conducts runs: keeps what it is asked; `no`: it cannot do it, for this reason."""

    asked: list[object] = field(default_factory=list)
    no: str = ""
    well: bool = True

    def submit(self, federation: str) -> Json:
        return self._said("submit", federation)

    def stop(self) -> Json:
        return self._said("stop")

    def carry(self) -> Json:
        return self._said("carry")

    def status(self) -> Json:
        return self._said("status")

    def logs(self, after: int) -> Json:
        return self._said("logs", after)

    def healthy(self) -> bool:
        return self.well

    def metrics(self) -> tuple[bytes, str]:
        return b"rounds 3\n", "text/plain; version=1.0.0"

    def _said(self, *asked: object) -> Json:
        self.asked.append(asked)
        if self.no:
            raise ConfigError(self.no)
        return {"state": "运行", "lines": [[1, "一行"]]}


@dataclass
class Place:
    """A link that runs, its kits, what it recorded. `at`: host:port, as the certificate has it."""

    link: Link
    kit: CoordinatorKit
    made: Provisioned
    sink: Kept
    conductor: Conducting

    @property
    def at(self) -> str:
        return f"localhost:{self.link.port}"

    @property
    def authority(self) -> bytes:
        return self.kit.authority

    @property
    def token(self) -> dict[str, str]:
        """The header of who starts and stops runs."""
        return {"authorization": f"Bearer {self.kit.token}"}

    def key(self, department: str) -> ec.EllipticCurvePrivateKey:
        return DepartmentKit.load(self.made.departments[department]).keys.node_key

    def entry(self, department: str) -> Entry:
        found = self.link.members.entry(self.kit.membership.node(department))
        assert found is not None
        return found

    def tls(self) -> ssl.SSLContext:
        """What an outsider has who was given the authority's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.decode())
        return context

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(
            verify=self.tls(), base_url=f"https://{self.at}", trust_env=False, **{"timeout": 60.0, **options}
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self.client() as client:
            return client.request(method, path, **options)

    def last(self) -> AuditEvent:
        return self.sink.events[-1]

    def reason(self) -> str:
        """Of the last event; for who waits for one, which may be the first."""
        return self.last().reason if self.sink.events else ""


def provisioned(folder: Path) -> Provisioned:
    """Four lines and R&D."""
    folder.mkdir(parents=True, exist_ok=True)
    return provision(Federation.load(write(folder, quick(SECURE, 1))), folder / "kits", address="localhost:8000")


@contextmanager
def started(made: Provisioned, limits: Limits = PATIENT, **other: Any) -> Iterator[Place]:
    kit, sink, conductor = CoordinatorKit.load(made.coordinator), Kept(), Conducting()
    settings = LinkSettings.of(kit, host="127.0.0.1", port=0, limits=limits, **other)
    with Link.start(settings, sink, control(conductor)) as link:
        yield Place(link, kit, made, sink, conductor)


@contextmanager
def refused(place: Place, status: int, action: str, reason: str, actor: str | None = None) -> Iterator[None]:
    """The block's one call is answered with the status, and is the last one recorded, with its reason."""
    before = len(place.sink.events)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        yield
    assert caught.value.response.status_code == status
    (event,) = place.sink.events[before:]
    assert (event.outcome, event.action) == ("refused", action)
    assert reason in event.reason
    assert event.address == "127.0.0.1"
    assert actor is None or event.actor == actor


@contextmanager
def impatient(place: Place, what: str) -> Iterator[None]:
    """A SHORT deadline for what begins in the block: the next "handshake", "head" of a request, or "body"."""
    server, short = place.link._server, replace(PATIENT, head=SHORT, stall=SHORT)
    owner = {"handshake": server.doors, "head": server.config.http, "body": place.link._gate}[what]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, "_limits" if what == "body" else "limits", short)
        yield


@contextmanager
def connected(place: Place) -> Iterator[ssl.SSLSocket]:
    """A connection on which anything can be said."""
    context = place.tls()  # Before the time for the handshake begins.
    with (
        socket.create_connection(("127.0.0.1", place.link.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        yield peer


def received(peer: ssl.SSLSocket) -> bytes:
    """All until the other side closes."""
    parts = []
    try:
        while part := peer.recv(4096):
            parts.append(part)
    except (ConnectionError, ssl.SSLEOFError):
        pass
    return b"".join(parts)


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---------------------------------------------------------------- departments


@contextmanager
def node(place: Any, key: ec.EllipticCurvePrivateKey) -> Iterator[Any]:
    """Flower's own client of a department that holds this key. `place`: anything with its `at`, `authority`, `kit`."""
    quieten(place.kit.state / "flower")
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    signing = NodeAuthHttpInterceptor(key, key.public_key())
    with FleetHttpClient.from_server_address(place.at, False, place.authority, [signing]) as client:
        yield client


def signature(public: bytes, key: ec.EllipticCurvePrivateKey, at: datetime | None = None) -> dict[str, str]:
    """The headers of a node: a key, and a time signed by a key."""
    written = (at or datetime.now(UTC)).isoformat()
    signed = key.sign(written.encode(), ec.ECDSA(hashes.SHA256()))
    return {
        **PROTOBUF,
        "flwr-public-key": b64encode(public).decode(),
        "flwr-timestamp": written,
        "flwr-signature": b64encode(signed).decode(),
    }


def activated(place: Place, client: Any, department: str) -> int:
    """The node's number; it is online afterwards."""
    key = place.kit.membership.node(department)
    number: int = client.ActivateNode(ActivateNodeRequest(public_key=key, heartbeat_interval=30)).node_id
    assert number == place.entry(department).number
    return number


def letter(number: int, text: bytes = b"a question") -> Message:
    """A message to a node, that lapses after a minute."""
    return Message(RecordDict({"m": ConfigRecord({"b": text})}), dst_node_id=number, message_type="train", ttl=60.0)


def pulled(client: Any, number: int, *, confirmed: bool = True) -> tuple[Message, Any]:
    """The message for a node, with its content, and the tree of its objects. `confirmed`: the node says so."""
    found = client.PullMessages(PullMessagesRequest(node=Node(node_id=number)))
    tree, run_id = found.message_object_trees[0], found.messages_list[0].metadata.run_id

    def pull(object_id: str) -> bytes:
        content: bytes = client.PullObject(
            PullObjectRequest(node=Node(node_id=number), run_id=run_id, object_id=object_id)
        ).object_content
        return content

    def confirm(object_id: str) -> None:
        if not confirmed:
            return
        client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(node=Node(node_id=number), run_id=run_id, message_object_id=object_id)
        )

    message = pull_and_inflate_object_from_tree(tree, pull, confirm, return_type=Message)
    message.metadata.__dict__["_message_id"] = tree.object_id
    return message, tree


def answer_to(
    message: Message, source: int | None = None, reply: Message | None = None
) -> tuple[PushMessagesRequest, dict[str, bytes]]:
    """The request that announces a reply, which may say that it is another node's, and the objects to upload."""
    reply = reply or Message(RecordDict({"m": ConfigRecord({"b": b"answer"})}), reply_to=message)
    node_id = reply.metadata.src_node_id
    if source is not None:
        reply.metadata.__dict__["_src_node_id"] = source
    reply.metadata.__dict__["_message_id"] = reply.object_id
    request = PushMessagesRequest(
        node=Node(node_id=node_id),
        messages_list=[message_to_proto(remove_content_from_message(reply))],
        message_object_trees=[get_object_tree(reply)],
    )
    return request, {one: found.deflate() for one, found in get_all_nested_objects(reply).items()}


def upload(client: Any, request: PushMessagesRequest, objects: dict[str, bytes]) -> None:
    """Announces a reply and uploads what is wanted of it."""
    pushed = client.PushMessages(request)
    run_id = request.messages_list[0].metadata.run_id
    for object_id in pushed.objects_to_push:
        assert client.PushObject(piece(request.node, run_id, pushed.session_id, object_id, objects[object_id])).stored


def piece(node: Node, run_id: int, session: str, object_id: str, content: bytes) -> PushObjectRequest:
    return PushObjectRequest(node=node, run_id=run_id, session_id=session, object_id=object_id, object_content=content)
