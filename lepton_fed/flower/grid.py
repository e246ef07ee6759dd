"""Flower's Grid as a transport: messages to the nodes that departments are, replies as they come.

A node that is away is missing from the replies. One that fails, or answers what cannot be read, has refused:
the round goes on without it. The reason is then a sentence of ours, since an error of Flower's carries
whatever text an exception had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from flwr.app import Message as FlowerMessage
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from lepton_fed.errors import PeerError, RoundError
from lepton_fed.flower.greetings import Here, Who
from lepton_fed.flower.parts import LARGEST, Cutter
from lepton_fed.flower.records import Said, record_of, said_in
from lepton_fed.messages import (
    Advertise,
    Advertised,
    Attest,
    Attested,
    Consult,
    Consulted,
    Declare,
    Declared,
    Done,
    Evaluate,
    Evaluated,
    Join,
    Joined,
    Meet,
    Message,
    Met,
    Read,
    Refused,
    Reply,
    Sent,
    Sum,
    Summed,
    Take,
    Taken,
    Wish,
    Wished,
    Work,
)
from lepton_fed.transport import OnReply

WHO, JOIN, DECLARE, ADVERTISE = "query.who", "query.join", "query.declare", "query.advertise"
ATTEST = "query.attest"
CONSULT, EVALUATE = "query.consult", "query.evaluate"
WORK, SUM = "train.work", "train.sum"
WISH, READ, TAKE, MEET = "query.wish", "query.read", "query.take", "query.meet"
UPDATE = "query.update"
"""Flower's types of our messages."""

TYPES: dict[type[Message], str] = {
    Join: JOIN,
    Declare: DECLARE,
    Work: WORK,
    Advertise: ADVERTISE,
    Sum: SUM,
    Attest: ATTEST,
    Consult: CONSULT,
    Evaluate: EVALUATE,
    Wish: WISH,
    Read: READ,
    Take: TAKE,
    Meet: MEET,
}
FITTING: dict[type[Message], type[Reply]] = {
    Join: Joined,
    Declare: Declared,
    Work: Done,
    Advertise: Advertised,
    Sum: Summed,
    Attest: Attested,
    Consult: Consulted,
    Evaluate: Evaluated,
    Wish: Wished,
    Read: Sent,
    Take: Taken,
    Meet: Met,
}
INTRODUCTIONS: tuple[type[Here | Refused], ...] = (Here, Refused)

AWAY = {
    ErrorCode.MESSAGE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
    ErrorCode.NODE_UNAVAILABLE,
    ErrorCode.CLIENT_APP_CRASHED,
}
"""Errors that Flower reports of a node in its place: it has not answered, and did not say no."""

UNREADABLE = 100
"""An error of ours in a node's place: what it uploaded is not the message that it announced."""

SHORTEST, LONGEST = 0.005, 1.0
"""Seconds between two looks for replies."""

PATIENCE = 16
"""A look comes after a sixteenth of the time waited so far: a reply is found 6 % late at most."""

Wait = Callable[[float], None]
Key = TypeVar("Key")


class GridTransport:
    """One exchange with many departments over Flower. `timeout`: seconds that one exchange may take."""

    def __init__(self, grid: Grid, nodes: Mapping[str, int], timeout: float = 3600.0, wait: Wait = time.sleep) -> None:
        self.grid = grid
        self.nodes = dict(nodes)
        self.timeout = timeout
        self.wait = wait

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        """The replies that came in time, as they come. Of several to one message, the first counts."""
        letters = {n: (self.nodes[n], TYPES[type(m)], m) for n, m in messages.items() if n in self.nodes}
        posted = post(self.grid, letters, self.timeout)
        for number, answer in collect(self.grid, posted, self.timeout, self.wait):
            name = posted[number]
            reply = fitting_reply(answer, name, self.nodes[name], messages[name])
            if reply is not None:
                if on_reply is not None:
                    on_reply(name, reply)
                yield name, reply


def fitting_reply(answer: FlowerMessage, name: str, node: int, message: Message, most: int = LARGEST) -> Reply | None:
    """What a department's answer to a message says; None if its node is away. `most`: bytes of long values in it."""
    if answer.has_error():
        return _of_error(answer.error.code)
    if answer.metadata.src_node_id != node:
        return Refused("another node answered in its name")
    try:
        return said_in(answer.content, name, (FITTING[type(message)], Refused), most)
    except PeerError as error:
        return Refused("its answer cannot be used: " + str(error).removeprefix(f"{name}: "))


def find_departments(
    grid: Grid, names: Iterable[str], timeout: float = 60.0, wait: Wait = time.sleep
) -> dict[str, int]:
    """The node of each department, as the nodes themselves say; asks until all are there.

    RoundError after `timeout` seconds, naming who is missing; PeerError where two nodes say the same name.
    Nodes that are no department of this federation are left alone.
    """
    search = Search(grid, tuple(names), timeout)
    start = time.monotonic()
    while True:
        search.ask()
        search.listen()
        waited = time.monotonic() - start
        if not search.missing:
            return {name: search.found[name] for name in search.names}
        if waited >= timeout:
            raise RoundError(_absent(search.missing, search.reasons))
        wait(pause(waited, timeout))


class Search:
    """Which node is which department: every node is asked once, new ones as they appear."""

    def __init__(self, grid: Grid, names: tuple[str, ...], timeout: float) -> None:
        self.grid = grid
        self.names = names
        self.timeout = timeout
        self.found: dict[str, int] = {}
        self.reasons: list[str] = []
        self._asked: dict[int, str | None] = {}

    @property
    def missing(self) -> list[str]:
        return [name for name in self.names if name not in self.found]

    def ask(self) -> None:
        new = [node for node in self.grid.get_node_ids() if node not in self._asked]
        self._asked.update(dict.fromkeys(new))
        for number, node in post(self.grid, {node: (node, WHO, Who()) for node in new}, self.timeout).items():
            self._asked[node] = number

    def listen(self) -> None:
        nodes = {number: node for node, number in self._asked.items() if number is not None}
        for answer in self.grid.pull_messages(sorted(nodes)) if nodes else ():
            node = nodes.pop(answer.metadata.reply_to_message_id, None)
            if node is not None:
                self._asked[node] = None
                self._hear(answer, node)

    def _hear(self, answer: FlowerMessage, node: int) -> None:
        if answer.has_error() or answer.metadata.src_node_id != node:
            return
        try:
            said = said_in(answer.content, f"node {node}", INTRODUCTIONS)
        except PeerError as error:
            said = Refused(str(error))
        if isinstance(said, Refused):
            self.reasons.append(said.reason)
        elif said.department in self.names and self.found.setdefault(said.department, node) != node:
            raise PeerError(said.department, "two Flower nodes say that they are it; stop one of them")


def post(grid: Grid, letters: Mapping[Key, tuple[int, str, Said]], timeout: float) -> dict[str, Key]:
    """Sends each (node, Flower's type, what is said); the key of each letter by the number Flower gave it.

    All at once, since Flower stores once what several messages have in common, such as a hub's model. Letters that
    Flower did not take are left out. What nobody has read after `timeout` seconds lapses.
    """
    if not letters:
        return {}
    cutter = Cutter()
    messages = {
        key: FlowerMessage(record_of(said, cutter), node, kind, ttl=timeout)
        for key, (node, kind, said) in letters.items()
    }
    taken = set(grid.push_messages(list(messages.values())))
    # Not by place in the list: one of Flower's Grids leaves out what it did not take, another keeps an empty place.
    numbers = {message.metadata.message_id: key for key, message in messages.items()}
    return {number: key for number, key in numbers.items() if number in taken}


def collect(grid: Grid, posted: Iterable[str], timeout: float, wait: Wait) -> Iterator[tuple[str, FlowerMessage]]:
    """(number, answer) of each message posted, as they come in `timeout` seconds."""
    waiting, start = set(posted), time.monotonic()
    while waiting:
        for answer in grid.pull_messages(sorted(waiting)):
            number = answer.metadata.reply_to_message_id
            if number in waiting:
                waiting.remove(number)
                yield number, answer
        waited = time.monotonic() - start
        if not waiting or waited >= timeout:
            return
        wait(pause(waited, timeout))


def pause(waited: float, timeout: float) -> float:
    """Seconds until the next look, after `waited` seconds of `timeout`."""
    return min(max(waited / PATIENCE, SHORTEST), LONGEST, timeout - waited)


def _of_error(code: int) -> Refused | None:
    """Never the text of an error: it may quote a row."""
    if code in AWAY:
        return None
    if code == UNREADABLE:
        return Refused("its answer cannot be read")
    return Refused(f"its Flower app failed (error {code}); its own log says why")


def _absent(missing: list[str], reasons: list[str]) -> str:
    why = f" (nodes said: {'; '.join(reasons)})" if reasons else ""
    advice = "start one with `department` in its node configuration, or wait longer"
    return f"no Flower node says that it is {'、'.join(missing)}{why}; {advice}"
