"""Tests of the coordinator's port: what it has and has not, who is a member, limits, starting and stopping."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.proto.fleet_pb2 import PullMessagesRequest
from flwr.proto.node_pb2 import Node
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.flower.link_gate import CONTROL, FLEET, Gate, is_loopback
from lepton_fed.flower.link_limits import Buckets, Limits
from lepton_fed.flower.link_members import Members
from lepton_fed.flower.link_threshold import Doors
from lepton_fed.flower.superlink import Link, LinkSettings, nodes_of
from tests.flower.link import (
    ONE,
    OTHER,
    PATIENT,
    PROTOBUF,
    STATUS,
    Kept,
    Place,
    activated,
    connected,
    impatient,
    node,
    provisioned,
    received,
    refused,
    started,
    until,
)

pytestmark = pytest.mark.flower


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provisioned(tmp_path_factory.mktemp("链路"))


@pytest.fixture(scope="module")
def place(made: Provisioned) -> Iterator[Place]:
    with started(made) as place:
        place.link.members.doorbell.hold = 0.1
        yield place


# ---------------------------------------------------------------- what the port has


def flowers() -> list[str]:
    """Paths of Flower's interfaces for tasks, applications, accounts and runs, and of its nodes' that nobody needs."""
    known = {path for _, path in found("flwr.supercore.protobuf.translation:PROTOBUF_REQUEST_TYPES")}
    return sorted(known - {f"/v1/fleet/{name}" for name in FLEET})


def asked(gate: Gate, path: str, address: str, **headers: str) -> int:
    """The status that the gate answers to a caller at this address."""
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "GET" if path in ("/health", "/metrics") else "POST",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": (address, 4000),
    }
    asyncio.run(gate(scope, receive, send))
    status: int = answers[0]["status"]
    return status


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7"])
def test_nothing_of_flowers_but_the_fleet_is_there_for_anybody(place: Place, address: str) -> None:
    paths = flowers()
    assert {path.split("/")[2] for path in paths} == {"runtime", "control", "fleet"}
    assert len(paths) > 60
    for headers in ({}, place.token, {**place.token, "x-forwarded-for": "127.0.0.1"}):
        assert {asked(place.link._gate, path, address, **PROTOBUF, **headers) for path in paths} == {404}
    events = place.sink.events[-len(paths) :]
    assert [event.action for event in events] == paths
    assert {(event.outcome, event.reason) for event in events} == {("refused", "there is no such page")}


def test_none_of_our_controls_has_the_name_of_one_of_flowers() -> None:
    assert not {f"/v1/control/{name}" for name in CONTROL} & set(flowers())


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/", "/v1/fleet/", "/v1/../docs", "//docs"])
def test_pages_about_the_port_are_not_there(place: Place, path: str) -> None:
    assert place.ask("GET", path).status_code == 404
    assert place.ask("GET", path, headers=place.token).status_code == 404
    assert place.last().outcome == "refused"


@pytest.mark.parametrize("path", [STATUS + "/", "/v1/control//status", "/v2/control/status", "/V1/control/status"])
def test_a_path_that_only_looks_like_one_is_none(place: Place, path: str) -> None:
    assert place.ask("POST", path, headers=place.token).status_code == 404


def test_a_control_is_asked_for_and_not_looked_at(place: Place) -> None:
    assert place.ask("GET", STATUS, headers=place.token).status_code == 404


def test_who_has_the_token_is_answered_and_recorded(place: Place) -> None:
    assert place.ask("POST", "/v1/control/stop", headers=place.token).json()["state"] == "运行"
    event = place.last()
    assert (event.actor, event.action, event.outcome, event.reason) == ("operator", "/v1/control/stop", "done", "")


def test_what_is_asked_every_second_is_not_recorded(place: Place) -> None:
    before = len(place.sink.events)
    for name in ("status", "logs"):
        assert place.ask("POST", f"/v1/control/{name}", headers=place.token).status_code == 200
    for name in ("health", "metrics"):
        assert place.ask("GET", f"/{name}").status_code == 200
    assert len(place.sink.events) == before


@pytest.mark.parametrize("path", ["/health", "/metrics"])
@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "", "localhost"])
def test_health_and_metrics_are_for_this_machine_or_with_the_token(place: Place, path: str, address: str) -> None:
    assert asked(place.link._gate, path, address) == 401
    assert (place.last().address, place.last().outcome) == (address, "refused")
    assert asked(place.link._gate, path, address, **place.token) == 200
    assert asked(place.link._gate, path, "127.0.0.1") == 200


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"])
def test_a_proxy_on_this_machine_makes_nobody_local(place: Place, header: str) -> None:
    assert asked(place.link._gate, "/metrics", "127.0.0.1", **{header: "127.0.0.1"}) == 401


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_every_spelling_of_this_machine_is_known(address: str) -> None:
    assert is_loopback(address)


# ---------------------------------------------------------------- departments


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


def test_a_department_that_was_killed_is_let_in_at_once(place: Place) -> None:
    before = place.link.members.arrivals[ONE]
    with node(place, place.key(ONE)) as first, node(place, place.key(ONE)) as second:
        number = activated(place, first, ONE)
        assert activated(place, second, ONE) == number
    assert place.link.members.arrivals[ONE] == before + 2
    assert ONE in place.link.health.online


def test_a_revoked_node_is_refused_at_once_and_others_go_on(place: Place) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        first, second = activated(place, one, ONE), activated(place, other, OTHER)
        nodes = nodes_of(place.kit)
        place.link.allow({name: key for name, key in nodes.items() if name != OTHER})
        try:
            assert OTHER not in place.link.health.online
            (info,) = place.link.members.state.get_node_info(node_ids=[second])
            assert info.status == "offline"
            with refused(place, 403, "/v1/fleet/pull-messages", "not in the roster"):
                other.PullMessages(PullMessagesRequest(node=Node(node_id=second)))
            one.PullMessages(PullMessagesRequest(node=Node(node_id=first)))
        finally:
            place.link.allow(nodes)
        assert activated(place, other, OTHER) == second


# ---------------------------------------------------------------- how much, how slowly


def test_who_calls_too_often_is_refused_for_a_while(made: Provisioned) -> None:
    limits = replace(PATIENT, calls=(0.001, 3), refusals=(0.001, 2))
    with started(made, limits) as place:
        statuses = [place.ask("POST", STATUS, headers=place.token).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert (place.last().actor, place.last().outcome) == ("operator", "refused")
        assert "too many calls" in place.last().reason
        assert [place.ask("GET", "/docs").status_code for _ in range(4)] == [404, 404, 429, 429]
        docs = [event.reason for event in place.sink.events if event.action == "/docs"]
        # Of the refusals beyond, one line: whoever floods the port does not fill the disk.
        assert len(docs) == 3
        assert "more are refused" in docs[-1]
        assert place.link.health.refused == 5


@contextmanager
def plain(place: Place) -> Iterator[socket.socket]:
    """A connection without TLS."""
    with socket.create_connection(("127.0.0.1", place.link.port), timeout=60) as peer:
        yield peer


def test_a_handshake_that_does_not_come_is_cut_off(place: Place) -> None:
    with impatient(place, "handshake"), plain(place) as peer:
        assert peer.recv(100) == b""
    until(lambda: place.reason() == "no TLS: its handshake is late")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "it speaks HTTP without TLS"),
        (b"\0" * 100, "what it says is not TLS"),
        (b"\x16\x03\x01", "it left before the end of the handshake"),
        (b"", "it left before the end of the handshake"),
    ],
)
def test_what_is_no_handshake_is_recorded_with_its_reason(place: Place, said: bytes, reason: str) -> None:
    before, closed = len(place.sink.events), closed_in(place)
    with plain(place) as peer:
        peer.sendall(said)
    until(lambda: place.sink.events[before:])
    (event,) = place.sink.events[before:]
    assert (event.actor, event.address, event.action, event.outcome) == ("", "127.0.0.1", "connect", "refused")
    assert event.reason == f"no TLS: {reason}"
    assert closed_in(place) == closed + 1


def closed_in(place: Place) -> float:
    """Connections that were closed without a call, as Prometheus is told."""
    for line in place.link._gate._metrics.text()[0].decode().splitlines():
        if line.startswith("lepton_fed_connections_closed_total "):
            return float(line.split()[1])
    raise AssertionError("there is no such number")


def test_who_does_not_know_the_authority_is_recorded(place: Place) -> None:
    context = ssl.create_default_context()
    with plain(place) as peer, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(peer, server_hostname="localhost")
    until(lambda: "does not know this federation's authority" in place.reason())


def test_what_callers_say_in_a_handshake_is_not_recorded(place: Place) -> None:
    name, context = "a" * 40, place.tls()
    with plain(place) as peer, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(peer, server_hostname=name)
    until(lambda: "the name that it dialled" in place.reason())
    assert name not in repr(place.sink.events)


def test_failed_handshakes_fill_no_disk_from_one_address_nor_from_many(made: Provisioned) -> None:
    limits = replace(PATIENT, refusals=(0.001, 2), closed=(0.001, 4))
    with started(made, limits) as place:
        gate, before = place.link._gate, len(place.sink.events)
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"):
            asyncio.run(gate.note(address, "no TLS: it left"))
        kept = place.sink.events[before:]
    # Two of the first address, and a line that says that there are more; of others two, and one for all that follow.
    assert [event.address[-1] for event in kept] == ["1", "1", "1", "2", "3", "4"]
    assert ["more are refused" in event.reason for event in kept] == [False, False, True, False, False, True]
    assert gate.refused == 7


def test_a_connection_over_which_nothing_is_said_counts_from_the_start(made: Provisioned) -> None:
    with started(made, replace(PATIENT, connections_each=2)) as place:
        with plain(place), plain(place), plain(place) as third:
            assert third.recv(100) == b""
            until(lambda: place.reason() == "it has too many connections")
        until(lambda: answers(place))


def test_one_department_has_so_many_connections_and_others_have_theirs(made: Provisioned) -> None:
    limits = replace(PATIENT, connections_named=1)
    with started(made, limits) as place, node(place, place.key(ONE)) as first, node(place, place.key(ONE)) as second:
        place.link.members.doorbell.hold = 0.1
        number = activated(place, first, ONE)
        asking = PullMessagesRequest(node=Node(node_id=number))
        with refused(place, 429, "/v1/fleet/pull-messages", "too many connections", actor=ONE):
            second.PullMessages(asking)
        with node(place, place.key(OTHER)) as other:
            activated(place, other, OTHER)
        first.PullMessages(asking)


def test_connections_that_ended_count_no_more() -> None:
    doors = Doors(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Limits(connections=2, connections_named=1), print)
    assert [doors.enter("a"), doors.enter("b")] == ["", ""]
    assert not doors.belong("内科")
    assert doors.belong("内科")
    doors.leave("b", "内科")
    assert not doors.belong("外科", "内科")
    assert "all together" not in doors.enter("c")
    assert "all together" in doors.enter("d")
    for address, name in (("a", "外科"), ("c", ""), ("d", "")):
        doors.leave(address, name)
    assert (doors._by_address, doors._by_name, doors._all) == ({}, {}, 0)


def test_a_second_request_has_no_more_time_than_the_first(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        while b"}" not in answer:
            answer += peer.recv(4096)
        assert b"200" in answer
        with impatient(place, "head"):
            peer.sendall(b"GET /hea")
            assert received(peer) == b""
    assert place.last().reason == "its request is late"


def test_what_does_not_speak_http_is_recorded(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(b"\x16\x03\r\n\r\n")
        assert b"400" in received(peer)
    until(lambda: place.reason() == "it does not speak HTTP")


def test_one_address_has_so_many_connections(made: Provisioned) -> None:
    with started(made, replace(PATIENT, connections_each=2)) as place:
        with connected(place), connected(place), plain(place) as third:
            assert third.recv(100) == b""
            until(lambda: place.reason() == "it has too many connections")
        until(lambda: answers(place))


def answers(place: Place) -> bool:
    """Whether it does; it may take a moment until connections that ended count no more."""
    try:
        return place.ask("GET", "/health").status_code == 200
    except httpx.TransportError:
        return False


# ---------------------------------------------------------------- the record


def test_what_cannot_be_recorded_is_not_answered(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.sink.full = StorageError("cannot write the record of calls: no space left on the disk")
    try:
        assert place.ask("POST", "/v1/control/stop", headers=place.token).status_code == 503
        assert place.ask("GET", "/docs").status_code == 503
    finally:
        place.sink.full = None
    assert "no space left" in caplog.text


def test_no_secret_is_recorded(place: Place) -> None:
    kept = repr(place.sink.events)
    assert place.kit.token not in kept
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
    # Of link_grid: a run that this process plays itself.
    "flwr.server.superlink.linkstate:LinkState.create_run": (
        *("self", "fab_id", "fab_version", "fab_hash", "override_config", "federation_id", "federation_config"),
        *("flwr_aid", "primary_task_type", "series_id", "series_description", "connector_ids", "initial_task_event"),
        "user_prompt",
    ),
    "flwr.server.superlink.linkstate:LinkState.get_run_info": (
        *("self", "run_ids", "statuses", "flwr_aids", "federation_ids", "order_by", "ascending", "limit", "skip"),
    ),
    "flwr.server.superlink.linkstate:LinkState.claim_task": ("self", "task_id"),
    "flwr.server.superlink.linkstate:LinkState.activate_task": ("self", "task_id"),
    "flwr.server.superlink.linkstate:LinkState.finish_task": ("self", "task_id", "sub_status", "details"),
    "flwr.server.superlink.linkstate:LinkState.acknowledge_task_heartbeat": ("self", "task_id"),
    "flwr.server.superlink.linkstate:LinkState.cleanup_run": ("self", "run_id"),
    "flwr.server.superlink.linkstate:LinkState.get_nodes": ("self", "run_id"),
    "flwr.server.superlink.linkstate:LinkState.store_message_ins": ("self", "message"),
    "flwr.server.superlink.linkstate:LinkState.get_message_res": ("self", "message_ids", "run_id"),
    "flwr.server.superlink.linkstate:LinkState.delete_messages": ("self", "message_ins_ids"),
    "flwr.server.superlink.linkstate:LinkState.get_object": ("self", "run_id", "object_id"),
    "flwr.supercore.object_store:ObjectStore.preregister": ("self", "run_id", "object_tree"),
    "flwr.supercore.object_store:ObjectStore.put": ("self", "object_id", "object_content"),
    "flwr.supercore.object_store:ObjectStore.delete": ("self", "object_id"),
    "flwr.supercore.object_store:ObjectStore.get_object_tree": ("self", "object_id"),
    "flwr.supercore.inflatable.inflatable_object:get_all_nested_objects": ("obj",),
    "flwr.supercore.inflatable.inflatable_object:get_object_tree": ("obj",),
    "flwr.supercore.inflatable.inflatable_object:iterate_object_tree": ("tree",),
    "flwr.supercore.inflatable.inflatable_object:no_object_id_recompute": (),
    "flwr.supercore.inflatable.inflatable_utils:inflate_object_from_contents": (
        *("object_id", "object_contents", "keep_object_contents", "objects"),
    ),
    "flwr.app.message:make_message": ("metadata", "content", "error"),
    "flwr.app.message:remove_content_from_message": ("message",),
}
"""Callables of Flower that the link uses, with the names of their parameters."""

CONSTANTS: dict[str, object] = {
    "flwr.common.constant:ISOLATION_MODE_PROCESS": "process",
    "flwr.common.constant:NOOP_ACCOUNT_NAME": "none",
    "flwr.common.constant:NOOP_FLWR_AID": "<id:none>",
    "flwr.common.constant:SUPERLINK_NODE_ID": 1,
    "flwr.common.constant:SYSTEM_TIME_TOLERANCE": 5,
    "flwr.common.constant:SubStatus.COMPLETED": "completed",
    "flwr.common.constant:TIMESTAMP_HEADER": "flwr-timestamp",
    "flwr.common.constant:TIMESTAMP_TOLERANCE": 300,
    "flwr.common.constant:TRANSPORT_TYPE_GRPC_RERE": "grpc-rere",
    "flwr.supercore.constant:FLEET_HTTP_PUBLIC_KEY_HEADER": "flwr-public-key",
    "flwr.supercore.constant:FLEET_HTTP_SIGNATURE_HEADER": "flwr-signature",
    "flwr.supercore.constant:FLWR_IN_MEMORY_DB_NAME": ":flwr-in-memory:",
    "flwr.supercore.constant:NOOP_FEDERATION_ID": "@none/default",
    "flwr.supercore.constant:TaskType.SERVER_APP": "flwr-serverapp",
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
def test_flowers_constants_are_those_that_the_link_was_written_for(name: str, value: object) -> None:
    assert found(name) == value


def test_flowers_calls_are_those_that_the_gate_knows() -> None:
    known = {path for _, path in found("flwr.supercore.protobuf.translation:PROTOBUF_REQUEST_TYPES")}
    ours = {f"/v1/fleet/{name}" for name in FLEET}
    assert ours <= known
    others = {path.rsplit("/", 1)[-1] for path in known if path.startswith("/v1/fleet/")} - FLEET
    assert others == {"register-node", "unregister-node", "get-run", "get-fab"}


def test_flower_authenticates_nodes_before_the_innermost_check(place: Place) -> None:
    names = [one.cls.__name__ for one in place.link._gate._app.user_middleware]  # type: ignore[attr-defined]
    assert names[-1] == "OwnOnly"
    assert names.index("ProtobufTranslationMiddleware") < names.index("NodeAuthMiddleware") < names.index("OwnOnly")


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("fleet_pb2:PullMessagesResponse", {"messages_list", "message_object_trees"}),
        ("fleet_pb2:PushMessagesRequest", {"node", "messages_list", "message_object_trees"}),
        ("fleet_pb2:PushMessagesResponse", {"objects_to_push", "session_id"}),
        ("fleet_pb2:ActivateNodeRequest", {"public_key"}),
        ("message_pb2:PushObjectRequest", {"node", "session_id", "object_id"}),
        ("message_pb2:PushObjectResponse", {"stored"}),
        ("message_pb2:PullObjectRequest", {"node", "object_id"}),
        ("message_pb2:ConfirmMessageReceivedRequest", {"node", "message_object_id"}),
        ("message_pb2:ObjectTree", {"object_id", "children"}),
        ("message_pb2:Metadata", {"src_node_id", "message_id", "reply_to_message_id", "run_id"}),
    ],
)
def test_flowers_messages_have_the_fields_that_the_check_reads(message: str, fields: set[str]) -> None:
    assert fields <= set(found(f"flwr.proto.{message}").DESCRIPTOR.fields_by_name)


def test_a_member_that_flower_knows_keeps_its_number(place: Place) -> None:
    again = Members(place.link.members.state)
    again.allow(nodes_of(place.kit))
    found = again.entry(place.kit.membership.node(ONE))
    assert found is not None
    assert found.number == place.entry(ONE).number
