"""Each subject says what the command of the same name says, and shows a department's own to its own people alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from lepton_fed import AutoPipeline, Federation
from lepton_fed.audit.places import logs_at
from lepton_fed.explaining import Question
from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.federation import audit_log, departments, graph, ledgers, pipeline, plans, policies, runs
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.secrecy import audit
from lepton_fed.storage import schema, sqlite_url
from tests.audit.example import unguarded
from tests.federations import FOUR, LINES, SECURE, TARGET, quick, write
from tests.pipeline.test_built_in import PERMITTED, THREE
from tests.portal.federation.conftest import GATE, ROLE
from tests.portal.world import World

NIGHT = '@id("night") forbid (principal, action == Action::"train", resource) when { context.purpose != "x" };'


def onlooker(world: World, name: str) -> Onlooker:
    return Onlooker(world.person(name), world.portal.rights)


def give(watched: Watched, top: str = "", below: str = "") -> None:
    """More lines for the first line's own file, above and below what it says."""
    own = watched.federation().department_file(LINES[0])
    own.write_text(f"{top}\n{own.read_text(encoding='utf-8')}\n{below}\n", encoding="utf-8")
    (own.parent / "night.cedar").write_text(NIGHT, encoding="utf-8")


def test_departments_are_those_of_the_file_with_the_last_round_that_measured_them(watched: Watched) -> None:
    seen = departments.departments(watched)
    assert [(one.name, one.own_file, one.online) for one in seen.listed] == [
        (LINES[0], True, None), (LINES[1], True, None), (TARGET, False, None),
    ]  # fmt: skip
    assert [one.measured for one in seen.listed] == [2, 2, None]
    assert (seen.name, seen.silence) == ("小联邦", "")


def test_a_run_has_its_curves_from_the_database_round_by_round(watched: Watched) -> None:
    (found,) = runs.runs(watched)
    seen = runs.run(watched, found.id)
    assert (seen.round, seen.asked, seen.goes_on) == (2, 2, False)
    with runs.opened(watched) as store:
        assert store is not None
        history = store.history(found.id)
    for curves in seen.curves:
        for name, points in curves.lines:
            assert list(points) == [
                (m.round, m.value)
                for m in history
                if (m.department, m.metric, m.part) == (name, curves.metric, curves.part)
            ]
        assert all(name in curves.svg for name, _ in curves.lines)
    assert {curves.metric for curves in seen.curves} == {"auc", "loss"}
    with pytest.raises(NotThere):
        runs.run(watched, "none")


def test_the_graph_is_that_of_the_file_as_it_is_now(watched: Watched) -> None:
    assert [(one.dependent, one.on) for one in graph.graph(watched).needs] == [(TARGET, LINES[0])]
    file = watched.place.read_text(encoding="utf-8")
    watched.place.write_text(file.replace("生产线数据", "图纸"), encoding="utf-8")
    seen = graph.graph(watched)
    assert [one.what for one in seen.needs] == ["图纸"]
    assert "图纸" in seen.svg
    assert {flow.permitted for flow in seen.flows if flow.taker == TARGET} == {("train", "evaluate", "publish")}


def test_the_plan_says_who_would_refuse_which_step_and_by_which_rule(watching: World, watched: Watched) -> None:
    line = onlooker(watching, "line")
    before = plans.plan(watched, line)
    assert (before.refusals, before.elsewhere, before.secure) == ((), (TARGET,), False)
    give(watched, 'policies = ["night.cedar"]')
    after = plans.plan(watched, line)
    assert {one.owner for one in after.refusals} == {LINES[0]}
    assert any("night" in reason for one in after.refusals for reason in one.reasons)
    assert after.of_refusals == len(after.refusals) == 3


def test_why_a_department_with_files_of_its_own_refuses_is_told_to_its_own_people(
    watching: World, watched: Watched
) -> None:
    give(watched, 'policies = ["night.cedar", "broken.cedar"]')
    (watched.place.parent / "broken.cedar").write_text("permit (", "utf-8")
    found = {}
    for name in ("line", "approver"):
        looking = onlooker(watching, name)
        seen = plans.plan(watched, looking)
        asked = policies.answers(watched, looking, Question(who=TARGET, verb="train", what="updates"))
        answer = next(one for one in asked if one.owner == LINES[0])
        found[name] = [seen.troubles, answer.lines, answer.decision.reasons]
        found[name] += [text for one in seen.refusals if one.owner == LINES[0] for text in (one.reasons,)]
        assert seen.of_refusals == 3
        assert not answer.decision.permitted
    assert all(found["line"])
    assert not any(found["approver"])


def test_policies_of_its_own_are_read_by_a_departments_own_approvers_alone(watching: World, watched: Watched) -> None:
    give(watched, 'policies = ["night.cedar"]')
    own = policies.policies(watched, onlooker(watching, "line"), LINES[0])
    other = policies.policies(watched, onlooker(watching, "approver"), LINES[0])
    assert NIGHT in own.text
    assert "night" not in other.text.replace("night.cedar", "")
    assert (own.digest, own.own) == (other.digest, other.own)
    assert "permit" in other.text
    with pytest.raises(NotThere):
        policies.policies(watched, onlooker(watching, "line"), "无")


def test_a_request_is_answered_as_the_command_explains_it(
    watching: World, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    from lepton_fed.cli import main

    with pytest.raises(SystemExit) as end:
        main(["explain", TARGET, "read", "updates", "--file", str(watched.place)])
    assert not end.value.code
    found = policies.answers(watched, onlooker(watching, "line"), Question(who=TARGET, verb="read", what="updates"))
    assert capsys.readouterr().out.rstrip() == "\n\n".join("\n".join(one.lines) for one in found)
    assert {one.decision.permitted for one in found} == {False}
    with pytest.raises(Unacceptable, match="nobody gives anything called"):
        policies.answers(watched, onlooker(watching, "line"), Question(who=TARGET, verb="read", what="无"))


def test_a_ledger_is_shown_where_it_is_and_to_its_own_people(watching: World, watched: Watched, place: Path) -> None:
    (place / "小" / "账").mkdir()
    give(watched, below='[privacy]\nbudget = 8.0\nledger = "../账/ledger"')
    asked = {name: ledgers.ledgers(watched, onlooker(watching, name)) for name in ("line", "approver")}
    assert [one.where for one in asked["line"]] == ["here", "not_yours", "department"]
    assert [one.where for one in asked["approver"]] == ["not_yours", "not_yours", "department"]
    (balance,) = asked["line"][0].balances
    assert (balance.budget, balance.spent, balance.releases) == (8.0, 0.0, 0)
    assert not balance.ledger.exists(), "who looks begins no ledger"


def test_the_log_is_read_from_its_newest_entry_to_its_first(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "A_PAGE", 7)
    numbers: list[int] = []
    seen, before = audit_log.page(watched), None
    while seen is not None:
        numbers += [one.number for one in seen.entries]
        before = seen.older
        seen = None if before is None else audit_log.page(watched, before)
    size = len(logs_at(watched.runs)[0].written.records)
    assert numbers == list(range(size))[::-1]
    newest = audit_log.page(watched)
    assert newest is not None
    assert (newest.size, newest.sealed) == (size, size)
    step = newest.entries[0]
    assert (step.kind, dict(step.says)["step"], dict(step.says)["after"]) == ("step", GATE, "asking")


def test_what_is_downloaded_is_verified_elsewhere(watched: Watched, tmp_path: Path) -> None:
    log, keys = tmp_path / "audit-log.jsonl", tmp_path / "audit-keys.json"
    log.write_bytes(audit_log.export(watched))
    keys.write_bytes(audit_log.keys(watched))
    (found,) = logs_at(log, keys)
    assert found.verdict().sound
    assert audit_log.verdict(watched).sound
    model = runs.run(watched, runs.runs(watched)[0].id).models[0]
    proof = audit_log.proof(watched, model.digest)
    assert proof.startswith("log 小联邦: ")
    assert f"model {model.digest} of {model.department}" in proof
    for wrong in ("0" * 64, "none", ""):
        with pytest.raises(NotThere):
            audit_log.proof(watched, wrong)


def test_a_log_that_was_edited_is_told_and_proves_nothing(watched: Watched) -> None:
    model = runs.run(watched, runs.runs(watched)[0].id).models[0]
    database = schema.opened(sqlite_url(watched.runs / "lepton-fed.sqlite"), patience=10, durable=False)
    unguarded(database)
    with database.writing() as connection:
        connection.execute(text("UPDATE audit_entry SET body = 'x' WHERE number = 1"))
    database.close()
    assert not audit_log.verdict(watched).sound
    with pytest.raises(Exception, match="NOT what was signed"):
        audit_log.proof(watched, model.digest)
    size = audit_log.page(watched)
    assert size is not None
    assert [one.kind for one in size.entries if one.number == 1] == ["unreadable"]


def test_a_gate_is_answered_by_those_whom_it_is_offered_to(watching: World, watched: Watched) -> None:
    for name, yours in (("approver", True), ("zhangsan", False), ("line", False)):
        seen = pipeline.pipeline(watched, onlooker(watching, name))
        assert seen is not None
        (gate,) = seen.gates
        assert (gate.step, gate.yours, gate.department) == (GATE, yours, TARGET)
        assert gate.after == (f"{TARGET} 完成模型开发: it says so",)


def test_a_gate_before_training_shows_what_owners_say_and_what_its_sums_would_tell(
    watching: World, tmp_path: Path
) -> None:
    steps = [{**THREE[0], "approve": ROLE}]
    file = write(tmp_path / "大", quick({**SECURE, "pipeline": steps, "access": PERMITTED}, 2))
    AutoPipeline.of(Federation.load(file), folder=tmp_path / "runs", say=lambda _: None).run(by="somebody")
    watched = Watched(file, runs=tmp_path / "runs")
    seen = pipeline.pipeline(watched, onlooker(watching, "approver"))
    assert seen is not None
    (gate,) = seen.gates
    assert gate.reveals == audit(watched.federation().settings).sentences
    assert [one.permitted for one in gate.answers] == [True] * len(FOUR)
    assert {one.asked.owner for one in gate.answers} == set(FOUR)
    # Why a department with files of its own says so is told to its own people.
    give(watched, 'policies = ["night.cedar"]')
    for name, told in (("approver", False), ("line", True)):
        looked = pipeline.pipeline(watched, onlooker(watching, name))
        assert looked is not None
        (own,) = (one for one in looked.gates[0].answers if one.asked.owner == LINES[0])
        assert not own.permitted
        assert ("night" in own.reason, "night" in "".join(own.rules)) == (told, told)
