"""Drafts made of a finished run and of a department's file: what they say, and whom they are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lepton_fed.cli import main
from lepton_fed.portal.entries import quality, reading
from lepton_fed.portal.entries.markdown import rendered
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere
from lepton_fed.portal.federation import cards, drafts, runs
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.record import DATABASE
from tests.federations import LINES, TARGET
from tests.portal.browser import Browser
from tests.portal.federation.test_routes import Call, call
from tests.portal.world import World

__all__ = ["call"]


def newest(watched: Watched) -> str:
    return runs.runs(watched)[0].id


def written(watching: World, name: str, number: int) -> tuple[str, str, str, str]:
    with watching.acting(name) as acting:
        opened = reading.opened(acting, number)
        return opened.entry.kind, opened.entry.state, opened.revision.title, opened.revision.body


def drafted(watching: World, watched: Watched, name: str, language: str = "zh") -> str:
    person = watching.person(name)
    number = drafts.draft_of_run(watching.portal, person, watched, newest(watched), person.department, language)
    return written(watching, name, number)[3]


def test_a_model_card_says_what_was_trained_by_whom_and_what_proves_it(watching: World, watched: Watched) -> None:
    seen = runs.run(watched, newest(watched))
    body = drafted(watching, watched, "approver")
    assert f"[[run:{seen.run.id}]]" in body
    assert "| 生产车间-一 | 提供更新, 接收模型 | 2 |" in body
    assert "- updates\n" in body
    assert "| 曲线下面积（AUC） | 测试部分 |" in body
    for model in seen.models:
        assert (
            f"[[model:{model.digest}]] `{model.digest}` · [审计日志的证明](/federation/models/{model.digest})" in body
        )
    assert body.count("| `") == 3, "the policies of each department, as the log has them"
    assert "Taking part" not in body
    english = drafted(watching, watched, "approver", "en")
    assert "# By whom" in english
    assert "参与" not in english
    assert str(watched.runs) not in body + english, "where things are stored is nobody's business"


def test_a_card_is_a_draft_with_nothing_that_blocks(watching: World, watched: Watched) -> None:
    approver = watching.person("approver")
    number = drafts.draft_of_run(watching.portal, approver, watched, newest(watched), TARGET, "zh")
    with watching.acting("approver") as acting:
        assert quality.of_newest(acting, number) == ()
    kind, state, title, _ = written(watching, "approver", number)
    assert (kind, state) == ("model_card", "draft")
    assert title.startswith("模型卡：小联邦，20")
    assert watching.send(number, "approver", "submit") == "in_review"


def test_names_of_the_federation_are_no_signs_and_what_looks_sensitive_in_them_is_masked(
    watching: World, watched: Watched
) -> None:
    with sqlite3.connect(watched.runs / DATABASE) as connection:
        (toml,) = connection.execute("SELECT federation_toml FROM run").fetchone()
        told = toml.replace("1: it failed", "**x** [[run:a]] <script> 13812345678")
        connection.execute("UPDATE run SET federation_toml = ?, purpose = ?", (told, "# 见 [x](y) 13812345678"))
    body = drafted(watching, watched, "approver")
    assert "13812345678" not in body
    html = rendered(body)
    assert "**x** [[run:a]] &lt;script&gt; 138****5678" in html
    assert "<p># 见 [x](y) 138****5678</p>" in html


def test_only_a_finished_run_becomes_a_card(watching: World, watched: Watched) -> None:
    with sqlite3.connect(watched.runs / DATABASE) as connection:
        connection.execute("UPDATE run SET status = 'stopped'")
    with pytest.raises(Conflict, match="not finished"):
        drafted(watching, watched, "approver")
    with pytest.raises(NotThere):
        drafts.newest_finished(watched)


def test_without_a_log_that_is_as_it_was_signed_nothing_is_said_of_policies(watching: World, watched: Watched) -> None:
    with sqlite3.connect(watched.runs / DATABASE) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE audit_entry SET body = X'00' WHERE number = 1")
    body = drafted(watching, watched, "approver")
    assert "没有与签名一致的审计日志" in body
    assert "审计日志的证明" not in body


def test_whoever_may_not_write_there_makes_no_draft(watching: World, watched: Watched) -> None:
    for name, department in (("approver", LINES[0]), ("approver", "供应链部门"), ("line-reader", LINES[0])):
        with pytest.raises(Forbidden):
            drafts.draft_of_run(watching.portal, watching.person(name), watched, newest(watched), department, "zh")


def test_nothing_of_the_federation_is_read_for_whoever_may_not_write_there(
    watching: World, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*of: object) -> NoReturn:
        raise AssertionError("it was read")

    monkeypatch.setattr(cards, "of_run", never)
    monkeypatch.setattr(cards, "of_data", never)
    reader = watching.person("line-reader")
    for make in (drafts.draft_of_run, drafts.draft_of_data):
        with pytest.raises(Forbidden):
            make(watching.portal, reader, watched, LINES[0], LINES[0], "zh")


def test_others_write_while_a_card_is_made(watching: World, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    others, of_run, of_data = [], cards.of_run, cards.of_data

    def run_meanwhile(*of: Any) -> object:
        others.append(watching.write("题", by="line"))
        return of_run(*of)

    def data_meanwhile(*of: Any) -> object:
        others.append(watching.write("题", by="line"))
        return of_data(*of)

    monkeypatch.setattr(cards, "of_run", run_meanwhile)
    monkeypatch.setattr(cards, "of_data", data_meanwhile)
    line = watching.person("line")
    drafts.draft_of_run(watching.portal, line, watched, newest(watched), LINES[0], "zh")
    drafts.draft_of_data(watching.portal, line, watched, LINES[0], LINES[0], "zh")
    assert len(others) == 2


def test_a_data_set_card_has_names_alone_and_is_for_whoever_may_inspect_it(watching: World, watched: Watched) -> None:
    line = watching.person("line")
    number = drafts.draft_of_data(watching.portal, line, watched, LINES[0], LINES[0], "zh")
    kind, _, title, body = written(watching, "line", number)
    assert (kind, title) == ("data_card", f"数据集卡：小联邦中的{LINES[0]}")
    assert "| 温度 | number | refuse |" in body
    assert "| updates | 研发部门 | 训练, 评估, 发布 |" in body
    assert ".csv" not in body
    for other in (LINES[1], TARGET, "无"):
        with pytest.raises(NotThere):
            drafts.draft_of_data(watching.portal, line, watched, other, LINES[0], "zh")


def test_a_card_is_made_by_one_click_in_the_language_of_the_page(watching: World, watched: Watched) -> None:
    run = newest(watched)
    line = Browser.before(watching.portal, "zh").sign_in("line")
    assert f'action="/federation/runs/{run}/draft"' in line.get(f"/federation/runs/{run}").text
    made = line.fill(f"/federation/runs/{run}/draft", department=LINES[0])
    assert made.url.path.startswith("/entries/")
    assert "参与部门" in made.text
    assert f'<a href="/federation/runs/{run}"' in made.text
    page = line.get("/federation/policies", params={"owner": LINES[0]}).text
    assert "/draft" in page
    assert "/draft" not in line.get("/federation/policies", params={"owner": LINES[1]}).text
    made = line.fill(f"/federation/data-sets/{LINES[0]}/draft", department=LINES[0])
    assert "数据集卡" in made.text
    assert line.fill("/federation/runs/none/draft", department=LINES[0]).status_code == 404


def test_a_card_is_made_by_a_call(watching: World, watched: Watched, call: Call) -> None:
    sent = {"department": TARGET, "language": "zh"}
    made = call("approver", "POST", f"/runs/{newest(watched)}/draft", json=sent)
    assert made.status_code == 201, made.text
    assert written(watching, "approver", made.json()["id"])[0] == "model_card"
    assert call("line", "POST", f"/data-sets/{LINES[0]}/draft", json=sent).status_code == 403
    assert call("approver", "POST", f"/data-sets/{LINES[0]}/draft", json=sent).status_code == 404
    sent = {**sent, "department": LINES[0]}
    assert call("line", "POST", f"/data-sets/{LINES[0]}/draft", json=sent).status_code == 201


def test_a_card_is_made_by_a_command(
    watching: World, watched: Watched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portal = ["portal", "draft", str(tmp_path / "门户"), "--watch", str(watched.place), "--runs", str(watched.runs)]
    for arguments, says in (
        (["--as", "approver", "--department", TARGET], f"draft 1 made in {TARGET}\n"),
        (["--as", "line", "--department", LINES[0], "--data-of", LINES[0]], f"draft 2 made in {LINES[0]}\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*portal, *arguments])
        assert (ended.value.code, capsys.readouterr().out) == (0, says)
    for arguments in (["--as", "shop", "--department", "生产车间"], ["--as", "approver", "--department", LINES[0]]):
        with pytest.raises(SystemExit):
            main([*portal, *arguments])
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("lepton-fed: ")
        assert said.err.count("\n") == 1
