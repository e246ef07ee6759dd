"""Tests of Flower's Grid as a transport: the same federation, and nodes that drop, fail or lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import ErrorCode

from lepton_fed.coordinator import News, State, begin, play
from lepton_fed.department import Department
from lepton_fed.errors import PeerError, RoundError
from lepton_fed.flower import apps
from lepton_fed.flower.apps import Place, client_app, coordinate
from lepton_fed.flower.engine import ask_kept
from lepton_fed.flower.greetings import Here
from lepton_fed.flower.grid import LONGEST, SHORTEST, GridTransport, find_departments, pause
from lepton_fed.flower.records import RECORD, WORK, record_of
from lepton_fed.messages import Done, Join, Joined, Refused, Reply
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.keys import KeyPair
from lepton_fed.secagg.messages import MaskedInput, Reveal, SealedShares, Survivors, SurvivorSignature
from lepton_fed.settings import Settings
from lepton_fed.transport import InProcess, Transport, drive
from tests.flower import small
from tests.flower.grid_double import FIRST_NODE, Fault, GridDouble, failed, from_another_node

FIRST, SECOND, THIRD = small.NAMES
SECRET = "row 17: 张三, 1234.5"


def double(settings: Settings, parties: Mapping[str, Party] | None = None) -> GridDouble:
    build = small.build(settings, parties)
    app = client_app(lambda c: Place("test", str(c.node_config["department"])), build, simulation=True)
    return GridDouble(app, [{"department": name} for name in settings.names])


def transport(grid: GridDouble, timeout: float = 0.05) -> GridTransport:
    nodes = {str(context.node_config["department"]): node for node, context in grid.contexts.items()}
    return GridTransport(grid, nodes, timeout, wait=lambda seconds: None)


def joined(grid: GridDouble) -> dict[str, Reply]:
    return dict(transport(grid).exchange({name: Join(small.FINGERPRINT) for name in small.NAMES}))


# ---------------------------------------------------------------- the same federation


@pytest.mark.parametrize("case", [*small.COUPLINGS, *small.SECURE])
def test_a_federation_over_flower_equals_one_in_process_to_the_last_bit(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "_built", Forgetful())
    settings = small.settings(case)
    keys, others = small.parties(settings), small.parties(settings)
    here = {name: small.department(settings, name, keys) for name in settings.names}
    there = double(settings, others)
    state, told_here = told(settings, InProcess(here), keys)
    other, told_there = told(settings, transport(there), others)
    assert_same_state(state, other)
    assert_same_news(told_here, told_there)
    assert_same_models(settings, here, there, state)


class Forgetful(dict[Place, Any]):
    """In place of the departments of a process: every message comes to another one, which has built none."""

    def __contains__(self, key: object) -> bool:
        return False


def told(settings: Settings, over: Transport, parties: Mapping[str, Party]) -> tuple[State, list[tuple[int, News]]]:
    """All rounds, with what they brought."""
    news: list[tuple[int, News]] = []
    roster = next((party.roster for party in parties.values()), None)
    state = coordinate(settings, small.FINGERPRINT, over, roster=roster, on_round=lambda *t: news.append(t))
    return state, news


def assert_same_state(one: State, other: State) -> None:
    assert one.round == other.round
    assert one.declared == other.declared
    assert list(one.hubs) == list(other.hubs)
    for name, hub in one.hubs.items():
        assert hub.state.model.tobytes() == other.hubs[name].state.model.tobytes()


def assert_same_news(one: list[tuple[int, News]], other: list[tuple[int, News]]) -> None:
    assert [number for number, _ in one] == [number for number, _ in other] == [0, 1, 2, 3]
    for (_, here), (_, there) in zip(one, other, strict=True):
        assert repr(here.measurements) == repr(there.measurements)  # NaN is not equal to itself
        assert len(here.measurements) > 4
        assert not here.refusals
        assert (here.refusals, here.asked, here.answered) == (there.refusals, there.asked, there.answered)


def assert_same_models(settings: Settings, here: dict[str, Department], there: GridDouble, state: State) -> None:
    kept = ask_kept(there, transport(there).nodes, lambda seconds: None)
    for name, department in here.items():
        other = small.department(settings, name, small.parties(settings))
        other.restore(kept[name])
        assert other.last_round == department.last_round
        if any(name in plan.may_read for plan in state.plans):
            model = other.export(state.visible)
            for key, tensor in department.export(state.visible).items():
                assert torch.equal(model[key], tensor), key


def test_only_a_few_small_objects_travel_for_each_message() -> None:
    grid = double(small.settings())
    coordinate(small.settings(), small.FINGERPRINT, transport(grid))
    assert grid.pushed
    for message in grid.pushed:
        assert list(message.content) == [RECORD]
        assert isinstance(message.content[RECORD], ConfigRecord)


def test_a_department_joins_a_second_run_as_it_was_before_the_first() -> None:
    """Flower gives each run a context of its own; the department of the process is the same."""
    settings = small.settings("mr-mtl")
    grid = double(settings)
    first = coordinate(settings, small.FINGERPRINT, transport(grid))
    for context in grid.contexts.values():
        context.state = RecordDict()
    assert_same_state(first, coordinate(settings, small.FINGERPRINT, transport(grid)))


# ---------------------------------------------------------------- nodes that misbehave


def test_a_node_that_drops_its_reply_is_missing_and_the_round_goes_on() -> None:
    settings = small.settings()
    grid = double(settings)
    grid.faults[FIRST_NODE] = lambda asked, answer: []
    state, news = drive(play(settings, begin(settings, fingerprint=small.FINGERPRINT)), transport(grid))
    assert news.answered == (THIRD,)
    assert FIRST not in news.refusals
    assert state.round == 1


@pytest.mark.parametrize(
    "code", [ErrorCode.NODE_UNAVAILABLE, ErrorCode.CLIENT_APP_CRASHED, ErrorCode.MESSAGE_UNAVAILABLE]
)
def test_a_node_that_is_away_is_missing(code: int) -> None:
    grid = double(small.settings())
    # Flower answers in the place of a node that is away, and as another one.
    grid.faults[FIRST_NODE] = lambda asked, answer: [from_another_node(failed(asked, code, "away"))]
    assert joined(grid).keys() == {SECOND, THIRD}


@pytest.mark.parametrize(
    "code", [ErrorCode.UNKNOWN, ErrorCode.CLIENT_APP_RAISED_EXCEPTION, ErrorCode.INVALID_FAB, 1001]
)
def test_the_text_of_an_error_is_not_passed_on(code: int) -> None:
    grid = double(small.settings())
    grid.faults[FIRST_NODE] = lambda asked, answer: [failed(asked, code, SECRET)]
    reply = joined(grid)[FIRST]
    assert isinstance(reply, Refused)
    assert "张三" not in reply.reason
    assert f"error {code}" in reply.reason


RUBBISH = {
    "another record": RecordDict({"other": ConfigRecord({"a": 1})}),
    "nothing": RecordDict(),
    "an answer to something else": record_of(Done()),
    "a field too many": RecordDict({RECORD: ConfigRecord({**dict(record_of(Joined("x"))[RECORD]), "code": b"x"})}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_a_node_that_answers_rubbish_has_refused_and_the_others_count(kind: str) -> None:
    grid = double(small.settings())
    grid.faults[FIRST_NODE] = lambda asked, answer: [Message(RUBBISH[kind], reply_to=asked)]
    replies = joined(grid)
    reply = replies[FIRST]
    assert isinstance(reply, Refused)
    assert "cannot be used" in reply.reason
    assert isinstance(replies[THIRD], Joined)


def test_of_two_answers_the_first_counts() -> None:
    grid = double(small.settings())
    grid.faults[FIRST_NODE] = lambda asked, answer: [
        answer,
        Message(record_of(Refused("no")), reply_to=asked),
    ]
    heard: list[str] = []
    messages = {name: Join(small.FINGERPRINT) for name in small.NAMES}
    replies = dict(transport(grid).exchange(messages, lambda name, reply: heard.append(name)))
    assert isinstance(replies[FIRST], Joined)
    assert sorted(heard) == sorted(small.NAMES)


def test_another_node_cannot_answer_in_a_departments_name() -> None:
    grid = double(small.settings())
    grid.faults[FIRST_NODE] = lambda asked, answer: [from_another_node(answer)]
    reply = joined(grid)[FIRST]
    assert isinstance(reply, Refused)
    assert "another node" in reply.reason


def test_a_message_that_flower_does_not_take_leaves_the_others_with_their_departments() -> None:
    grid = double(small.settings())
    grid.refuses.add(FIRST_NODE)
    replies = joined(grid)
    assert sorted(replies) == sorted([SECOND, THIRD])


def test_a_department_without_a_node_is_missing() -> None:
    grid = double(small.settings())
    over = transport(grid)
    del over.nodes[SECOND]
    assert SECOND not in dict(over.exchange({name: Join(small.FINGERPRINT) for name in small.NAMES}))


def test_an_update_that_is_not_finite_does_not_reach_the_sum() -> None:
    settings = small.settings()
    grid = double(settings)

    def spoil(asked: Message, answer: Message) -> list[Message]:
        record = dict(answer.content[RECORD])
        if record["kind"] != "done":
            return [answer]
        spoilt = [np.full(len(raw) // 4, np.nan, "<f4").tobytes() for raw in record["vectors"]]  # type: ignore[union-attr, arg-type]
        return [Message(RecordDict({RECORD: ConfigRecord(record | {"vectors": spoilt})}), reply_to=asked)]  # type: ignore[arg-type]

    grid.faults[FIRST_NODE] = spoil
    state, news = drive(play(settings, begin(settings, fingerprint=small.FINGERPRINT)), transport(grid))
    assert "not finite" in news.refusals[FIRST]
    assert all(np.isfinite(hub.state.model).all() for hub in state.hubs.values())


# ---------------------------------------------------------------- nodes that misbehave in a secure sum


def changed(kind: type[Wire], change: Callable[[bytes], bytes] | None) -> Fault:
    """Loses (None) or changes the bytes of a node's first answer of this kind in a secure sum."""
    done: list[str] = []

    def fault(asked: Message, answer: Message) -> list[Message]:
        record = dict(answer.content[RECORD])
        if done or record["kind"] != "summed" or not isinstance(Wire.from_bytes(record["reply"]), kind):
            return [answer]
        done.append("once")
        if change is None:
            return []
        return [
            Message(RecordDict({RECORD: ConfigRecord(record | {"reply": change(record["reply"])})}), reply_to=asked)
        ]

    return fault


@pytest.mark.parametrize("kind", [SealedShares, MaskedInput, SurvivorSignature, Reveal])
def test_a_node_whose_answer_is_lost_costs_a_secure_round_no_more_than_itself(kind: type[Wire]) -> None:
    settings = small.settings("secure")
    parties = small.parties(settings)
    grid = double(settings, parties)
    grid.faults[FIRST_NODE] = changed(kind, None)
    state, news = told(settings, transport(grid), parties)
    assert state.round == 3
    lost = (FIRST,) if kind in (SealedShares, MaskedInput) else ()
    assert news[0][1].answered == tuple(n for n in settings.names if n not in (*lost, SECOND))
    assert news[1][1].answered == tuple(n for n in settings.names if n != SECOND)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda raw: raw[:-4],
    "something else": lambda raw: Survivors(bytes(32), ("a",)).to_bytes(),
    "secrets": lambda raw: KeyPair.generate(bytes).to_bytes(),
    "no bytes at all": lambda raw: b"",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_masked_vector_that_cannot_be_read_counts_as_a_refusal_of_its_sender(change: str) -> None:
    settings = small.settings("secure")
    parties = small.parties(settings)
    grid = double(settings, parties)
    grid.faults[FIRST_NODE] = changed(MaskedInput, CHANGES[change])
    state, news = told(settings, transport(grid), parties)
    assert "its answer cannot be used: its field 'reply' is" in news[0][1].refusals[FIRST]
    assert FIRST not in news[0][1].answered
    assert FIRST in news[1][1].answered
    assert all(np.isfinite(hub.state.model).all() for hub in state.hubs.values())


def test_the_models_of_a_secure_round_are_one_record_for_all_departments() -> None:
    settings = small.settings("secure")
    parties = small.parties(settings)
    grid = double(settings, parties)
    told(settings, transport(grid), parties)
    works = [message.content[WORK] for message in grid.pushed if WORK in message.content]
    sources = sum(department.is_source for department in settings.departments)
    closing = sources
    assert len(works) == 3 * sources + closing
    assert len({repr(sorted(dict(work).items())) for work in works}) == 3 + 1


# ---------------------------------------------------------------- who is who


def test_nodes_are_found_by_the_names_they_say() -> None:
    grid = double(small.settings())
    found = find_departments(grid, reversed(small.NAMES), 1.0)
    assert found == {THIRD: FIRST_NODE + 2, SECOND: FIRST_NODE + 1, FIRST: FIRST_NODE}


def test_asking_who_a_node_is_builds_nothing() -> None:
    def build(place: Place) -> Department:
        raise AssertionError

    grid = GridDouble(client_app(lambda c: Place("test", "a"), build), [{}])
    assert find_departments(grid, ["a"], 1.0) == {"a": FIRST_NODE}


def test_a_node_that_comes_later_is_found() -> None:
    grid = double(small.settings())
    late = grid.contexts.pop(FIRST_NODE)

    def wait(seconds: float) -> None:
        grid.contexts[FIRST_NODE] = late

    assert find_departments(grid, small.NAMES, 5.0, wait)[FIRST] == FIRST_NODE


def test_a_node_of_another_federation_is_left_alone() -> None:
    grid = double(small.settings())
    assert find_departments(grid, [FIRST], 1.0) == {FIRST: FIRST_NODE}


def test_departments_that_never_come_are_named_with_what_nodes_said() -> None:
    grid = double(small.settings())
    grid.faults[FIRST_NODE] = lambda asked, answer: [Message(record_of(Refused("no department here")), reply_to=asked)]
    grid.faults[FIRST_NODE + 1] = lambda asked, answer: [failed(asked, 2, SECRET)]
    with pytest.raises(RoundError, match=f"{FIRST}、{SECOND} \\(nodes said: no department here\\)"):
        find_departments(grid, small.NAMES, 0.02)


def test_two_nodes_with_one_name_are_an_error() -> None:
    grid = double(small.settings())
    grid.faults[FIRST_NODE + 1] = lambda asked, answer: [Message(record_of(Here(FIRST)), reply_to=asked)]
    with pytest.raises(PeerError, match="two Flower nodes"):
        find_departments(grid, small.NAMES, 1.0)


# ---------------------------------------------------------------- waiting


def looks(timeout: float, found_after: float) -> Iterator[float]:
    waited = 0.0
    while waited < found_after:
        waited += pause(waited, timeout)
        yield waited


def test_a_reply_is_found_soon_and_long_rounds_need_few_looks() -> None:
    for after in (0.01, 0.5, 5.0, 600.0):
        found = list(looks(3600.0, after))
        assert found[-1] - after <= max(SHORTEST, min(LONGEST, after / 10))
    assert len(list(looks(3600.0, 600.0))) < 700


def test_nobody_waits_beyond_the_timeout() -> None:
    assert max(looks(2.0, 1.999)) <= 2.0
