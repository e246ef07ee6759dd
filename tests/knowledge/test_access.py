"""What the federation file says of the knowledge graph is said of it alone, relation by relation and type by type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyoxigraph
import pytest

from lepton_fed.errors import StorageError
from lepton_fed.knowledge import Fact, KnowledgeGraph, intersection
from lepton_fed.knowledge.sorts import Sort, Sorting
from lepton_fed.policies import Decision, Request, explain
from lepton_fed.policy import decide
from lepton_fed.settings import Grant
from tests.knowledge.example import (
    CONTEXT,
    GRANTS,
    RESEARCH,
    SUPPLIES,
    SUPPLY,
    access,
    grant,
    policies,
    provenance,
)


def request(kind: str, what: str = "供应") -> Request:
    return Request(who=RESEARCH, role="department", verb="读取", what=what, owner=SUPPLY, context=CONTEXT, kind=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["data", "relation", "type"])
def test_a_grant_opens_only_what_it_is_about(said: str) -> None:
    given = Grant(what="供应", who=(RESEARCH,), action="读取", owner=(SUPPLY,), kind=said)  # type: ignore[arg-type]
    opened = {kind for kind in ("DataSet", "Part", "Relation", "EntityType") if policies(given).decide(request(kind))}
    assert opened == {"data": {"DataSet", "Part"}, "relation": {"Relation"}, "type": {"EntityType"}}[said]


def test_a_grant_about_a_relation_lets_nobody_learn_from_data() -> None:
    given = Grant(what="供应", who=("*",), action="train", kind="relation")
    assert not decide([given], owner=SUPPLY, who=RESEARCH, verb="train", what="供应").permitted
    assert decide([replace(given, kind="data")], owner=SUPPLY, who=RESEARCH, verb="train", what="供应").permitted


@pytest.mark.parametrize(("kind", "said"), [("Relation", "relation"), ("EntityType", "type")])
def test_a_denial_says_which_line_would_permit_it(kind: str, said: str) -> None:
    none = policies()
    *_, advice = explain(none, none.decide(request(kind)))
    assert advice == (
        f'It would pass with one more [[access]]: kind = "{said}", what = "供应", who = ["研发部门"], action = "读取", '
        'owner = ["供应链部门"]'
    )


def test_a_sort_needs_its_relation_and_each_of_its_types() -> None:
    sort = Sort(SUPPLY, "供应", frozenset({"供应商", "零件"}))
    assert access(RESEARCH).may(sort, "read")
    for left_out in ("供应", "供应商", "零件"):
        assert not access(RESEARCH, *(g for g in GRANTS if g.what != left_out)).may(sort, "read")
    assert not access(RESEARCH, *GRANTS, grant("供应", effect="forbid")).may(sort, "read")
    assert not access(RESEARCH).may(sort, "publish")


def test_a_decision_that_could_not_be_noted_is_not_remembered() -> None:
    asked = access(RESEARCH)
    noted: list[Decision] = []

    def full(decision: Decision) -> None:
        raise StorageError("the docket is full")

    broken = replace(asked, heard=full)
    for _ in range(2):
        with pytest.raises(StorageError):
            broken.permits(SUPPLY, "read", "Relation", "供应")
    mended = replace(broken, heard=noted.append)
    assert mended.permits(SUPPLY, "read", "Relation", "供应")
    assert len(noted) == 1


def test_an_entity_is_what_its_own_department_says() -> None:
    sorting = Sorting.of(SUPPLY, SUPPLIES)
    assert sorting.types_of("华东钢铁") == {"供应商"}
    assert sorting.types_of("没有类型") == {"entity"}
    assert sorting.sort(SUPPLIES[5]) == Sort(SUPPLY, "供应", frozenset({"供应商", "零件"}))
    assert sorting.sort(SUPPLIES[0]) == Sort(SUPPLY, "rdf:type", frozenset({"供应商"}))
    assert list(sorting.named()) == sorted(["供应商", "零件", "人员"])


@pytest.fixture
def changing(graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> Iterator[KnowledgeGraph]:
    """In the moment after types were read, what was a 零件 becomes 机密 and gets a supplier, in one revision."""
    came = [
        Fact("轴承", "rdf:type", "机密"),
        Fact("华东钢铁", "供应", "轴承"),
        Fact("机密件", "rdf:type", "机密"),
    ]
    original = Sorting.of

    def then_changed(owner: str, facts: Any) -> Sorting:
        found = original(owner, facts)
        graph.add(came, provenance(SUPPLY))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Sorting, "of", then_changed)
        yield graph


def test_facts_are_read_by_the_types_of_their_own_moment(changing: KnowledgeGraph) -> None:
    said = {(one.fact.head, one.fact.tail) for one in changing.readable(access(RESEARCH), [SUPPLY])}
    assert ("华东钢铁", "齿轮箱") in said
    assert ("华东钢铁", "轴承") not in said


def test_an_index_is_built_of_one_moment(changing: KnowledgeGraph) -> None:
    index = changing.rebuild()
    graph = pyoxigraph.NamedNode(index.graphs[Sort(SUPPLY, "供应", frozenset({"供应商", "零件"}))])
    quads = pyoxigraph.Store.read_only(str(index.store)).quads_for_pattern(None, None, None, graph)
    assert not any("华东钢铁" in str(quad.subject) and "轴承" in str(quad.object) for quad in quads)


def test_a_private_question_is_answered_of_one_moment(changing: KnowledgeGraph) -> None:
    terms = access(RESEARCH, grant("entity", action="发布"))
    asking, asked = intersection.ask(RESEARCH, SUPPLY, ["机密件"])
    assert intersection.common(asking, changing.answer_privately(asked, SUPPLY, terms)) == frozenset()
