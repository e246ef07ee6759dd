"""Every message in and out of the departments is looked at: nobody's numbers are in it, only their sums follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from lepton_fed.errors import RoundError
from lepton_fed.messages import Advertised, Done, Message, Refused, Reply, Sum, Summed
from lepton_fed.secagg import client, contribution
from lepton_fed.secagg.canonical import Wire, Words
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.contribution import Source, chosen, masked_words
from lepton_fed.secagg.messages import MaskedInput
from lepton_fed.secagg.plan import Plan, channels
from lepton_fed.settings import Aggregation, DepartmentSettings, Settings, Weights
from tests.couplings.small import COUNTS
from tests.secure.builder import FOUR, VICTIM, Federation, contributions, federation, secure

COUNTED = Weights(alpha="examples", counts=(15.0, 45.0))
RUN = 8
"""Bytes in a row that cannot be found by chance in a few hundred kilobytes."""


def quiet(aggregation: Aggregation | None = None) -> Federation:
    """A federation that has played two rounds and the last report; its departments disclose nothing of their own."""
    departments = (*(DepartmentSettings(name=n) for n in FOUR), DepartmentSettings(name="研发", roles=("target",)))
    chosen: Settings = secure(FOUR, departments=departments, weights=COUNTED, aggregation=aggregation)
    ours = federation(chosen)
    for department in ours.departments.values():
        department.disclose = False
    return ours


def said(value: Any) -> Iterator[bytes]:
    """All bytes of a message or reply, arrays and numbers as they lie in memory."""
    if isinstance(value, Wire):
        yield value.to_bytes()
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from said(getattr(value, one.name))
    elif isinstance(value, np.ndarray):
        yield value.tobytes()
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (*said(key), *said(one))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from said(one)
    elif isinstance(value, float):
        yield np.float64(value).tobytes()
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, bytes):
        yield value


def leaving(ours: Federation) -> list[tuple[str, Message, Reply, bytes]]:
    """What each department answered, with the bytes of it."""
    return [(name, message, reply, b"|".join(said(reply))) for name, message, reply in ours.transport.heard]


def runs(data: bytes, size: int = RUN) -> Iterator[bytes]:
    """Stretches of some words, without those that are all alike, such as zeros."""
    for at in range(0, len(data) - size + 1, size):
        stretch = data[at : at + size]
        if len(set(stretch)) > 2:
            yield stretch


def unmasked(party: Party, plan: Plan, numbers: dict[str, Any]) -> dict[str, Words]:
    """A department's words by channel, as they would be without any mask."""
    source = Source(party.name, party.rounding_key, party.random)
    found = {}
    for channel in channels(plan):
        if party.name in channel.members:
            own = chosen(numbers, channel.group, party.name)
            found[channel.name] = masked_words(source, plan, channel, own, [], 1)
    return found


def masked(ours: Federation, name: str) -> dict[tuple[int, str], Words]:
    """The words that a department sent, by round and channel."""
    found = {}
    for who, message, reply in ours.transport.heard:
        if who == name and isinstance(reply, Summed) and isinstance(reply.reply, MaskedInput):
            assert isinstance(message, Sum) and message.work is not None
            found |= {(message.work.round, channel): words.copy() for channel, words in reply.reply.vectors}
    return found


def secrets(ours: Federation, done: dict[str, list[Done]]) -> dict[str, list[bytes]]:
    """What must not leave, by department: updates, what they are made into, spreads, weights, scores, models."""
    found: dict[str, list[bytes]] = {}
    for name, all_done in done.items():
        numbers = found.setdefault(name, [])
        for one, plan in zip(all_done, ours.transport.plans, strict=True):
            scheme = ours.departments[name].scheme
            hubs = ours.state.visible
            for addend in one.addends.values():
                weighted = addend.vector * np.float32(addend.weight / 45.0)
                numbers += [addend.vector.tobytes(), weighted.tobytes()]
                numbers += [np.float64(value).tobytes() for value in (addend.spread, addend.weight / 45.0)]
            numbers += [np.float64(value).tobytes() for value in one.scores.values() if value not in (0.0, 1.0)]
            values = scheme.contributions(one, hubs, plan)
            numbers += [words.tobytes() for words in unmasked(ours.parties[name], plan, dict(values)).values()]
        numbers.append(np.float64(COUNTS.get(name, 12)).tobytes())
    return found


@pytest.mark.parametrize("sees", ["sums", "nothing"])
def test_nothing_that_leaves_holds_a_departments_numbers(sees: Any) -> None:
    ours = quiet(Aggregation(coordinator_sees=sees))
    done = contributions(ours)
    for _ in range(2):
        ours.transport.heard.extend(copied(ours))
    ours.close()
    everything = leaving(ours)
    for name, numbers in secrets(ours, {n: d for n, d in done.items() if d}).items():
        for number in numbers:
            for stretch in runs(number):
                assert not any(stretch in data for _, _, _, data in everything), (name, stretch)


def copied(ours: Federation) -> list[tuple[str, Message, Reply]]:
    """Plays a round and leaves what was heard as it was when it was said: a masked vector's memory is used again."""
    before = len(ours.transport.heard)
    ours.play()
    heard = ours.transport.heard[before:]
    del ours.transport.heard[before:]
    return [(name, message, frozen(reply)) for name, message, reply in heard]


def frozen(reply: Reply) -> Reply:
    if isinstance(reply, Summed) and isinstance(reply.reply, MaskedInput):
        inside = reply.reply
        vectors = tuple((channel, words.copy()) for channel, words in inside.vectors)
        return Summed(MaskedInput(inside.instance, inside.department, vectors), reply.disclosed, reply.seconds)
    return reply


def test_without_masks_the_same_search_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    original = contribution.add_streams

    def quantised_only(words: Words, streams: Any, **options: Any) -> None:
        original(words, [], **options)

    monkeypatch.setattr(contribution, "add_streams", quantised_only)
    ours = quiet()
    done = contributions(ours)
    ours.transport.bend = lambda _, message: message
    heard: list[bytes] = []
    kept = ours.departments[VICTIM].handle

    def handle(message: Message) -> Reply:
        reply = kept(message)
        heard.append(b"|".join(said(reply)))
        return reply

    monkeypatch.setattr(ours.departments[VICTIM], "handle", handle)
    with pytest.raises(RoundError, match="some department lies"):
        ours.play()  # The coordinator takes masks away that nobody added.
    numbers = secrets(ours, {VICTIM: done[VICTIM]})[VICTIM]
    assert any(stretch in data for number in numbers for stretch in runs(number) for data in heard)


def test_masked_words_are_evenly_spread_and_differ_from_the_unmasked_ones() -> None:
    ours = quiet()
    done = contributions(ours)
    ours.play()
    (plan,) = ours.transport.plans
    for name, (one,) in ((n, d) for n, d in done.items() if d):
        scheme = ours.departments[name].scheme
        plain = unmasked(ours.parties[name], plan, dict(scheme.contributions(one, ours.state.visible, plan)))
        for (_, channel), words in masked(ours, name).items():
            assert (words != plain[channel]).mean() > 0.95
            share = np.unpackbits(words.view(np.uint8)).mean()
            assert abs(share - 0.5) < 8 * 0.5 / np.sqrt(words.size * 32)


def test_other_identities_give_other_words_and_the_same_sums() -> None:
    first, second = quiet(), quiet()
    first.play(), second.play()
    for name in FOUR:
        one, other = masked(first, name), masked(second, name)
        assert one.keys() == other.keys()
        assert all((one[key] != other[key]).mean() > 0.95 for key in one)
    assert first.models() == second.models()


def test_replies_say_nothing_beside_the_protocol() -> None:
    ours = quiet().play(2)
    ours.close()
    for name, message, reply, _ in leaving(ours):
        assert not isinstance(reply, Refused)
        if isinstance(reply, Summed):
            assert (reply.disclosed, reply.models, reply.warning) == ({}, {}, "")
            assert set(reply.seconds) <= {"evaluating", "training"}
        elif isinstance(reply, Done):
            assert name == "研发"
            assert (reply.addends, reply.scores, reply.disclosed) == ({}, {}, {})
        else:
            assert isinstance(reply, Advertised) or not isinstance(message, Sum)


def test_sealed_sums_tell_the_coordinator_the_reports_totals_and_nothing_of_the_model() -> None:
    ours = quiet(Aggregation(coordinator_sees="nothing"))
    first = next(iter(ours.state.hubs.values())).state.model
    ours.play(2).close()
    (held,) = ours.departments[VICTIM].own_hubs.values()
    assert held.state.release is not None
    for name, message, reply in ours.transport.heard:
        for data in (*said(message), *said(reply)):
            for vector in (held.state.model, held.state.release.mean):
                assert not any(stretch in data for stretch in runs(vector.tobytes())), (name, type(message))
    assert next(iter(ours.state.hubs.values())).state.model is first
    totals = {m.metric for m in ours.news[-1].measurements if not m.department}
    assert totals == {"loss", "accuracy", "joint_loss"}


def test_secrets_are_not_in_the_repr_of_a_department_or_its_member() -> None:
    ours = quiet()
    seen = []

    def before(name: str, message: Message) -> None:
        if name == VICTIM:
            member = ours.departments[VICTIM].member
            assert member is not None
            shown = repr(ours.departments[VICTIM]) + repr(member)
            for state in (member.state, member.holder):
                for one in fields(state) if state is not None else ():  # type: ignore[arg-type]
                    value = getattr(state, one.name)
                    if isinstance(value, bytes) and not one.repr:
                        seen.append(one.name)
                        assert repr(value)[2:-1] not in shown

    ours.transport.before = before
    ours.play()
    assert {"mask_secret", "seal_secret", "seed"} <= set(seen)
    assert repr(ours.parties[VICTIM].rounding_key)[2:-1] not in repr(ours.departments[VICTIM])
    assert client.Party.__dataclass_fields__["rounding_key"].repr is False
