"""Tests of messages in Flower's store: what comes back is whole, and what is over leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.supercore.task_identity import TaskIdentity

from lepton_fed.flower.grid import AWAY
from lepton_fed.flower.link_grid import LinkGrid
from tests.flower.link import answer_to, letter, piece, pulled, upload
from tests.flower.store_double import NAMES, Store

ONE, OTHER = NAMES[:2]
NOTHING = (0, 0, 0)


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store.made(tmp_path)


@pytest.fixture
def grid(there: Store) -> Iterator[LinkGrid]:
    with there.run() as grid:
        yield grid


def answers(there: Store, name: str) -> None:
    """The department reads its message and answers."""
    upload(there.client, *answer_to(pulled(there.client, there.nodes[name])[0]))


def announces(there: Store, name: str) -> tuple[Any, Any, dict[str, bytes]]:
    """The department reads its message and says that it has an answer: the request, Flower's reply, the objects."""
    request, objects = answer_to(pulled(there.client, there.nodes[name])[0])
    return request, there.client.PushMessages(request), objects


def uploads(there: Store, announced: tuple[Any, Any, dict[str, bytes]], count: int | None = None) -> None:
    """So many of the wanted objects, or all."""
    request, said, objects = announced
    run = request.messages_list[0].metadata.run_id
    for one in list(said.objects_to_push)[:count]:
        assert there.client.PushObject(piece(request.node, run, said.session_id, one, objects[one])).stored


# ---------------------------------------------------------------- there and back


def test_a_reply_comes_back_whole_and_both_are_forgotten(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[name], name.encode()) for name in (ONE, OTHER)])
    assert there.doorbell._left == {there.nodes[ONE]: 1, there.nodes[OTHER]: 1}
    assert grid.pull_messages(numbers) == []
    for name in (OTHER, ONE):
        message, _ = pulled(there.client, there.nodes[name])
        assert message.content["m"]["b"] == name.encode()
        upload(there.client, *answer_to(message))
    found = grid.pull_messages(numbers)
    assert {m.metadata.reply_to_message_id: m.metadata.src_node_id for m in found} == {
        numbers[0]: there.nodes[ONE],
        numbers[1]: there.nodes[OTHER],
    }
    assert [m.content["m"]["b"] for m in found] == [b"answer"] * 2
    assert there.left == NOTHING


def test_a_large_message_and_a_large_answer_go_and_come(there: Store, grid: LinkGrid) -> None:
    large = bytes(range(256)) * (1 << 12)
    numbers = grid.push_messages([letter(there.nodes[name], large) for name in (ONE, OTHER)])
    # Equal content is there once: two messages, two dictionaries of records that are one, one record.
    assert there.left[0] < 2 * 3
    for name in (ONE, OTHER):
        message, _ = pulled(there.client, there.nodes[name])
        assert message.content["m"]["b"] == large
        reply = Message(RecordDict({"m": ConfigRecord({"b": large, "of": name})}), reply_to=message)
        request, objects = answer_to(message, reply=reply)
        upload(there.client, request, objects)
    assert {m.content["m"]["of"] for m in grid.pull_messages(numbers) if m.content["m"]["b"] == large} == {ONE, OTHER}
    assert there.left == NOTHING


def test_a_message_that_was_answered_is_kept_no_longer_although_nobody_confirms_it(
    there: Store, grid: LinkGrid
) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    upload(there.client, *answer_to(pulled(there.client, there.nodes[ONE], confirmed=False)[0]))
    assert there.left[0] > 3
    assert len(grid.pull_messages(numbers)) == 1
    assert there.left == NOTHING


def test_a_reply_is_given_out_once(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    answers(there, ONE)
    assert len(grid.pull_messages(numbers)) == 1
    assert all(answer.has_error() for answer in grid.pull_messages(numbers))
    assert there.left == NOTHING


# ---------------------------------------------------------------- uploads that break off


def test_an_upload_that_is_not_complete_is_not_given_out(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    announced = announces(there, ONE)
    wanted = len(announced[1].objects_to_push)
    assert wanted > 1
    for count in range(wanted):
        request, said, objects = announced
        assert grid.pull_messages(numbers) == []
        one = said.objects_to_push[count]
        run = request.messages_list[0].metadata.run_id
        assert there.client.PushObject(piece(request.node, run, said.session_id, one, objects[one])).stored
    assert len(grid.pull_messages(numbers)) == 1
    assert there.left == NOTHING


def test_an_upload_that_broke_off_is_announced_again_and_completed(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    request, said, objects = announces(there, ONE)
    uploads(there, (request, said, objects), 1)
    assert grid.pull_messages(numbers) == []
    again = there.client.PushMessages(request)
    assert set(again.objects_to_push) == set(said.objects_to_push) - {said.objects_to_push[0]}
    uploads(there, (request, again, objects))
    assert len(grid.pull_messages(numbers)) == 1
    assert there.left == NOTHING


# ---------------------------------------------------------------- who is away


def away(found: list[Message]) -> list[int]:
    assert all(answer.error.code in AWAY for answer in found)
    return [answer.metadata.src_node_id for answer in found]


def test_a_node_that_is_offline_is_away_at_once_and_leaves_nothing(there: Store, grid: LinkGrid) -> None:
    there.go(ONE)
    numbers = grid.push_messages([letter(there.nodes[name]) for name in (ONE, OTHER)])
    (answer,) = grid.pull_messages(numbers)
    assert answer.error.code == ErrorCode.NODE_UNAVAILABLE
    assert answer.metadata.reply_to_message_id == numbers[0]
    answers(there, OTHER)
    assert len(grid.pull_messages(numbers[1:])) == 1
    assert there.left == NOTHING


def test_a_node_that_goes_in_the_middle_of_its_upload_is_away(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    uploads(there, announces(there, ONE), 1)
    assert grid.pull_messages(numbers) == []
    there.go(ONE)
    assert away(grid.pull_messages(numbers))
    assert there.left == NOTHING


def test_an_answer_that_had_arrived_counts_although_its_sender_is_gone(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    announced = announces(there, ONE)
    assert grid.pull_messages(numbers) == []
    uploads(there, announced)
    there.go(ONE)
    (answer,) = grid.pull_messages(numbers)
    assert answer.content["m"]["b"] == b"answer"
    assert there.left == NOTHING


def test_a_message_to_nobody_is_not_taken_and_leaves_nothing(there: Store, grid: LinkGrid) -> None:
    number = max(there.nodes.values()) + 1
    assert grid.push_messages([letter(number)]) == []
    assert there.left == NOTHING
    assert there.doorbell._left[number] == 0


# ---------------------------------------------------------------- what is given up


def nothing(there: Store) -> None:
    """The department has not looked."""


def reads(there: Store) -> None:
    pulled(there.client, there.nodes[ONE])


def announces_only(there: Store) -> None:
    announces(there, ONE)


def uploads_a_part(there: Store) -> None:
    uploads(there, announces(there, ONE), 1)


def answers_unseen(there: Store) -> None:
    answers(there, ONE)


def goes(there: Store) -> None:
    there.go(ONE)


@pytest.mark.parametrize("looked", [False, True], ids=["unseen", "looked at"])
@pytest.mark.parametrize("state", [nothing, reads, announces_only, uploads_a_part, answers_unseen, goes])
def test_what_is_forgotten_leaves_nothing_however_far_it_had_come(
    there: Store, grid: LinkGrid, state: Callable[[Store], None], looked: bool
) -> None:
    numbers = grid.push_messages([letter(there.nodes[ONE])])
    state(there)
    if looked:
        grid.pull_messages(numbers)
    grid.forget(numbers)
    assert there.left == NOTHING
    assert not grid._arriving


def test_an_answer_to_what_was_forgotten_is_not_kept(there: Store, grid: LinkGrid) -> None:
    numbers = grid.push_messages([letter(there.nodes[name]) for name in (ONE, OTHER)])
    request, _ = answer_to(pulled(there.client, there.nodes[ONE])[0])
    _, said, parts = broken = announces(there, OTHER)
    grid.forget(numbers)
    assert not there.client.PushMessages(request).objects_to_push
    one = said.objects_to_push[0]
    late = piece(broken[0].node, grid.number, said.session_id, one, parts[one])
    assert not there.client.PushObject(late).stored
    assert there.left == NOTHING


def test_to_forget_one_message_leaves_the_others(there: Store, grid: LinkGrid) -> None:
    first, second = grid.push_messages([letter(there.nodes[name], b"same") for name in (ONE, OTHER)])
    grid.forget([first])
    answers(there, OTHER)
    assert len(grid.pull_messages([second])) == 1
    assert there.left == NOTHING


# ---------------------------------------------------------------- a run


def test_a_run_that_is_over_leaves_nothing_and_the_next_one_begins(there: Store) -> None:
    with there.run() as grid:
        first = grid.number
        assert TaskIdentity.node_id == SUPERLINK_NODE_ID
        assert set(grid.get_node_ids()) == set(there.nodes.values())
        grid.push_messages([letter(there.nodes[name]) for name in (ONE, OTHER)])
        uploads(there, announces(there, ONE), 1)
    assert there.left == NOTHING
    assert there.state.get_run_status({first})[first].status == "finished"
    assert not there.state._object_push_sessions
    with there.run() as grid:
        assert grid.number != first
        assert grid.run.run_id == grid.number
        numbers = grid.push_messages([letter(there.nodes[ONE])])
        answers(there, ONE)
        assert len(grid.pull_messages(numbers)) == 1


def test_a_run_that_fails_leaves_nothing_either(there: Store) -> None:
    with pytest.raises(KeyError), there.run() as grid:
        grid.push_messages([letter(there.nodes[ONE])])
        raise KeyError
    assert there.left == NOTHING
