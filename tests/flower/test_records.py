"""Tests of messages as Flower records: what is written reads back, and nothing else reads at all."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lepton_fed.compression import Packed, pack, unpack
from lepton_fed.errors import PeerError
from lepton_fed.flower.apps import coordinate
from lepton_fed.flower.fields import LONGEST, one_line
from lepton_fed.flower.greetings import Here, Update, Updated, Who
from lepton_fed.flower.records import RECORD, VERSION, WORK, Said, record_of, said_in
from lepton_fed.flower.sum_fields import ANSWERS, REQUESTS
from lepton_fed.messages import (
    Addend,
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
    Expected,
    HubState,
    Join,
    Joined,
    Meet,
    Met,
    Read,
    Refused,
    Release,
    Sent,
    Sum,
    Summed,
    Take,
    Taken,
    Wish,
    Wished,
    Work,
)
from lepton_fed.policies import Context, Request
from lepton_fed.policies.request import KINDS
from lepton_fed.reads import Parcel, ReadRequest
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.keys import KeyPair
from lepton_fed.secagg.ledger import Entries
from lepton_fed.secagg.messages import MaskedInput, SignedKeys, Survivors
from lepton_fed.transport import InProcess
from tests.flower import small
from tests.thoroughness import at_most

EVERYTHING = (
    *(Who, Here, Join, Joined, Declare, Declared, Work, Done, Advertise, Advertised, Sum, Summed),
    *(Consult, Consulted, Evaluate, Evaluated, Wish, Wished, Read, Sent, Take, Taken, Meet, Met, Refused),
    *(Attest, Attested, Update, Updated),
)

words = st.text(st.characters(categories=("L", "N", "P", "Zs"), exclude_characters="\u00a0"), max_size=20).filter(
    lambda text: text.replace("\u3000", " ").isprintable()
)
finite = st.floats(-1e9, 1e9)
any_number = st.floats()
counts = st.integers(0, 2**40)
vectors = arrays(np.float32, st.integers(0, 6), elements=st.floats(-1e6, 1e6, width=32))
releases = st.builds(Release, vectors, any_number, any_number)
hub_states = st.builds(HubState, vectors, st.none() | releases, st.none() | vectors)
hubs = st.dictionaries(words, hub_states, max_size=3)
packed = st.builds(pack, vectors, st.sampled_from(["float16", "int8"]))
addends = st.builds(Addend, vectors, st.floats(0, 1e9), finite) | st.builds(
    lambda packed, *numbers: Addend(unpack(packed), *numbers, packed), packed, st.floats(0, 1e9), finite
)
tables = st.dictionaries(words, any_number, max_size=3)
digests = st.dictionaries(words, st.binary(min_size=64, max_size=64), max_size=3)
works = st.builds(Work, counts, hubs, st.lists(words, unique=True, max_size=3).map(tuple), st.booleans())
masked = arrays(np.uint32, st.integers(0, 6)).map(lambda words: MaskedInput(bytes(32), "a", (("updates", words),)))
KEYS = SignedKeys("a test", bytes(32), "a", 1, b"m" * 32, b"s" * 32, bytes(64))
some_counts, some_words, amounts = st.none() | counts, st.none() | words, st.none() | st.floats(0, 1e9)
contexts = st.builds(
    Context,
    purpose=some_words,
    crowd=some_counts,
    epsilon_spent=amounts,
    code=some_words,
    federation=some_words,
    plan=some_words,
    part=some_words,
    hour=some_counts,
    round=some_counts,
    rounds=some_counts,
)
requests = st.builds(
    Request,
    who=words,
    role=words,
    verb=words,
    what=words,
    owner=words,
    context=contexts,
    kind=st.sampled_from(KINDS),
    of=some_words,
)
lines = st.lists(words.map(one_line), max_size=3).map(tuple)
ASKED = ReadRequest("测试", bytes(32), "研发部门", "供应链部门", "物料管理", "维护", b"k" * 32, b"n" * 16, bytes(64))
parcels = st.lists(st.binary(min_size=28, max_size=60), min_size=1, max_size=1).map(
    lambda parts: Parcel(bytes(32), "供应链部门", "研发部门", "物料管理", b"k" * 32, tuple(parts), bytes(64))
)
everything_said = st.one_of(
    st.builds(Consult, st.lists(requests, max_size=3).map(tuple), st.booleans(), counts, words),
    st.builds(Consulted, st.lists(st.builds(Expected, st.booleans(), lines, lines), max_size=3).map(tuple)),
    st.builds(Evaluate, hubs, words, words, words, counts, words),
    st.builds(Evaluated, tables, counts),
    st.builds(Wish, words),
    st.builds(
        Wished, st.lists(st.just(ASKED), max_size=3).map(tuple), st.lists(words, unique=True, max_size=3).map(tuple)
    ),
    st.just(Read(ASKED)),
    parcels.map(Sent),
    parcels.map(Take),
    st.builds(Taken, counts),
    st.builds(Meet, words, st.binary(max_size=9)),
    st.builds(Met, st.binary(max_size=9)),
    st.just(Advertise()),
    st.just(Advertised(KEYS)),
    st.builds(Sum, st.just(Survivors(bytes(32), ("a", "生产"))), st.none() | works, digests),
    st.builds(Summed, masked, tables, tables, words.map(one_line), digests),
    st.builds(Attest, st.binary(max_size=9), counts, st.lists(st.binary(max_size=9), max_size=3).map(tuple), counts),
    st.builds(Attested, counts, st.binary(max_size=9), st.lists(st.binary(max_size=9), max_size=3).map(tuple)),
    st.builds(Update, st.binary(max_size=9), words),
    st.builds(Updated, counts),
    st.just(Who()),
    st.builds(Here, words),
    st.builds(Join, words),
    st.builds(Joined, words, counts),
    st.builds(Declare, counts, hubs),
    st.builds(Declared, words),
    works,
    st.builds(Done, st.dictionaries(words, addends, max_size=3), tables, tables, tables),
    st.builds(Refused, words.map(one_line)),
)


def travelled(content: RecordDict) -> RecordDict:
    return recorddict_from_proto(recorddict_to_proto(content))


def alike(one: Any, other: Any) -> bool:
    """Equal to the last bit, NaN included."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, Wire):
        return type(one) is type(other) and one.to_bytes() == other.to_bytes()
    if isinstance(one, float):
        return type(other) is float and (one == other or (one != one and other != other))
    if isinstance(one, dict | tuple):
        pairs = one.items() if isinstance(one, dict) else enumerate(one)
        return len(one) == len(other) and list(one) == list(other) and all(alike(v, other[k]) for k, v in pairs)
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and alike(vars(one), vars(other))
    return bool(one == other)


@given(everything_said)
def test_whatever_is_said_reads_back_to_the_last_bit(said: Said) -> None:
    assert alike(said_in(travelled(record_of(said)), "them", EVERYTHING), said)


def test_a_vector_read_back_can_be_written_to() -> None:
    work = Work(1, {"hub": HubState(np.ones(3, np.float32))}, (), True)
    read = said_in(travelled(record_of(work)), "them", (Work,))
    vector = read.hubs["hub"].model
    vector += 1
    assert vector.tolist() == [2, 2, 2]


def test_a_vector_travels_as_four_bytes_a_number() -> None:
    done = Done({"hub": Addend(np.array([1.0, -2.0], np.float32), 1.0, 5.0)})
    raw = record_of(done)[RECORD]["vectors"]  # type: ignore[index]
    assert raw == [bytes.fromhex("0000803f000000c0")]


def compressed(kind: str, size: int = 1000) -> Done:
    way = pack(np.linspace(-1, 1, size, dtype=np.float32), kind)
    return Done({"hub": Addend(unpack(way), 1.0, 5.0, way)})


@pytest.mark.parametrize(("kind", "most"), [("int8", 0.27), ("float16", 0.52)])
def test_a_packed_vector_travels_as_it_was_packed(kind: str, most: float) -> None:
    done = compressed(kind)
    plain = Done({"hub": Addend(done.addends["hub"].vector, 1.0, 5.0)})
    (code,), (whole,) = (record_of(d)[RECORD]["vectors"] for d in (done, plain))  # type: ignore[index]
    assert code == done.addends["hub"].packed.code  # type: ignore[union-attr]
    assert len(code) < most * len(whole)
    much, little = (len(recorddict_to_proto(record_of(d)).SerializeToString()) for d in (plain, done))
    assert little < much - 0.9 * (len(whole) - len(code))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"packed as": ["int4"]}, "its update is packed as 'int4', which must be one of float32, float16, int8"),
        ({"packed as": ["float32"]}, "its update ends within a number"),
        ({"packed as": []}, "differ in length"),
        ({"packed as": None}, "lacks the field 'packed as'"),
        ({"packed as": ["int\n8"]}, "no line that could be shown"),
        ({"vectors": [b"123"]}, "its update ends within a number"),
        ({"vectors": [b"\0" * 9]}, "its update holds a number that int8 never has"),
        ({"vectors": [b"\xff" * 9]}, "its update holds a number that int8 never has"),
        ({"vectors": []}, "differ in length"),
    ],
)
def test_a_packed_update_that_breaks_one_rule_is_refused_with_that_rule(
    changes: dict[str, Any], complaint: str
) -> None:
    record = dict(record_of(compressed("int8", 1001))[RECORD]) | changes
    content = RecordDict({RECORD: ConfigRecord({k: v for k, v in record.items() if v is not None})})
    with pytest.raises(PeerError, match=complaint):
        said_in(content, "them", (Done,))


def test_a_packed_update_whose_square_overflows_is_refused() -> None:
    huge = Packed("int8", np.array([2.0**100], "<f4").tobytes() + b"\1")
    with np.errstate(over="ignore"), pytest.raises(PeerError, match="not finite"):
        said_in(record_of(Done({"hub": Addend(unpack(huge), 1.0, 1.0, huge)})), "them", (Done,))


def test_a_message_is_one_record() -> None:
    assert list(record_of(Join("x"))) == [RECORD]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": 1}, "speaks version 1"),
        ({"version": True}, "is a bool, not a int"),
        ({"kind": "exec"}, "said 'exec' where only work fits"),
        ({"kind": "join"}, "said 'join' where only work fits"),
        ({"round": -1}, "'round' is negative"),
        ({"round": 1.0}, "is a float, not a int"),
        ({"report": 1}, "is a int, not a bool"),
        ({"hubs": ["a", "a"]}, "says a name twice"),
        ({"hubs": ["a"]}, "differ in length"),
        ({"models": [b"\0" * 4]}, "differ in length"),
        ({"models": [b"\0" * 5, b""]}, "ends within a number"),
        ({"models": ["text", "text"]}, "is not a list of bytes"),
        ({"models": b"\0" * 4}, "is a bytes, not a list"),
        ({"write": ["a\nb"]}, "no line that could be shown"),
        ({"write": ["a" * (LONGEST + 1)]}, "no line that could be shown"),
        ({"write": ["\u202e"]}, "no line that could be shown"),
        ({"extra": b"!"}, "unknown field 'extra'"),
        ({"masses": None}, "lacks the field 'masses'"),
    ],
)
def test_a_message_that_breaks_one_rule_is_refused_with_that_rule(changes: dict[str, Any], complaint: str) -> None:
    content = record_of(Work(1, {n: HubState(np.zeros(1, np.float32)) for n in "ab"}, (), False))
    record = dict(content[RECORD]) | changes
    content[RECORD] = ConfigRecord({k: v for k, v in record.items() if v is not None})  # type: ignore[misc]
    with pytest.raises(PeerError, match=complaint) as raised:
        said_in(content, "them", (Work,))
    assert raised.value.peer == "them"


@pytest.mark.parametrize(
    "addend",
    [
        Addend(np.array([np.nan], np.float32), 1.0, 1.0),
        Addend(np.array([np.inf], np.float32), 1.0, 1.0),
        Addend(np.ones(1, np.float32), float("nan"), 1.0),
        Addend(np.ones(1, np.float32), float("inf"), 1.0),
        Addend(np.ones(1, np.float32), -1.0, 1.0),
        Addend(np.ones(1, np.float32), 1.0, float("nan")),
    ],
)
def test_an_update_that_would_spoil_the_sum_is_refused(addend: Addend) -> None:
    with pytest.raises(PeerError, match=r"not finite|negative weight"):
        said_in(record_of(Done({"hub": addend})), "them", (Done,))


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({RECORD: MetricRecord({"version": VERSION})}),
        RecordDict({RECORD: ArrayRecord([np.ones(2)])}),
        RecordDict({"other": ConfigRecord({"version": VERSION, "kind": "who"})}),
        RecordDict({RECORD: ConfigRecord({"version": VERSION, "kind": "who"}), "more": ConfigRecord()}),
    ],
)
def test_other_records_are_refused(content: RecordDict) -> None:
    with pytest.raises(PeerError):
        said_in(content, "them", EVERYTHING)


scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=9), st.binary(max_size=9), st.booleans()
)
lists = st.one_of(
    *(
        st.lists(kind, max_size=3)
        for kind in (counts, any_number, st.text(max_size=5), st.binary(max_size=8), st.booleans())
    )
)


@settings(max_examples=at_most(300))
@given(everything_said, st.data())
def test_a_damaged_message_is_a_peer_error_or_a_message_and_nothing_else(said: Said, data: st.DataObject) -> None:
    content = record_of(said)
    record = dict(content[RECORD])
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from([*record, "round"]) | st.text(max_size=8))
        if data.draw(st.booleans()):
            record[key] = data.draw(scalars | lists)
        else:
            record.pop(key, None)
    damaged = RecordDict({**content, RECORD: ConfigRecord(record)})  # type: ignore[dict-item, arg-type]
    with contextlib.suppress(PeerError):
        assert isinstance(said_in(damaged, "them", EVERYTHING), EVERYTHING)


@settings(max_examples=at_most(200))
@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(["version", "kind", "hubs"]), scalars | lists, max_size=6))
def test_a_record_of_anything_is_a_peer_error(fields: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        said_in(RecordDict({RECORD: ConfigRecord(fields | {"kind": "work"})}), "them", EVERYTHING)


@given(st.text(max_size=50))
def test_a_reason_always_travels(reason: str) -> None:
    read = said_in(travelled(record_of(Refused(reason))), "them", (Refused,))
    assert read.reason == one_line(reason)


# ---------------------------------------------------------------- what two departments both know

MEETING = {"version": VERSION, "kind": "meet", "other": "供应链部门", "body": b"\x01\x02"}
"""As it travels: whoever changes this changes the version."""


def test_messages_of_a_meeting_are_written_as_they_were() -> None:
    assert dict(record_of(Meet("供应链部门", b"\x01\x02"))[RECORD]) == MEETING
    assert dict(record_of(Met(b"\x03"))[RECORD]) == {"version": VERSION, "kind": "met", "body": b"\x03"}
    assert dict(record_of(Wished((), ("研发部门",)))[RECORD]) == {
        "version": VERSION,
        "kind": "wished",
        "requests": [],
        "meetings": ["研发部门"],
    }
    assert dict(record_of(Wish("a nonce"))[RECORD]) == {"version": VERSION, "kind": "wish", "occasion": "a nonce"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"other": b"a"}, "is a bytes, not a str"),
        ({"other": "a\nb"}, "no line that could be shown"),
        ({"other": "a" * (LONGEST + 1)}, "no line that could be shown"),
        ({"other": None}, "lacks the field 'other'"),
        ({"body": "text"}, "is a str, not a bytes"),
        ({"body": [b"a"]}, "is a list, not a bytes"),
        ({"body": None}, "lacks the field 'body'"),
        ({"names": ["南方轴承"]}, "unknown field 'names'"),
        ({"kind": "met"}, "said 'met' where only meet fits"),
    ],
)
def test_a_message_of_a_meeting_that_breaks_one_rule_is_refused(changes: dict[str, Any], complaint: str) -> None:
    record = {key: value for key, value in (MEETING | changes).items() if value is not None}
    with pytest.raises(PeerError, match=complaint):
        said_in(RecordDict({RECORD: ConfigRecord(record)}), "them", (Meet,))


def test_points_of_many_entities_travel_in_parts() -> None:
    body = np.random.default_rng(5).bytes(5 << 20)
    content = record_of(Meet("供应链部门", body))
    assert len(content) == 4
    assert alike(said_in(travelled(content), "them", (Meet,)), Meet("供应链部门", body))


@pytest.mark.parametrize(
    ("meetings", "complaint"),
    [(["a", "a"], "says a name twice"), ("a", "is a str, not a list"), ([b"a"], "list of str")],
)
def test_a_wish_to_meet_that_breaks_one_rule_is_refused(meetings: Any, complaint: str) -> None:
    record = dict(record_of(Wished())[RECORD]) | {"meetings": meetings}
    with pytest.raises(PeerError, match=complaint):
        said_in(RecordDict({RECORD: ConfigRecord(record)}), "them", (Wished,))


# ---------------------------------------------------------------- secure sums


class Listening(InProcess):
    """Keeps all that is said."""

    def exchange(self, messages: Any, on_reply: Any = None) -> Any:
        for name, reply in super().exchange(messages, on_reply):
            self.heard += [messages[name], reply]
            yield name, reply

    heard: list[Any]


@pytest.fixture(scope="module")
def heard() -> list[Any]:
    """All that is said in a secure federation, and in one whose sums are sealed."""
    found: list[Any] = []
    for case in ("secure", "sealed"):
        settings = small.settings(case, rounds=1)
        parties = small.parties(settings)
        over = Listening({name: small.department(settings, name, parties) for name in settings.names})
        over.heard = found
        coordinate(settings, small.FINGERPRINT, over, roster=next(iter(parties.values())).roster)
    return found


def test_whatever_is_said_in_secure_sums_reads_back_to_the_last_bit(heard: list[Any]) -> None:
    exchanges = [said for said in heard if isinstance(said, Sum | Summed)]
    kinds = {type(said.request if isinstance(said, Sum) else said.reply) for said in exchanges}
    assert kinds == {*REQUESTS, *ANSWERS}
    assert any(isinstance(said, Sum) and said.work is not None for said in exchanges)
    for said in heard:
        assert alike(said_in(travelled(record_of(said)), "them", EVERYTHING), said)


def test_masked_vectors_are_views_of_what_was_received() -> None:
    reply = MaskedInput(bytes(32), "a", (("updates", np.arange(1000, dtype=np.uint32)),))
    content = record_of(Summed(reply))
    raw = content[RECORD]["reply"]
    assert isinstance(raw, bytes)
    assert len(raw) < 4 * 1000 + 300
    ((_, vector),) = said_in(content, "them", (Summed,)).reply.vectors  # type: ignore[attr-defined]
    assert np.shares_memory(vector, np.frombuffer(raw, np.uint8))
    assert not vector.flags.writeable


def summed() -> dict[str, Any]:
    reply = MaskedInput(bytes(32), "a", (("updates", np.arange(3, dtype=np.uint32)),))
    return dict(record_of(Summed(reply, models={"hub": bytes(64)}))[RECORD])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reply": Survivors(bytes(32), ("a",)).to_bytes()}, "is a Survivors, which does not fit"),
        ({"reply": KeyPair.generate(bytes).to_bytes()}, "is a KeyPair, which does not fit"),
        ({"reply": Entries("a test").to_bytes()}, "is a Entries, which does not fit"),
        ({"reply": summed()["reply"][:-1]}, "is nothing of secure sums: the bytes end"),
        ({"reply": summed()["reply"] + b"n"}, "is nothing of secure sums: 1 bytes are left over"),
        ({"reply": b""}, "is nothing of secure sums"),
        ({"reply": "text"}, "is a str, not a bytes"),
        ({"models digests": [bytes(31)]}, "a digest that is not of 64 bytes"),
        ({"models digests": []}, "differ in length"),
        ({"models": ["a", "a"], "models digests": [bytes(64)] * 2}, "says a name twice"),
        ({"warning": "a\nb"}, "no line that could be shown"),
        ({"warning": None}, "lacks the field 'warning'"),
        ({"extra": 1}, "unknown field 'extra'"),
    ],
)
def test_an_answer_in_a_secure_sum_that_breaks_one_rule_is_refused(changes: dict[str, Any], complaint: str) -> None:
    record = {key: value for key, value in (summed() | changes).items() if value is not None}
    with pytest.raises(PeerError, match=complaint) as raised:
        said_in(RecordDict({RECORD: ConfigRecord(record)}), "them", (Summed,))
    assert raised.value.peer == "them"
    assert "\n" not in str(raised.value)


REQUEST = Sum(Survivors(bytes(32), ("a",)), Work(1, {}, (), False))


@pytest.mark.parametrize(
    ("said", "work", "complaint"),
    [
        (REQUEST, {"round": 1}, "lacks the field"),
        (REQUEST, {**dict(record_of(REQUEST)[WORK]), "kind": "work"}, "unknown field 'kind'"),
        (Join("x"), dict(record_of(REQUEST)[WORK]), "work where none belongs"),
        (REQUEST.work, dict(record_of(REQUEST)[WORK]), "work where none belongs"),
    ],
)
def test_work_beside_a_message_is_read_as_strictly(said: Said, work: dict[str, Any], complaint: str) -> None:
    content = RecordDict({RECORD: record_of(said)[RECORD], WORK: ConfigRecord(work)})
    with pytest.raises(PeerError, match=complaint):
        said_in(content, "them", EVERYTHING)


def test_work_alone_or_of_another_type_is_no_message() -> None:
    work = record_of(REQUEST)[WORK]
    with pytest.raises(PeerError, match="not one record"):
        said_in(RecordDict({WORK: work}), "them", EVERYTHING)
    with pytest.raises(PeerError, match="not a record of plain fields"):
        said_in(RecordDict({RECORD: record_of(REQUEST)[RECORD], WORK: ArrayRecord([np.ones(1)])}), "them", EVERYTHING)


def test_only_requests_of_secure_sums_are_requests() -> None:
    for wrong in (MaskedInput(bytes(32), "a", ()), KEYS, Entries("a test")):
        record = dict(record_of(REQUEST)[RECORD]) | {"request": wrong.to_bytes()}
        with pytest.raises(PeerError, match="does not fit"):
            said_in(RecordDict({RECORD: ConfigRecord(record)}), "them", (Sum,))


@settings(max_examples=at_most(300))
@given(st.data())
def test_damaged_bytes_of_secure_sums_are_a_peer_error_or_a_message(heard: list[Any], data: st.DataObject) -> None:
    said = data.draw(st.sampled_from([one for one in heard if isinstance(one, Sum | Summed | Advertised)]))
    content = record_of(said)
    key = {"sum": "request", "summed": "reply", "advertised": "keys"}[str(content[RECORD]["kind"])]
    raw = bytearray(content[RECORD][key])  # type: ignore[arg-type]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place : place + data.draw(st.integers(1, 9))]
            raw = raw or bytearray(b"n")
    content[RECORD] = ConfigRecord(dict(content[RECORD]) | {key: bytes(raw)})  # type: ignore[arg-type]
    with contextlib.suppress(PeerError):
        assert isinstance(said_in(content, "them", EVERYTHING), EVERYTHING)
