"""Facts as numbers: dealt out without loss, each department with its own relations and what it knows."""

from __future__ import annotations

import pytest
import torch

from lepton_fed.errors import DataError
from lepton_fed.knowledge.embedding.triples import Department, Facts, dealt, pooled
from tests.knowledge.embedding.graphs import NAMES, departments, ring


def named(facts: Facts, part: torch.Tensor) -> set[tuple[str, str, str]]:
    return {(facts.entities[h], facts.relations[r], facts.entities[t]) for h, r, t in part.tolist()}


def test_a_graph_dealt_out_and_pooled_is_the_graph() -> None:
    graph, whole = ring(), pooled(departments())
    assert named(whole, whole.train) == named(graph, graph.train)
    assert len(whole.train) == len(graph.train)


def test_no_relation_has_two_departments() -> None:
    owned = [set(d.relations) for d in departments()]
    assert set().union(*owned) == set(ring().relations)
    assert sum(map(len, owned)) == len(ring().relations)
    assert {len(one) for one in owned} == {2}


def test_the_seed_deals() -> None:
    assert [d.relations for d in dealt(ring(), NAMES, 1)] == [d.relations for d in departments()]
    assert [d.relations for d in dealt(ring(), NAMES, 2)] != [d.relations for d in departments()]


def test_what_training_never_mentions_is_not_ranked() -> None:
    facts = Facts.of([("a", "r", "b")], [("a", "r", "c")], [("b", "r", "a")])
    one = Department.of("甲", facts)
    assert (len(one.facts.validation), len(one.facts.test), one.dropped) == (0, 1, 1)


def test_evidence_counts_both_ends() -> None:
    facts = Facts.of([("a", "r", "b"), ("a", "r", "c")], entities=("a", "b", "c", "d"))
    assert Department.of("甲", facts).evidence.tolist() == [2, 1, 1, 0]
    assert Department.of("甲", facts).entities.tolist() == [0, 1, 2]


def test_an_entity_outside_the_common_dictionary_is_one_sentence() -> None:
    with pytest.raises(DataError, match="'水泵' is not in the common dictionary"):
        Facts.of([("a", "r", "水泵")], entities=("a", "b"))


def test_numbers_outside_a_dictionary_are_refused() -> None:
    empty, three = torch.zeros(0, 3, dtype=torch.int64), torch.tensor([[0, 0, 3]])
    with pytest.raises(DataError, match="entity that is not in the dictionary"):
        Facts(("a",), ("r",), three, empty, empty)
    with pytest.raises(DataError, match="int64"):
        Facts(("a",), ("r",), three.float(), empty, empty)
