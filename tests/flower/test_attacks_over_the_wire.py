"""Attacks on a coordinator's port over TLS: each is refused, and recorded with who it was and why.

Attacks that need no wire are with what withstands them: signatures in test_signed.py, a department's own refusals in
test_resident.py, which of Flower's pages are not there and how handshakes fail in test_superlink.py.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import fab_to_proto, message_to_proto
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest, PushMessagesRequest, RegisterNodeFleetRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree, PullObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.fab import Fab
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_id, get_object_tree

from lepton_fed.deploy.keys import written_public
from lepton_fed.deploy.kit import COORDINATOR, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.flower.department_side import DepartmentSide
from lepton_fed.flower.desk import Desk
from lepton_fed.flower.fleet import connected as dialled
from lepton_fed.flower.grid import JOIN
from lepton_fed.flower.link_gate import CONTROL, FLEET
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.link_members import MOST
from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.flower.records import RECORD, record_of, said_in
from lepton_fed.flower.resident import Resident
from lepton_fed.flower.signed import Members, unstamped
from lepton_fed.flower.signed_grid import SignedGrid
from lepton_fed.flower.superlink import nodes_of
from lepton_fed.messages import Join, Joined, Refused, Reply
from tests.flower.link import (
    ONE,
    OTHER,
    PROTOBUF,
    STATUS,
    Place,
    activated,
    answer_to,
    connected,
    impatient,
    letter,
    node,
    piece,
    provisioned,
    pulled,
    received,
    refused,
    signature,
    started,
    until,
    upload,
)
from tests.flower.signed_federation import Listening

pytestmark = pytest.mark.flower

PULL, PUSH, ACTIVATE = "/v1/fleet/pull-messages", "/v1/fleet/push-messages", "/v1/fleet/activate-node"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provisioned(tmp_path_factory.mktemp("攻击"))


@pytest.fixture(scope="module")
def place(made: Provisioned) -> Iterator[Place]:
    with started(made) as place:
        place.link.members.doorbell.hold = 0.1
        yield place


@pytest.fixture
def grid(place: Place) -> Iterator[LinkGrid]:
    with place.link.run() as grid:
        yield grid


# ---------------------------------------------------------------- who starts and stops runs


@pytest.mark.parametrize("said", ["", "Bearer", "Basic eDp5", "bearer 0"])
def test_nothing_is_controlled_without_the_token(place: Place, said: str) -> None:
    headers = {"authorization": said} if said else {}
    for name in CONTROL:
        with refused(place, 401, f"/v1/control/{name}", "token", actor=""):
            place.ask("POST", f"/v1/control/{name}", headers=headers).raise_for_status()


def test_another_token_is_refused_and_not_recorded(place: Place) -> None:
    wrong = place.kit.token[:-1] + ("0" if place.kit.token[-1] != "0" else "1")
    with refused(place, 401, STATUS, "not that of this federation", actor=""):
        place.ask("POST", STATUS, headers={"authorization": f"Bearer {wrong}"}).raise_for_status()
    assert wrong not in repr(place.sink.events)


def test_the_token_said_twice_is_refused(place: Place) -> None:
    twice = [("authorization", f"Bearer {place.kit.token}")] * 2
    with refused(place, 401, STATUS, "a token is needed"):
        place.ask("POST", STATUS, headers=twice).raise_for_status()


def test_a_departments_key_starts_and_stops_nothing(place: Place) -> None:
    headers = signature(place.kit.membership.node(ONE), place.key(ONE))
    with refused(place, 401, "/v1/control/stop", "a token is needed", actor=""):
        place.ask("POST", "/v1/control/stop", headers=headers).raise_for_status()


def test_the_token_is_no_departments_key(place: Place) -> None:
    with refused(place, 401, PULL, "a node's key and signature are needed", actor=""):
        place.ask("POST", PULL, headers={**PROTOBUF, **place.token}).raise_for_status()


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Flower's own use of pathspec.
def test_no_application_is_taken_from_anybody_not_even_with_the_token(place: Place) -> None:
    app = '[project]\nname = "x"\nversion = "1.0.0"\n[tool.flwr.app]\npublisher = "x"\nfab-include = ["app.py"]\n'
    app += '[tool.flwr.app.components]\nserverapp = "app:app"\nclientapp = "app:app"\n'
    content, _ = build_fab_from_files({"pyproject.toml": app.encode(), "app.py": b"app = None\n"})
    fab = fab_to_proto(Fab(hashlib.sha256(content).hexdigest(), content, {}))
    request = StartRunRequest(fab=fab).SerializeToString()
    before = len(place.link.members.state.get_run_info())
    for headers in (place.token, signature(place.kit.membership.node(ONE), place.key(ONE))):
        with refused(place, 404, "/v1/control/start-run", "no such page", actor=""):
            place.ask(
                "POST", "/v1/control/start-run", headers={**PROTOBUF, **headers}, content=request
            ).raise_for_status()
    assert len(place.link.members.state.get_run_info()) == before


def test_nobody_registers_a_node_over_the_wire_not_even_with_the_token(place: Place) -> None:
    key = written_public(ec.generate_private_key(ec.SECP384R1()).public_key())
    request = RegisterNodeRequest(public_key=key, name="x").SerializeToString()
    with refused(place, 404, "/v1/control/register-node", "no such page"):
        headers = {**PROTOBUF, **place.token}
        place.ask("POST", "/v1/control/register-node", headers=headers, content=request).raise_for_status()


# ---------------------------------------------------------------- who a department is


def test_an_outsider_with_the_authoritys_certificate_gets_nothing(place: Place) -> None:
    before = len(place.sink.events)
    paths = [f"/v1/fleet/{name}" for name in FLEET] + [f"/v1/control/{name}" for name in CONTROL]
    with place.client() as client:
        for path in paths:
            assert client.post(path, headers=PROTOBUF).status_code == 401
            assert client.get(path).status_code == 404
    events = place.sink.events[before:]
    assert len(events) == 2 * len(paths)
    assert {(event.actor, event.outcome) for event in events} == {("", "refused")}
    assert all(event.reason for event in events)


def test_a_stranger_neither_registers_nor_activates_a_node(place: Place) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    public = written_public(key.public_key())
    with node(place, key) as client:
        with refused(place, 403, ACTIVATE, "not in the roster", actor=""):
            client.ActivateNode(ActivateNodeRequest(public_key=public, heartbeat_interval=30))
        with refused(place, 404, "/v1/fleet/register-node", "no such page"):
            client.RegisterNode(RegisterNodeFleetRequest(public_key=public))
        with refused(place, 403, ACTIVATE, "not in the roster"):
            member = place.kit.membership.node(ONE)
            client.ActivateNode(ActivateNodeRequest(public_key=member, heartbeat_interval=30))


@pytest.mark.parametrize("whose", ["a stranger's", OTHER])
def test_the_public_key_of_a_member_is_not_enough(place: Place, whose: str) -> None:
    key = place.key(OTHER) if whose == OTHER else ec.generate_private_key(ec.SECP384R1())
    with refused(place, 401, PULL, f"not by the key of {ONE}", actor=""):
        place.ask("POST", PULL, headers=signature(place.kit.membership.node(ONE), key)).raise_for_status()


@pytest.mark.parametrize("minutes", [-10, 10])
def test_an_old_signature_is_refused_and_one_of_tomorrow(place: Place, minutes: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    with refused(place, 401, PULL, "time is not now", actor=""):
        headers = signature(place.kit.membership.node(ONE), place.key(ONE), at)
        place.ask("POST", PULL, headers=headers).raise_for_status()


def test_a_signed_time_without_a_zone_is_refused(place: Place) -> None:
    naive = datetime.now(UTC).replace(tzinfo=None)
    with refused(place, 401, PULL, "time is not now"):
        headers = signature(place.kit.membership.node(ONE), place.key(ONE), naive)
        place.ask("POST", PULL, headers=headers).raise_for_status()


@pytest.mark.parametrize("key", ["", "no base64", "bm8ga2V5"])
def test_what_is_no_key_is_refused(place: Place, key: str) -> None:
    for name in FLEET:
        answer = place.ask("POST", f"/v1/fleet/{name}", headers={**PROTOBUF, "flwr-public-key": key})
        assert answer.status_code in (401, 403)
        assert (place.last().action, place.last().outcome) == (f"/v1/fleet/{name}", "refused")


def test_a_node_does_not_fetch_as_another(place: Place) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        number = activated(place, one, ONE)
        activated(place, other, OTHER)
        with refused(place, 401, PULL, "the answer was 401", actor=OTHER):
            other.PullMessages(PullMessagesRequest(node=Node(node_id=number)))


def test_somebody_elses_key_ends_nobodys_connection(place: Place) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        activated(place, one, ONE)
        activated(place, other, OTHER)
        arrivals = place.link.members.arrivals
        theirs = place.kit.membership.node(ONE)
        with refused(place, 401, ACTIVATE, "the answer was 401", actor=OTHER):
            other.ActivateNode(ActivateNodeRequest(public_key=theirs, heartbeat_interval=30))
        assert place.link.members.arrivals == arrivals
        assert {ONE, OTHER} <= set(place.link.health.online)


def test_a_look_that_waits_ends_when_its_node_leaves_the_roster(place: Place) -> None:
    place.link.members.doorbell.hold = 60.0
    nodes, caught = nodes_of(place.kit), list[int]()
    try:
        with node(place, place.key(OTHER)) as other:
            number = activated(place, other, OTHER)

            def look() -> None:
                try:
                    other.PullMessages(PullMessagesRequest(node=Node(node_id=number)))
                except httpx.HTTPStatusError as error:
                    caught.append(error.response.status_code)

            thread = threading.Thread(target=look)
            thread.start()
            until(lambda: place.link.members.doorbell._waiting)
            place.link.allow({name: key for name, key in nodes.items() if name != OTHER})
            thread.join(60)
        assert caught == [403]
        assert (place.last().action, place.last().reason) == (PULL, "the node's key is not in the roster")
    finally:
        place.link.allow(nodes)
        place.link.members.doorbell.hold = 0.1


def test_one_member_holds_one_look(place: Place) -> None:
    place.link.members.doorbell.hold = 60.0
    try:
        with node(place, place.key(ONE)) as client:
            number = activated(place, client, ONE)
            request = PullMessagesRequest(node=Node(node_id=number)).SerializeToString()
        ended = list[int]()

        def look() -> None:
            headers = signature(place.kit.membership.node(ONE), place.key(ONE))
            ended.append(place.ask("POST", PULL, headers=headers, content=request, timeout=60).status_code)

        threads = [threading.Thread(target=look) for _ in range(5)]
        for thread in threads:
            thread.start()
        until(lambda: len(ended) == 4)
        assert len(place.link.members.doorbell._waiting) == 1
        place.link.members.doorbell.ring(number)
        for thread in threads:
            thread.join(60)
        assert ended == [200] * 5
    finally:
        place.link.members.doorbell.hold = 0.1


# ---------------------------------------------------------------- whose message it is


def test_each_node_fetches_and_answers_its_own_messages_only(place: Place, grid: LinkGrid) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        first, second = activated(place, one, ONE), activated(place, other, OTHER)
        sent = grid.push_messages([letter(n, b"%d" % n) for n in (first, second)])
        me = Node(node_id=second)
        tree = one.PullMessages(PullMessagesRequest(node=Node(node_id=first))).message_object_trees[0]
        theirs, _ = pulled(other, second)
        with refused(place, 403, "/v1/fleet/pull-object", "of no message to it", actor=OTHER):
            other.PullObject(PullObjectRequest(node=me, run_id=grid.number, object_id=tree.object_id))
        with refused(place, 403, "/v1/fleet/confirm-message-received", "not to it", actor=OTHER):
            other.ConfirmMessageReceived(
                ConfirmMessageReceivedRequest(node=me, run_id=grid.number, message_object_id=tree.object_id)
            )
        forged, _ = answer_to(theirs, source=first)
        with refused(place, 403, PUSH, f"answers as node {first}", actor=OTHER):
            other.PushMessages(forged)
        assert place.last().run == str(grid.number)
        assert grid.pull_messages(sent) == []


def test_an_upload_is_its_owners(place: Place, grid: LinkGrid) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        first, second = activated(place, one, ONE), activated(place, other, OTHER)
        sent = grid.push_messages([letter(first)])
        request, objects = answer_to(pulled(one, first)[0])
        pushed = one.PushMessages(request)
        for object_id in pushed.objects_to_push:
            said = piece(Node(node_id=second), grid.number, pushed.session_id, object_id, objects[object_id])
            with refused(place, 403, "/v1/fleet/push-object", "upload is not its own", actor=OTHER):
                other.PushObject(said)
            said.node.node_id = first
            assert one.PushObject(said).stored
        (arrived,) = grid.pull_messages(sent)
        assert arrived.content["m"]["b"] == b"answer"
        assert arrived.metadata.src_node_id == first


@contextmanager
def asked(place: Place, grid: LinkGrid) -> Iterator[tuple[Any, Message, list[str]]]:
    """A department that was asked something: its client, the question, and the numbers of the questions asked."""
    with node(place, place.key(ONE)) as client:
        number = activated(place, client, ONE)
        sent = grid.push_messages([letter(number)])
        yield client, pulled(client, number)[0], sent


def test_a_reply_is_taken_once(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, sent):
        request, objects = answer_to(question)
        upload(client, request, objects)
        assert len(grid.pull_messages(sent)) == 1
        with refused(place, 403, PUSH, "answers no message that waits", actor=ONE):
            client.PushMessages(request)
    assert not len(place.link.members.state.object_store)


def test_a_reply_is_taken_once_even_before_it_was_looked_at(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, sent):
        request, objects = answer_to(question)
        upload(client, request, objects)
        with refused(place, 403, PUSH, "answers no message that waits", actor=ONE):
            client.PushMessages(request)
        assert len(grid.pull_messages(sent)) == 1


def test_a_reply_whose_upload_broke_off_may_be_announced_again(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, sent):
        request, objects = answer_to(question)
        client.PushMessages(request)
        assert grid.pull_messages(sent) == []
        upload(client, request, objects)
        assert len(grid.pull_messages(sent)) == 1


def test_a_message_is_not_answered_twice_in_different_words(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, sent):
        request, objects = answer_to(question)
        client.PushMessages(request)
        another = Message(RecordDict({"m": ConfigRecord({"b": b"another"})}), reply_to=question)
        with refused(place, 403, PUSH, "announced another answer", actor=ONE):
            client.PushMessages(announced(another))
        grown = PushMessagesRequest()
        grown.CopyFrom(request)
        grown.message_object_trees[0].children.append(ObjectTree(object_id=get_object_id(b"something to keep")))
        with refused(place, 403, PUSH, "announced another answer", actor=ONE):
            client.PushMessages(grown)
        upload(client, request, objects)
        assert len(grid.pull_messages(sent)) == 1


def test_what_nobody_asked_is_not_kept(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, _):
        question.metadata.__dict__["_message_id"] = get_object_id(b"made up")
        with refused(place, 403, PUSH, "answers no message that waits", actor=ONE):
            client.PushMessages(answer_to(question)[0])
        request, _ = answer_to(question)
        request.messages_list[0].metadata.reply_to_message_id = ""
        with refused(place, 403, PUSH, "answers no message that waits", actor=ONE):
            client.PushMessages(request)


def test_a_department_fills_no_memory_with_objects(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, sent):
        request, _ = answer_to(question)
        many = (ObjectTree(object_id=get_object_id(b"%d" % k)) for k in range(MOST))
        request.message_object_trees[0].children.extend(many)
        with refused(place, 403, PUSH, f"and {MOST} are the most", actor=ONE):
            client.PushMessages(request)
        grid.forget(sent)
    assert not len(place.link.members.state.object_store)


def test_a_reply_is_one_message(place: Place, grid: LinkGrid) -> None:
    with asked(place, grid) as (client, question, _):
        twice, _ = answer_to(question)
        twice.messages_list.append(twice.messages_list[0])
        with refused(place, 403, PUSH, "one message", actor=ONE):
            client.PushMessages(twice)


# ---------------------------------------------------------------- uploads that are not what was announced

Upload = tuple[PushMessagesRequest, dict[str, bytes]]


def announced(message: Message) -> PushMessagesRequest:
    message.metadata.__dict__["_message_id"] = message.object_id
    return PushMessagesRequest(
        node=Node(node_id=message.metadata.src_node_id),
        messages_list=[message_to_proto(remove_content_from_message(message))],
        message_object_trees=[get_object_tree(message)],
    )


def under_another_root(request: PushMessagesRequest, root: str) -> PushMessagesRequest:
    """The announcement of an honest reply, for whose message something else is uploaded."""
    request.messages_list[0].metadata.message_id = root
    del request.message_object_trees[0].children[:]
    request.message_object_trees[0].object_id = root
    return request


def no_message(question: Message) -> Upload:
    record = ConfigRecord({"b": b"no message"})
    return under_another_root(answer_to(question)[0], record.object_id), {record.object_id: record.deflate()}


def with_parts_that_are_nowhere(question: Message) -> Upload:
    request, objects = answer_to(question)
    root = request.message_object_trees[0].object_id
    return under_another_root(request, root), {root: objects[root]}


def rubbish_inside(question: Message) -> Upload:
    content = b"Message  7\x00rubbish"
    root = get_object_id(content)
    return under_another_root(answer_to(question)[0], root), {root: content}


def with_other_words_inside(change: Callable[[Message], None], question: Message) -> Upload:
    """An honest head, and inside a message that says of itself what it likes."""
    request, _ = answer_to(question)
    inner = Message(RecordDict({"m": ConfigRecord({"b": b"answer"})}), reply_to=question)
    change(inner)
    objects = {one: found.deflate() for one, found in get_all_nested_objects(inner).items()}
    tree = get_object_tree(inner)
    request.messages_list[0].metadata.message_id = tree.object_id
    request.message_object_trees[0].CopyFrom(tree)
    return request, objects


def from_somebody_else(message: Message) -> None:
    message.metadata.__dict__["_src_node_id"] = 12345


def to_another_question(message: Message) -> None:
    message.metadata.__dict__["_reply_to_message_id"] = get_object_id(b"another question")


SPOILT: dict[str, Callable[[Message], Upload]] = {
    "no message": no_message,
    "parts that are nowhere": with_parts_that_are_nowhere,
    "rubbish": rubbish_inside,
    "from somebody else": partial(with_other_words_inside, from_somebody_else),
    "to another question": partial(with_other_words_inside, to_another_question),
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_an_upload_that_is_not_what_was_announced_costs_its_department_alone(
    place: Place, grid: LinkGrid, spoilt: Callable[[Message], Upload]
) -> None:
    with node(place, place.key(ONE)) as one, node(place, place.key(OTHER)) as other:
        first, second = activated(place, one, ONE), activated(place, other, OTHER)
        sent = grid.push_messages([letter(n, b"%d" % n) for n in (first, second)])
        upload(one, *spoilt(pulled(one, first)[0]))
        upload(other, *answer_to(pulled(other, second)[0]))
        found = {answer.metadata.reply_to_message_id: answer for answer in grid.pull_messages(sent)}
    assert set(found) == set(sent)
    assert found[sent[0]].has_error()
    assert found[sent[0]].metadata.src_node_id == first
    assert found[sent[1]].content["m"]["b"] == b"answer"
    assert not len(place.link.members.state.object_store)


# ---------------------------------------------------------------- what a department and the coordinator are told


Answering = Callable[[Desk], Any]


@dataclass
class Standing:
    """A department that notes what it hears, and the desk that answers for it."""

    department: Listening
    desk: Any


@contextmanager
def standing(place: Place, answering: Answering = lambda desk: desk) -> Iterator[Standing]:
    """A department's process in a thread: Flower's wire, and our desk or what is put in its place."""
    kit = DepartmentKit.load(place.made.departments[ONE])
    department = Listening(ONE)
    desk = Desk(department, DepartmentSide(kit.keys.identity, Members.of(kit.membership)))  # type: ignore[arg-type]
    stop, before = threading.Event(), place.link.members.arrivals[ONE]
    dial = partial(dialled, place.at, place.authority, kit.keys.node_key)
    answers = answering(desk)
    thread = threading.Thread(target=Resident(answers, dial, stop, stop.wait).reside)
    thread.start()
    try:
        until(lambda: place.link.members.arrivals[ONE] > before and ONE in place.link.health.online)
        yield Standing(department, answers)
    finally:
        stop.set()
        thread.join()


def transport(place: Place, grid: LinkGrid) -> LinkTransport:
    names = {place.entry(ONE).number: ONE}
    signed = SignedGrid(grid, place.kit.identity, Members.of(place.kit.membership), names=names)
    return LinkTransport(grid, signed, {ONE: place.entry(ONE).number}, 30.0, 30.0, lambda: None)


def joined(over: LinkTransport, fingerprint: str) -> Reply:
    return dict(over.exchange({ONE: Join(fingerprint)}))[ONE]


def test_what_the_coordinator_signed_is_carried_out(place: Place, grid: LinkGrid) -> None:
    with standing(place) as there:
        assert joined(transport(place, grid), "a file") == Joined("layout", 3)
        assert there.department.heard == [Join("a file")]


@pytest.mark.parametrize("content", [record_of(Join("a file")), RecordDict({"m": ConfigRecord({"b": b"x"})})])
def test_a_message_that_nobody_signed_reaches_no_department(place: Place, grid: LinkGrid, content: RecordDict) -> None:
    """As whoever runs the SuperLink could write one: past the coordinator's identity, into Flower's store."""
    with standing(place) as there:
        sent = grid.push_messages([Message(content, place.entry(ONE).number, JOIN, ttl=60.0)])
        answer = waited_for(grid, sent)
        said = said_in(unstamped(answer.content, ONE)[0], ONE, (Refused, Joined))
        assert said == Refused(f"{COORDINATOR}: its message is not signed")
        assert there.department.heard == []


def test_a_message_that_was_altered_on_its_way_reaches_no_department(place: Place, grid: LinkGrid) -> None:
    over, through = transport(place, grid), grid.push_messages

    def altered(messages: Any) -> list[str]:
        for message in messages:
            fields = {**message.content[RECORD], "fingerprint": "another file"}
            message.content = RecordDict({RECORD: ConfigRecord(fields)})
        return through(messages)

    grid.push_messages = altered  # type: ignore[method-assign]
    with standing(place) as there:
        said = joined(over, "a file")
        assert isinstance(said, Refused)
        assert "the message was altered" in said.reason
        assert there.department.heard == []


def waited_for(grid: LinkGrid, sent: list[str]) -> Message:
    found: list[Message] = []
    until(lambda: found.extend(grid.pull_messages(sent)) or found)
    return found[0]


class Repeating:
    """In place of a desk: once `repeat` is set, it says again what it said last."""

    busy = False
    repeat = False

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.said = RecordDict()

    def answer(self, message: Message, number: int) -> Message:
        if not self.repeat:
            self.said = self.desk.answer(message, number).content
        return Message(self.said, reply_to=message)


def test_an_old_reply_is_no_answer_to_a_new_question(place: Place, grid: LinkGrid) -> None:
    with standing(place, Repeating) as there:
        over = transport(place, grid)
        assert joined(over, "a file") == Joined("layout", 3)
        there.desk.repeat = True
        assert joined(over, "a file") == Refused(f"{ONE}: its answer is to another question")


class Spelling:
    """In place of a desk: adds a record whose name is no text that could be written."""

    busy = False

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def answer(self, message: Message, number: int) -> Message:
        reply = self.desk.answer(message, number)
        reply.content = RecordDict({**reply.content, "\ud800": ConfigRecord({})})
        return reply


def test_a_record_whose_name_is_no_text_is_that_departments_refusal(place: Place, grid: LinkGrid) -> None:
    with standing(place, Spelling):
        assert isinstance(joined(transport(place, grid), "a file"), Refused)


# ---------------------------------------------------------------- how much, how slowly


def head(place: Place, length: int) -> bytes:
    """The head of a request by who has the token, with this length of its body."""
    said = f"POST {STATUS} HTTP/1.1", "host: x", f"authorization: Bearer {place.kit.token}", f"content-length: {length}"
    return "\r\n".join([*said, "", ""]).encode()


def test_a_body_that_is_too_large_is_not_read(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(head(place, 2**20 + 1))
        assert b"413" in received(peer)
    event = place.last()
    assert (event.actor, event.outcome) == ("operator", "refused")
    assert event.reason == "a request has at most 1048576 bytes"


def test_a_body_of_unsaid_length_ends_at_the_limit(place: Place) -> None:
    with refused(place, 413, STATUS, "at most 1048576 bytes", actor="operator"):
        place.ask("POST", STATUS, headers=place.token, content=(bytes(2**16) for _ in range(17))).raise_for_status()


def test_a_member_sends_no_larger_body_than_anybody(place: Place) -> None:
    headers = signature(place.kit.membership.node(ONE), place.key(ONE)) | {"content-length": str(2**20 + 1)}
    said = "\r\n".join([f"POST {PUSH} HTTP/1.1", "host: x", *(f"{k}: {v}" for k, v in headers.items()), "", ""])
    with connected(place) as peer:
        peer.sendall(said.encode())
        assert b"413" in received(peer)
    assert (place.last().actor, place.last().action, place.last().outcome) == (ONE, PUSH, "refused")


def test_a_stranger_sends_no_body_at_all(place: Place) -> None:
    with connected(place) as peer:
        peer.sendall(f"POST {STATUS} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n".encode())
        assert b"401" in received(peer)
    assert (place.last().action, place.last().reason) == (STATUS, "a token is needed")


@pytest.mark.parametrize("sent", [b"", f"POST {STATUS} HTTP/1.1\r\nx-slow: ".encode()])
def test_a_head_that_does_not_come_to_an_end_is_cut_off(place: Place, sent: bytes) -> None:
    before = len(place.sink.events)
    with impatient(place, "head"), connected(place) as peer:
        peer.sendall(sent)
        assert received(peer) == b""
    (event,) = place.sink.events[before:]
    assert (event.action, event.outcome, event.reason) == ("connect", "refused", "its request is late")


def test_a_body_that_trickles_is_cut_off(place: Place) -> None:
    with impatient(place, "body"), connected(place) as peer:
        peer.sendall(head(place, 1000) + b"1")
        assert b"408" in received(peer)
    event = place.last()
    assert (event.actor, event.action, event.outcome) == ("operator", STATUS, "refused")
    assert event.reason == "the body comes too slowly"


def test_what_is_not_tls_1_3_gets_no_answer(place: Place) -> None:
    context = place.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    answered, before = place.link.health.answered, len(place.sink.events)
    with (
        socket.create_connection(("127.0.0.1", place.link.port), timeout=60) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", place.link.port), timeout=60) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")
    assert place.link.health.answered == answered
    until(lambda: len(place.sink.events) == before + 2)  # In whichever order their threads wrote them.
    reasons = {event.reason for event in place.sink.events[before:]}
    assert reasons == {"no TLS: it speaks HTTP without TLS", "no TLS: it speaks an older TLS than 1.3"}
