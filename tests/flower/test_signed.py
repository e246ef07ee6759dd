"""Tests of application signatures: altered, foreign, repeated and redirected messages are refused, at both ends."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.common.constant import ErrorCode
from hypothesis import assume, given
from hypothesis import strategies as st

from lepton_fed.deploy.kit import COORDINATOR
from lepton_fed.errors import PeerError
from lepton_fed.flower.apps import coordinate
from lepton_fed.flower.grid import JOIN, WHO
from lepton_fed.flower.records import RECORD, record_of, said_in
from lepton_fed.flower.signed import (
    APART,
    FIELD,
    LONG,
    REPLY,
    REQUEST,
    Place,
    Stamp,
    digest,
    require_signed,
    stamped,
    unstamped,
)
from lepton_fed.messages import Declare, Declared, HubState, Join, Joined, Refused
from lepton_fed.secagg.canonical import Wire
from lepton_fed.transport import InProcess
from tests.flower import small
from tests.flower.grid_double import FIRST_NODE, failed, from_another_node
from tests.flower.signed_federation import FINGERPRINT, NAMES, Listening, SignedFederation, identity, join

FIRST, SECOND = NAMES
ONE, OTHER = identity("a"), identity("b")
STAMP = Stamp("a", "b", b"s" * 16, b"p" * 16, 7)
PLACE = Place("fingerprint", 5, 6, JOIN)

scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=5), st.binary(max_size=5), st.booleans()
)
lists = st.one_of(
    *(st.lists(one, max_size=3) for one in (st.integers(0, 9), st.floats(), st.text(max_size=3), st.binary(max_size=3)))
)
records = st.dictionaries(st.text(max_size=5).filter(lambda key: key != FIELD), scalars | lists, max_size=4)
contents = st.builds(
    lambda main, more: {RECORD: main, **more},
    records,
    st.dictionaries(st.text(max_size=5).filter(lambda name: name not in (RECORD, APART)), records, max_size=2),
)


def content(tree: dict[str, Any]) -> RecordDict:
    return RecordDict({name: ConfigRecord(dict(record)) for name, record in tree.items()})


def spelt(tree: object) -> str:
    """Different for different values, whatever their order; a list's order counts, 1 is not True, and NaN is itself."""
    if isinstance(tree, dict):
        return repr([(key, spelt(tree[key])) for key in sorted(tree)])
    return repr(tree)


# ---------------------------------------------------------------- what is signed


@given(contents, contents)
def test_contents_have_one_digest_if_and_only_if_they_say_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume("nan" not in spelt(one) + spelt(other))  # There are several of them, all spelt alike.
    assert (digest(content(one), "a") == digest(content(other), "a")) == (spelt(one) == spelt(other))


@given(contents)
def test_a_digest_does_not_depend_on_the_order_of_fields(tree: dict[str, Any]) -> None:
    turned = {name: dict(reversed(record.items())) for name, record in reversed(tree.items())}
    assert digest(content(tree), "a") == digest(content(turned), "a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": ["b", "c"]}, {"a": ["bc"]}),
        ({"a": b"x"}, {"a": "x"}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": []}, {}),
        ({"a": b"", "b": b""}, {"a": b"b"}),
        ({"a": 0.0}, {"a": -0.0}),
    ],
)
def test_similar_contents_have_different_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest(content({RECORD: one}), "a") != digest(content({RECORD: other}), "a")


def test_a_record_cannot_pass_for_a_field_of_another() -> None:
    assert digest(content({"a": {"k": 1}, "b": {}}), "a") != digest(content({"a": {}, "b": {"k": 1}}), "a")


@given(contents)
def test_what_is_stamped_verifies_and_comes_back_unchanged(tree: dict[str, Any]) -> None:
    back, stamp = unstamped(stamped(content(tree), STAMP, PLACE, REQUEST, ONE), "a")
    assert spelt({name: dict(record) for name, record in back.items()}) == spelt(tree)
    require_signed(stamp, back, PLACE, REQUEST, ONE.public)


@given(contents, contents)
def test_a_signature_is_of_one_content(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(spelt(one) != spelt(other))
    _, stamp = unstamped(stamped(content(one), STAMP, PLACE, REQUEST, ONE), "a")
    with pytest.raises(PeerError, match="does not fit"):
        require_signed(stamp, content(other), PLACE, REQUEST, ONE.public)


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "c"},
        {"to": "c"},
        {"session": b"t" * 16},
        {"process": b"q" * 16},
        {"number": 8},
        {"signature": bytes(64)},
        {"signature": b""},
    ],
)
def test_a_signature_is_of_one_stamp(changes: dict[str, Any]) -> None:
    back, stamp = unstamped(stamped(content({RECORD: {}}), STAMP, PLACE, REQUEST, ONE), "a")
    with pytest.raises(PeerError, match="does not fit"):
        require_signed(replace(stamp, **changes), back, PLACE, REQUEST, ONE.public)


@pytest.mark.parametrize("changes", [{"fingerprint": "other"}, {"run": 6}, {"node": 5}, {"type_": WHO}])
def test_a_signature_is_for_one_place(changes: dict[str, Any]) -> None:
    back, stamp = unstamped(stamped(content({RECORD: {}}), STAMP, PLACE, REQUEST, ONE), "a")
    with pytest.raises(PeerError, match="does not fit"):
        require_signed(stamp, back, replace(PLACE, **changes), REQUEST, ONE.public)


def test_a_signature_is_by_one_key_and_under_one_label() -> None:
    back, stamp = unstamped(stamped(content({RECORD: {}}), STAMP, PLACE, REQUEST, ONE), "a")
    for label, public in ((REPLY, ONE.public), (REQUEST, OTHER.public)):
        with pytest.raises(PeerError, match="does not fit"):
            require_signed(stamp, back, PLACE, label, public)


RUBBISH = {
    "text": "text",
    "nothing": b"",
    "a word": b"rubbish",
    "a signature alone": ONE.sign("x"),
    "a type": PLACE.type_.encode(),
    "a list": [b"x"],
}


@pytest.mark.parametrize("raw", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_in_place_of_a_stamp_is_refused(raw: object) -> None:
    with pytest.raises(PeerError, match=r"not signed|no signature"):
        unstamped(content({RECORD: {FIELD: raw}}), "them")


def test_two_stamps_or_none_are_refused() -> None:
    raw = STAMP.to_bytes()
    for tree in ({RECORD: {}}, {RECORD: {FIELD: raw}, APART: {FIELD: raw}}, {APART: {}}, {}):
        with pytest.raises(PeerError, match="not signed"):
            unstamped(content(tree), "them")


def test_records_that_are_not_plain_are_refused() -> None:
    mixed = RecordDict({**content({RECORD: {}}), "more": ArrayRecord([np.ones(2)])})
    with pytest.raises(PeerError, match="plain fields"):
        digest(mixed, "them")


def test_another_value_of_the_protocol_is_no_stamp() -> None:
    other = small.throw_away(small.settings("secure"))[small.NAMES[0]].roster
    assert isinstance(other, Wire)
    with pytest.raises(PeerError, match="no signature"):
        unstamped(content({RECORD: {FIELD: other.to_bytes()}}), "them")


def test_a_stamp_of_a_long_message_leaves_its_main_record_as_it_is() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    hubs = {"hub": HubState(np.zeros(LONG, np.float32))}
    for department in federation.departments.values():
        department.reply = lambda message: Declared("hub")  # type: ignore[attr-defined]
    replies = dict(transport.exchange({name: Declare(1, hubs, FINGERPRINT) for name in NAMES}))
    assert replies == dict.fromkeys(NAMES, Declared("hub"))
    one, other = (message.content for message in federation.received[-2:])
    assert dict(one[RECORD]) == dict(other[RECORD])
    assert one[RECORD].object_id == other[RECORD].object_id
    assert one[APART].object_id != other[APART].object_id


# ---------------------------------------------------------------- a federation


@pytest.mark.parametrize("case", ["secure", "sealed"])
def test_a_signed_federation_trains_the_models_of_one_process(case: str) -> None:
    settings, fingerprint = small.settings(case, rounds=2), FINGERPRINT
    parties = small.parties(settings)
    mine = {name: small.department(settings, name, copy.deepcopy(parties)) for name in settings.names}
    federation = SignedFederation(mine, **{name: party.identity for name, party in parties.items()})
    roster = next(iter(parties.values())).roster
    over = coordinate(settings, fingerprint, federation.transport(), roster=roster)
    here = {name: small.department(settings, name, copy.deepcopy(parties)) for name in settings.names}
    state = coordinate(settings, fingerprint, InProcess(here), roster=roster)
    assert [hub.state.model.tobytes() for hub in over.hubs.values()] == [
        hub.state.model.tobytes() for hub in state.hubs.values()
    ]


def test_both_departments_are_asked_and_answer() -> None:
    federation = SignedFederation()
    assert join(federation.transport()) == dict.fromkeys(NAMES, Joined("layout", 3))
    assert [d.heard for d in federation.departments.values()] == [[Join(FINGERPRINT)]] * 2  # type: ignore[attr-defined]


def heard(federation: SignedFederation) -> list[object]:
    return [message for d in federation.departments.values() for message in d.heard]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- requests that are not the coordinator's


def altered(message: FlowerMessage) -> FlowerMessage:
    record = dict(message.content[RECORD])
    message.content = RecordDict({RECORD: ConfigRecord({**record, "fingerprint": "another"})})
    return message


def unsigned(message: FlowerMessage) -> FlowerMessage:
    message.content = record_of(Join(FINGERPRINT))
    return message


def of_another_run(message: FlowerMessage) -> FlowerMessage:
    message.metadata.__dict__["_run_id"] += 1
    return message


def of_another_type(message: FlowerMessage) -> FlowerMessage:
    message.metadata.__dict__["_message_type"] = "query.declare"
    return message


@pytest.mark.parametrize("tamper", [altered, unsigned, of_another_run, of_another_type])
def test_a_department_carries_out_nothing_that_the_coordinator_did_not_sign(
    tamper: Callable[[FlowerMessage], FlowerMessage],
) -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.tamper = tamper
    assert all(isinstance(reply, Refused) for reply in join(transport).values())
    assert heard(federation) == []


@pytest.mark.parametrize("who", [FIRST, "stranger"])
def test_nobody_but_the_coordinator_gives_orders(who: str) -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.signed.identity = federation.identities.get(who, identity(who))
    replies = join(transport)
    assert {type(reply) for reply in replies.values()} == {Refused}
    assert "does not fit" in str(replies[FIRST])
    assert heard(federation) == []


def test_a_request_to_one_department_is_none_to_another() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.signed._names = dict(zip(federation.desks, reversed(NAMES), strict=True))
    join(transport)
    assert heard(federation) == []


def test_what_a_stranger_calls_himself_is_not_repeated() -> None:
    federation = SignedFederation()
    node, signer = FIRST_NODE, identity("two\nlines")
    place = Place(FINGERPRINT, 7, node, JOIN)
    stamp = Stamp("two\nlines", FIRST, federation.desks[node].side.session, b"p" * 16, 1)
    request = FlowerMessage(stamped(record_of(Join(FINGERPRINT)), stamp, place, REQUEST, signer), node, JOIN)
    back, _ = unstamped(federation.desks[node].answer(request, node).content, FIRST)
    assert said_in(back, FIRST, (Refused,)).reason == "coordinator: its message is for somebody else"


def test_another_federation_file_is_noticed_before_anything_is_read() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.signed.members = replace(federation.members, fingerprint="another")
    assert {type(reply) for reply in join(transport).values()} == {Refused}
    assert heard(federation) == []


def test_a_request_is_carried_out_once() -> None:
    federation = SignedFederation()
    join(federation.transport())
    node = FIRST_NODE
    repeated = [m for m in federation.received if m.metadata.dst_node_id == node][-1]
    before = heard(federation)
    answer = federation.desks[node].answer(repeated, node)
    back, _ = unstamped(answer.content, FIRST)
    assert "carried out already" in said_in(back, FIRST, (Refused,)).reason
    assert heard(federation) == before


def test_a_request_that_comes_after_a_later_one_is_dropped() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    held: list[FlowerMessage] = []
    federation.tamper = lambda message: (held.append(copy.deepcopy(message)), unsigned(message))[1]
    join(transport)
    federation.tamper = lambda message: message
    join(transport)
    before = heard(federation)
    for message in held:
        federation.desks[message.metadata.dst_node_id].answer(message, message.metadata.dst_node_id)
    assert heard(federation) == before != []


def test_requests_from_before_a_restart_are_refused_after_it() -> None:
    federation = SignedFederation()
    join(federation.transport())
    recorded = [m for m in federation.received if m.metadata.message_type == JOIN]
    before = heard(federation)
    for node in federation.desks:
        federation.restart(node)
    for message in recorded:
        federation.desks[message.metadata.dst_node_id].answer(message, message.metadata.dst_node_id)
    assert heard(federation) == before


def test_a_department_that_was_started_anew_is_asked_again_and_answers_in_the_same_exchange() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    join(transport)
    federation.restart(FIRST_NODE)
    assert join(transport) == dict.fromkeys(NAMES, Joined("layout", 3))
    assert join(transport) == dict.fromkeys(NAMES, Joined("layout", 3))


def test_a_department_that_is_always_anew_is_asked_twice_and_no_more() -> None:
    federation = SignedFederation()
    transport = federation.transport()

    def restarted(message: FlowerMessage) -> FlowerMessage:
        federation.restart(FIRST_NODE)
        return message

    federation.tamper = restarted
    assert isinstance(join(transport, (FIRST,))[FIRST], Refused)
    assert len([m for m in federation.received if m.metadata.message_type == JOIN]) == 2


def test_a_coordinator_that_was_started_anew_is_heard_although_it_counts_from_one() -> None:
    federation = SignedFederation()
    for _ in range(3):
        join(federation.transport())
    again = SignedFederation.__new__(SignedFederation)
    again.__dict__.update(federation.__dict__)
    again.signed = type(federation.signed)(federation.grid, federation.coordinator, federation.members)
    assert join(again.transport()) == dict.fromkeys(NAMES, Joined("layout", 3))


# ---------------------------------------------------------------- replies that are not the department's


def with_reply(**changes: Any) -> Callable[[FlowerMessage, FlowerMessage], list[FlowerMessage]]:
    def fault(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
        record = dict(answer.content[RECORD]) | changes
        answer.content = RecordDict({RECORD: ConfigRecord({k: v for k, v in record.items() if v is not None})})
        return [answer]

    return fault


def elsewhere(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
    return [from_another_node(answer)]


def echoed(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
    answer.content = asked.content
    return [answer]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (with_reply(length=4), "does not fit"),
        (with_reply(layout="another"), "does not fit"),
        (with_reply(signature=None), "not signed"),
        (with_reply(signature=b"rubbish"), "no signature"),
        (elsewhere, "another node answered"),
        (echoed, "another node answered"),
    ],
)
def test_a_spoilt_reply_costs_its_department_the_exchange_and_nobody_else(fault: Any, why: str) -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.grid.faults[FIRST_NODE] = fault
    replies = join(transport)
    assert isinstance(replies[FIRST], Refused)
    assert why in replies[FIRST].reason
    assert replies[SECOND] == Joined("layout", 3)


def test_a_department_cannot_answer_for_another() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    forger = federation.identities[SECOND]

    def forged(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
        _, stamp = unstamped(answer.content, FIRST)
        place = Place(FINGERPRINT, asked.metadata.run_id, FIRST_NODE, JOIN)
        said = record_of(Joined("forged", 3))
        answer.content = stamped(said, replace(stamp, signature=b""), place, REPLY, forger)
        return [answer]

    federation.grid.faults[FIRST_NODE] = forged
    assert "does not fit" in str(join(transport)[FIRST])


def test_a_reply_from_before_is_no_answer_to_a_later_question() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    kept: list[RecordDict] = []

    def record(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
        kept.append(answer.content)
        return [answer]

    def replay(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
        answer.content = kept[0]
        return [answer]

    federation.grid.faults[FIRST_NODE] = record
    join(transport)
    federation.grid.faults[FIRST_NODE] = replay
    assert "to another question" in str(join(transport)[FIRST])


def test_of_two_replies_to_one_question_the_first_counts() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.grid.faults[FIRST_NODE] = lambda asked, answer: [answer, copy.deepcopy(answer)]
    assert join(transport) == dict.fromkeys(NAMES, Joined("layout", 3))
    posted = federation.signed.push_messages([FlowerMessage(record_of(Join(FINGERPRINT)), FIRST_NODE, JOIN, ttl=9.0)])
    assert len(federation.signed.pull_messages(posted)) == 1


def test_an_error_of_flowers_own_passes_as_it_is() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    federation.grid.faults[FIRST_NODE] = lambda asked, answer: [failed(asked, ErrorCode.NODE_UNAVAILABLE, "gone")]
    assert join(transport) == {SECOND: Joined("layout", 3)}


def test_who_has_left_the_roster_is_refused_from_then_on() -> None:
    federation = SignedFederation()
    transport = federation.transport()
    left = {SECOND: federation.members.departments[SECOND]}
    federation.signed.members = replace(federation.members, departments=left)
    replies = join(transport)
    assert "not in the roster" in str(replies[FIRST])
    assert replies[SECOND] == Joined("layout", 3)


# ---------------------------------------------------------------- introductions


def introduced(federation: SignedFederation) -> set[str]:
    from lepton_fed.flower.grid import Search

    search = Search(federation.signed, NAMES, 1.0)
    search.ask()
    search.listen()
    return set(search.found)


def test_a_node_that_says_another_departments_name_is_not_that_department() -> None:
    federation = SignedFederation()
    federation.desks[FIRST_NODE].department = Listening(SECOND)  # type: ignore[assignment]
    assert introduced(federation) == {SECOND}
    assert federation.signed._names == {FIRST_NODE + 1: SECOND}


def test_a_node_outside_the_roster_is_nobody() -> None:
    federation = SignedFederation()
    side = federation.desks[FIRST_NODE].side
    side.identity = identity(FIRST)
    assert introduced(federation) == {SECOND}


def test_an_introduction_recorded_earlier_introduces_nobody() -> None:
    federation = SignedFederation()
    kept: list[RecordDict] = []
    federation.grid.faults[FIRST_NODE] = lambda asked, answer: (kept.append(answer.content), [answer])[1]
    assert introduced(federation) == set(NAMES)
    federation.signed = type(federation.signed)(federation.grid, federation.coordinator, federation.members)

    def replay(asked: FlowerMessage, answer: FlowerMessage) -> list[FlowerMessage]:
        answer.content = kept[0]
        return [answer]

    federation.grid.faults[FIRST_NODE] = replay
    assert introduced(federation) == {SECOND}


def test_a_node_that_has_not_introduced_itself_is_sent_nothing() -> None:
    federation = SignedFederation()
    message = FlowerMessage(record_of(Join(FINGERPRINT)), FIRST_NODE, JOIN, ttl=1.0)
    assert federation.signed.push_messages([message]) == []
    assert federation.received == []


def test_a_department_introduces_itself_to_the_coordinator_alone() -> None:
    federation = SignedFederation()
    federation.signed.identity = identity(COORDINATOR)
    assert introduced(federation) == set()
