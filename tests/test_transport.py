"""A flow is driven to its end over whatever carries its messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lepton_fed.messages import Join, Joined, Message, Refused, Reply
from lepton_fed.transport import Flow, InProcess, drive, in_order


class Echo:
    """A department double that says its name."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked

    def handle(self, message: Message) -> Reply:
        self.asked.append(self.name)
        return Joined(f"{self.name} {message.fingerprint}")  # type: ignore[union-attr]


def departments(asked: list[str]) -> dict[str, Any]:
    return {n: Echo(n, asked) for n in ("内科", "外科")}


def test_departments_in_process_are_asked_in_the_messages_order_and_told_of_as_they_answer() -> None:
    asked: list[str] = []
    told: list[tuple[str, Reply]] = []
    transport = InProcess(departments(asked))
    replies = dict(transport.exchange({"外科": Join("a"), "内科": Join("b")}, lambda n, r: told.append((n, r))))
    assert asked == ["外科", "内科"]
    assert replies == {"外科": Joined("外科 a"), "内科": Joined("内科 b")}
    assert told == list(replies.items())


def test_drive_passes_replies_back_until_the_flow_returns() -> None:
    def flow() -> Flow[str]:
        first = dict((yield {"内科": Join("a")}))
        second = dict((yield {"外科": Join(first["内科"].layout)}))  # type: ignore[union-attr]
        return str(second["外科"].layout)  # type: ignore[union-attr]

    assert drive(flow(), InProcess(departments([]))) == "外科 内科 a"


def test_a_flow_that_asks_nobody_just_returns() -> None:
    def flow() -> Flow[int]:
        return 3
        yield {}

    assert drive(flow(), InProcess({})) == 3


def test_a_flows_error_reaches_whoever_drives_it() -> None:
    def flow() -> Flow[None]:
        yield {"内科": Join("a")}
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        drive(flow(), InProcess(departments([])))


class Lossy:
    """A transport that loses one department's answers."""

    def __init__(self, inner: InProcess, lost: str) -> None:
        self.inner, self.lost = inner, lost

    def exchange(self, messages: Mapping[str, Message], on_reply: Any = None) -> Iterator[tuple[str, Reply]]:
        return ((n, r) for n, r in self.inner.exchange(messages, on_reply) if n != self.lost)


def test_any_object_with_an_exchange_is_a_transport() -> None:
    def flow() -> Flow[list[str]]:
        replies = yield {n: Join("a") for n in ("内科", "外科")}
        return [name for name, _ in replies]

    assert drive(flow(), Lossy(InProcess(departments([])), "内科")) == ["外科"]
    assert Refused("no").reason == "no"


def test_replies_are_handed_on_in_a_given_order_each_as_soon_as_it_may_be() -> None:
    seen: list[str] = []

    def coming() -> Iterator[tuple[str, Reply]]:
        for name in ("b", "a", "e", "d"):
            seen.append(f"{name} came")
            yield name, Refused(name)

    for name, _ in in_order(coming(), "abcde"):
        seen.append(f"{name} taken")
    assert seen == ["b came", "a came", "a taken", "b taken", "e came", "d came", "d taken", "e taken"]


def test_one_update_at_a_time_is_held_while_departments_of_this_process_answer() -> None:
    import weakref

    alive: list[weakref.ref[Reply]] = []

    class Once:
        def handle(self, message: Message) -> Reply:
            assert not any(r() is not None for r in alive)
            reply = Refused("no")
            alive.append(weakref.ref(reply))
            return reply

    names = ("a", "b", "c")
    transport = InProcess({n: Once() for n in names})  # type: ignore[misc]
    for _, reply in in_order(transport.exchange({n: Join("f") for n in names}), names):
        assert isinstance(reply, Refused)
        del reply
    assert len(alive) == 3
