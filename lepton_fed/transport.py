"""Carries messages to departments and their replies back.

A flow is a generator that yields {department: message} and is sent (department, reply) pairs as they come;
whoever drives it need not know what is said. A department that does not answer is missing from the replies. A
flow that takes each reply as it comes and lets it go holds one update, not everybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from lepton_fed.department import Department
from lepton_fed.messages import Message, Reply

Result = TypeVar("Result")
Messages = dict[str, Message]
Replies = Iterable[tuple[str, Reply]]
Flow = Generator[Messages, Replies, Result]
OnReply = Callable[[str, Reply], None]
"""Told of each reply as it comes: for progress."""


class Transport(Protocol):
    """One exchange with many departments. It may go on while its replies are read, so read them to the end."""

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Replies: ...


class InProcess:
    """Departments that live in this process, asked one after the other."""

    def __init__(self, departments: Mapping[str, Department]) -> None:
        self.departments = dict(departments)

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            reply = self.departments[name].handle(message)
            if on_reply is not None:
                on_reply(name, reply)
            yield name, reply
            del reply  # The next update is made while this loop waits; hold no other meanwhile.


def drive(flow: Flow[Result], transport: Transport, on_reply: OnReply | None = None) -> Result:
    """Runs a flow to its end over a transport; returns what the flow returns."""
    try:
        messages = next(flow)
        while True:
            messages = flow.send(transport.exchange(messages, on_reply))
    except StopIteration as stop:
        result: Result = stop.value
        return result


def in_order(replies: Replies, names: Iterable[str]) -> Iterator[tuple[str, Reply]]:
    """The replies in the order of `names`, each as soon as those before it are known to have come or not to."""
    early: dict[str, Reply] = {}
    waiting = iter(names)
    due = next(waiting, None)
    for name, reply in replies:
        early[name] = reply
        del reply
        while due is not None and due in early:
            yield due, early.pop(due)
            due = next(waiting, None)
    while due is not None:
        if due in early:
            yield due, early.pop(due)
        due = next(waiting, None)
