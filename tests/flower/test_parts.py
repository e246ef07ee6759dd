"""Tests of long values in parts: cut, carried and joined they are what they were, and whatever was changed shows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.errors import PeerError
from lepton_fed.flower import parts as module
from lepton_fed.flower.parts import FIELD, FIELDS, NAME, PARTS, PLACES, SIZES, Cutter, Long, Part, Parts, Rope, is_part
from lepton_fed.flower.records import RECORD, WORK, record_of, said_in
from lepton_fed.messages import Addend, Done, HubState, Release, Sum, Summed, Work
from lepton_fed.secagg.messages import MaskedInput, Survivors
from lepton_fed.tally import Tally
from tests.flower import small
from tests.flower.test_records import alike, travelled

SIZE, FROM = 64, 100
"""Bytes of a part, and from which a value is long, in these tests."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", SIZE)
    monkeypatch.setattr(module, "LONG", FROM)


def carried(content: RecordDict) -> RecordDict:
    """As Flower's objects carry it."""
    contents = {number: one.deflate() for number, one in get_all_nested_objects(content).items()}
    found = inflate_object_from_contents(content.object_id, contents)
    assert isinstance(found, RecordDict)
    return found


def read(content: RecordDict, kind: Any) -> Any:
    """What was said, with all its vectors: they are joined when they are asked for."""
    said = said_in(content, "them", (kind,))
    return replace(said, addends=dict(said.addends)) if isinstance(said, Done) else said


def cut(**fields: Any) -> RecordDict:
    content = RecordDict()
    content[RECORD] = Cutter().record(fields, content)
    return content


def joined(content: RecordDict) -> dict[str, Any]:
    """The fields of the main record, with their long values."""
    parts = Parts.of(content, "them")
    fields = parts.restored(dict(content[RECORD]))
    found = {key: _whole(value) for key, value in fields.items()}
    parts.finish()
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return bytes(value.joined()) if isinstance(value, Long) else value


values = st.binary(max_size=5 * SIZE) | st.integers(0, 6 * SIZE).map(bytes)
records = st.dictionaries(
    st.text(max_size=5), values | st.lists(values, min_size=1, max_size=4) | st.integers(0, 9), max_size=4
)


@given(records)
def test_what_is_cut_and_joined_is_what_it_was(fields: dict[str, Any]) -> None:
    for way in (carried, travelled, lambda content: content):
        assert joined(way(cut(**fields))) == fields


@given(records)
def test_a_record_without_long_values_is_as_it_would_be_without_parts(fields: dict[str, Any]) -> None:
    flat = [one for value in fields.values() for one in (value if isinstance(value, list) else [value])]
    content = cut(**fields)
    is_short = all(len(one) < FROM for one in flat if isinstance(one, bytes))
    assert (content == RecordDict({RECORD: ConfigRecord(fields)})) == is_short


@given(st.lists(st.binary(max_size=3 * SIZE), max_size=5))
def test_a_value_in_several_places_is_cut_as_one(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert cut(value=Rope(tuple(map(memoryview, pieces)))) == cut(value=whole)
    for part in Rope(tuple(pieces)).cut(SIZE):
        assert 0 < sum(map(len, part)) <= SIZE


def test_no_object_is_larger_than_a_part() -> None:
    content = cut(value=bytes(range(256)) * 4)
    assert all(len(one.deflate()) < 4 * SIZE for one in content.values() if isinstance(one, Part))
    assert sum(is_part(name) for name in content) == 256 // SIZE  # Each part four times.


def test_equal_parts_travel_once_and_are_hashed_once_for_messages_that_are_sent_together() -> None:
    vector = np.arange(100, dtype=np.float32)
    cutter = Cutter()
    one, other = (record_of(Work(k, {"hub": HubState(vector)}, (), True), cutter) for k in (1, 2))
    assert {name for name in one if is_part(name)} == {name for name in other if is_part(name)} == set(cutter.parts)
    assert all(one[name] is other[name] for name in cutter.parts)


def test_memory_that_was_let_go_is_not_taken_for_what_lay_there() -> None:
    cutter, contents = Cutter(), []
    for _ in range(2):  # The same content twice: the second's parts are the first's.
        cutter.record({"value": memoryview(bytearray(b"a" * 128))}, RecordDict())
    for k in range(50):
        content = RecordDict()
        content[RECORD] = cutter.record({"value": memoryview(bytearray([k]) * 128)}, content)
        contents.append(content)
    assert [joined(carried(content))["value"] for content in contents] == [bytes([k]) * 128 for k in range(50)]


def test_nothing_is_copied_until_it_leaves() -> None:
    vector = np.zeros(100, np.float32)
    content = record_of(Work(1, {"hub": HubState(vector)}, (), True))
    vector[:] = 1
    (name,) = {name for name in content if is_part(name) and len(content[name][FIELD]) == SIZE}  # type: ignore[arg-type]
    assert np.frombuffer(content[name][FIELD], np.float32).tolist() == [1.0] * 16  # type: ignore[arg-type]


LARGE = np.arange(40, dtype=np.float32)
WORDS = np.arange(50, dtype=np.uint32)
SAID = (
    Work(
        1, {"hub": HubState(LARGE, Release(LARGE * 2, 1.0, 2.0), LARGE), "other": HubState(LARGE[:1])}, ("hub",), True
    ),
    Done({"hub": Addend(LARGE, 1.0, 2.0), "other": Addend(LARGE[:1], 1.0, 2.0)}, {"loss": 1.0}),
    Summed(MaskedInput(bytes(32), "a", (("updates", WORDS), ("measurements", WORDS[:2]))), warning="none"),
    Sum(Survivors(bytes(32), ("a", "b")), Work(2, {"hub": HubState(LARGE)}, (), False), {"x": bytes(64)}),
)


@pytest.mark.parametrize("said", SAID, ids=lambda said: type(said).__name__)
def test_whatever_is_long_reads_back_to_the_last_bit(said: Any) -> None:
    content = record_of(said)
    assert any(map(is_part, content))
    assert alike(read(carried(content), type(said)), said)


def test_a_long_vector_read_back_is_one_buffer_that_can_be_written_to() -> None:
    (said,) = (s for s in SAID if isinstance(s, Work) and "other" in s.hubs)
    work = said_in(carried(record_of(said)), "them", (Work,))
    model = work.hubs["hub"].model
    model += 1
    assert model.base is not None
    assert not np.shares_memory(model, work.hubs["hub"].control)


def test_parts_are_let_go_as_they_are_joined() -> None:
    content = carried(record_of(SAID[0]))
    said_in(content, "them", (Work,))
    assert not any(content[name] for name in content if is_part(name))


def test_a_long_update_costs_nothing_until_its_turn() -> None:
    content = carried(record_of(Done({"a": Addend(LARGE, 1.0, 2.0), "b": Addend(LARGE + 1, 1.0, 2.0)})))
    done = said_in(content, "them", (Done,))
    assert all(content[name] for name in content if is_part(name))
    assert list(done.addends) == ["a", "b"]
    addend = done.addends["b"]
    np.testing.assert_array_equal(addend.vector, LARGE + 1)
    assert done.addends["b"] is addend
    assert any(content[name] for name in content if is_part(name))


def test_a_long_update_is_let_go_by_who_adds_it_however_long_its_reply_is_held() -> None:
    done = said_in(carried(record_of(Done({"a": Addend(LARGE, 1.0, 2.0)}))), "them", (Done,))
    hub = SimpleNamespace(state=SimpleNamespace(model=LARGE))
    tally = Tally(small.settings(), {"a": SimpleNamespace(may_write={"them"})}, {"a": hub})  # type: ignore[dict-item]
    tally.take("them", done)
    assert tally.gathered().releases["a"].mass == 1.0
    assert not done.addends._known  # type: ignore[attr-defined]


def test_a_long_update_that_is_not_finite_is_refused_by_whoever_would_add_it() -> None:
    vector = LARGE.copy()
    vector[-1] = np.nan
    done = said_in(carried(record_of(Done({"a": Addend(vector, 1.0, 2.0)}))), "them", (Done,))
    tally = Tally(small.settings(), {"a": SimpleNamespace(may_write={"them"})}, {})  # type: ignore[dict-item]
    tally.take("them", done)
    assert tally.refusals == {"them": "its update is not finite"}


# ---------------------------------------------------------------- what does not fit


def listing(content: RecordDict) -> dict[str, Any]:
    found: dict[str, Any] = content[RECORD].__dict__["_data"]
    return found


def first_part(content: RecordDict) -> str:
    return next(name for name in content if is_part(name))


def altered(content: RecordDict) -> None:
    record = content[first_part(content)]
    raw = bytearray(record[FIELD])  # type: ignore[arg-type]
    raw[0] ^= 1
    record[FIELD] = bytes(raw)  # type: ignore[assignment]


def missing(content: RecordDict) -> None:
    del content[first_part(content)]


def exchanged(content: RecordDict) -> None:
    one, other = [name for name in content if is_part(name)][:2]
    content[one], content[other] = content[other], content[one]


def more(content: RecordDict) -> None:
    raw = b"nobody listed this"
    content[NAME + hashlib.sha256(raw).hexdigest()] = ConfigRecord({FIELD: raw})


def longer(content: RecordDict) -> None:
    record = content[first_part(content)]
    record[FIELD] = record[FIELD] + b"x"  # type: ignore[operator,assignment]


def with_another_field(content: RecordDict) -> None:
    cast("Any", content[first_part(content)])["more"] = 1


def as_text(content: RecordDict) -> None:
    cast("Any", content[first_part(content)])[FIELD] = "text"


def size(change: int) -> Any:
    def changed(content: RecordDict) -> None:
        listing(content)[SIZES][0] += change

    return changed


def column(key: str, value: Any) -> Any:
    def changed(content: RecordDict) -> None:
        listing(content)[key] = value(listing(content)[key])

    return changed


def emptied(key: str) -> Any:
    def changed(content: RecordDict) -> None:
        del listing(content)[key]

    return changed


SPOILT = {
    "altered": (altered, "altered"),
    "missing": (missing, "missing"),
    "exchanged": (exchanged, "altered"),
    "one more": (more, "belongs to nothing"),
    "longer": (longer, "not of the size"),
    "with another field": (with_another_field, "not of the size"),
    "as text": (as_text, "not of the size"),
    "a byte too many": (size(1), "not of the size"),
    "a byte too few": (size(-1), "not of the size"),
    "a part too many": (size(SIZE), "more parts"),
    "no size": (column(SIZES, lambda sizes: [0, *sizes[1:]]), "do not fit"),
    "a size below zero": (column(SIZES, lambda sizes: [-100, *sizes[1:]]), "do not fit"),
    "a size as text": (column(SIZES, lambda sizes: ["100"] * len(sizes)), "do not fit"),
    "digests as text": (column(PARTS, lambda digests: ["x"] * len(digests)), "do not fit"),
    "digests that are short": (column(PARTS, lambda digests: [digests[0][:-1], *digests[1:]]), "more parts"),
    "one column shorter": (column(PLACES, lambda places: places[1:]), "differ in length"),
    "no sizes": (emptied(SIZES), "differ in length"),
    "no list of fields": (emptied(FIELDS), "unknown field"),
    "a field that is not there": (column(FIELDS, lambda names: ["nothing", *names[1:]]), "not long"),
    "a field of numbers": (column(FIELDS, lambda names: ["weights", *names[1:]]), "not long"),
    "a place that is not there": (column(PLACES, lambda places: [9, *places[1:]]), "not long"),
    "a place from the end": (column(PLACES, lambda places: [-1, *places[1:]]), "not long"),
    "one place twice": (column(PLACES, lambda places: [0] * len(places)), "not long"),
    "a place that is a flag": (column(PLACES, lambda places: [False, *places[1:]]), "not long"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_parts_that_do_not_fit_are_their_senders_fault(case: str) -> None:
    spoil, why = SPOILT[case]
    content = carried(record_of(Done({"a": Addend(LARGE, 1.0, 2.0), "b": Addend(LARGE + 1, 1.0, 2.0)})))
    spoil(content)
    with pytest.raises(PeerError, match=why):
        read(content, Done)


@given(st.data())
def test_no_single_change_of_a_message_goes_unnoticed(data: st.DataObject) -> None:
    content = carried(record_of(Done({"a": Addend(LARGE, 1.0, 2.0), "b": Addend(LARGE + 1, 1.0, 2.0)})))
    name = data.draw(st.sampled_from(sorted(filter(is_part, content))))
    raw = bytearray(content[name][FIELD])  # type: ignore[arg-type]
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    content[name] = ConfigRecord({FIELD: bytes(raw)})
    with pytest.raises(PeerError, match="altered"):
        read(content, Done)


def test_long_values_have_a_bound_however_cheap_they_were_to_send() -> None:
    content = carried(record_of(Done({str(k): Addend(np.zeros(40, np.float32), 1.0, 0.0) for k in range(5)})))
    assert sum(map(is_part, content)) == 2
    with pytest.raises(PeerError, match="larger than anything"):
        said_in(content, "them", (Done,), most=5 * 160 - 1)


def test_a_short_value_is_not_spelt_in_parts() -> None:
    raw = b"short"
    content = RecordDict({NAME + hashlib.sha256(raw).hexdigest(): ConfigRecord({FIELD: raw})})
    digests = hashlib.sha256(raw).digest()
    content[RECORD] = ConfigRecord({"value": b"", FIELDS: ["value"], PLACES: [0], SIZES: [len(raw)], PARTS: [digests]})
    with pytest.raises(PeerError, match="do not fit"):
        joined(content)


def test_work_in_parts_where_none_belongs_is_refused() -> None:
    content = carried(record_of(SAID[1]))
    content[WORK] = carried(record_of(SAID[3]))[WORK]
    with pytest.raises(PeerError, match="work where none belongs"):
        said_in(content, "them", (Done,))
