"""Reads of shared tables: what a reader gets, who gets nothing, and every lie on the way refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.enforcement import Guard
from lepton_fed.errands import Done, Errand, run_errands
from lepton_fed.messages import Message, Read, Refused, Reply, Sent, Take, Taken, Wish, Wished
from lepton_fed.policies import Policies
from lepton_fed.policies.request import Kind
from lepton_fed.reads import Delivered, Giver, MemoryReadLog, Parcel, Reader, ReadRequest, Table, Wanted
from lepton_fed.reads.parcel import LARGEST, PART
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.errors import Refused as Refusal
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.settings import Flow, Grant
from tests.couplings import small

OWNER, READER, STRANGER = "供应链部门", "研发部门", "生产车间"
WHAT = "物料管理"
NAMES = (OWNER, READER, STRANGER)
SETTINGS = replace(
    small.settings(NAMES),
    sharing=(Flow(what=WHAT, from_=(OWNER,), to=(READER, STRANGER)),),
    access=(Grant(what=WHAT, who=(READER,), action="读取"),),
)


@dataclass
class Shelf:
    tables: dict[str, bytes]

    def kind(self, what: str) -> Kind | None:
        return "DataSet" if what in self.tables else None

    def take(self, what: str) -> Table:
        return Table(self.tables[what])


@dataclass(eq=False)
class Place:
    """A department as far as reads are concerned: what `Department` does with these messages."""

    giver: Giver
    reader: Reader
    heard: list[Delivered]

    def handle(self, message: Message) -> Reply:
        try:
            match message:
                case Wish():
                    return Wished(self.reader.ask())
                case Read(request):
                    return Sent(self.giver.answer(request))
                case Take(parcel):
                    return Taken(self.reader.take(parcel))
        except (Malformed, Refusal) as error:
            return Refused(getattr(error, "reason", str(error)))
        raise AssertionError


@dataclass
class Federation:
    """Three departments; `bend` is what a lying coordinator makes of a message or of a reply."""

    table: bytes = b"PAR1 rows PAR1"
    wanted: tuple[Wanted, ...] = (Wanted(OWNER, WHAT, "预测性维护"),)
    received: dict[str, list[bytes]] = field(default_factory=dict)
    bend: Callable[[str, Any], Any] = lambda _, said: said

    def __post_init__(self) -> None:
        self.identities = {name: Identity.generate(name, os.urandom) for name in NAMES}
        self.roster = Roster.of("测试", {name: one.public for name, one in self.identities.items()}, 1)
        self.places = {name: self._place(name) for name in NAMES}

    def _place(self, name: str) -> Place:
        heard: list[Delivered] = []
        consent = Guard(name, SETTINGS, Policies.of(SETTINGS))
        tables = {WHAT: self.table} if name == OWNER else {}
        log, kept = MemoryReadLog(), self.received.setdefault(name, [])
        giver = Giver(
            self.identities[name], self.roster, consent, SETTINGS.sharing, Shelf(tables), log, os.urandom, heard.append
        )
        wanted = self.wanted if name == READER else ()
        reader = Reader(
            self.identities[name], self.roster, MemoryReadLog(), os.urandom, wanted,
            lambda _, table: kept.append(table), heard.append,
        )  # fmt: skip
        return Place(giver, reader, heard)

    def exchange(self, messages: Any, on_reply: Any = None) -> Any:
        for name, message in messages.items():
            if name in self.places:
                yield name, self.bend(name, self.places[name].handle(self.bend(name, message)))

    def play(self) -> tuple[Errand, ...]:
        flow = run_errands(NAMES)
        try:
            messages = next(flow)
            while True:
                messages = flow.send(self.exchange(messages))
        except StopIteration as stop:
            done: Done = stop.value
            return done.reads

    def request(self, **changes: Any) -> ReadRequest:
        (request,) = self.places[READER].reader.ask()
        return replace(request, **changes)


def test_a_permitted_reader_gets_the_table_and_both_ends_note_the_same() -> None:
    ours = Federation()
    assert ours.play() == (Errand(READER, OWNER, WHAT, 14),)
    assert ours.received == {OWNER: [], READER: [ours.table], STRANGER: []}
    assert ours.places[OWNER].heard == ours.places[READER].heard
    (noted,) = ours.places[OWNER].heard
    assert (noted.owner, noted.reader, noted.what, noted.size) == (OWNER, READER, WHAT, 14)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
def test_tables_of_every_size_arrive_whole(size: int) -> None:
    ours = Federation(os.urandom(size))
    assert ours.play()[0].reason == ""
    assert ours.received[READER] == [ours.table]


def test_a_table_that_is_too_large_is_refused_before_it_is_noted() -> None:
    ours = Federation(bytes(LARGEST + 1))
    assert f"at most {LARGEST} travel" in ours.play()[0].reason
    assert not ours.places[OWNER].heard


def test_who_carries_it_reads_nothing() -> None:
    ours, said = Federation(b"the secret price list of suppliers"), list[bytes]()

    def listen(_: str, message: Any) -> Any:
        for one in (getattr(message, "parcel", None), getattr(message, "request", None)):
            said.append(one.to_bytes() if one is not None else b"")
        return message

    ours.bend = listen
    ours.play()
    assert any(said)
    assert not any(b"price list" in one for one in said)


@pytest.mark.parametrize("wanted", [Wanted(OWNER, "别的", "p"), Wanted(STRANGER, WHAT, "p")])
def test_what_is_not_shared_is_refused_in_the_same_words_whether_it_exists(wanted: Wanted) -> None:
    (errand,) = Federation(wanted=(wanted,)).play()
    assert errand.reason == f"{wanted.owner}: it shares nothing called {wanted.what!r} with {READER}"


def test_without_a_rule_nothing_is_read() -> None:
    ours = Federation()
    stranger = ours.places[STRANGER].reader
    stranger.wanted = ours.wanted
    (request,) = stranger.ask()
    reply = ours.places[OWNER].handle(Read(request))
    assert isinstance(reply, Refused)
    assert "no rule of 供应链部门 permits it" in reply.reason


def test_a_request_is_answered_once() -> None:
    ours = Federation()
    request = ours.request()
    assert isinstance(ours.places[OWNER].handle(Read(request)), Sent)
    again = ours.places[OWNER].handle(Read(request))
    assert isinstance(again, Refused)
    assert "answered before" in again.reason


def test_a_parcel_is_taken_once() -> None:
    ours = Federation()
    sent = ours.places[OWNER].handle(Read(ours.request()))
    assert isinstance(sent, Sent)
    assert isinstance(ours.places[READER].handle(Take(sent.parcel)), Taken)
    assert isinstance(ours.places[READER].handle(Take(sent.parcel)), Refused)
    assert len(ours.received[READER]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"reader": STRANGER},
        {"owner": STRANGER},
        {"what": "别的"},
        {"purpose": "sell it"},
        {"public": b"\x09" + bytes(31)},
        {"nonce": bytes(16)},
        {"signature": bytes(64)},
        {"roster_hash": bytes(32)},
        {"federation": "another"},
    ],
    ids=lambda changes: str(min(changes)),
)
def test_an_altered_request_is_refused_whoever_altered_it(changes: dict[str, Any]) -> None:
    ours = Federation()
    reply = ours.places[OWNER].handle(Read(ours.request(**changes)))
    assert isinstance(reply, Refused)
    assert not ours.places[OWNER].heard


def test_a_coordinator_that_puts_its_own_key_into_a_request_gets_nothing() -> None:
    ours = Federation()
    mallory = Identity.generate(READER, os.urandom)
    asked: dict[str, Any] = {
        "owner": OWNER,
        "what": WHAT,
        "purpose": "预测性维护",
        "public": b"\x09" + bytes(31),
        "nonce": bytes(16),
    }
    reply = ours.places[OWNER].handle(Read(ReadRequest.sign(mallory, ours.roster, **asked)))
    assert isinstance(reply, Refused)


@pytest.mark.parametrize(
    "what", ["request", "owner", "reader", "what", "public", "parts", "signature", "forged", "cut"]
)
def test_an_altered_parcel_is_refused_and_nothing_is_kept(what: str) -> None:
    ours = Federation(os.urandom(PART + 10))

    def bend(name: str, said: Any) -> Any:
        if not isinstance(said, Take):
            return said
        parcel = said.parcel
        if what == "forged":
            mallory = Identity.generate(OWNER, os.urandom)
            request = ours.places[READER].reader._waiting[parcel.request][0]
            return Take(Parcel.seal(mallory, request, b"a lie", os.urandom))
        if what == "cut":
            return Take(replace(parcel, parts=parcel.parts[:-1]))
        changed: dict[str, Any] = {
            "request": bytes(32), "owner": STRANGER, "reader": STRANGER, "what": "别的", "public": b"\x09" + bytes(31),
            "parts": (parcel.parts[0], bytes([parcel.parts[1][0] ^ 1]) + parcel.parts[1][1:]), "signature": bytes(64),
        }  # fmt: skip
        return Take(replace(parcel, **{what: changed[what]}))

    ours.bend = bend
    (errand,) = ours.play()
    assert errand.reason.startswith(f"{READER}: ")
    assert ours.received[READER] == []
    assert not ours.places[READER].heard


def test_parcels_of_two_requests_cannot_be_swapped() -> None:
    ours = Federation()
    first, second = ours.request(), ours.request()
    sent = ours.places[OWNER].handle(Read(first))
    assert isinstance(sent, Sent)
    reply = ours.places[READER].handle(Take(replace(sent.parcel, request=second.digest)))
    assert isinstance(reply, Refused)
    assert isinstance(ours.places[READER].handle(Take(sent.parcel)), Taken)


def test_another_department_cannot_open_it() -> None:
    ours = Federation()
    request = ours.request()
    sent = ours.places[OWNER].handle(Read(request))
    assert isinstance(sent, Sent)
    with pytest.raises(Malformed, match="does not open"):
        sent.parcel.open(os.urandom(32), request, ours.roster)


@given(st.integers(0, 2**12), st.integers(0, 7))
def test_one_flipped_bit_anywhere_in_what_is_carried_is_refused(place: int, bit: int) -> None:
    ours = Federation()
    sent = ours.places[OWNER].handle(Read(ours.request()))
    assert isinstance(sent, Sent)
    raw = bytearray(sent.parcel.to_bytes())
    raw[place % len(raw)] ^= 1 << bit
    try:
        parcel = Parcel.from_bytes(bytes(raw))
    except Malformed:
        return
    assert isinstance(ours.places[READER].handle(Take(parcel)), Refused)
    assert ours.received[READER] == []


def test_keys_and_tables_are_in_no_repr() -> None:
    ours = Federation()
    request = ours.request()
    sent = ours.places[OWNER].handle(Read(request))
    assert isinstance(sent, Sent)
    pair = ours.places[READER].reader._waiting[request.digest][1]
    shown = repr((ours.places[READER].reader, sent.parcel, Table(ours.table)))
    assert repr(pair.secret)[2:-1] not in shown
    assert "PAR1" not in shown
