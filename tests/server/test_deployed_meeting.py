"""Departments of a deployed federation meet before the first round, and find out which entities both know."""

from __future__ import annotations

import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from lepton_fed import errands
from lepton_fed.audit.entries import Decided, Entry
from lepton_fed.audit.kits import docket_of
from lepton_fed.common_ground import introduce
from lepton_fed.config import Federation
from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.knowledge import Fact, KnowledgeGraph, Provenance
from tests.deployed import Deployed, deployed
from tests.federations import FOUR, SECURE, TARGET, quick, write, write_own
from tests.server.test_process import asked
from tests.server.together import Killed, Killing, together

pytestmark = [pytest.mark.flower, pytest.mark.long]

OWNER, THIRD, NOBODY = FOUR[:3]
SECRET = "秘密供应", "绝密合金"
"""A private relation of the first line, and what it ends in."""

FACTS = {
    OWNER: [("南方轴承集团", "供应商"), ("东海钢铁", "供应商"), ("机密项目甲", "项目")],
    TARGET: [("南方轴承（集团）", "供应商"), ("西部铸造", "供应商"), ("机密项目甲", "项目")],
    THIRD: [("南方轴承集团", "供应商")],
}


def federation(folder: Path) -> Federation:
    """R&D asks the first line, which lets it know of suppliers, the second, which does not, the third without facts."""
    grants: list[dict[str, Any]] = [
        {"kind": "type", "what": "供应商", "who": [TARGET], "action": "发布", "owner": [OWNER]},
        {"kind": "type", "what": "供应商", "who": [OWNER], "action": "发布", "owner": [TARGET]},
    ]
    path = write(folder, quick({**SECURE, "access": [*SECURE_ACCESS, *grants]}, 1))
    own = path.parent / path.stem
    for name, facts in FACTS.items():
        with KnowledgeGraph(own / f"{name}.sqlite") as graph:
            said = [Fact(entity, "rdf:type", kind) for entity, kind in facts]
            said += [Fact(facts[0][0], SECRET[0], SECRET[1])] if name == OWNER else []
            graph.add(said, Provenance(department=name, source="测试", by="王芳"))
    for name in (OWNER, THIRD):
        write_own(path, name, {"path": f"{name}.csv"}, common_ground={"database": f"{name}.sqlite"})
    asked = ", ".join(f'"{name}"' for name in (OWNER, THIRD, NOBODY))
    ground = f'[common_ground]\ndatabase = "{TARGET}.sqlite"\nask = [{asked}]\nto = "共同"\n'
    (own / f"{TARGET}.toml").write_text(ground, encoding="utf-8")
    return Federation.load(path)


SECURE_ACCESS = [{"what": "updates", "who": ["*"], "action": "训练"}]


def decisions(kit: Path) -> set[tuple[str, str, bool]]:
    """Who asked to know of which type, and whether the department's policies let it, by its docket."""
    noted = [Entry.read(one.entry) for one in docket_of(DepartmentKit.load(kit)).noted()]
    published = [one for one in noted if isinstance(one, Decided) and "publish" in one.action]
    return {(one.principal, one.resource, one.allowed) for one in published}


def test_departments_meet_before_the_first_round_and_each_learns_what_it_may(tmp_path: Path) -> None:
    with together(tmp_path / "there", federation(tmp_path / "file")) as there:
        watcher = Killing()
        there.play(watcher)
        own = there.federation.department_file(TARGET).parent
        assert f"{TARGET} has met {OWNER}: both know now what they have in common" in watcher.lines
        refused = f"{THIRD}: it has no entity of which its policies let {TARGET} know"
        assert f"{TARGET} has not met {THIRD}: {refused}" in watcher.lines
        nothing = f"{NOBODY}: it has no knowledge graph to look for common entities in"
        assert f"{TARGET} has not met {NOBODY}: {nothing}" in watcher.lines
        # The asker keeps what is common of what it may know; who is asked has it proposed.
        (kept,) = (own / "共同").iterdir()
        assert kept.name == f"{OWNER}.csv"
        assert kept.read_text(encoding="utf-8") == "entity\n南方轴承(集团)\n"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        with KnowledgeGraph(own / f"{OWNER}.sqlite") as graph:
            (match,) = graph.matches()
            assert (match.state, match.method) == ("proposed", "private")
            assert {match.pair.entity, match.pair.other_entity} == {"南方轴承(集团)", "南方轴承集团"}
        with KnowledgeGraph(own / f"{THIRD}.sqlite") as graph:
            assert graph.matches() == []
        decided = {name: decisions(there.made.departments[name]) for name in (OWNER, TARGET, THIRD)}
        assert decided[OWNER] == {(TARGET, "供应商", True), (TARGET, "项目", False), (TARGET, "entity", False)}
        assert decided[TARGET] == {(OWNER, "供应商", True), (OWNER, "项目", False)}
        assert decided[THIRD] == {(TARGET, "供应商", False)}
        # Nobody but its owner has anything of a private relation: no coordinator, no department that it met.
        asked = [file for file in own.rglob("*") if not file.name.startswith(OWNER)]
        others = [path for name, path in there.made.departments.items() if name != OWNER]
        for file in [*files(there.made.coordinator, *others), *asked]:
            assert not file.is_file() or not any(word.encode() in file.read_bytes() for word in SECRET), file
        assert any(SECRET[1].encode() in file.read_bytes() for file in files(own))  # The search would find it.
        # The coordinator, and who was not met, have no name of an entity either.
        for file in files(there.made.coordinator, there.made.departments[NOBODY], there.made.departments[FOUR[3]]):
            content = file.read_bytes()
            assert not any(name.encode() in content for name in ("南方轴承", "东海钢铁", "西部铸造", "机密项目"))


def files(*folders: Path) -> list[Path]:
    return [one for folder in folders for one in folder.rglob("*") if one.is_file()]


@pytest.mark.parametrize("restarted", [(), (OWNER,)], ids=["nobody else", "and the department that was asked"])
def test_a_meeting_that_a_killed_coordinator_left_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: tuple[str, ...]
) -> None:
    def killed(asker: str, owner: str) -> Generator[Any, Any, str]:
        flow = introduce(asker, owner)
        replies = list((yield next(flow)))
        for _ in range(2):
            replies = list((yield flow.send(replies)))
        raise Killed

    with together(tmp_path / "there", federation(tmp_path / "file")) as there:
        with monkeypatch.context() as patch:
            patch.setattr(errands, "introduce", killed)
            with pytest.raises(Killed):
                there.play()
        for name in restarted:
            there.end(name)
            there.start(name)
        watcher = Killing()
        there.play(watcher)
        assert f"{TARGET} has met {OWNER}: both know now what they have in common" in watcher.lines


def test_an_operator_has_it_carried_again_and_what_is_new_is_found(tmp_path: Path) -> None:
    found = federation(tmp_path / "file")
    own = found.department_file(TARGET).parent
    met = f"{TARGET} has met {OWNER}: both know now what they have in common"
    with deployed(tmp_path / "there", found) as there:
        there.wait_online(OWNER, TARGET)
        for common in (["南方轴承(集团)"], ["东海钢铁", "南方轴承(集团)"]):
            told = len(lines(there))
            done = asked(there, "carry", there.made.coordinator)
            assert (done.returncode, done.stderr) == (0, "on its way; lepton-fed logs says what comes of it\n")
            there.wait_for(lambda told=told: any(met in line for line in lines(there)[told:]))  # type: ignore[misc]
            kept = (own / "共同" / f"{OWNER}.csv").read_text(encoding="utf-8")
            assert kept.splitlines() == ["entity", *common]
            with KnowledgeGraph(own / f"{TARGET}.sqlite") as graph:
                provenance = Provenance(department=TARGET, source="测试", by="王芳")
                graph.add([Fact("东海钢铁", "rdf:type", "供应商")], provenance)
        assert there.status()["state"] == "idle"


def lines(there: Deployed) -> list[str]:
    with there.operator() as operator:
        return [line for _, line in operator.logs()]


def test_a_department_whose_facts_are_not_there_does_not_start(tmp_path: Path) -> None:
    found = federation(tmp_path / "file")
    (found.department_file(OWNER).parent / f"{OWNER}.sqlite").unlink()
    with together(tmp_path / "there", found) as there:
        there.residents[OWNER].thread.join(60)
        assert "which does not exist; import them first" in str(there.residents[OWNER].failure)
