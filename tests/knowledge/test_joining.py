"""Entities that may be one are proposed; a person decides; only then do they count, and a decision can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.audit import MatchDecided, written
from lepton_fed.audit.entries import Entry
from lepton_fed.errors import DataError, PeerError
from lepton_fed.knowledge import Fact, KnowledgeGraph, Pair
from lepton_fed.knowledge.intersection import Found
from lepton_fed.knowledge.joining import names
from lepton_fed.knowledge.spelling import alike, by_spelling, folded
from lepton_fed.storage import schema, sqlite_url
from tests.knowledge.example import QUALITY, RESEARCH, SUPPLY, access, grant, provenance

OURS = [Fact("华东钢铁（上海）有限公司", "供应", "齿轮箱"), Fact("南方轴承", "供应", "轴承")]
THEIRS = [Fact("華東鋼鐵(上海) 有限公司", "交付", "样品"), Fact("北方轴承", "交付", "样品")]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[KnowledgeGraph]:
    with KnowledgeGraph(tmp_path / "知识.sqlite") as graph:
        graph.add(OURS, provenance(SUPPLY))
        graph.add(THEIRS, provenance(RESEARCH))
        yield graph


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＡＢＣ（北京）有限公司", "abc 北京有限公司"),
        ("華東鋼鐵", "华东钢铁"),
        ("Lepton-AI", "lepton ai"),
        ("张·三", "张三"),
        ("一车间【甲】", "一车间 甲"),
    ],
)
def test_width_case_script_punctuation_and_spaces_do_not_tell_names_apart(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("一车间", "二车间"), ("华东钢铁1", "华东钢铁2"), ("--", "++"), ("urn:A", "urn:a")]
)
def test_letters_and_numbers_do(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@given(st.text(max_size=20))
def test_what_a_name_comes_to_comes_to_itself(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_names_that_many_share_are_not_proposed() -> None:
    many = by_spelling(f"A{'-' * k}B" for k in range(5))
    assert len(many["ab"]) == 5
    assert alike(SUPPLY, many, RESEARCH, many) == []


def test_a_proposed_match_changes_nothing_until_it_is_accepted(two: KnowledgeGraph) -> None:
    before = two.triples(SUPPLY), two.triples(RESEARCH)
    assert two.propose(SUPPLY, RESEARCH) == 1
    assert two.propose(RESEARCH, SUPPLY) == 0
    (match,) = two.matches("proposed")
    assert (match.method, match.by, match.decided) == ("name", "", None)
    assert (two.triples(SUPPLY), two.triples(RESEARCH)) == before
    two.decide(match.number, "accept", by="王芳", canonical="华东钢铁")
    assert two.triples(SUPPLY)[0] == ("华东钢铁", "供应", "齿轮箱")
    assert two.triples(RESEARCH)[0] == ("华东钢铁", "交付", "样品")
    two.decide(match.number, "undo", by="李雷")
    assert (two.triples(SUPPLY), two.triples(RESEARCH)) == before


def test_what_is_accepted_joins_questions(two: KnowledgeGraph) -> None:
    question = "SELECT ?part ?what { ?x r:供应 ?part ; r:交付 ?what }"
    everything = access(
        QUALITY, *(grant(w, QUALITY, owner=o) for o in (SUPPLY, RESEARCH) for w in ("供应", "交付", "entity"))
    )
    assert two.ask(question, everything).rows == ()
    two.propose(SUPPLY, RESEARCH)
    two.decide(1, "accept", by="王芳")
    assert two.ask(question, everything).rows == (("齿轮箱", "样品"),)
    two.decide(1, "undo", by="王芳")
    assert two.ask(question, everything).rows == ()


def test_facts_keep_the_names_that_their_department_gave(two: KnowledgeGraph) -> None:
    two.propose(SUPPLY, RESEARCH)
    two.decide(1, "accept", by="王芳", canonical="华东")
    assert list(two.facts(RESEARCH)) == THEIRS
    assert THEIRS[0].head_written is None
    assert OURS[0].head_written == "华东钢铁（上海）有限公司"


@pytest.mark.parametrize(
    ("before", "move"), [((), "undo"), (("accept",), "accept"), (("accept",), "refuse"), (("refuse",), "accept")]
)
def test_a_move_that_a_match_does_not_allow_changes_nothing(
    two: KnowledgeGraph, before: tuple[str, ...], move: str
) -> None:
    two.propose(SUPPLY, RESEARCH)
    for one in before:
        two.decide(1, one, by="王芳")  # type: ignore[arg-type]
    (match,) = two.matches()
    with pytest.raises(DataError, match="nothing to"):
        two.decide(1, move, by="王芳")  # type: ignore[arg-type]
    assert two.matches() == [match]


def test_a_decision_is_a_persons(two: KnowledgeGraph) -> None:
    two.propose(SUPPLY, RESEARCH)
    with pytest.raises(DataError, match="decided by a person"):
        two.decide(1, "accept", by=" ")
    with pytest.raises(DataError, match="there is no match 7; they go up to 1"):
        two.decide(7, "accept", by="王芳")


def test_decisions_are_audited_without_names_in_the_open(two: KnowledgeGraph, tmp_path: Path) -> None:
    two.propose(SUPPLY, RESEARCH)
    for move in ("refuse", "undo", "accept"):
        two.decide(1, move, by="王芳", reason="同一家")  # type: ignore[arg-type]
    database = schema.opened(sqlite_url(tmp_path / "知识.sqlite"), patience=5, durable=False)
    bodies = [record.body for record in written(database, "knowledge").records]
    database.close()
    decided = [one for one in map(Entry.read, bodies) if isinstance(one, MatchDecided)]
    assert [one.state for one in decided] == ["refused", "proposed", "accepted"]
    assert decided[0].match == two.matches()[0].pair.digest
    assert not any(secret.encode() in body for body in bodies for secret in ("王芳", "同一家", "华东"))


def test_entities_of_the_same_name_are_one_until_a_person_takes_them_apart(two: KnowledgeGraph) -> None:
    two.add([Fact("张伟", "负责", "一车间")], provenance(SUPPLY))
    two.add([Fact("张伟", "发明", "电机")], provenance(RESEARCH))
    assert ("张伟", "负责", "一车间") in two.triples(SUPPLY)
    two.propose_pair(Pair.of(SUPPLY, "张伟", RESEARCH, "张伟"), "exact")
    two.decide(1, "refuse", by="王芳", reason="同名")
    first, second = sorted([SUPPLY, RESEARCH])
    assert {head for head, _, _ in two.triples(first)} >= {"张伟"}
    assert {head for head, _, _ in two.triples(second)} >= {f"张伟 ({second})"}
    two.decide(1, "undo", by="王芳")
    assert {head for head, _, _ in two.triples(second)} >= {"张伟"}


def test_matches_join_from_one_department_to_the_next(two: KnowledgeGraph) -> None:
    two.add([Fact("Huadong", "检验", "x")], provenance(QUALITY))
    two.propose_pair(Pair.of(SUPPLY, OURS[0].head, QUALITY, "Huadong"))
    two.propose_pair(Pair.of(RESEARCH, THEIRS[0].head, QUALITY, "Huadong"))
    two.decide(1, "accept", by="王芳", canonical="华东")
    two.decide(2, "accept", by="王芳", canonical="另名")
    assert {two.triples(one)[0][0] for one in (SUPPLY, RESEARCH, QUALITY)} == {"华东"}
    two.decide(1, "undo", by="王芳")
    assert {two.triples(one)[0][0] for one in (RESEARCH, QUALITY)} == {"另名"}
    assert two.triples(SUPPLY)[0][0] == OURS[0].head


def test_a_group_goes_by_its_first_match_whichever_department_sorts_first(two: KnowledgeGraph) -> None:
    first, second, third = sorted([SUPPLY, RESEARCH, QUALITY])
    two.propose_pair(Pair.of(second, "乙", third, "丙"))
    two.propose_pair(Pair.of(first, "甲", third, "丁"))
    two.propose_pair(Pair.of(first, "甲", second, "乙"))
    for number, name in enumerate(("最先", "其次", "最后"), start=1):
        two.decide(number, "accept", by="王芳", canonical=name)
    assert set(names(two.matches("accepted")).values()) == {"最先"}


def test_one_departments_entities_are_no_match() -> None:
    with pytest.raises(DataError, match="a match is between two departments"):
        Pair.of(SUPPLY, "a", SUPPLY, "b")


def test_two_databases_find_common_entities_and_the_answerer_shows_only_what_may_be_known(tmp_path: Path) -> None:
    with KnowledgeGraph(tmp_path / "a.sqlite") as ours, KnowledgeGraph(tmp_path / "b.sqlite") as theirs:
        ours.add([*OURS, Fact("王芳", "负责", "南方轴承")], provenance(SUPPLY))
        theirs.add([*THEIRS, Fact("王芳", "rdf:type", "人员")], provenance(RESEARCH))
        asking, asked = ours.ask_privately(SUPPLY, RESEARCH)
        # Entities without a type may be known of; that somebody is there may not.
        terms = access(SUPPLY, grant("entity", SUPPLY, "发布", RESEARCH))
        found = ours.find_privately(asking, theirs.answer_privately(asked, RESEARCH, terms))
        assert found.names == (OURS[0].head,)
        assert theirs.propose_found(found, RESEARCH, terms) == 1
        (match,) = theirs.matches()
        assert (match.method, match.canonical) == ("private", OURS[0].head)
        theirs.decide(match.number, "accept", by="李雷")
        assert theirs.triples(RESEARCH)[0][0] == ours.triples(SUPPLY)[0][0]
        nothing = access(SUPPLY, grant("x"))
        assert ours.find_privately(asking, theirs.answer_privately(asked, RESEARCH, nothing)).names == ()
        with pytest.raises(PeerError, match=f"in the name of {QUALITY}"):
            theirs.answer_privately(asked, RESEARCH, access(QUALITY))
        assert theirs.propose_found(Found(asked.session, ("没有的",)), RESEARCH, terms) == 0
