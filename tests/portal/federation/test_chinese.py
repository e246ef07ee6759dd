"""What the federation says is said in Chinese on Chinese pages, and as ever on English ones."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from lepton_fed import AutoPipeline, Federation
from lepton_fed.portal.federation import runs
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.storage import schema, sqlite_url
from tests.audit.example import unguarded
from tests.federations import LINES, TARGET, quick, write
from tests.pipeline.test_built_in import PERMITTED, THREE
from tests.portal.browser import Browser
from tests.portal.federation.conftest import GATE, ROLE, STEPS
from tests.portal.world import World
from tests.speaking import ENGLISH


def page(world: World, path: str, language: str = "zh", person: str = "approver") -> str:
    answer = Browser.before(world.portal, language).sign_in(person).get(f"/federation{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def said(shown: str) -> str:
    """A page, or a part of one, without its signs."""
    return html.unescape(re.sub(r"<svg.*?</svg>|<script.*?</script>|<[^>]*>", "\n", shown, flags=re.DOTALL))


def edit_log(watched: Watched, *statements: str) -> None:
    database = schema.opened(sqlite_url(watched.runs / "lepton-fed.sqlite"), patience=10, durable=False)
    unguarded(database)
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.close()


def test_the_verdict_is_said_in_the_readers_language(watching: World) -> None:
    shown = page(watching, "/audit/verdict")
    assert '<span lang="en">' not in shown
    assert "条都与协调者签名时一致" in shown
    assert not ENGLISH.search(said(shown))
    assert "entries is as the coordinator signed it" in page(watching, "/audit/verdict", "en")


def test_what_is_wrong_with_a_log_is_said_in_the_readers_language(watching: World, watched: Watched) -> None:
    edit_log(
        watched,
        "DELETE FROM audit_entry WHERE number = 3",
        "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE number = 2) WHERE number = 1",
    )
    shown = page(watching, "/audit/verdict")
    assert '<span lang="en">' not in shown
    assert "条目 3 被删除：后面接着的是条目 4" in shown
    assert re.search("条目 1（[^）]*）被改动过：它的散列与一起保存的不同", shown)
    assert not ENGLISH.search(said(shown))
    english = page(watching, "/audit/verdict", "en")
    assert "entry 3 was dropped: entry 4 follows" in english
    assert re.search(r"entry 1 \([^)]*\) was edited: it does not give the hash kept with it", english)


def give(watched: Watched, text: str) -> None:
    """A file of policies for the first line."""
    own = watched.federation().department_file(LINES[0])
    own.write_text(f'policies = ["own.cedar"]\n{own.read_text(encoding="utf-8")}', encoding="utf-8")
    (own.parent / "own.cedar").write_text(text, encoding="utf-8")


def test_a_plan_that_is_refused_says_so_in_the_readers_language(watching: World, watched: Watched) -> None:
    give(watched, '@id("never") forbid (principal, action == Action::"train", resource);')
    shown = page(watching, "/plan", person="line")
    refusals = shown.partition('<ul class="list">')[2].partition("</ul>")[0]
    hub = "、".join((*LINES, TARGET))
    assert f"{LINES[0]}为枢纽 {hub} 训练" in refusals
    assert f"{TARGET}不可以训练{LINES[0]}的updates：规则 never of own.cedar 禁止" in refusals
    assert "如没有规则 never of own.cedar 即可通过" in refusals
    assert '<span lang="en">' not in refusals
    assert not ENGLISH.search(said(refusals).replace("never of own.cedar", ""))
    assert f"{LINES[0]} trains for hub {hub}" in page(watching, "/plan", "en", person="line")


def test_policies_that_cannot_be_used_are_told_in_the_readers_language(watching: World, watched: Watched) -> None:
    give(watched, "")
    why = "文件 own.cedar：没有任何策略；请写一条，或移走该文件"
    plan = page(watching, "/plan", person="line")
    assert f"{LINES[0]}：{why}；在改正之前，{LINES[0]}的一切都不允许使用" in plan
    assert f"{LINES[0]}的策略无法使用：{why}" in plan
    assert why in page(watching, f"/policies?owner={LINES[0]}", person="line")
    asked = page(watching, f"/explain?who={TARGET}&verb=train&what=updates", person="line")
    assert f"{LINES[0]}的策略无法使用：{why}" in asked
    assert '<span lang="en">' not in asked
    assert "until it is mended, everything that" in page(watching, "/plan", "en", person="line")


def test_the_overview_and_the_answer_to_a_question_have_no_english_sentence(watching: World) -> None:
    for path in ("", f"/explain?who={TARGET}&verb=read&what=updates", f"/explain?who={TARGET}&verb=train&what=updates"):
        shown = page(watching, path)
        assert '<span lang="en">' not in shown
        assert not ENGLISH.search(said(shown)), path


def test_a_question_about_nothing_is_answered_in_the_readers_language(watching: World) -> None:
    browser = Browser.before(watching.portal, "zh").sign_in("approver")
    for what, answer in (("update", "是否指“updates”？"), ("别的", "请指明其所有者")):
        shown = html.unescape(browser.get(f"/federation/explain?who={TARGET}&verb=read&what={what}").text)
        assert f"没有谁提供 '{what}'；{answer}" in shown
    for who, answer in (("研发", f"没有部门 '研发'；是否指“{TARGET}”？"), ("Shop", "没有部门 'Shop'")):
        shown = browser.get(f"/federation/explain?who={who}&verb=read&what=updates").text
        assert answer in html.unescape(shown)


def test_a_proof_from_a_log_that_was_edited_is_refused_in_the_readers_language(
    watching: World, watched: Watched
) -> None:
    model = runs.run(watched, runs.runs(watched)[0].id).models[0].digest
    edit_log(watched, "DELETE FROM audit_entry WHERE number = 3")
    for language, words in (("zh", "与签名时不一致，发现 "), ("en", "NOT what was signed, ")):
        answer = Browser.before(watching.portal, language).sign_in("approver").get(f"/federation/models/{model}")
        assert answer.status_code != 200
        shown = said(answer.text)
        assert words in shown
        assert ("条目 3 被删除" if language == "zh" else "entry 3 was dropped") in shown


def test_the_graphs_report_is_said_in_the_readers_language(watching: World) -> None:
    shown = page(watching, "/graph")
    assert f"{TARGET}需要{LINES[0]}的生产线数据" in shown
    assert not ENGLISH.search(said(shown))
    assert f"{TARGET} needs 生产线数据 from {LINES[0]}" in page(watching, "/graph", "en")


def test_what_a_drawing_says_to_those_who_do_not_see_it_is_said_in_the_readers_language(
    watching: World, watched: Watched
) -> None:
    run = runs.runs(watched)[0].id
    for path, *words in (
        ("/graph", f"3 个部门的协作图。{TARGET}依赖{LINES[0]}：生产线数据", "Collaboration graph of 3 departments. "),
        ("/pipeline", f"时间线：{TARGET}的完成模型开发用时 ", f"Timeline: {TARGET} 完成模型开发 "),
        (
            f"/runs/{run}",
            "测试部分的AUC随轮次的变化（越高越好）。",
            "AUC on the test part over the rounds (higher is better). ",
        ),
    ):
        for language, said_there in zip(("zh", "en"), words, strict=True):
            titles = re.findall('<title id="[^"]*">(.*?)</title>', page(watching, path, language))
            assert any(one.startswith(said_there) for one in titles)
            assert not (language == "zh" and ENGLISH.search(" ".join(titles)))


@pytest.mark.parametrize(
    "path", ["", "/graph", "/runs", "/pipeline", "/plan", "/policies", "/explain", "/ledgers", "/audit"]
)
def test_no_label_of_a_chinese_page_is_english(watching: World, path: str) -> None:
    shown = page(watching, path)
    labels = re.findall(r'(?:aria-label|title|alt|placeholder|aria-description)="([^"]*)"', shown)
    assert labels
    assert [one for one in labels if re.search("[A-Za-z]{2}", one)] == []


def tables(shown: str) -> str:
    """Of a page, what stands in tables."""
    return " ".join(re.findall("<table>.*?</table>", shown, flags=re.DOTALL))


def test_what_was_stored_of_a_pipeline_is_said_in_the_readers_language(watching: World, watched: Watched) -> None:
    shown = page(watching, "/pipeline")
    assert f"步骤 {TARGET} 完成模型开发：它自己这样声明" in shown
    assert re.search("<td>2 轮；auc [^<]*</td>", shown)
    assert f"<td>等待{ROLE}</td>" in shown
    browser = Browser.before(watching.portal).sign_in("approver")
    assert browser.fill("/federation/pipeline", step=GATE, run=1, decision="approve", why="已核对").status_code == 200
    AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None).run(by="ZhangSan")
    shown = tables(page(watching, "/pipeline"))
    assert f"<td>{ROLE}已批准：已核对</td>" in shown
    assert "<td>由人完成</td>" in shown
    assert "lang=" not in shown
    assert not ENGLISH.search(said(shown))
    english = page(watching, "/pipeline", "en")
    assert f"<td>{ROLE} approved: 已核对</td>" in english
    assert re.search("<td>2 rounds; auc [^<]*</td>", english)
    assert "<td>a person&#39;s work</td>" in english


def test_a_refused_step_says_why_in_the_readers_language(
    watching: World, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)
    steps = [THREE[0], {"department": [TARGET], "step": "发布"}, STEPS[-1]]
    file = write(place / "拒", quick({"pipeline": steps}, 1))
    auto = AutoPipeline.of(Federation.load(file), folder=place / "拒运行", say=lambda _: None)
    auto.run(by="ZhangSan")
    Browser.before(watching.portal).app.state.watched = Watched(file, runs=place / "拒运行")  # type: ignore[attr-defined]
    shown = tables(page(watching, "/pipeline"))
    why = f"{TARGET}不可以发布{LINES[0]}的updates：{LINES[0]}没有规则允许"
    assert shown.count(f"<td>{why}</td>") == 2
    assert f"<td>步骤 {TARGET}/发布 被拒绝</td>" in shown
    assert "lang=" not in shown
    write(place / "拒", quick({"pipeline": steps, "access": PERMITTED}, 1))
    assert tables(page(watching, "/pipeline")).count(f"<td>{why}</td>") == 2, "as they said then"


def test_why_a_department_refused_a_step_is_for_those_who_may_read_its_own_policies(
    watching: World, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)
    steps = [THREE[0], {"department": [TARGET], "step": "发布"}]
    watched = Watched(write(place / "拒", quick({"pipeline": steps, "access": PERMITTED}, 1)), runs=place / "拒运行")
    give(watched, '@id("never") @reason("{0} <b>秘方</b>") forbid (principal, action == Action::"publish", resource);')
    AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None).run(by="ZhangSan")
    Browser.before(watching.portal).app.state.watched = watched  # type: ignore[attr-defined]
    why = f"{TARGET}不可以发布{LINES[0]}的updates：规则 never of own.cedar 禁止（理由：{{0}} <b>秘方</b>）"
    assert page(watching, "/pipeline", person="line").count(f"<td>{html.escape(why)}</td>") == 2
    shown = page(watching, "/pipeline", person="approver")
    assert "秘方" not in shown
    assert "own.cedar" not in shown
    assert shown.count("<td>某部门的策略不允许；原因仅供其审批人查看</td>") == 2
    watched.federation().department_file(LINES[0]).with_name("own.cedar").write_text("", encoding="utf-8")
    assert "秘方" in page(watching, "/pipeline", person="line"), "as it was stored"
    assert "秘方" not in page(watching, "/pipeline", "en", person="approver")


def lose_rows(federation: Federation, runs: Path) -> None:
    federation.department_file(LINES[0]).with_name(f"{LINES[0]}.csv").unlink()


def spoil_rows(federation: Federation, runs: Path) -> None:
    rows = federation.department_file(LINES[0]).with_name(f"{LINES[0]}.csv")
    first, *rest = rows.read_text(encoding="utf-8").splitlines()
    rows.write_text("\n".join([first.replace("温度", "温度值"), *rest]), encoding="utf-8")


def lose_file(federation: Federation, runs: Path) -> None:
    federation.department_file(LINES[0]).unlink()


def bar_runs(federation: Federation, runs: Path) -> None:
    runs.mkdir()
    (runs / "pipeline-小联邦-1").write_text("no folder", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "chinese", "english"),
    [
        (lose_rows, f"{LINES[0]}：其数据文件 ", "its data file "),
        (spoil_rows, "其数据不符合数据约定：列 '温度'：其数据中没有这一列；是否指“温度值”？（若是，", "data contract"),
        (lose_file, "没有这个文件；请给出部门自有文件的路径", "there is no such file"),
        (bar_runs, "是文件，而那里应是文件夹；请移走它，或换一个文件夹（已尝试 2 次）", "(tried 2 times)"),
    ],
)  # fmt: skip
def test_why_work_of_ours_failed_is_said_in_the_readers_language(
    watching: World,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Federation, Path], None],
    chinese: str,
    english: str,
) -> None:
    monkeypatch.setattr("lepton_fed.pipeline.step.Retries.pause", lambda *_: 0.0)
    steps = [{**THREE[0], "retries": 1}, STEPS[-1]]
    watched = Watched(write(place / "败", quick({"pipeline": steps, "access": PERMITTED}, 1)), runs=place / "败运行")
    change(watched.federation(), watched.runs)
    AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None).run(by="ZhangSan")
    Browser.before(watching.portal).app.state.watched = watched  # type: ignore[attr-defined]
    shown = tables(page(watching, "/pipeline"))
    assert html.unescape(shown).count(chinese) >= 2
    assert "lang=" not in shown
    assert not ENGLISH.search(said(shown))
    assert english in html.unescape(tables(page(watching, "/pipeline", "en")))


def test_whoever_cancels_a_run_is_quoted(watching: World, watched: Watched) -> None:
    auto = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None)
    auto.cancel(by="approver", why="train again in spring")
    for language in ("zh", "en"):
        assert page(watching, "/pipeline", language).count("<td>train again in spring</td>") == 2
