"""Tests of who the nodes are: whoever has a department's key is that department, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from flwr.proto.fleet_pb2 import PullMessagesResponse, PushMessagesRequest, PushMessagesResponse
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    Metadata,
    ObjectTree,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.proto.message_pb2 import Message as Wire

from lepton_fed.flower.link_members import FLEET, MOST, OUTSTANDING, Entry, learn, refusal
from tests.flower.store_double import NAMES, Store

ONE, OTHER = NAMES[:2]
PULL, PUSH, UPLOAD = (FLEET + name for name in ("pull-messages", "push-messages", "push-object"))


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store.made(tmp_path)


def entry(there: Store, name: str) -> Entry:
    found = there.members.entry(name.encode())
    assert found is not None
    return found


# ---------------------------------------------------------------- who connects


def test_a_department_that_was_killed_connects_again_at_once(there: Store) -> None:
    assert set(there.members.online) == set(NAMES)
    before = there.members.arrivals[ONE]
    # Flower takes the killed one for connected still, and would refuse.
    assert not there.state.activate_node(there.nodes[ONE], 30.0)
    there.come(ONE)
    assert there.members.arrivals[ONE] == before + 1
    assert set(there.members.online) == set(NAMES)


def test_somebody_elses_key_ends_nobodys_connection(there: Store) -> None:
    before = there.members.arrivals
    for key in (OTHER.encode(), b"a stranger's", b""):
        there.members.arrive(entry(there, ONE), key)
    assert there.members.arrivals == before
    assert set(there.members.online) == set(NAMES)


def test_who_left_is_offline_at_once_and_has_no_name(there: Store) -> None:
    there.members.allow({ONE: ONE.encode()})
    assert there.members.online == (ONE,)
    assert there.members.entry(OTHER.encode()) is None
    assert set(there.members.numbers) == {ONE}


def test_who_stays_keeps_its_number_its_messages_and_its_arrivals(there: Store) -> None:
    one = entry(there, ONE)
    one.mailbox.messages["a"] = frozenset({"a"})
    before = there.members.arrivals
    there.members.allow({ONE: ONE.encode(), "new": b"new"})
    again = entry(there, ONE)
    assert (again.number, again.mailbox) == (one.number, one.mailbox)
    assert there.members.arrivals == {ONE: before[ONE], "new": 0}


def test_who_comes_back_with_its_key_is_the_same_node(there: Store) -> None:
    number = there.nodes[OTHER]
    there.members.allow({ONE: ONE.encode()})
    there.members.allow({name: name.encode() for name in NAMES})
    assert there.members.numbers[OTHER] == number
    assert OTHER not in there.members.online
    there.come(OTHER)
    assert OTHER in there.members.online


def test_a_department_with_a_new_key_is_another_node(there: Store) -> None:
    there.members.allow({ONE: b"its new key"})
    assert there.members.entry(ONE.encode()) is None
    assert there.members.numbers[ONE] != there.nodes[ONE]
    assert there.members.online == ()


# ---------------------------------------------------------------- what a node may say


def given(who: Entry, question: str) -> None:
    """Flower has handed this message to the node."""
    answer = PullMessagesResponse(message_object_trees=[ObjectTree(object_id=question)])
    learn(who, PULL, None, answer)


def announcing(
    who: Entry, question: str, number: str = "reply", parts: tuple[str, ...] = ("a", "b")
) -> PushMessagesRequest:
    head = Wire(metadata=Metadata(message_id=number, src_node_id=who.number, reply_to_message_id=question))
    tree = ObjectTree(object_id=number, children=[ObjectTree(object_id=one) for one in parts])
    return PushMessagesRequest(messages_list=[head], message_object_trees=[tree])


def took(who: Entry, request: PushMessagesRequest, wanted: tuple[str, ...], session: str = "s") -> None:
    """Flower has taken the announcement, and wants so much of it."""
    learn(who, PUSH, request, PushMessagesResponse(objects_to_push=wanted, session_id=session))


def stored(who: Entry, number: str, session: str = "s") -> None:
    learn(who, UPLOAD, PushObjectRequest(session_id=session, object_id=number), PushObjectResponse(stored=True))


def test_an_answer_is_to_a_message_that_was_given_and_until_it_has_arrived(there: Store) -> None:
    who = entry(there, ONE)
    request = announcing(who, "question")
    assert "no message that waits" in str(refusal(who, PUSH, request))
    given(who, "question")
    assert refusal(who, PUSH, request) is None
    took(who, request, ("reply", "a", "b"))
    stored(who, "a")
    assert refusal(who, PUSH, request) is None
    took(who, request, ("reply", "b"), "t")
    stored(who, "reply", "t")
    assert refusal(who, PUSH, request) is None
    took(who, request, ("b",), "u")
    stored(who, "b", "u")
    assert "no message that waits" in str(refusal(who, PUSH, request))


def test_what_was_not_stored_has_not_arrived(there: Store) -> None:
    who = entry(there, ONE)
    given(who, "question")
    request = announcing(who, "question", parts=())
    assert refusal(who, PUSH, request) is None
    took(who, request, ("reply",))
    failed = PushObjectRequest(session_id="s", object_id="reply")
    learn(who, UPLOAD, failed, PushObjectResponse(stored=False))
    assert refusal(who, PUSH, request) is None


def test_what_flower_did_not_take_is_not_announced_for_ever(there: Store) -> None:
    who = entry(there, ONE)
    given(who, "question")
    request = announcing(who, "question")
    assert refusal(who, PUSH, request) is None
    took(who, request, ())
    assert "no message that waits" in str(refusal(who, PUSH, request))


@pytest.mark.parametrize("changes", [{"number": "another"}, {"parts": ("a", "b", "c")}, {"parts": ("a",)}])
def test_an_announcement_does_not_change(there: Store, changes: dict[str, object]) -> None:
    who = entry(there, ONE)
    given(who, "question")
    assert refusal(who, PUSH, announcing(who, "question")) is None
    assert "another answer" in str(refusal(who, PUSH, announcing(who, "question", **changes)))  # type: ignore[arg-type]
    assert refusal(who, PUSH, announcing(who, "question")) is None


def test_an_answer_has_so_many_objects(there: Store) -> None:
    who = entry(there, ONE)
    given(who, "question")
    many = tuple(str(k) for k in range(MOST))
    assert f"has {MOST + 1} objects" in str(refusal(who, PUSH, announcing(who, "question", parts=many)))
    assert refusal(who, PUSH, announcing(who, "question", parts=many[1:])) is None


def test_a_message_whose_node_looks_for_the_next_was_lost_and_is_given_up_once(there: Store) -> None:
    """The connection was cut while the message was on its way: Flower hands it out once, so it is asked again."""
    who = entry(there, ONE)
    given(who, "lost")
    assert who.mailbox.lost()
    assert not who.mailbox.lost()
    given(who, "answered")
    assert refusal(who, PUSH, announcing(who, "answered")) is None
    took(who, announcing(who, "answered"), (), "upload")
    assert not who.mailbox.lost()
    given(who, "confirmed")
    confirmed = ConfirmMessageReceivedRequest(message_object_id="confirmed")
    learn(who, FLEET + "confirm-message-received", confirmed, ConfirmMessageReceivedResponse())
    assert not who.mailbox.lost()


def test_somebody_elses_message_is_not_answered(there: Store) -> None:
    given(entry(there, ONE), "question")
    other = entry(there, OTHER)
    assert "no message that waits" in str(refusal(other, PUSH, announcing(other, "question")))


def test_what_is_remembered_of_one_node_has_a_bound(there: Store) -> None:
    who = entry(there, ONE)
    for k in range(2 * OUTSTANDING):
        given(who, str(k))
        took(who, announcing(who, str(k)), ("reply",), str(k))
    assert {len(who.mailbox.messages), len(who.mailbox.unanswered), len(who.mailbox.uploads)} == {OUTSTANDING}
    assert refusal(who, PUSH, announcing(who, str(2 * OUTSTANDING - 1))) is None
