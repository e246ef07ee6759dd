"""Tests of the department as a ClientApp: what it answers, what it lets out, what it remembers."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from flwr.app import Message, RecordDict
from flwr.common.serde import message_to_proto

from lepton_fed.coordinator import begin
from lepton_fed.department import Department
from lepton_fed.errors import ConfigError, DataError
from lepton_fed.flower import apps
from lepton_fed.flower.apps import FAILED, KEPT, Place, client_app
from lepton_fed.flower.greetings import Here, Who
from lepton_fed.flower.grid import ADVERTISE, DECLARE, JOIN, SUM, WHO, WORK
from lepton_fed.flower.memory import RECORD as KEPT_RECORD
from lepton_fed.flower.memory import SECRETS, recall, recall_secrets
from lepton_fed.flower.records import Said, record_of, said_in
from lepton_fed.member import Member
from lepton_fed.messages import Advertise, Advertised, Declared, Done, Join, Joined, Refused, Work
from lepton_fed.secagg.canonical import Wire, decode
from lepton_fed.secagg.client import Advertised as Ready
from tests.flower import small
from tests.flower.grid_double import FIRST_NODE, GridDouble

NAME = small.NAMES[0]
SECRET = "could not convert string to float: '张三'"


def one_node(build: Any, **options: Any) -> GridDouble:
    return GridDouble(client_app(lambda context: Place("test", NAME), build, **options), [{}])


def ask(grid: GridDouble, kind: str, said: Said) -> Said:
    answer = answered(grid, kind, record_of(said))
    assert not answer.has_error(), answer.error
    return said_in(answer.content, "it", (Here, Joined, Declared, Done, Advertised, Refused))  # type: ignore[return-value]


def answered(grid: GridDouble, kind: str, content: RecordDict) -> Message:
    numbers = grid.push_messages([Message(content, FIRST_NODE, kind)])
    (answer,) = grid.pull_messages(numbers)
    return answer


def work(settings: Any, number: int = 1) -> Work:
    state = begin(settings, fingerprint=small.FINGERPRINT)
    return Work(number, state.visible, tuple(state.hubs), report=False, fingerprint=small.FINGERPRINT)


def test_a_node_says_which_department_it_is() -> None:
    assert ask(one_node(small.build(small.settings())), WHO, Who()) == Here(NAME)


def test_a_department_is_built_once_in_a_process() -> None:
    built: list[Place] = []

    def build(place: Place) -> Department:
        built.append(place)
        return small.department(small.settings(), place.department)

    grid = one_node(build)
    for _ in range(3):
        assert isinstance(ask(grid, JOIN, Join(small.FINGERPRINT)), Joined)
    assert built == [Place("test", NAME)]


def test_what_it_keeps_lies_in_the_context_and_survives_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = small.settings("mr-mtl")
    grid = one_node(small.build(settings))
    assert isinstance(ask(grid, WORK, work(settings)), Done)
    kept = recall(grid.contexts[FIRST_NODE].state)
    assert kept is not None
    assert int(kept["last round"]) == 1
    assert "personal" in kept
    monkeypatch.setattr("lepton_fed.flower.apps._built", {})
    reply = ask(grid, WORK, work(settings))
    assert isinstance(reply, Refused)
    assert "already worked in round 1" in reply.reason


def test_a_department_built_with_a_memory_begins_with_it() -> None:
    def build(place: Place) -> Department:
        department = small.department(small.settings(), place.department)
        department.restore({"last round": torch.tensor(4)})
        return department

    reply = ask(one_node(build), WORK, work(small.settings(), 4))
    assert isinstance(reply, Refused)


def test_a_sentence_that_was_written_to_be_read_travels() -> None:
    def build(place: Place) -> Department:
        raise DataError("the table cannot be read")

    assert ask(one_node(build), JOIN, Join("")) == Refused("the table cannot be read")


def test_the_text_of_any_other_exception_stays_in_the_departments_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def build(place: Place) -> Department:
        raise ValueError(SECRET)

    with caplog.at_level(logging.ERROR, "lepton_fed.flower"):
        answer = answered(one_node(build), JOIN, record_of(Join("")))
    assert said_in(answer.content, "it", (Refused,)) == Refused(FAILED)
    assert "张三" not in repr(answer)
    assert "张三" in caplog.text


def test_a_node_that_knows_no_department_says_why() -> None:
    def nowhere(context: object) -> Place:
        raise ConfigError("no department is configured here")

    grid = GridDouble(client_app(nowhere, small.build(small.settings())), [{}])
    assert ask(grid, WHO, Who()) == Refused("no department is configured here")
    assert ask(grid, JOIN, Join("")) == Refused("no department is configured here")


@pytest.mark.parametrize(
    ("kind", "said"), [(WHO, Join("")), (JOIN, Who()), (DECLARE, Join("")), (WORK, Join("")), (SUM, Advertise())]
)
def test_what_flower_calls_a_message_must_be_what_it_says(kind: str, said: Said) -> None:
    reply = ask(one_node(small.build(small.settings())), kind, said)
    assert isinstance(reply, Refused)
    assert "only" in reply.reason


def test_a_message_that_fails_leaves_the_memory_as_it_was(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = small.settings("mr-mtl")
    grid = one_node(small.build(settings))
    ask(grid, WORK, work(settings))
    before = recall(grid.contexts[FIRST_NODE].state)

    def handle(department: Department, message: object) -> None:
        department.participant.kept["personal"].zero_()
        raise RuntimeError(SECRET)

    monkeypatch.setattr(Department, "handle", handle)
    assert ask(grid, WORK, work(settings, 2)) == Refused(FAILED)
    after = recall(grid.contexts[FIRST_NODE].state)
    assert before is not None
    assert after is not None
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    monkeypatch.undo()
    assert isinstance(ask(grid, WORK, work(settings, 2)), Done)


def test_only_a_simulation_hands_over_what_a_department_keeps() -> None:
    settings = small.settings("mr-mtl")
    deployed = one_node(small.build(settings))
    ask(deployed, WORK, work(settings))
    assert answered(deployed, KEPT, record_of(Who())).has_error()
    simulated = one_node(small.build(settings), simulation=True)
    ask(simulated, WORK, work(settings))
    assert KEPT_RECORD in answered(simulated, KEPT, record_of(Who())).content


# ---------------------------------------------------------------- secure sums


@pytest.fixture
def member() -> GridDouble:
    """A node in a secure federation whose department has just made keys."""
    settings = small.settings("secure")
    grid = one_node(small.build(settings, small.parties(settings)), simulation=True)
    assert isinstance(ask(grid, ADVERTISE, Advertise()), Advertised)
    return grid


def secrets_in(grid: GridDouble) -> tuple[bytes, ...]:
    """Its two secret keys; none where it has no keys ready."""
    stored = decode(recall_secrets(grid.contexts[FIRST_NODE].state) or b"")
    assert isinstance(stored, tuple)
    state = Wire.from_bytes(stored[0]) if stored[0] else None
    assert state is None or isinstance(state, Ready)
    return () if state is None else (state.mask_secret, state.seal_secret)


def test_secret_keys_lie_in_the_context_and_in_no_process(member: GridDouble) -> None:
    assert len(set(secrets_in(member))) == 2
    ((department, _),) = apps._built.values()
    assert department.member is not None
    assert department.member.state is None
    assert department.member.holder is None


def test_secret_keys_are_handed_over_to_nobody_and_gone_at_the_end(member: GridDouble) -> None:
    secrets = secrets_in(member)
    answer = answered(member, KEPT, record_of(Who()))
    assert list(answer.content) == [KEPT_RECORD]
    assert secrets_in(member) == ()
    raw = message_to_proto(answer).SerializeToString()
    assert not any(secret in raw for secret in secrets)


def test_after_the_end_no_serial_and_no_round_is_used_again(
    member: GridDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(member, KEPT, record_of(Who()))
    monkeypatch.setattr("lepton_fed.flower.apps._built", {})
    reply = ask(member, ADVERTISE, Advertise())
    assert isinstance(reply, Advertised)
    assert reply.keys.serial == 2


def test_a_message_that_fails_leaves_the_secrets_as_they_were(
    member: GridDouble, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = secrets_in(member)

    def advertise(one: Member) -> None:
        one.state = None
        raise RuntimeError(SECRET)

    monkeypatch.setattr(Member, "advertise", advertise)
    assert ask(member, ADVERTISE, Advertise()) == Refused(FAILED)
    assert secrets_in(member) == before
    ((department, _),) = apps._built.values()
    assert department.member is not None
    assert department.member.state is None


def test_a_department_without_keys_says_so_and_keeps_no_secrets() -> None:
    grid = one_node(small.build(small.settings("secure")))
    reply = ask(grid, ADVERTISE, Advertise())
    assert isinstance(reply, Refused)
    assert "keys" in reply.reason
    assert SECRETS not in grid.contexts[FIRST_NODE].state


def test_a_coordinator_without_a_roster_is_told_so_before_anybody_is_asked() -> None:
    class Nobody:
        def exchange(self, messages: object, on_reply: object = None) -> Any:
            raise AssertionError

    with pytest.raises(ConfigError, match="roster"):
        apps.coordinate(small.settings("secure"), small.FINGERPRINT, Nobody())


# ---------------------------------------------------------------- what else may come


def test_no_other_message_reaches_a_department() -> None:
    grid = one_node(small.build(small.settings()), simulation=True)
    for kind in ("train", "evaluate", "query", "train.other", "evaluate.work"):
        assert answered(grid, kind, record_of(Who())).has_error()
