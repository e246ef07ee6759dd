"""Every kind of entry has one spelling, checks its own rules, and holds no personal text."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lepton_fed.audit import Called, Decided, Delivered, Entry, ModelMade, Openings, RunEnded, Spent, leaf_hash, moment
from lepton_fed.audit.entries import KINDS, digests, spoken
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.secagg.canonical import encode
from lepton_fed.secagg.errors import Malformed
from tests.audit.edits import edits
from tests.audit.example import decided, entries, knowledge_entries, step_moved

DELIVERED = Delivered(
    1_767_355_200_000_000, "", "研发部门", "供应链部门", "研发部门", "物料管理", bytes(32), bytes(range(32)), 4513,
    Openings().commit("预测设备故障"),
)  # fmt: skip
ALL = [*entries(Openings()), step_moved(Openings()), DELIVERED, *knowledge_entries(Openings())]


def test_the_example_has_every_kind() -> None:
    assert {type(entry) for entry in ALL} == set(KINDS)
    assert len({kind.KIND for kind in KINDS}) == len({kind.TITLE for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.TITLE)
def test_an_entry_comes_back_from_its_bytes(entry: Entry) -> None:
    assert Entry.read(entry.body) == entry
    assert Entry.read(entry.body).body == entry.body


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.TITLE)
def test_an_edit_of_any_field_is_another_leaf(entry: Entry) -> None:
    leaves = {leaf_hash(edited.body) for _, edited in edits(entry)}
    assert leaf_hash(entry.body) not in leaves
    assert len(leaves) >= len(fields(entry))


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.TITLE)
def test_no_other_bytes_are_an_entry(entry: Entry) -> None:
    for wrong in (entry.body[:-1], entry.body + b"n", b"", entry.to_bytes(), encode(("lepton-audit/1", 5))):
        with pytest.raises(Malformed):
            Entry.read(wrong)


def test_an_entry_of_another_format_is_told() -> None:
    with pytest.raises(Malformed, match="format 'lepton-audit/2', this program reads 'lepton-audit/1'"):
        Entry.read(encode(("lepton-audit/2", ALL[0])))


def test_one_entry_has_these_bytes_for_ever() -> None:
    """A change here makes every log that was ever written unreadable."""
    entry = ModelMade(1_767_355_200_000_000, "r", 2, "研发部门", bytes(32), bytes(range(32)))
    assert entry.body.hex() == (
        "6c0000000273000000000000000e6c6570746f6e2d61756469742f317773000000000000000d61756469742d6d6f64656c2f"
        "310000000669000000000000000706476672e35000730000000000000001726900000000000000010273000000000000000c"
        "e7a094e58f91e983a8e997a86200000000000000200000000000000000000000000000000000000000000000000000000000"
        "000000620000000000000020000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    )


def unfit(entry: Entry, **changes: Any) -> str:
    with pytest.raises(Malformed) as caught:
        replace(entry, **changes)
    return str(caught.value)


def test_an_entry_that_cannot_be_true_is_refused() -> None:
    by_kind = {type(entry): entry for entry in ALL}
    assert "32 bytes, found 3" in unfit(by_kind[ModelMade], model=b"abc")
    assert "wrong type" in unfit(by_kind[ModelMade], round=True)
    assert "at least 0" in unfit(by_kind[ModelMade], round=-1)
    assert "a name must be" in unfit(by_kind[ModelMade], target=" ")
    assert "finished, failed or stopped" in unfit(by_kind[RunEnded], status="perhaps")
    assert "done, refused or failed" in unfit(by_kind[Called], outcome="perhaps")
    assert "total of ε" in unfit(by_kind[Spent], total_micro_epsilon=1)
    assert "at most 1000 characters" in unfit(by_kind[Decided], action="x" * 1001)
    assert "half a character" in unfit(by_kind[Decided], action="\udcff")
    assert "half a character" in unfit(by_kind[Decided], rules=("a\0",))
    for entry in ALL:
        for one in fields(entry):
            if one.name in ("departments", "members", "survivors"):
                assert "sorted and distinct" in unfit(entry, **{one.name: getattr(entry, one.name)[::-1]})


def test_what_a_person_or_a_stranger_wrote_is_not_in_the_bytes() -> None:
    openings = Openings()
    event = AuditEvent(actor="", address="10.1.2.3", action="/张三?x=\udcff", outcome="refused", reason="没有 张三")
    bodies = [one.body for one in (*entries(openings), Called.of(event, openings), decided(openings, 1, False))]
    for word in ("张三", "李四", "10.1.2.3", "10.0.0.1", "/v1/fleet", "说可以"):
        assert not any(word.encode() in body for body in bodies), word
    assert {"张三", "李四", "10.1.2.3"} <= {one.text for one in openings.made.values()}


def test_an_entry_lists_its_commitments() -> None:
    openings = Openings()
    entry = decided(openings, 1, True)
    assert set(entry.commitments) == set(openings.made)
    assert len(replace(entry, person=None).commitments) == 2


def test_a_moment_is_in_microseconds_and_needs_its_zone() -> None:
    shanghai = datetime(2026, 1, 1, 8, 0, 0, 1, tzinfo=timezone(timedelta(hours=8)))
    assert moment(shanghai) == 1_767_225_600_000_001
    assert spoken(moment(shanghai)) == "2026-01-01 00:00:00 UTC"
    assert moment(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1_000_000
    assert spoken(10**30) == f"{10**30} microseconds after 1970"
    with pytest.raises(TypeError):
        moment(datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_table_of_digests_has_one_order() -> None:
    assert digests({"b": bytes(32), "a": bytes(32)}) == (("a", bytes(32)), ("b", bytes(32)))
