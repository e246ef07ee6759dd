"""Requests and replies lost and departments started anew at random: exact sums over survivors, or clean failures."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from lepton_fed.coordinator import State
from lepton_fed.errors import RoundError
from lepton_fed.messages import Done, Message, Refused, Summed, Work
from lepton_fed.secagg.messages import MaskedInput, Reveal, SurvivorSignature
from tests.secure.builder import FIVE, Federation, bound, exact_mean, federation, largest_entry, secure
from tests.secure.test_faults import restarted

LOST, ANEW = 0.04, 0.15


def faulty(seed: int) -> tuple[Federation, dict[str, Done]]:
    """A federation in which one message in twelve is lost, and departments often start anew; and what they add."""
    ours, chance = federation(secure(FIVE)), random.Random(seed)
    done: dict[str, Done] = {}
    for name in FIVE:
        watched(ours, name, done)

    def before(name: str, message: Message) -> None:
        if chance.random() < ANEW:
            restarted(ours, name)
            watched(ours, name, done)

    ours.transport.before = before
    ours.transport.lost = lambda *_: chance.random() < LOST
    ours.transport.lost_reply = lambda *_: chance.random() < LOST
    return ours, done


def watched(ours: Federation, name: str, done: dict[str, Done]) -> None:
    """Keeps what a department adds, in the clear: only a test may look at this."""
    member = ours.departments[name].member
    assert member is not None
    original = member.contribute

    def contribute(work: Work) -> Done | Refused:
        said = original(work)
        if isinstance(said, Done):
            done[name] = said
        return said

    member.contribute = contribute


def run(seed: int, rounds: int) -> Counter[str]:
    """So many rounds, each checked; how many completed, over how many departments, and how many failed."""
    ours, done = faulty(seed)
    found: Counter[str] = Counter()
    for _ in range(rounds):
        before = ours.state
        done.clear()
        try:
            ours.play()
        except RoundError:
            assert ours.state is before
            found["failed"] += 1
            ours.state = moved_on(before)
        else:
            exactly(ours, done)
            found[f"over {len(ours.news[-1].answered)}"] += 1
    nothing_twice(ours)
    return found


def moved_on(state: State) -> State:
    """Another round on another model, as whoever resumes a run would begin: the old one may be spent."""
    hubs = {
        name: replace(hub, state=replace(hub.state, model=hub.state.model * np.float32(1.001)))
        for name, hub in state.hubs.items()
    }
    return replace(state, round=state.round + 1, hubs=hubs, keys={})


def exactly(ours: Federation, done: Mapping[str, Done]) -> None:
    (hub,) = ours.state.visible
    release = ours.state.visible[hub].release
    assert release is not None
    survivors = ours.news[-1].answered
    exact = exact_mean({name: done[name] for name in survivors}, hub)
    assert np.abs(release.mean - exact).max() <= 2 * bound(ours, hub, largest_entry(ours))
    assert release.mass == len(survivors)
    assert not set(survivors) & set(ours.refusals)


def nothing_twice(ours: Federation) -> None:
    """One masked input and one survivor set a department and attempt, and of nobody shares of both secrets."""
    masked: Counter[tuple[bytes, str]] = Counter()
    signed, seeds, keys = defaultdict(set), defaultdict(set), defaultdict(set)
    for name, _, reply in ours.transport.heard:
        match reply.reply if isinstance(reply, Summed) else None:
            case MaskedInput() as one:
                masked[one.instance, name] += 1
            case SurvivorSignature() as one:
                signed[one.instance, name].add(one.survivors)
            case Reveal() as one:
                seeds[one.instance] |= {peer for peer, _ in one.seeds}
                keys[one.instance] |= {peer for peer, _ in one.keys}
    assert max(masked.values()) == 1
    assert all(len(sets) == 1 for sets in signed.values())
    assert all(not seeds[instance] & keys[instance] for instance in seeds)


def test_random_faults_give_exact_sums_or_clean_failures() -> None:
    found = sum((run(seed, 8) for seed in range(3)), Counter[str]())
    assert found["over 5"] and found["over 4"] and found["failed"]


@pytest.mark.long
def test_random_faults_for_long() -> None:
    found = sum((run(seed, 15) for seed in range(100, 120)), Counter[str]())
    assert found["over 5"] and found["over 4"] and found["over 3"] and found["failed"]
