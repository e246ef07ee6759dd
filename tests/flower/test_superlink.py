"""Tests of the coordinator's port over the wire: every call that must be refused is, and is recorded."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.control_pb2 import ListRunsRequest, RegisterNodeRequest
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    RegisterNodeFleetRequest,
)
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.deploy.changes import revoke
from lepton_fed.deploy.keys import written_public
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.flower.link_gate import CONTROL, FLEET, RUNTIME, Gate, is_loopback
from lepton_fed.flower.link_limits import Buckets, Limits
from lepton_fed.flower.link_members import Members
from lepton_fed.flower.superlink import Link, LinkSettings, compact, nodes_of
from tests.flower.link import ONE, OTHER, PROTOBUF, Kept, Place, executor, node, operator, provisioned, run, started

pytestmark = pytest.mark.flower


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provisioned(tmp_path_factory.mktemp("链路"))


@pytest.fixture(scope="module")
def place(made: Provisioned) -> Iterator[Place]:
    with started(made) as place:
        yield place


@contextmanager
def refused(place: Place, status: int, action: str, reason: str) -> Iterator[None]:
    """The block's one call is answered with the status, and is the last one recorded, with its reason."""
    before = len(place.sink.events)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        yield
    assert caught.value.response.status_code == status
    (event,) = place.sink.events[before:]
    assert (event.outcome, event.action) == ("refused", action)
    assert reason in event.reason
    assert event.address == "127.0.0.1"


def activated(place: Place, client: Any, department: str) -> int:
    """The node's number; it is online afterwards."""
    key = place.kit.membership.node(department)
    number = place.link._members.entry(key).number  # type: ignore[union-attr]
    place.link._members._state.deactivate_node(number)
    found: int = client.ActivateNode(ActivateNodeRequest(public_key=key, heartbeat_interval=30)).node_id
    assert found == number
    return found


# ---------------------------------------------------------------- who starts runs


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": "Basic eDp5"}])
def test_nothing_is_controlled_without_the_token(place: Place, headers: dict[str, str]) -> None:
    for name in CONTROL:
        answer = place.ask("POST", f"/v1/control/{name}", headers={**PROTOBUF, **headers})
        assert answer.status_code == 401
        assert place.last().action == f"/v1/control/{name}"
        assert place.last().outcome == "refused"


def test_another_token_is_refused_and_not_recorded(place: Place) -> None:
    wrong = place.kit.token[:-1] + ("0" if place.kit.token[-1] != "0" else "1")
    with (
        refused(place, 401, "/v1/control/list-runs", "not that of this federation"),
        operator(place, wrong) as client,
    ):
        client.ListRuns(ListRunsRequest())
    assert wrong not in repr(place.sink.events)


def test_the_token_said_twice_is_refused(place: Place) -> None:
    twice = [("authorization", f"Bearer {place.kit.token}")] * 2
    assert place.ask("POST", "/v1/control/list-runs", headers=[*PROTOBUF.items(), *twice]).status_code == 401


def test_who_has_the_token_sees_the_runs_and_is_recorded(place: Place) -> None:
    with operator(place) as client:
        client.ListRuns(ListRunsRequest())
    assert (place.last().actor, place.last().outcome) == ("operator", "done")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/", "/v1/fleet/", "/v1/../docs", "//docs"])
def test_pages_about_the_port_are_not_there(place: Place, path: str) -> None:
    token = {"authorization": f"Bearer {place.kit.token}"}
    assert place.ask("GET", path).status_code == 404
    assert place.ask("GET", path, headers=token).status_code == 404
    assert place.last().outcome == "refused"


def test_nobody_registers_a_node_over_the_wire_not_even_with_the_token(place: Place) -> None:
    key = written_public(ec.generate_private_key(ec.SECP384R1()).public_key())
    with refused(place, 404, "/v1/control/register-node", "no such page"), operator(place) as client:
        client.RegisterNode(RegisterNodeRequest(public_key=key, name="x"))


# ---------------------------------------------------------------- the runtime


@pytest.mark.parametrize("secret", [b"", b"0" * 32])
def test_a_task_is_not_given_without_the_runtime_secret(place: Place, secret: bytes) -> None:
    action = "/v1/runtime/acquire-task"
    if not secret:
        with refused(place, 401, action, "Flower answered 401"):
            place.ask("POST", action, headers=PROTOBUF).raise_for_status()
    else:
        with refused(place, 401, action, "Flower answered 401"), executor(place, secret) as client:
            client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
    assert place.last().actor == ""


@pytest.mark.parametrize("name", sorted(RUNTIME - {"acquire-task"}))
def test_nothing_of_a_run_is_given_without_its_tasks_token(place: Place, name: str) -> None:
    assert place.ask("POST", f"/v1/runtime/{name}", headers=PROTOBUF).status_code == 401
    assert place.last().outcome == "refused"


def test_the_runtime_secret_opens_the_runtime(place: Place) -> None:
    with executor(place, place.kit.runtime) as client:
        assert not client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"])).HasField("task")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_the_runtime_is_not_for_whom_a_proxy_speaks_for(place: Place, header: str) -> None:
    answer = place.ask("POST", "/v1/runtime/get-nodes", headers={**PROTOBUF, header: "127.0.0.1"})
    assert answer.status_code == 403


def asked(gate: Gate, path: str, address: str, **headers: str) -> int:
    """The status that the gate answers to a caller from another machine."""
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "GET" if path == "/health" else "POST",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": (address, 4000),
    }
    asyncio.run(gate(scope, receive, send))
    status: int = answers[0]["status"]
    return status


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "", "localhost"])
def test_the_runtime_is_for_this_machine_only(place: Place, address: str) -> None:
    for name in RUNTIME:
        assert asked(place.link._gate, f"/v1/runtime/{name}", address) == 403
    assert place.last().address == address
    assert asked(place.link._gate, "/health", address) == 401


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_every_spelling_of_this_machine_is_known(address: str) -> None:
    assert is_loopback(address)


# ---------------------------------------------------------------- departments


def test_a_stranger_neither_registers_nor_activates_a_node(place: Place) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    public = written_public(key.public_key())
    with node(place, key) as client:
        with refused(place, 403, "/v1/fleet/activate-node", "not in the roster"):
            client.ActivateNode(ActivateNodeRequest(public_key=public, heartbeat_interval=30))
        with refused(place, 404, "/v1/fleet/register-node", "no such page"):
            client.RegisterNode(RegisterNodeFleetRequest(public_key=public))
        with refused(place, 403, "/v1/fleet/activate-node", "not in the roster"):
            member = place.kit.membership.node(ONE)
            client.ActivateNode(ActivateNodeRequest(public_key=member, heartbeat_interval=30))


def signature(public: bytes, key: ec.EllipticCurvePrivateKey, at: datetime) -> dict[str, str]:
    """The headers of a node: a key, and a time signed by a key."""
    signed = key.sign(at.isoformat().encode(), ec.ECDSA(hashes.SHA256()))
    return {
        **PROTOBUF,
        "flwr-public-key": b64encode(public).decode(),
        "flwr-timestamp": at.isoformat(),
        "flwr-signature": b64encode(signed).decode(),
    }


def test_the_public_key_of_a_member_is_not_enough(place: Place) -> None:
    headers = signature(place.kit.membership.node(ONE), ec.generate_private_key(ec.SECP384R1()), datetime.now(UTC))
    with refused(place, 401, "/v1/fleet/pull-messages", f"not by the key of {ONE}"):
        place.ask("POST", "/v1/fleet/pull-messages", headers=headers).raise_for_status()
    assert place.last().actor == ""


@pytest.mark.parametrize("minutes", [-10, 10])
def test_an_old_signature_is_refused_and_one_of_tomorrow(place: Place, minutes: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = signature(place.kit.membership.node(ONE), place.key(ONE), at)
    with refused(place, 401, "/v1/fleet/pull-messages", "Flower answered 401"):
        place.ask("POST", "/v1/fleet/pull-messages", headers=headers).raise_for_status()


@pytest.mark.parametrize("key", ["", "no base64", b64encode(b"no key").decode()])
def test_what_is_no_key_is_refused(place: Place, key: str) -> None:
    for name in FLEET:
        assert place.ask("POST", f"/v1/fleet/{name}", headers={**PROTOBUF, "flwr-public-key": key}).status_code in (
            401,
            403,
        )
        assert place.last().outcome == "refused"


def test_a_member_is_online_once_it_is_activated(place: Place) -> None:
    with node(place, place.key(ONE)) as client:
        activated(place, client, ONE)
        assert place.last() == AuditEvent(
            actor=ONE,
            address="127.0.0.1",
            action="/v1/fleet/activate-node",
            outcome="done",
            time=place.last().time,
        )
        assert ONE in place.link.health.online


def test_polls_that_find_nothing_are_answered_and_not_recorded(place: Place) -> None:
    with node(place, place.key(ONE)) as client:
        number = activated(place, client, ONE)
        before, answered = len(place.sink.events), place.link.health.answered
        assert not client.PullMessages(PullMessagesRequest(node=Node(node_id=number))).messages_list
    assert len(place.sink.events) == before
    assert place.link.health.answered == answered + 1


def test_a_node_does_not_fetch_as_another(place: Place) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        number = activated(place, one, ONE)
        activated(place, other, OTHER)
        with refused(place, 401, "/v1/fleet/pull-messages", "Flower answered 401"):
            other.PullMessages(PullMessagesRequest(node=Node(node_id=number)))


# ---------------------------------------------------------------- whose message it is


def answer_to(message: Message, tree: Any, source: int | None = None) -> tuple[PushMessagesRequest, Message]:
    """The request that pushes a reply, which may say that it is another node's."""
    message.metadata.__dict__["_message_id"] = tree.object_id
    reply = Message(RecordDict({"m": ConfigRecord({"b": b"answer"})}), reply_to=message)
    node_id = reply.metadata.src_node_id
    if source is not None:
        reply.metadata.__dict__["_src_node_id"] = source
    reply.metadata.__dict__["_message_id"] = reply.object_id
    request = PushMessagesRequest(
        node=Node(node_id=node_id),
        messages_list=[message_to_proto(remove_content_from_message(reply))],
        message_object_trees=[get_object_tree(reply)],
    )
    return request, reply


def pulled(client: Any, number: int) -> tuple[Message, Any]:
    """The message for a node, with its content, and the tree of its objects."""
    found = client.PullMessages(PullMessagesRequest(node=Node(node_id=number)))
    tree, run_id = found.message_object_trees[0], found.messages_list[0].metadata.run_id

    def pull(object_id: str) -> bytes:
        content: bytes = client.PullObject(
            PullObjectRequest(node=Node(node_id=number), run_id=run_id, object_id=object_id)
        ).object_content
        return content

    return pull_and_inflate_object_from_tree(tree, pull, lambda _: None, return_type=Message), tree


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Flower's own use of pathspec.
def test_each_node_fetches_and_answers_its_own_messages_only(place: Place) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other, run(place) as grid:
        first, second = activated(place, one, ONE), activated(place, other, OTHER)
        number = grid.run.run_id
        said = [
            Message(RecordDict({"m": ConfigRecord({"b": b"%d" % n})}), dst_node_id=n, message_type="train")
            for n in (first, second)
        ]
        sent = list(grid.push_messages(said))
        message, tree = pulled(one, first)
        theirs, their_tree = pulled(other, second)
        assert message.content["m"]["b"] == b"%d" % first

        me = Node(node_id=second)
        with refused(place, 403, "/v1/fleet/pull-object", "of no message to it"):
            other.PullObject(PullObjectRequest(node=me, run_id=number, object_id=tree.object_id))
        with refused(place, 403, "/v1/fleet/confirm-message-received", "not to it"):
            other.ConfirmMessageReceived(
                ConfirmMessageReceivedRequest(node=me, run_id=number, message_object_id=tree.object_id)
            )
        forged, _ = answer_to(theirs, their_tree, source=first)
        with refused(place, 403, "/v1/fleet/push-messages", f"answers as node {first}"):
            other.PushMessages(forged)
        assert place.last().actor == OTHER
        assert place.last().run == str(number)

        request, reply = answer_to(message, tree)
        twice = PushMessagesRequest()
        twice.CopyFrom(request)
        twice.messages_list.append(request.messages_list[0])
        with refused(place, 403, "/v1/fleet/push-messages", "one message"):
            one.PushMessages(twice)
        pushed = one.PushMessages(request)
        nested = get_all_nested_objects(reply)
        for object_id in pushed.objects_to_push:
            upload = PushObjectRequest(
                node=me,
                run_id=number,
                session_id=pushed.session_id,
                object_id=object_id,
                object_content=nested[object_id].deflate(),
            )
            with refused(place, 403, "/v1/fleet/push-object", "upload is not its own"):
                other.PushObject(upload)
            upload.node.node_id = first
            assert one.PushObject(upload).stored
        confirm = ConfirmMessageReceivedRequest(
            node=Node(node_id=first), run_id=number, message_object_id=tree.object_id
        )
        one.ConfirmMessageReceived(confirm)
        (arrived,) = grid.pull_messages(sent)
        assert arrived.content["m"]["b"] == b"answer"
        assert arrived.metadata.src_node_id == first


def test_a_revoked_node_is_refused_at_once_and_others_go_on(place: Place) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        first, second = activated(place, one, ONE), activated(place, other, OTHER)
        nodes = nodes_of(place.kit)
        place.link.allow({name: key for name, key in nodes.items() if name != OTHER})
        try:
            assert OTHER not in place.link.health.online
            (info,) = place.link._members._state.get_node_info(node_ids=[second])
            assert info.status == "offline"
            with refused(place, 403, "/v1/fleet/pull-messages", "not in the roster"):
                other.PullMessages(PullMessagesRequest(node=Node(node_id=second)))
            one.PullMessages(PullMessagesRequest(node=Node(node_id=first)))
        finally:
            place.link.allow(nodes)
        assert activated(place, other, OTHER) == second


# ---------------------------------------------------------------- how much, how slowly


def test_a_body_that_is_too_large_is_not_read(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(head(place, 2**20 + 1))
        assert b"413" in received(peer)
    assert place.last().actor == "operator"
    assert place.last().reason == "a request has at most 1048576 bytes"


def test_a_body_of_unsaid_length_ends_at_the_limit(place: Place) -> None:
    headers = {**PROTOBUF, "authorization": f"Bearer {place.kit.token}"}

    def chunks() -> Iterator[bytes]:
        for _ in range(17):
            yield bytes(2**16)

    answer = place.ask("POST", "/v1/control/list-runs", headers=headers, content=chunks())
    assert answer.status_code == 413
    assert place.last().outcome == "refused"


def test_a_stranger_sends_no_body_at_all(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(b"POST /v1/control/list-runs HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        assert b"401" in received(peer)


def test_who_calls_too_often_is_refused_for_a_while(made: Provisioned) -> None:
    limits = Limits(calls=(0.001, 3), refusals=(0.001, 2))
    with started(made, limits) as place:
        with operator(place) as client:
            for _ in range(3):
                client.ListRuns(ListRunsRequest())
            with refused(place, 429, "/v1/control/list-runs", "too many calls"):
                client.ListRuns(ListRunsRequest())
        assert [place.ask("GET", "/docs").status_code for _ in range(4)] == [404, 404, 429, 429]
        docs = [event.reason for event in place.sink.events if event.action == "/docs"]
        # Of the refusals beyond, one line: whoever floods the port does not fill the disk.
        assert len(docs) == 3
        assert "more are refused" in docs[-1]
        assert place.link.health.refused == 5


@contextmanager
def connected(place: Place, **options: Any) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", place.link.port), timeout=10) as plain,
        place.tls().wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        yield peer


def head(place: Place, length: int) -> bytes:
    """The head of a request by who has the token, with this length of its body."""
    token = place.kit.token.encode()
    said = b"POST /v1/control/list-runs HTTP/1.1", b"host: x", b"authorization: Bearer " + token
    return b"\r\n".join([*said, b"content-type: application/protobuf", b"content-length: %d" % length, b"", b""])


def received(peer: ssl.SSLSocket) -> bytes:
    """All until the other side closes."""
    parts = []
    try:
        while part := peer.recv(4096):
            parts.append(part)
    except (ConnectionError, ssl.SSLEOFError):
        pass
    return b"".join(parts)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/control/list-runs HTTP/1.1\r\nx-slow: "])
def test_a_head_that_does_not_come_to_an_end_is_cut_off(place: Place, sent: bytes) -> None:
    before = len(place.sink.events)
    with connected(place) as peer:
        peer.sendall(sent)
        assert received(peer) == b""
    assert [event.reason for event in place.sink.events[before:]] == ["its request is late"]


def test_a_handshake_that_does_not_come_is_cut_off(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.link.port), timeout=10) as plain:
        assert plain.recv(100) == b""


def test_a_second_request_has_no_more_time_than_the_first(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200" in peer.recv(4096)
        peer.sendall(b"GET /hea")
        assert received(peer) == b""
    assert place.last().reason == "its request is late"


def test_what_does_not_speak_http_is_recorded(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(b"\x16\x03\r\n\r\n")
        assert b"400" in received(peer)
    wait_for(lambda: place.last().reason == "it does not speak HTTP")


def test_a_body_that_trickles_is_cut_off(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(head(place, 1000) + b"1")
        assert b"408" in received(peer)
    assert place.last().reason == "the body comes too slowly"


def test_one_address_has_so_many_connections(made: Provisioned) -> None:
    with started(made, Limits(connections_each=2, refusals=(1e6, 1e6))) as place:
        with connected(place), connected(place), connected(place) as third:
            assert received(third) == b""
            assert place.last().reason == "it has too many connections"
        assert place.ask("GET", "/health").status_code == 200


def test_what_is_not_tls_1_3_gets_no_answer(place: Place) -> None:
    context = place.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", place.link.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", place.link.port), timeout=10) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


def test_an_outsider_with_the_authoritys_certificate_gets_nothing(place: Place) -> None:
    before = len(place.sink.events)
    paths = [f"/v1/fleet/{name}" for name in FLEET] + [f"/v1/control/{name}" for name in CONTROL]
    paths += [f"/v1/runtime/{name}" for name in RUNTIME]
    with httpx.Client(verify=place.tls(), base_url=f"https://{place.at}", trust_env=False) as client:
        for path in paths:
            assert client.post(path, headers=PROTOBUF).status_code in (401, 403)
            assert client.get(path).status_code == 404
    events = place.sink.events[before:]
    assert len(events) == 2 * len(paths)
    assert {(event.actor, event.outcome) for event in events} == {("", "refused")}


# ---------------------------------------------------------------- the record


def test_what_cannot_be_recorded_is_not_answered(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.sink.full = StorageError("cannot write audit.jsonl: no space left on the disk")
    try:
        with operator(place) as client, pytest.raises(httpx.HTTPStatusError) as caught:
            client.ListRuns(ListRunsRequest())
        assert caught.value.response.status_code == 503
        assert place.ask("GET", "/docs").status_code == 503
    finally:
        place.sink.full = None
    assert "no space left" in caplog.text


def test_no_secret_is_recorded(place: Place) -> None:
    kept = repr(place.sink.events)
    assert place.kit.token not in kept
    assert place.kit.runtime.hex() not in kept
    assert "BEGIN" not in kept
    assert place.kit.token not in repr(LinkSettings.of(place.kit))


# ---------------------------------------------------------------- starting and stopping


def settings(made: Provisioned, **changes: Any) -> LinkSettings:
    return LinkSettings.of(CoordinatorKit.load(made.coordinator), **{"host": "127.0.0.1", "port": 0, **changes})


def test_a_taken_port_is_one_sentence(place: Place) -> None:
    with pytest.raises(StorageError, match=f"port {place.link.port}: Address already in use; stop what uses it"):
        Link.start(settings(place.made, port=place.link.port), Kept())


def test_an_address_of_another_machine_is_one_sentence(made: Provisioned) -> None:
    with pytest.raises(StorageError, match=r"cannot listen on 192\.0\.2\.1"):
        Link.start(settings(made, host="192.0.2.1"), Kept())


def test_a_certificate_with_another_key_is_one_sentence(made: Provisioned, tmp_path: Path) -> None:
    kit = CoordinatorKit.load(made.coordinator)
    for bad in (tmp_path / "missing", kit.folder / "identity.key"):
        fields = {**vars(settings(made)), "key": bad}
        with pytest.raises(ConfigError, match="cannot be used for TLS"):
            Link.start(LinkSettings(**fields), Kept())


def test_a_short_runtime_secret_is_refused(made: Provisioned) -> None:
    with pytest.raises(ConfigError, match="has 3 bytes and needs 16"):
        LinkSettings(**{**vars(settings(made)), "runtime": b"abc"})


@pytest.mark.filterwarnings("ignore:No path_separator found:DeprecationWarning")  # Flower's own use of Alembic.
def test_messages_in_a_file_are_their_owners_alone_and_nodes_keep_their_numbers(made: Provisioned) -> None:
    numbers = []
    for _ in range(2):
        with started(made, store=True) as place:
            files = sorted(place.kit.state.glob("messages.sqlite*"))
            assert files
            assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
            numbers.append(place.link._members.entry(place.kit.membership.node(ONE)).number)  # type: ignore[union-attr]
    assert numbers[0] == numbers[1]


def test_compacting_leaves_nothing_of_what_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "messages.sqlite"
    connection = sqlite3.connect(path)
    # Some systems build SQLite so that it overwrites by itself.
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE object (content BLOB)")
    connection.execute("INSERT INTO object VALUES (?)", (b"an update in clear" * 1000,))
    connection.commit()
    connection.execute("DELETE FROM object")
    connection.commit()
    connection.close()
    assert b"an update in clear" in path.read_bytes()
    compact(path)
    assert b"an update in clear" not in path.read_bytes()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="cannot compact"):
        compact(path)


def test_a_link_that_was_stopped_gives_its_port_back(made: Provisioned) -> None:
    with started(made) as place:
        port = place.link.port
        assert place.link.health.running
        assert place.ask("GET", "/health").status_code == 200
    assert place.link.health.online == ()
    with pytest.raises(StorageError, match="ended; start the server again"):
        place.link.check()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


SERVER = """
import sys
from pathlib import Path
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.flower.superlink import serve
serve(CoordinatorKit.load(Path(sys.argv[1])), host="127.0.0.1", port=0, ready=lambda link: print(link.port, flush=True))
"""


@pytest.mark.long
def test_a_server_takes_a_newer_roster_and_ends_on_request(tmp_path: Path) -> None:
    made = provisioned(tmp_path)
    kit = CoordinatorKit.load(made.coordinator)
    left = DepartmentKit.load(made.departments[OTHER])
    record = kit.state / "audit.jsonl"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLWR_")}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(kit.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**environment, "HOME": str(tmp_path / "home")},
    ) as process:
        try:
            assert process.stdout is not None
            at = f"localhost:{int(process.stdout.readline())}"
            revoke(made.administrator, OTHER, coordinator=kit.folder)
            wait_for(lambda: "serial 2" in record.read_text(encoding="utf-8"))
            outside = SimpleNamespace(at=at, authority=kit.authority, kit=kit)
            with node(outside, left.keys.node_key) as client, pytest.raises(httpx.HTTPStatusError, match="403"):
                client.ActivateNode(ActivateNodeRequest(public_key=left.keys.node_public, heartbeat_interval=30))
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    events = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert [event["action"] for event in events] == ["start", "roster", "/v1/fleet/activate-node", "stop"]
    assert record.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "home").exists()


def wait_for(holds: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_flower_is_told_to_tell_nobody(place: Place) -> None:
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert (place.kit.state / "flower").stat().st_mode & 0o777 == 0o700
    assert logging.getLogger("flwr").level >= logging.INFO


# ---------------------------------------------------------------- buckets


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.floats(0.1, 10), st.floats(1, 20))
def test_nobody_takes_more_than_burst_and_rate_allow(pauses: list[float], rate: float, burst: float) -> None:
    now = 0.0
    buckets = Buckets(rate, burst, clock=lambda: now)
    taken = 0
    for pause in pauses:
        now += pause
        taken += buckets.take("a")
        assert taken <= burst + rate * now + 1e-6
    assert buckets.take("b")


# ---------------------------------------------------------------- what of Flower is used

INTERNALS: dict[str, tuple[str, ...]] = {
    "flwr.superlink.main:create_app": ("config", "superlink_lifespan_class"),
    "flwr.superlink.config_loader:SuperLinkLifespanConfig": (
        *("control_address", "health_server_address", "host", "port", "insecure", "certificates"),
        *("superexec_auth_secret", "authn_plugin", "event_log_plugin", "fleet_event_log_plugin", "enable_event_log"),
        *("artifact_provider", "enable_supernode_auth", "fleet_api_type", "fleet_api_address", "simulation"),
        *("ssl_ca_certfile", "ssl_certfile", "ssl_keyfile", "database", "isolation", "runtime_dependency_install"),
    ),
    "flwr.superlink.auth_plugin:NoOpControlAuthnPlugin": (),
    "flwr.supercore.primitives.asymmetric:bytes_to_public_key": ("public_key_bytes",),
    "flwr.supercore.primitives.asymmetric:verify_signature": ("public_key", "message", "signature"),
    "flwr.server.superlink.linkstate:LinkState.create_node": (
        *("self", "owner_aid", "owner_name", "public_key", "heartbeat_interval", "location", "name"),
    ),
    "flwr.server.superlink.linkstate:LinkState.deactivate_node": ("self", "node_id"),
    "flwr.server.superlink.linkstate:LinkState.get_node_id_by_public_key": ("self", "public_key"),
    "flwr.server.superlink.linkstate:LinkState.get_node_info": ("self", "node_ids", "owner_aids", "statuses"),
}
"""Callables of Flower that the link uses, with the names of their parameters."""

CONSTANTS = {
    "flwr.common.constant:ISOLATION_MODE_PROCESS": "process",
    "flwr.common.constant:NOOP_ACCOUNT_NAME": "none",
    "flwr.common.constant:NOOP_FLWR_AID": "<id:none>",
    "flwr.common.constant:TIMESTAMP_HEADER": "flwr-timestamp",
    "flwr.common.constant:TRANSPORT_TYPE_GRPC_RERE": "grpc-rere",
    "flwr.supercore.constant:FLEET_HTTP_PUBLIC_KEY_HEADER": "flwr-public-key",
    "flwr.supercore.constant:FLEET_HTTP_SIGNATURE_HEADER": "flwr-signature",
    "flwr.supercore.constant:FLWR_IN_MEMORY_DB_NAME": ":flwr-in-memory:",
}


def found(name: str) -> Any:
    module, _, path = name.partition(":")
    value: Any = importlib.import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(("name", "parameters"), INTERNALS.items(), ids=INTERNALS)
def test_flowers_internal_callables_are_those_that_the_link_was_written_for(
    name: str, parameters: tuple[str, ...]
) -> None:
    assert tuple(inspect.signature(found(name)).parameters) == parameters


@pytest.mark.parametrize(("name", "value"), CONSTANTS.items(), ids=CONSTANTS)
def test_flowers_constants_are_those_that_the_link_was_written_for(name: str, value: str) -> None:
    assert found(name) == value


def test_flowers_calls_are_those_that_the_gate_knows() -> None:
    known = {path for _, path in found("flwr.supercore.protobuf.translation:PROTOBUF_REQUEST_TYPES")}
    ours = {
        f"/v1/{api}/{n}" for api, names in (("fleet", FLEET), ("control", CONTROL), ("runtime", RUNTIME)) for n in names
    }
    assert ours <= known
    others = {path for path in known if path.startswith("/v1/fleet/")} - ours
    assert others == {"/v1/fleet/register-node", "/v1/fleet/unregister-node"}


def test_flower_authenticates_nodes_before_the_innermost_check(place: Place) -> None:
    names = [one.cls.__name__ for one in place.link._gate._app.user_middleware]  # type: ignore[attr-defined]
    assert names[-1] == "OwnOnly"
    assert names.index("ProtobufTranslationMiddleware") < names.index("NodeAuthMiddleware") < names.index("OwnOnly")


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("fleet_pb2:PullMessagesResponse", {"messages_list", "message_object_trees"}),
        ("fleet_pb2:PushMessagesRequest", {"node", "messages_list", "message_object_trees"}),
        ("fleet_pb2:PushMessagesResponse", {"results", "session_id"}),
        ("message_pb2:PushObjectRequest", {"node", "session_id", "object_id"}),
        ("message_pb2:PullObjectRequest", {"node", "object_id"}),
        ("message_pb2:ConfirmMessageReceivedRequest", {"node", "message_object_id"}),
        ("message_pb2:ObjectTree", {"object_id", "children"}),
        ("message_pb2:Metadata", {"src_node_id", "message_id"}),
        ("runtime_pb2:AcquireTaskResponse", {"task"}),
        ("runtime_pb2:PullAppMessagesResponse", {"messages_list"}),
    ],
)
def test_flowers_messages_have_the_fields_that_the_check_reads(message: str, fields: set[str]) -> None:
    assert fields <= set(found(f"flwr.proto.{message}").DESCRIPTOR.fields_by_name)


def test_a_member_that_flower_knows_keeps_its_number(place: Place) -> None:
    again = Members(place.link._members._state)
    again.allow(nodes_of(place.kit))
    key = place.kit.membership.node(ONE)
    assert again.entry(key).number == place.link._members.entry(key).number  # type: ignore[union-attr]
