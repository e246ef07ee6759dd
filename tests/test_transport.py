"""A flow is driven to its end over whatever carries its messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lepton_fed.messages import Join, Joined, Message, Refused, Reply
from lepton_fed.transport import Flow, InProcess, drive


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
    replies = transport.exchange({"外科": Join("a"), "内科": Join("b")}, lambda n, r: told.append((n, r)))
    assert asked == ["外科", "内科"]
    assert replies == {"外科": Joined("外科 a"), "内科": Joined("内科 b")}
    assert told == list(replies.items())


def test_drive_passes_replies_back_until_the_flow_returns() -> None:
    def flow() -> Flow[str]:
        first = yield {"内科": Join("a")}
        second = yield {"外科": Join(first["内科"].layout)}  # type: ignore[union-attr]
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

    def exchange(self, messages: Mapping[str, Message], on_reply: Any = None) -> dict[str, Reply]:
        return {n: r for n, r in self.inner.exchange(messages, on_reply).items() if n != self.lost}


def test_any_object_with_an_exchange_is_a_transport() -> None:
    def flow() -> Flow[list[str]]:
        replies = yield {n: Join("a") for n in ("内科", "外科")}
        return list(replies)

    assert drive(flow(), Lossy(InProcess(departments([])), "内科")) == ["外科"]
    assert Refused("no").reason == "no"
