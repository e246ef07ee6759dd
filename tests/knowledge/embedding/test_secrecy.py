"""What an outsider, the coordinator and another department see of a private relation, in every message of a run.

Sums depend on what departments know, or nothing would be learnt. So the claims are: a relation's name, number, facts
and embedding are in no message; what one department adds is never seen but under masks; what is unmasked is a sum over
the owners of a row, at least k of them, whoever subtracts its own part from it; and the traffic has the same shape
whatever the relation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from lepton_fed.knowledge.embedding.federated import Learnt, build, train
from lepton_fed.knowledge.embedding.home import Home
from lepton_fed.knowledge.embedding.messages import Finished, Kept, Shown
from lepton_fed.knowledge.embedding.settings import EmbeddingCoupling, EmbeddingRounds
from lepton_fed.knowledge.embedding.triples import Department, Facts, Triple
from lepton_fed.secagg import SignedKeys
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import (
    Call,
    Delivery,
    MaskedInput,
    Quorum,
    Reveal,
    SealedShares,
    Survivors,
    SurvivorSignature,
)
from tests.knowledge.embedding.graphs import settings

NAMES = ("甲部", "乙部", "丙部", "丁部")
ENTITIES = tuple(f"零件{k}" for k in range(8))
SECRET = "绝密配方的用量"
CHOSEN = settings(
    NAMES, rounds=EmbeddingRounds(count=2, evaluate_every=1), coupling=EmbeddingCoupling(beta=0.3, mix=True)
)


def ring(relation: str, step: int, known: tuple[str, ...] = ENTITIES) -> list[Triple]:
    return [(a, relation, known[(k + step) % len(known)]) for k, a in enumerate(known)]


def federation(secret: list[Triple]) -> tuple[Department, ...]:
    """The first department has the private relation beside a common one; the last knows one entity that nobody does."""
    last = (*ENTITIES, "只有丁部知道的零件")
    facts = {
        "甲部": ring("装有", 1) + secret,
        "乙部": ring("在", 2),
        "丙部": ring("属于", 3),
        "丁部": ring("供应", 1, last),
    }
    return tuple(Department.of(name, Facts.of(own, own[:2], own[2:4], entities=last)) for name, own in facts.items())


Overheard = tuple[tuple[str, Wire], ...]


@cache
def run(relation: str = SECRET, step: int = 3) -> tuple[Overheard, tuple[Learnt, ...]]:
    """Every message of a run with the party that it went to or came from."""
    said: list[tuple[str, Wire]] = []
    learnt = train(federation(ring(relation, step)), CHOSEN, heard=lambda name, message: said.append((name, message)))
    return tuple(said), learnt


def everything() -> bytes:
    return b"".join(message.to_bytes() for _, message in run()[0])


def test_only_these_messages_travel() -> None:
    kinds = {type(message) for _, message in run()[0]}
    exchanges = {Call, SealedShares, Delivery, MaskedInput, Survivors, SurvivorSignature, Quorum, Reveal}
    assert kinds == {Shown, SignedKeys, Finished, Kept} | exchanges


def test_no_name_of_a_relation_or_an_entity_travels() -> None:
    said = everything()
    assert "甲部".encode() in said  # The search would find a name.
    for name in (SECRET, "装有", "供应", "零件", "只有丁部"):  # Three bytes of one letter come up by chance.
        assert name.encode() not in said


def test_no_embedding_of_a_relation_and_no_single_row_travels() -> None:
    said = everything()
    for one in run()[1]:
        for tables in (one.answers.federated, one.answers.own):
            assert tables is not None
            for row in (*tables.relations, *tables.entities):
                assert row.numpy().tobytes() not in said


def test_what_a_department_adds_is_under_masks_that_no_two_runs_share() -> None:
    """Equal numbers in two runs: what is unmasked is equal, what travels masked has nothing in common."""
    once, again = run()[0], []
    train(federation(ring(SECRET, 3)), CHOSEN, heard=lambda name, message: again.append((name, message)))
    for (_, one), (_, other) in zip(once, again, strict=True):
        if isinstance(one, Shown):
            assert isinstance(other, Shown)
            assert np.array_equal(one.last, other.last)
        if isinstance(one, MaskedInput):
            assert isinstance(other, MaskedInput)
            same = np.mean(one.vectors[0][1] == other.vectors[0][1])
            assert same < 0.1


def test_the_coordinator_unmasks_owners_once_and_then_sums_of_rows_only() -> None:
    to_first = [message for name, message in run()[0] if name == "甲部" and isinstance(message, Shown | Finished)]
    sizes = [len(message.last) for message in to_first]
    assert sizes == [0, 9, 8 * (16 + 1), 8 * (16 + 1)]
    assert to_first[1].last.view(np.float32).tolist() == [4.0] * 8 + [1.0]


def test_a_row_that_one_department_owns_never_leaves() -> None:
    members = build(federation(ring(SECRET, 3)), CHOSEN)
    home = members[3].home
    home.open(torch.arange(8))
    assert home.learner.entities.shape[0] == 9
    assert home.weighted_rows().size == 8 * 17
    assert home.learner.entities.detach()[8].numpy().tobytes() not in home.weighted_rows().tobytes()


def test_who_subtracts_its_own_part_is_left_with_at_least_two_others() -> None:
    homes = [Home(one, CHOSEN) for one in federation(ring(SECRET, 3))]
    for home in homes:
        home.open(torch.arange(8))
    owners = np.sum([home.weighted_rows()[8 * 16 :] > 0 for home in homes], axis=0)
    assert (owners - 1 >= 2).all()


def test_what_is_unmasked_does_not_depend_on_what_a_relation_is_called() -> None:
    for (_, one), (_, other) in zip(run()[0], run("另一个名字")[0], strict=True):
        if isinstance(one, Shown | Finished):
            assert isinstance(other, Shown | Finished)
            assert np.array_equal(one.last, other.last)


@pytest.mark.parametrize("other", [ring(SECRET, 2), ring(SECRET, 3) + ring("又一个", 2), []], ids=len)
def test_the_traffic_has_the_same_shape_whatever_is_private(other: list[Triple]) -> None:
    said: list[tuple[str, Wire]] = []
    train(federation(other), CHOSEN, heard=lambda name, message: said.append((name, message)))
    assert shape(tuple(said)) == shape(run()[0])


def shape(said: Overheard) -> Counter[tuple[str, str, int]]:
    return Counter((name, type(message).__name__, len(message.to_bytes())) for name, message in said)


def test_counts_are_hidden_in_a_total_over_all_owners() -> None:
    """The weight of one department is in no message in clear; the total that is shown would fit many others."""
    homes = [Home(one, CHOSEN) for one in federation(ring(SECRET, 3))]
    for home in homes:
        home.open(torch.arange(8))
    total = np.sum([home.weighted_rows()[-8:] for home in homes], axis=0)
    shown = next(message for _, message in run()[0] if isinstance(message, Finished)).values[-8:]
    np.testing.assert_allclose(shown, total, atol=1e-5)
    assert not any(np.allclose(shown, home.weighted_rows()[-8:]) for home in homes)


def test_nothing_that_is_printed_shows_a_fact() -> None:
    one = build(federation(ring(SECRET, 3)), CHOSEN)[0]
    for value in (one, one.home.department, one.home.learner, one.home.best, replace(one.home.department.facts)):
        assert "tensor" not in repr(value)
