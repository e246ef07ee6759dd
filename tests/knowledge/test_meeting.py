"""What two departments both know, through `Department.handle`: each party sees what it may, and the policies decide."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lepton_fed.common_ground import introduce
from lepton_fed.enforcement import Guard
from lepton_fed.errand_replies import met
from lepton_fed.errors import StorageError
from lepton_fed.knowledge import Fact, KnowledgeGraph
from lepton_fed.knowledge.intersection import Asking, Found
from lepton_fed.knowledge.meeting import MeetingPlace, Said
from lepton_fed.messages import Meet, Message, Met, Refused, Reply
from lepton_fed.policies import Decision
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.settings import Grant
from lepton_fed.transport import drive
from tests.federations import LINES, quick, written
from tests.knowledge.example import QUALITY, RESEARCH, SUPPLY, federation, grant, policies, provenance

ASKER, OWNER = RESEARCH, SUPPLY

OURS = [
    Fact("南方轴承（集团）", "rdf:type", "供应商"),
    Fact("西部铸造", "rdf:type", "供应商"),
    Fact("机密项目甲", "rdf:type", "项目"),
]
THEIRS = [
    Fact("南方轴承集团", "rdf:type", "供应商"),
    Fact("东海钢铁", "rdf:type", "供应商"),
    Fact("机密项目(甲)", "rdf:type", "项目"),
]
BOTH = (
    grant("供应商", ASKER, "发布", OWNER),
    grant("供应商", OWNER, "发布", ASKER),
)
"""Each lets the other know of its 供应商, and nobody of its 项目."""


@dataclass
class Place:
    """Two departments, what each decided, and everything that was carried between them."""

    places: dict[str, MeetingPlace]
    decided: list[Decision] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    came: list[tuple[int, int]] = field(default_factory=list)

    def exchange(
        self, messages: dict[str, Message], on_reply: Callable[[str, Reply], None] | None = None
    ) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            assert isinstance(message, Meet)
            reply = met(self.places[name], message)
            self.seen += [message.body, reply.body if isinstance(reply, Met) else repr(reply).encode()]
            yield name, reply

    def introduce(self) -> str:
        return drive(introduce(ASKER, OWNER), self)  # type: ignore[arg-type]


Made = Callable[..., Place]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Made]:
    graphs = {ASKER: KnowledgeGraph(tmp_path / "a.sqlite"), OWNER: KnowledgeGraph(tmp_path / "b.sqlite")}
    graphs[ASKER].add(OURS, provenance(ASKER))
    graphs[OWNER].add(THEIRS, provenance(OWNER))

    def made(*grants: Grant) -> Place:
        identities = {name: Identity.generate(name, os.urandom) for name in (ASKER, OWNER, QUALITY)}
        roster = Roster.of("制造", {name: one.public for name, one in identities.items()})
        found = Place({})
        rules = policies(*grants)
        for name, graph in graphs.items():
            guard = Guard(name, federation(*grants), rules, hour=lambda: 9, heard=found.decided.append)
            found.places[name] = MeetingPlace(
                identities[name], roster, graph, guard, lambda other, common, new: found.came.append((common, new))
            )
        return found

    yield made
    for graph in graphs.values():
        graph.close()


def test_what_both_know_and_may_know_is_proposed_for_a_person_to_decide(place: Made) -> None:
    here = place(*BOTH)
    assert here.introduce() == ""
    assert here.came == [(1, 1)]
    (match,) = here.places[OWNER].graph.matches()
    assert (match.state, match.method, match.canonical) == ("proposed", "private", "南方轴承(集团)")
    assert {match.pair.entity, match.pair.other_entity} == {"南方轴承(集团)", "南方轴承集团"}
    # Nothing counts until a person has accepted it, and asking again proposes nothing again.
    assert here.introduce() == ""
    assert here.came == [(1, 1), (1, 0)]


def test_the_owner_is_told_of_what_is_common_also_where_the_asker_cannot_write_it_down(place: Made) -> None:
    here = place(*BOTH)

    def full(other: str, names: tuple[str, ...]) -> None:
        raise StorageError("the disk is full")

    here.places[ASKER].found = full
    assert here.introduce() == ""
    assert here.came == [(1, 1)]


def test_who_carries_the_messages_sees_their_sizes_and_no_name(place: Made) -> None:
    here = place(*BOTH)
    here.introduce()
    seen = b"".join(here.seen)
    for fact in (*OURS, *THEIRS):
        assert fact.head.encode() not in seen
        assert fact.tail.encode() not in seen  # type: ignore[union-attr]
    sizes = [len(one) for one in here.seen]
    # Twelve entities more, and one more in common: to the coordinator nothing has changed but for a power of two.
    here.places[ASKER].graph.add([Fact("东海-钢铁", "rdf:type", "供应商")], provenance(ASKER))
    here.seen.clear()
    here.introduce()
    assert here.came[-1] == (2, 1)
    assert [len(one) for one in here.seen] == sizes


def test_an_outsider_and_a_third_department_can_neither_read_nor_ask_in_anothers_name(place: Made) -> None:
    here, strangers = place(*BOTH), place(*BOTH)
    theirs = strangers.places[ASKER].meet(OWNER, b"")
    reply = met(here.places[OWNER], Meet(ASKER, theirs))
    assert reply == Refused(f"{ASKER}: what comes in its name, it did not sign for this department")
    for who in ("路人", OWNER):
        refused = met(here.places[OWNER], Meet(who))
        assert isinstance(refused, Refused)
        assert "no other department" in refused.reason
    # What was said to one department is none of another's: the signature is for whom it was meant.
    asked = here.places[ASKER].meet(QUALITY, b"")
    assert isinstance(met(here.places[OWNER], Meet(ASKER, asked)), Refused)


def test_the_other_department_learns_nothing_of_which_the_policies_do_not_let_it_know(place: Made) -> None:
    """项目 is common to both and permitted to nobody: it is found by neither."""
    here = place(*BOTH)
    here.introduce()
    assert not any("项目" in repr(match) for match in here.places[OWNER].graph.matches())
    only_owners = place(BOTH[0])
    assert only_owners.introduce() == ""
    assert only_owners.came == [(0, 0)]


@pytest.mark.parametrize("guess", ["机密项目甲", "机密项目甲\u200b", "机密项目 甲 "])
def test_a_guess_at_what_may_not_be_known_is_answered_as_one_at_what_is_not_there(
    place: Made, monkeypatch: pytest.MonkeyPatch, guess: str
) -> None:
    def answered(name: str) -> Reply:
        here = place(*BOTH)
        asker, owner = here.places[ASKER], here.places[OWNER]
        replied = owner.meet(ASKER, asker.meet(OWNER, b""))

        def guessed(asking: Asking, *_: object) -> Found:
            return Found(asking.asked.session, (name,))

        monkeypatch.setattr(asker.graph, "find_privately", guessed)
        return met(owner, Meet(ASKER, asker.meet(OWNER, replied)))

    assert answered(guess) == answered(guess.replace("甲", "乙"))
    # Nor is the owner's person asked about it, who would show by a decision that it is there.
    assert place(*BOTH).places[OWNER].graph.matches() == []


def test_where_nothing_may_be_known_or_nothing_is_there_the_answer_is_the_same_sentence(
    place: Made, tmp_path: Path
) -> None:
    refused = place(BOTH[1])
    sentence = refused.introduce()
    assert sentence == f"{OWNER}: it has no entity of which its policies let {ASKER} know"
    empty = place(*BOTH)
    with KnowledgeGraph(tmp_path / "c.sqlite") as nothing:
        empty.places[OWNER].graph = nothing
        assert empty.introduce() == sentence


def test_each_decision_is_noted_and_what_cannot_be_noted_is_not_answered(place: Made) -> None:
    here = place(*BOTH)
    here.introduce()
    noted = {(one.request.owner, one.request.what, one.permitted) for one in here.decided}
    assert noted == {
        (OWNER, "供应商", True),
        (OWNER, "项目", False),
        (ASKER, "供应商", True),
        (ASKER, "项目", False),
    }
    assert {one.request.action for one in here.decided} == {"publish"}

    def full(decision: Decision) -> None:
        raise StorageError("/secret/place is full")

    other = place(*BOTH)
    other.places[OWNER].consent.heard = full  # type: ignore[attr-defined]
    sentence = other.introduce()
    assert sentence.startswith(f"{OWNER}: ")
    assert "/secret/place" not in sentence
    assert other.places[OWNER].graph.matches() == here.places[OWNER].graph.matches()


def test_messages_that_were_changed_swapped_or_said_twice_are_refused(place: Made) -> None:
    here = place(*BOTH)
    asker, owner = here.places[ASKER], here.places[OWNER]
    first = owner.meet(ASKER, asker.meet(OWNER, b""))
    second = owner.meet(ASKER, asker.meet(OWNER, b""))
    assert isinstance(met(asker, Meet(OWNER, first)), Refused)  # It answers an earlier question.
    asked = asker.meet(OWNER, b"")
    found = asker.meet(OWNER, owner.meet(ASKER, asked))
    for body in (b"nothing", found[:-1], _resigned(found)):
        assert isinstance(met(owner, Meet(ASKER, body)), Refused)
    assert owner.meet(ASKER, found) == b""
    again = met(owner, Meet(ASKER, found))
    assert again == Refused(f"{ASKER}: it tells of a session that there is not, or that is over")
    assert isinstance(met(asker, Meet(OWNER, second)), Refused)


def _resigned(body: bytes) -> bytes:
    said = Said.from_bytes(body)
    return replace(said, signature=bytes(64)).to_bytes()


def test_a_department_hands_what_it_is_told_to_its_common_ground_and_without_one_says_no(
    tmp_path: Path, place: Made
) -> None:
    from lepton_fed.assembly import build_department

    department = build_department(written(tmp_path, quick({"aggregation": {"secure": False}}, 1)), LINES[0])
    assert department.handle(Meet(OWNER)) == Refused("it has no knowledge graph to look for common entities in")
    department.common_ground = place(*BOTH).places[ASKER]
    assert isinstance(department.handle(Meet(OWNER)), Met)
