"""Carries messages to departments and their replies back.

A flow is a generator that yields {department: message} and is sent {department: reply}; whoever drives it need
not know what is said. A department that does not answer is missing from the replies.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Protocol, TypeVar

from lepton_fed.department import Department
from lepton_fed.messages import Message, Reply

Result = TypeVar("Result")
Messages = dict[str, Message]
Replies = dict[str, Reply]
Flow = Generator[Messages, Replies, Result]
OnReply = Callable[[str, Reply], None]
"""Told of each reply as it comes: for progress."""


class Transport(Protocol):
    """One exchange with many departments."""

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Replies: ...


class InProcess:
    """Departments that live in this process, asked one after the other."""

    def __init__(self, departments: Mapping[str, Department]) -> None:
        self.departments = dict(departments)

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Replies:
        replies: Replies = {}
        for name, message in messages.items():
            replies[name] = self.departments[name].handle(message)
            if on_reply is not None:
                on_reply(name, replies[name])
        return replies


def drive(flow: Flow[Result], transport: Transport, on_reply: OnReply | None = None) -> Result:
    """Runs a flow to its end over a transport; returns what the flow returns."""
    try:
        messages = next(flow)
        while True:
            messages = flow.send(transport.exchange(messages, on_reply))
    except StopIteration as stop:
        result: Result = stop.value
        return result
