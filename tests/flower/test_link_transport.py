"""An exchange over the SuperLink in this process: who is waited for, and who is asked again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message as FlowerMessage

from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.errors import StoppedError
from lepton_fed.flower.department_side import DepartmentSide
from lepton_fed.flower.desk import Desk
from lepton_fed.flower.doorbell import Doorbell
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.link_transport import UPDATING, LinkTransport
from lepton_fed.flower.records import record_of
from lepton_fed.flower.signed import Members
from lepton_fed.flower.signed_grid import SignedGrid
from lepton_fed.messages import Join, Joined, Message, Refused, Reply, Sum, Work
from lepton_fed.secagg.messages import Delivery, Quorum, Survivors
from tests.flower.link import answer_to, pulled, upload
from tests.flower.signed_federation import Listening, identity
from tests.flower.store_double import Store as Departments

ONE, OTHER = "生产车间-一", "生产车间-二"
NODES = {ONE: 1, OTHER: 2}
MESSAGES: dict[str, Message] = {ONE: Join("指纹"), OTHER: Join("指纹")}
ANSWER = Joined("布局", 3)
DEADLINE = 100.0


@dataclass(eq=False)
class Clock:
    """Seconds that pass only while somebody waits for the bell."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def clear(self) -> None:
        """Nothing rings here."""


@dataclass(eq=False)
class Store:
    """A message store whose nodes answer at once, but for the first `deaf` questions to a node."""

    deaf: dict[int, int]
    clock: Clock
    doorbell: Doorbell = field(default_factory=Doorbell)
    asked: list[FlowerMessage] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doorbell.uploads = self.clock  # type: ignore[assignment]

    def push_messages(self, messages: Iterable[FlowerMessage]) -> list[str]:
        numbers = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = f"{len(self.asked)}"
            self.asked.append(message)
            numbers.append(message.metadata.message_id)
        return numbers

    def pull_messages(self, numbers: Iterable[str]) -> list[FlowerMessage]:
        found = []
        for number in numbers:
            message = self.asked[int(number)]
            node = message.metadata.dst_node_id
            before = [m for m in self.asked[: int(number)] if m.metadata.dst_node_id == node]
            if len(before) >= self.deaf.get(node, 0):
                found.append(FlowerMessage(record_of(ANSWER), reply_to=message))
        return found

    def forget(self, numbers: Iterable[str]) -> list[str]:
        self.forgotten += numbers
        return list(numbers)


@dataclass(eq=False)
class Looks:
    """Counts looks; from the third on, a department has connected once more."""

    made: int = 0

    def __call__(self) -> None:
        self.made += 1

    def arrivals(self) -> dict[str, int]:
        return {ONE: 1, OTHER: 1 + (self.made >= 3)}


def transport(store: Store, looks: Looks) -> LinkTransport:
    """Everybody who is missing is waited for until the deadline."""
    other: Any = store
    return LinkTransport(other, other, NODES, DEADLINE, DEADLINE, looks, looks.arrivals)


def heard(answers: Iterable[tuple[str, Reply]]) -> dict[str, Reply]:
    return dict(answers)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("lepton_fed.flower.link_transport.time", made)
    return made


def test_a_department_that_connects_anew_is_asked_again(clock: Clock) -> None:
    """Its killed process has taken the question with it: without this the exchange would wait until its deadline."""
    store, looks = Store({NODES[OTHER]: 1}, clock), Looks()
    assert heard(transport(store, looks).exchange(MESSAGES)) == {ONE: ANSWER, OTHER: ANSWER}
    assert [message.metadata.dst_node_id for message in store.asked] == [1, 2, 2]
    assert set(store.forgotten) == {"1"}
    assert clock.now < DEADLINE


def test_who_has_answered_is_not_asked_again(clock: Clock) -> None:
    store, looks = Store({NODES[ONE]: 9}, clock), Looks()
    assert heard(transport(store, looks).exchange(MESSAGES)).keys() == {OTHER}
    assert looks.made > 3
    assert [message.metadata.dst_node_id for message in store.asked] == [1, 2]


def test_who_stays_silent_is_left_out_at_the_deadline(clock: Clock) -> None:
    store, looks = Store({NODES[ONE]: 9, NODES[OTHER]: 9}, clock), Looks()
    assert heard(transport(store, looks).exchange(MESSAGES)) == {}
    assert clock.now == DEADLINE
    assert len(store.asked) == 3  # One of them has connected anew, and was asked again.
    assert set(store.forgotten) == {"0", "1", "2"}


# ---------------------------------------------------------------- who is waited for, by the clock

THIRD = "研发部门"
NAMES = (ONE, OTHER, THIRD)
NOTHING = (0, 0, 0)
GRACE = 5.0


@dataclass(eq=False)
class Exchanging:
    """Three departments over Flower's store, each answering at a time of the clock; None: never.

    A look is when departments act: between two of them nothing happens.
    """

    there: Departments
    grid: LinkGrid
    clock: Clock
    at: dict[str, float | None]
    desks: dict[str, Desk]
    over: LinkTransport = field(init=False)

    def __post_init__(self) -> None:
        desk = self.desks[ONE]
        coordinator = identity(COORDINATOR)
        members = replace(desk.side.members, coordinator=coordinator.public)
        names = {number: name for name, number in self.there.nodes.items()}
        signed = SignedGrid(self.grid, coordinator, members, names=names)
        for name, one in self.desks.items():
            one.side.members = members
            signed._sessions[self.there.nodes[name]] = one.side.session
        self.over = LinkTransport(self.grid, signed, self.there.nodes, DEADLINE, GRACE, self.look)

    def look(self) -> None:
        for name, at in list(self.at.items()):
            if at is not None and at <= self.clock.now:
                self.at[name] = None
                self.answer(name)

    def answer(self, name: str) -> None:
        node = self.there.nodes[name]
        question, _ = pulled(self.there.client, node)
        upload(self.there.client, *answer_to(question, reply=self.desks[name].answer(question, node)))

    def asked(self) -> dict[str, float]:
        """When the reply of each department was known; who is missing has none."""
        return {name: self.clock.now for name, _ in self.over.exchange({name: Join("指纹") for name in NAMES})}


@pytest.fixture
def exchanging(tmp_path: Path, clock: Clock) -> Iterator[Exchanging]:
    there = Departments.made(tmp_path, NAMES)
    there.doorbell.uploads = clock  # type: ignore[assignment]
    identities = {name: identity(name) for name in NAMES}
    members = Members("指纹", b"", {name: one.public for name, one in identities.items()})
    desks = {name: Desk(Listening(name), DepartmentSide(one, members)) for name, one in identities.items()}  # type: ignore[arg-type]
    with there.run() as grid:
        yield Exchanging(there, grid, clock, dict.fromkeys(NAMES, 0.0), desks)


def within(seconds: float, of: float) -> bool:
    """A look comes every half second."""
    return of <= seconds <= of + 1.0


def test_an_exchange_is_over_when_all_have_answered(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 0.0, OTHER: 7.0, THIRD: 3.0}
    assert exchanging.asked().keys() == set(NAMES)
    assert within(exchanging.clock.now, 7.0)
    assert exchanging.there.left == NOTHING


@pytest.mark.parametrize(("last", "in_time"), [(19.0, True), (22.0, False)])
def test_once_enough_have_answered_the_others_have_as_long_again(
    exchanging: Exchanging, last: float, in_time: bool
) -> None:
    exchanging.at = {ONE: 1.0, OTHER: 10.0, THIRD: last}
    assert (THIRD in exchanging.asked()) == in_time
    assert within(exchanging.clock.now, last if in_time else 20.0)
    assert exchanging.there.left == NOTHING


@pytest.mark.parametrize(("last", "in_time"), [(4.0, True), (7.0, False)])
def test_where_that_is_short_the_others_have_a_grace(exchanging: Exchanging, last: float, in_time: bool) -> None:
    exchanging.at[THIRD] = last
    assert (THIRD in exchanging.asked()) == in_time
    assert within(exchanging.clock.now, last if in_time else GRACE)


def test_too_few_wait_until_the_deadline_and_no_longer(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 1.0, OTHER: None, THIRD: None}
    assert exchanging.asked().keys() == {ONE}
    assert within(exchanging.clock.now, DEADLINE)
    assert exchanging.there.left == NOTHING


def test_as_long_again_ends_at_the_deadline(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 1.0, OTHER: 80.0, THIRD: None}
    assert exchanging.asked().keys() == {ONE, OTHER}
    assert within(exchanging.clock.now, DEADLINE)


def test_a_node_that_is_away_is_waited_for_by_nobody(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 1.0, OTHER: 2.0, THIRD: None}
    exchanging.there.go(THIRD)
    assert exchanging.asked().keys() == {ONE, OTHER}
    assert within(exchanging.clock.now, 2.0)
    assert exchanging.there.left == NOTHING


def test_who_is_away_is_not_one_of_enough(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 1.0, OTHER: None, THIRD: 30.0}
    exchanging.there.go(OTHER)
    assert exchanging.asked().keys() == {ONE, THIRD}
    assert within(exchanging.clock.now, 30.0)


def test_a_refusal_is_an_answer(exchanging: Exchanging) -> None:
    for name in (ONE, OTHER):
        exchanging.desks[name].department.reply = lambda message: Refused("no")  # type: ignore[attr-defined]
    exchanging.at[THIRD] = None
    assert exchanging.asked().keys() == {ONE, OTHER}
    assert within(exchanging.clock.now, GRACE)


def test_an_answer_that_comes_too_late_is_in_no_later_exchange(exchanging: Exchanging) -> None:
    exchanging.at[THIRD] = None
    question: list[FlowerMessage] = []
    looked = exchanging.look

    def look() -> None:
        looked()
        if not question and exchanging.clock.now:
            question.append(pulled(exchanging.there.client, exchanging.there.nodes[THIRD])[0])

    exchanging.over.look = look
    assert exchanging.asked().keys() == {ONE, OTHER}
    node = exchanging.there.nodes[THIRD]
    reply = exchanging.desks[THIRD].answer(question[0], node)
    request, _ = answer_to(question[0], reply=reply)
    assert not exchanging.there.client.PushMessages(request).objects_to_push
    assert exchanging.there.left == NOTHING
    exchanging.over.look = exchanging.look
    exchanging.at = dict.fromkeys(NAMES, 0.0)
    assert exchanging.asked().keys() == set(NAMES)


def test_what_look_raises_ends_the_exchange_and_leaves_nothing(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 0.0, OTHER: None, THIRD: None}

    def look() -> None:
        exchanging.look()
        if exchanging.clock.now > 2.0:
            raise StoppedError("somebody stopped it")

    exchanging.over.look = look
    with pytest.raises(StoppedError):
        exchanging.asked()
    assert exchanging.there.left == NOTHING
    assert not exchanging.over.signed._asked


def test_whoever_stops_listening_leaves_nothing(exchanging: Exchanging) -> None:
    replies = exchanging.over.exchange({name: Join("指纹") for name in NAMES})
    next(replies)
    replies.close()
    assert exchanging.there.left == NOTHING


def test_who_has_no_node_is_not_asked(exchanging: Exchanging) -> None:
    exchanging.over.nodes = {name: exchanging.there.nodes[name] for name in (ONE, OTHER)}
    exchanging.at[THIRD] = None
    assert exchanging.asked().keys() == {ONE, OTHER}


def test_a_department_that_was_started_anew_answers_in_the_same_exchange(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 0.0, OTHER: 0.0, THIRD: None}
    desk = exchanging.desks[THIRD]
    desk.side = DepartmentSide(desk.side.identity, desk.side.members)
    looked = exchanging.look

    def look() -> None:
        looked()
        with suppress(IndexError):  # Whenever there is a question for it.
            exchanging.answer(THIRD)

    exchanging.over.look = look
    assert exchanging.asked().keys() == set(NAMES)
    assert exchanging.over.signed.sessions[THIRD] == desk.side.session
    assert exchanging.there.left == NOTHING


# ---------------------------------------------------------------- a newer membership


def test_a_membership_is_handed_on_and_nobody_waits_long_for_who_is_silent(exchanging: Exchanging) -> None:
    exchanging.at = {ONE: 0.0, OTHER: 0.0, THIRD: None}
    exchanging.over.signed._sessions.clear()
    found = exchanging.over.update(b"a membership", set(NAMES))
    assert found.keys() == {ONE, OTHER}
    # These departments have no home: what they say is no, and which process they are.
    assert {type(reply) for reply in found.values()} == {Refused}
    assert set(exchanging.over.signed.sessions) == {ONE, OTHER}
    assert within(exchanging.clock.now, UPDATING)
    assert exchanging.there.left == NOTHING


# ---------------------------------------------------------------- how many are enough


def test_a_secure_sum_needs_as_many_as_its_plan_says(exchanging: Exchanging) -> None:
    over, work = exchanging.over, Work(1, {}, (), report=True)
    exchange = bytes(32)
    steps = (Delivery(exchange, (), ()), Survivors(exchange, ()), Quorum(exchange, ()))
    asked: list[dict[str, Message]] = [dict.fromkeys("ABCDE", Sum(step)) for step in steps]
    assert [over._enough(messages) for messages in asked] == [5, 5, 5]
    over._plan = SimpleNamespace(survivors=4, threshold=3)  # type: ignore[assignment]
    assert [over._enough(messages) for messages in asked] == [4, 3, 3]
    # Who only measures is asked for its work beside them, and is not one of the four.
    assert over._enough({**asked[0], "F": work}) == 5
    assert over._enough(dict.fromkeys("ABCDE", work)) == 3
