"""The department's states: storable, one move each, an illegal move changes nothing, no secret shows."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import numpy as np
import pytest

from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.client import Advertised, Contribution, Hidden, Shared, Signed
from lepton_fed.secagg.errors import LeptonError, Malformed, Misbehaved, Refused, RoundFailed
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.ledger import Entries, Forbidden, MemoryLedger
from lepton_fed.secagg.masks import Stream
from lepton_fed.secagg.messages import Call, Delivery, Refusal, SignedKeys, Survivors
from lepton_fed.secagg.server import secure_sum
from lepton_fed.translation import sentence
from tests.secagg.federation import Federation, group


def states(federation: Federation) -> dict[str, tuple[bytes, Wire]]:
    """d00's state before each exchange, and the request that came."""
    flow, replies, found = secure_sum(federation.plan(), federation.roster, federation.advertised()), None, {}
    while True:
        try:
            requests = next(flow) if replies is None else flow.send(replies)
        except StopIteration:
            return found
        found[type(requests["d00"]).__name__] = (federation.departments["d00"].stored, requests["d00"])
        replies = federation.ask(requests)


def test_every_state_is_stored_and_restored_alike() -> None:
    for kind, (stored, _) in zip((Advertised, Shared, Hidden, Signed), states(Federation.of(5)).values(), strict=True):
        state = kind.from_bytes(stored)
        assert state == Wire.from_bytes(stored)
        assert state.to_bytes() == stored
        with pytest.raises(Malformed):
            kind.from_bytes(stored[:-1])


def test_each_state_has_one_move() -> None:
    moves = {Advertised: "share", Shared: "mask", Hidden: "sign", Signed: "reveal"}
    for state, move in moves.items():
        public = {name for name in vars(state) if not name.startswith("_") and callable(getattr(state, name))}
        assert public - {"KIND"} == {move}


def test_a_refused_move_leaves_ledger_and_state_as_they_were() -> None:
    federation = Federation.of(5)
    (d00, *_) = federation.departments.values()
    keys = federation.advertised()
    before = (d00.stored, d00.party.ledger.read())
    for bad in (
        Call(replace(federation.plan(), threshold=2), tuple(keys)),
        Call(federation.plan(), tuple(keys[1:])),
        Call(federation.plan(), tuple(keys[:2])),
        Call(federation.plan(model_hash=bytes(32)), tuple(keys)),
        Call(federation.plan(), (replace(keys[0], serial=2), *keys[1:])),
        Survivors(bytes(32), federation.names),
        Delivery(bytes(32), (), ()),
    ):
        d00.handle(bad)
        assert (d00.stored, d00.party.ledger.read()) == before


def test_a_wrong_contribution_is_the_callers_error_and_spends_nothing() -> None:
    federation = Federation.of(5)
    stored, delivery = states(Federation.of(5))["Delivery"]
    states(federation)
    d00 = Federation.of(5).departments["d00"]
    for name in ("vector", "scalars"):
        own = d00.contributions["model"]
        bad = replace(own, **{name: getattr(own, name)[:-1]})
        party = replace(d00.party, ledger=MemoryLedger("test"))
        shared = Shared.from_bytes(stored)
        plan = shared.call.plan
        party.ledger.entries = Entries("test", 1, 1, plan.round, plan.attempt, plan.instance)
        with pytest.raises(ValueError, match="needs"):
            shared.mask(party, delivery, {"model": bad})
        with pytest.raises(ValueError, match="none were given"):
            shared.mask(party, delivery, {})
        assert not party.ledger.read().spent


def test_what_is_recorded_is_recorded_before_it_is_sent() -> None:
    """A ledger that cannot write lets no message out."""

    class Full(MemoryLedger):
        def replace(self, old: Entries, new: Entries) -> None:
            raise OSError("no space left")

    federation = Federation.of(5)
    for stored, message in states(federation).values():
        state = Wire.from_bytes(stored)
        if isinstance(state, Signed):
            continue  # Nothing new is recorded by the last move.
        d00 = federation.departments["d00"]
        ledger = Full("test")
        plan = state.call.plan if isinstance(state, Shared) else getattr(state, "plan", None)
        if plan is not None:
            ledger.entries = Entries(
                "test", 1, 1, plan.round, plan.attempt, plan.instance, spent=isinstance(state, Hidden)
            )
        else:
            ledger.entries = Entries("test", 1)
        d00.party = replace(d00.party, ledger=ledger)
        d00.stored = stored
        with pytest.raises(OSError, match="no space"):
            d00.handle(message)


def test_no_secret_shows_in_a_repr_or_an_exception() -> None:
    federation = Federation.of(5)
    found = states(federation)
    secrets: list[bytes] = []
    shown = []
    for stored, message in found.values():
        state = Wire.from_bytes(stored)
        shown += [repr(state), str(state), repr(message)]
        secrets += [
            getattr(state, f.name) for f in fields(state) if not f.repr and isinstance(getattr(state, f.name), bytes)
        ]
        secrets += [part for _, pair in getattr(state, "pairs", ()) for part in (pair[:33], pair[33:])]
    d00 = federation.departments["d00"]
    shown += [
        repr(d00.party),
        repr(Stream(b"s" * 32)),
        repr(d00.contributions),
        repr(Identity("a", b"q" * 32)),
    ]
    secrets += [d00.party.identity.seed, d00.party.rounding_key, b"s" * 32, b"q" * 32]
    for bad in (found["Delivery"][1], found["Survivors"][1], found["Quorum"][1]):
        for stored, _ in found.values():
            d00.stored = stored
            shown.append(d00.handle(bad).reason if hasattr(d00.handle(bad), "reason") else "")
    text = " ".join(shown)
    assert len(secrets) > 15
    for secret in secrets:
        for spelling in (secret.hex(), repr(secret)[2:-1], str(int.from_bytes(secret, "big"))):
            assert spelling not in text
    assert not re.search(r"array\(\[", text)


def test_secrets_are_gone_from_later_states() -> None:
    """After message 3 the state holds neither key nor seed; after message 5 nothing."""
    found = states(Federation.of(5))
    shared = Shared.from_bytes(found["Delivery"][0])
    later = found["Survivors"][0] + found["Quorum"][0]
    for secret in (shared.seed, shared.mask_secret, shared.seal_secret):
        assert secret not in later


@pytest.mark.parametrize(
    ("move", "reason"),
    [
        (lambda e: e.enter(b"i" * 32, 1, 0, b"m" * 32, 1), "is not after"),
        (lambda e: e.enter(b"j" * 32, 1, 1, b"x" * 32, 1), "keys with serial 1 were used"),
        (lambda e: e.enter(b"j" * 32, 2, 0, b"m" * 32, 2), "another would be a difference"),
        (lambda e: e.enter(b"j" * 32, 2, 0, b"x" * 32, 9), "keys with serial 9"),
        (lambda e: e.spend(b"i" * 32, b"x" * 32), "let out before"),
        (lambda e: e.spend(b"j" * 32, b"x" * 32), "not the attempt"),
        (lambda e: e.sign(b"i" * 32, b"h", ("a",), ()), "another survivor set"),
        (lambda e: e.check_signed(b"i" * 32, b"h", ("a",)), "was not signed"),
    ],
)
def test_the_ledger_forbids(move, reason: str) -> None:  # type: ignore[no-untyped-def]
    entries = Entries("test").next_serial().enter(b"i" * 32, 1, 0, b"m" * 32, 1).next_serial()
    entries = entries.spend(b"i" * 32, b"m" * 32).sign(b"i" * 32, b"h", ("a", "b"), ())
    with pytest.raises(Forbidden, match=reason):
        move(entries)
    assert Entries.from_bytes(entries.to_bytes()) == entries
    assert entries.sign(b"i" * 32, b"h", ("a", "b"), ()) == entries


def test_signing_needs_a_masked_input_of_this_attempt() -> None:
    entries = Entries("test").next_serial().enter(b"i" * 32, 1, 0, b"m" * 32, 1)
    with pytest.raises(Forbidden, match="no masked input"):
        entries.sign(b"i" * 32, b"h", ("a",), ())


def test_a_second_process_of_one_department_cannot_write_over_the_first() -> None:
    ledger = MemoryLedger("test")
    old = ledger.read()
    ledger.replace(old, old.next_serial())
    with pytest.raises(Forbidden):
        ledger.replace(old, old.next_serial())


def test_errors_name_who_can_do_something() -> None:
    assert Refused("d01", "too small a crowd").department == "d01"
    assert Misbehaved("d02", "a false share").peer == "d02"
    assert issubclass(Malformed, LeptonError)


def test_a_refusal_travels_as_the_text_that_its_reason_is() -> None:
    reason = sentence("the smallest sum can lose {spare:department|departments}", spare=1)
    refusal = Refusal("d01", reason)
    assert refusal == Refusal("d01", "the smallest sum can lose 1 department")
    assert Refusal.from_bytes(refusal.to_bytes()) == refusal
    with pytest.raises(Malformed, match=r"Refusal\.reason has a value of the wrong type"):
        Refusal("d01", 1)  # type: ignore[arg-type]


def test_large_vectors_with_threads_are_the_same_as_without() -> None:
    federation = Federation.of(3)
    length = 2**20 + 13
    generator = np.random.default_rng(0)
    for department in federation.departments.values():
        vector = generator.normal(size=length).astype(np.float32)
        department.contributions = {"model": Contribution(vector, np.zeros(2))}
    stored, delivery = {}, {}
    flow = secure_sum(
        federation.plan((group(federation.names, length=length),)), federation.roster, federation.advertised()
    )
    requests = flow.send(federation.ask(next(flow)))
    d00 = federation.departments["d00"]
    stored, delivery = d00.stored, requests["d00"]
    entries = d00.party.ledger.read()
    masked = []
    for threads in (1, 2):
        d00.party.ledger.entries = entries  # type: ignore[attr-defined]
        masked.append(Shared.from_bytes(stored).mask(d00.party, delivery, d00.contributions, threads=threads)[1])
    assert np.array_equal(masked[0].vectors[0][1], masked[1].vectors[0][1])


@pytest.mark.parametrize("purpose", ["seal", "mask"])
def test_a_peer_with_a_low_order_key_is_named(purpose: str) -> None:
    """Everybody would know what is agreed with such a key."""
    federation = Federation.of(5)
    keys = {one.department: one for one in federation.advertised()}
    bad = {"mask": keys["d03"].mask, "seal": keys["d03"].seal, purpose: bytes(32)}
    liar = federation.departments["d03"]
    keys["d03"] = SignedKeys.sign(liar.party.identity, federation.roster, 1, **bad)
    liar.stored = replace(Advertised.from_bytes(liar.stored), keys=keys["d03"]).to_bytes()
    flow = secure_sum(federation.plan(), federation.roster, keys.values())
    replies = federation.ask(next(flow))
    with pytest.raises(RoundFailed, match="d00: d03: a public key is not a point"):
        while True:
            replies = federation.ask(flow.send(replies))


def test_two_processes_of_one_department_let_one_input_out() -> None:
    federation = Federation.of(5)
    stored, delivery = states(federation)["Delivery"]
    d00 = federation.departments["d00"]
    shared = Shared.from_bytes(stored)
    plan = shared.call.plan
    entries = Entries("test", 1, 1, plan.round, plan.attempt, plan.instance)

    class Raced(MemoryLedger):
        """Another process writes between this one's reading and writing."""

        def read(self) -> Entries:
            found, self.entries = self.entries, self.entries.spend(plan.instance, plan.model_hash)
            return found

    ledger = Raced("test")
    ledger.entries = entries
    with pytest.raises(Refused, match="somebody else meanwhile"):
        shared.mask(replace(d00.party, ledger=ledger), delivery, d00.contributions)
