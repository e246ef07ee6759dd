"""A department meets others by its own file: whom it asks, about which facts; what it has in common is kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lepton_fed.data.department_file import OwnGround
from lepton_fed.enforcement import Guard
from lepton_fed.errand_replies import met
from lepton_fed.errands import Meeting, run_errands
from lepton_fed.errors import ConfigError
from lepton_fed.knowledge import Fact, KnowledgeGraph
from lepton_fed.knowledge.grounds import ground_of
from lepton_fed.knowledge.meeting import MeetingPlace
from lepton_fed.messages import Meet, Message, Met, Refused, Reply, Wish, Wished
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.transport import OnReply, drive
from tests.knowledge.example import QUALITY, RESEARCH, SUPPLY, federation, grant, policies, provenance

NAMES = (SUPPLY, RESEARCH, QUALITY)
GRANTS = (grant("供应商", RESEARCH, "发布", SUPPLY), grant("供应商", SUPPLY, "发布", RESEARCH))
FACTS = {
    SUPPLY: [Fact("南方轴承集团", "rdf:type", "供应商"), Fact("东海钢铁", "rdf:type", "供应商")],
    RESEARCH: [Fact("南方轴承（集团）", "rdf:type", "供应商"), Fact("西部铸造", "rdf:type", "供应商")],
}


@dataclass
class Federation:
    """Departments as far as meetings are concerned: what `Department` does with these messages; and what is said."""

    places: dict[str, MeetingPlace | None]
    wishes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    said: list[tuple[str, Message]] = field(default_factory=list)

    def exchange(self, messages: dict[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            self.said.append((name, message))
            place = self.places.get(name)
            if isinstance(message, Wish):
                asks = place.asks if place is not None else ()
                yield name, Wished((), self.wishes.get(name, asks or ()))
            elif isinstance(message, Meet) and name in self.places:
                yield name, met(place, message)

    def meetings(self) -> tuple[Meeting, ...]:
        return drive(run_errands(NAMES), self).meetings  # type: ignore[arg-type]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Federation]:
    """供应链部门 answers, 研发部门 asks it, 质检部门 has no facts."""
    made = {
        SUPPLY: place(tmp_path, SUPPLY, OwnGround(database="a.sqlite")),
        RESEARCH: place(tmp_path, RESEARCH, OwnGround(database="b.sqlite", ask=(SUPPLY,), to="共同")),
    }
    yield Federation({**made, QUALITY: None})
    for one in made.values():
        one.graph.close()


IDENTITIES = {name: Identity.generate(name, os.urandom) for name in NAMES}
ROSTER = Roster.of("制造", {name: one.public for name, one in IDENTITIES.items()})


def place(folder: Path, name: str, said: OwnGround) -> MeetingPlace:
    with KnowledgeGraph(folder / said.database) as graph:
        graph.add(FACTS[name], provenance(name))
    guard = Guard(name, federation(*GRANTS), policies(*GRANTS), hour=lambda: 9)
    return ground_of(said, IDENTITIES[name], ROSTER, guard, folder)


def test_who_asks_by_its_file_keeps_what_is_common_and_the_other_one_decides(here: Federation, tmp_path: Path) -> None:
    assert here.meetings() == (Meeting(RESEARCH, SUPPLY),)
    kept = tmp_path / "共同" / f"{SUPPLY}.csv"
    assert kept.read_text(encoding="utf-8") == "entity\n南方轴承(集团)\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    supply = here.places[SUPPLY]
    assert supply is not None
    (match,) = supply.graph.matches()
    assert (match.state, match.method) == ("proposed", "private")


def test_a_coordinator_makes_nobody_ask_whom_its_file_does_not_name(here: Federation) -> None:
    here.wishes = {RESEARCH: (), SUPPLY: (RESEARCH,)}
    (meeting,) = here.meetings()
    assert meeting.reason == f"{SUPPLY}: its own file does not say that it asks {RESEARCH}"
    # Nor is anything said to the other one.
    assert [name for name, message in here.said if isinstance(message, Meet)] == [SUPPLY]


@pytest.mark.parametrize(
    ("wished", "reason"),
    [
        (QUALITY, f"{RESEARCH}: its own file does not say that it asks {QUALITY}"),
        ("路人", f"{RESEARCH}: 路人: it is no other department of this federation"),
    ],
)
def test_a_wish_for_somebody_else_comes_to_nothing(here: Federation, wished: str, reason: str) -> None:
    here.wishes = {RESEARCH: (wished,)}
    assert here.meetings() == (Meeting(RESEARCH, wished, reason),)


def test_who_has_no_facts_or_is_away_answers_nothing_and_the_others_go_on(here: Federation, tmp_path: Path) -> None:
    research = here.places[RESEARCH]
    assert research is not None
    research.asks = (QUALITY, SUPPLY)
    first, second = here.meetings()
    assert first.reason == f"{QUALITY}: it has no knowledge graph to look for common entities in"
    assert second == Meeting(RESEARCH, SUPPLY)
    del here.places[SUPPLY]
    assert here.meetings()[1].reason == f"{SUPPLY} did not answer"


def test_where_what_is_common_cannot_be_written_its_own_log_says_so_and_the_meeting_goes_on(
    here: Federation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "共同").write_text("", encoding="utf-8")
    assert here.meetings() == (Meeting(RESEARCH, SUPPLY),)
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (OwnGround(database="none.sqlite"), r"none\.sqlite, which does not exist; import them first"),
        (OwnGround(database="a.sqlite", ask=("路人",)), "asks '路人', which is no other department"),
        (OwnGround(database="a.sqlite", ask=(SUPPLY,)), f"asks '{SUPPLY}', which is no other department"),
    ],
)
def test_a_file_that_cannot_be_gone_by_is_told_before_the_start(
    tmp_path: Path, said: OwnGround, complaint: str
) -> None:
    guard = Guard(SUPPLY, federation(), policies(), hour=lambda: 9)
    with pytest.raises(ConfigError, match=complaint):
        ground_of(said, IDENTITIES[SUPPLY], ROSTER, guard, tmp_path)
    assert not (tmp_path / "none.sqlite").exists()


def test_a_department_says_in_its_wish_whom_it_would_meet(here: Federation, tmp_path: Path) -> None:
    from lepton_fed.assembly import build_department
    from tests.federations import LINES, quick, written

    department = build_department(written(tmp_path, quick({"aggregation": {"secure": False}}, 1)), LINES[0])
    assert department.handle(Wish()) == Wished()
    department.common_ground = here.places[RESEARCH]
    assert department.handle(Wish()) == Wished((), (SUPPLY,))
    assert isinstance(department.handle(Meet(SUPPLY)), Met)
    assert isinstance(department.handle(Meet(QUALITY)), Refused)
