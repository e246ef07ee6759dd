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

from lepton_fed.errors import PeerError
from lepton_fed.flower.records import LONGEST, RECORD, VERSION, Here, Said, Who, one_line, record_of, said_in
from lepton_fed.messages import (
    Addend,
    Declare,
    Declared,
    Done,
    HubState,
    Join,
    Joined,
    Refused,
    Release,
    Work,
)

EVERYTHING = (Who, Here, Join, Joined, Declare, Declared, Work, Done, Refused)

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
addends = st.builds(Addend, vectors, st.floats(0, 1e9), finite)
tables = st.dictionaries(words, any_number, max_size=3)
everything_said = st.one_of(
    st.just(Who()),
    st.builds(Here, words),
    st.builds(Join, words),
    st.builds(Joined, words),
    st.builds(Declare, counts, hubs),
    st.builds(Declared, words),
    st.builds(Work, counts, hubs, st.lists(words, unique=True, max_size=3).map(tuple), st.booleans()),
    st.builds(Done, st.dictionaries(words, addends, max_size=3), tables, tables, tables),
    st.builds(Refused, words.map(one_line)),
)


def travelled(content: RecordDict) -> RecordDict:
    return recorddict_from_proto(recorddict_to_proto(content))


def alike(one: Any, other: Any) -> bool:
    """Equal to the last bit, NaN included."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
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


def test_a_message_is_one_record() -> None:
    assert list(record_of(Join("x"))) == [RECORD]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": 2}, "speaks version 2"),
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


@settings(max_examples=300)
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
    damaged = RecordDict({RECORD: ConfigRecord(record)})  # type: ignore[arg-type]
    with contextlib.suppress(PeerError):
        assert isinstance(said_in(damaged, "them", EVERYTHING), EVERYTHING)


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(["version", "kind", "hubs"]), scalars | lists, max_size=6))
def test_a_record_of_anything_is_a_peer_error(fields: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        said_in(RecordDict({RECORD: ConfigRecord(fields | {"kind": "work"})}), "them", EVERYTHING)


@given(st.text(max_size=50))
def test_a_reason_always_travels(reason: str) -> None:
    read = said_in(travelled(record_of(Refused(reason))), "them", (Refused,))
    assert read.reason == one_line(reason)
