"""Departments learn together: by secure sums as in the clear, few owners stay at home, nobody is made to give in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lepton_fed.errors import RoundError
from lepton_fed.knowledge.embedding.department import EmbeddingDepartment
from lepton_fed.knowledge.embedding.federated import build, coordinate, train, train_in_clear
from lepton_fed.knowledge.embedding.home import Home
from lepton_fed.knowledge.embedding.messages import OWNERS, ROWS, Shown
from lepton_fed.knowledge.embedding.scheme import Anchor, leaving
from lepton_fed.knowledge.embedding.settings import EmbeddingCoupling, EmbeddingRounds, SharedEntities
from lepton_fed.knowledge.embedding.triples import Department, Facts
from lepton_fed.secagg import Plan, Refusal
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.messages import Call
from tests.knowledge.embedding.graphs import departments, settings

AVERAGE = EmbeddingCoupling(kind="average", mix=False)
PULLED = EmbeddingCoupling(beta=0.3, mix=False)


@pytest.mark.parametrize("coupling", [AVERAGE, PULLED], ids=["average", "proximal"])
def test_secure_sums_learn_what_sums_in_the_clear_learn(coupling: EmbeddingCoupling) -> None:
    chosen = settings(coupling=coupling, rounds=EmbeddingRounds(count=2, evaluate_every=1))
    secure, clear = train(departments(), chosen), train_in_clear(departments(), chosen)
    for one, other in zip(secure, clear, strict=True):
        torch.testing.assert_close(one.answers.federated.entities, other.answers.federated.entities, atol=1e-4, rtol=0)


def test_a_run_can_be_repeated_bit_for_bit() -> None:
    chosen = settings(rounds=EmbeddingRounds(count=2, evaluate_every=1))
    once, again = train(departments(), chosen), train(departments(), chosen)
    for one, other in zip(once, again, strict=True):
        assert torch.equal(one.answers.federated.entities, other.answers.federated.entities)


def test_after_averaging_all_owners_have_one_row() -> None:
    homes = [Home(one, settings(coupling=AVERAGE)) for one in departments()]
    shared = torch.arange(12)
    for home in homes:
        home.open(shared)
        home.train(1)
    total = np.sum([home.weighted_rows() for home in homes], axis=0)
    for home in homes:
        home.couple(Anchor.of(total, 16))
    first, *others = (home.learner.entities.detach() for home in homes)
    assert all(torch.equal(first, other) for other in others)


def test_the_anchor_is_the_mean_of_rows_weighted_by_facts_within_the_band() -> None:
    homes = [Home(one, settings(entities=SharedEntities(counts=(2, 8)))) for one in departments()]
    for home in homes:
        home.open(torch.arange(12))
        home.train(1)
    anchor = Anchor.of(np.sum([home.weighted_rows() for home in homes], axis=0), 16)
    evidence = torch.stack([home.department.evidence.clamp(2, 8) for home in homes]).double()
    assert len(evidence.unique()) > 1
    rows = torch.stack([home.learner.entities.detach().double() for home in homes])
    expected = (evidence[:, :, None] * rows).sum(0) / evidence.sum(0)[:, None]
    torch.testing.assert_close(anchor.rows.double(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(anchor.weights.double(), evidence.sum(0) / 8, atol=1e-5, rtol=0)


def test_without_a_pull_a_department_learns_as_if_alone() -> None:
    apart = settings(coupling=EmbeddingCoupling(beta=0.0, mix=False))
    (one, *_), first = train_in_clear(departments(), apart), departments()[0]
    home = Home(first, apart)
    for round in range(1, 5):
        home.train(round)
        if round % 2 == 0:
            home.look()
    assert home.best.tables is not None
    assert torch.equal(one.answers.federated.entities, home.best.tables.entities)


def test_a_row_moves_the_part_of_the_way_that_beta_says_and_less_with_evidence_of_its_own() -> None:
    for evidence, part in ((0.0, 0.5), (1.0, 0.5 / 1.25)):
        home = Home(departments()[0], settings(coupling=EmbeddingCoupling(beta=0.5, own_evidence=evidence)))
        home.open(torch.arange(12))
        before = home.learner.entities.detach().clone()
        weights = torch.zeros(12)
        weights[home.places] = home.weights() * 4  # A quarter of the weight is its own.
        home.couple(Anchor(torch.zeros(12, 16), weights))
        torch.testing.assert_close(home.learner.entities.detach(), before * (1 - part))


def test_the_mixture_is_never_worse_on_validation_than_either_of_its_parts() -> None:
    for home in (Home(one, settings()) for one in departments()):
        home.open(torch.arange(12))
        for round in range(1, 6):
            home.train(round)
            home.look()
        found = home.answers()
        assert found.own is not None
        least = max(found.own.ranking(home.validation).mrr, found.federated.ranking(home.validation).mrr)
        assert found.ranking(home.validation).mrr >= least


# ---------------------------------------------------------------- which rows leave


def stars(owners: dict[str, str]) -> tuple[Department, ...]:
    """Departments of one relation each, which know the entities of these letters, in a ring."""
    entities = sorted(set("".join(owners.values())))
    return tuple(
        Department.of(
            name,
            Facts.of([(a, f"of {name}", b) for a, b in zip(known, known[1:] + known[0], strict=True)],
                     entities=entities),
        )
        for name, known in owners.items()
    )  # fmt: skip


KNOWN = {"甲": "abcd", "乙": "abce", "丙": "abde", "丁": "afg"}


def test_rows_with_fewer_than_k_owners_stay() -> None:
    members = build(stars(KNOWN), settings(tuple(KNOWN), rounds=EmbeddingRounds(count=1, evaluate_every=1)))
    owners = np.sum([one.home.owned() for one in members], axis=0)
    assert owners.tolist() == [4, 3, 2, 2, 2, 1, 1]
    assert leaving(owners, members[0].scheme.settings).tolist() == [0, 1]


def test_a_row_that_stays_is_never_part_of_what_a_department_hides() -> None:
    home = Home(stars(KNOWN)[3], settings(tuple(KNOWN)))
    home.open(torch.tensor([0, 1]))
    vector = home.weighted_rows()
    assert vector.size == 2 * 16 + 2
    assert np.any(vector[:16])  # a, which it knows
    assert not np.any(vector[16:32])  # b, which it does not
    assert (vector[32] > 0, vector[33]) == (True, 0)
    kept = home.learner.entities.detach().clone()
    home.couple(Anchor(torch.full((2, 16), 9.0), torch.ones(2)))
    assert torch.equal(home.learner.entities.detach()[1:], kept[1:])


def test_nothing_in_common_is_one_sentence() -> None:
    apart = {"甲": "ab", "乙": "cd", "丙": "ef"}
    with pytest.raises(RoundError, match="no entity is known to 3 departments or more"):
        train(stars(apart), settings(tuple(apart)))


def test_fewer_than_three_owners_must_be_called_an_insecure_reproduction() -> None:
    with pytest.raises(ValueError, match="insecure_reproduction"):
        SharedEntities(owners=1)
    assert SharedEntities(owners=1, insecure_reproduction=True).owners == 1


# ---------------------------------------------------------------- what a department refuses


def asked(alter: object) -> Wire:
    """The first department's answer to the first call, altered."""
    members = build(departments(), settings())
    flow = coordinate(members[0].scheme)
    shown = next(flow)
    calls = flow.send({one.name: one.handle(shown[one.name]) for one in members})
    call = calls[members[0].name]
    assert isinstance(call, Call)
    assert callable(alter)
    return members[0].handle(replace(call, plan=alter(call.plan)))


def fewer_survivors(plan: Plan) -> Plan:
    return replace(plan, survivors=plan.threshold)


def finer(plan: Plan) -> Plan:
    (group,) = plan.groups
    return replace(plan, groups=(replace(group, fixed=replace(group.fixed, scale=2.0)),))


def longer(plan: Plan) -> Plan:
    (group,) = plan.groups
    return replace(plan, groups=(replace(group, length=group.length + 1),))


@pytest.mark.parametrize("alter", [finer, longer, lambda plan: replace(plan, round=plan.round + 1)])
def test_a_plan_that_the_file_does_not_make_is_refused(alter: object) -> None:
    answer = asked(alter)
    assert isinstance(answer, Refusal)
    assert "not the one that this department's own copy of the file makes" in answer.reason


def test_the_plan_that_the_file_makes_is_not_refused() -> None:
    assert not isinstance(asked(lambda plan: plan), Refusal)


def test_every_sum_needs_everybody() -> None:
    names = ("一", "二", "三", "四", "五", "六")
    members = build(departments(names), settings(names))
    plan = members[0].scheme.plan(Shown(0, "", np.zeros(0, np.uint32)), 0)
    assert plan.survivors == len(names) == len(plan.members)
    assert plan.threshold < len(names)


def shown(round: int, kind: str, length: int) -> Shown:
    return Shown(round, kind, np.ones(length, np.float32).view(np.uint32))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (shown(1, OWNERS, 12), "is not what comes next"),
        (shown(0, ROWS, 12), "is not what comes next"),
        (Call, "does not fit"),
    ],
)
def test_messages_out_of_turn_are_refused_and_change_nothing(message: object, why: str) -> None:
    members = build(departments(), settings())
    one: EmbeddingDepartment = members[0]
    if message is Call:
        flow = coordinate(one.scheme)
        first = next(flow)
        message = flow.send({m.name: m.handle(first[m.name]) for m in members})[one.name]
        one = build(departments(), settings())[0]
    assert isinstance(message, Wire)
    answer = one.handle(message)
    assert isinstance(answer, Refusal)
    assert why in answer.reason
    assert (one.state, one.shown) == (None, None)
