"""What cannot be read is said in the reader's language: of files, of databases, of a kit."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lepton_fed import AutoPipeline, Federation
from lepton_fed.deploy.provisioning import provision
from lepton_fed.pipeline import State
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.storage import sqlite_url
from tests.federations import LINES, SECURE, TARGET, quick, written
from tests.portal.browser import Browser
from tests.portal.federation.conftest import GATE
from tests.portal.federation.test_chinese import edit_log
from tests.portal.world import World
from tests.speaking import ENGLISH


def told(world: World, path: str, *quoted: str, person: str = "line") -> str:
    """What a Chinese page says that cannot show what it is for; AssertionError where any of it is English.

    `quoted`: what others say, which pages only repeat.
    """
    answer = Browser.before(world.portal, "zh").sign_in(person).get(f"/federation{path}")
    assert answer.status_code == 503, answer.text
    return alert(answer.text, *quoted)


def alert(shown: str, *quoted: str) -> str:
    found = re.search('<p[^>]* role="alert"[^>]*>(.*?)</p>', shown, flags=re.DOTALL)
    assert found is not None, shown
    said = left = html.unescape(re.sub("<[^>]*>", "", found[1]))
    for words in quoted:
        assert words in said
        left = left.replace(words, "")
    assert not ENGLISH.search(left), said
    return said


def watch(world: World, watched: Watched) -> None:
    Browser.before(world.portal).app.state.watched = watched  # type: ignore[attr-defined]


def with_line(watched: Watched, what: str) -> None:
    """The federation file with a line more at its end."""
    watched.place.write_text(f"{watched.place.read_text(encoding='utf-8')}\n{what}\n", encoding="utf-8")


BROKEN: tuple[tuple[Callable[[Watched], object], str], ...] = (
    (lambda it: it.place.unlink(), "没有这个文件；请给出联邦文件的路径"),
    (lambda it: it.place.write_bytes("名".encode("gb18030")), "第 1 行：不是 UTF-8 文本"),
    (lambda it: it.place.write_text("", encoding="utf-8"), "是空的；联邦文件由这些表组成"),
    (lambda it: with_line(it, "["), "不是 TOML：键的首字符无效"),
    (lambda it: with_line(it, "[audit]\nevery ="), "不是 TOML：值无效"),
    (lambda it: with_line(it, "[audit]\nevery = 'a"), "第 113 行：不是 TOML：此处应有 \"'\"，而文件到此结束"),
    (lambda it: with_line(it, "[audit]\nevry = 3"), "未知的键 `audit.evry`；是否指 `every`？"),
    (lambda it: with_line(it, "[audit]\nevery = 0"), "audit：every 至少为 1 轮，而实际为 0"),
    (lambda it: with_line(it, "[audit]\nevery = '3'"), '`audit.every` 为 "3"，须为整数'),
    (lambda it: with_line(it, "[audit]\nevery = nan"), "`audit.every` 的值为 nan，须为有限的数"),
    (lambda it: with_line(it, '[[graph]]\nfrom = 3'), "不是 TOML：('graph',) 已经写定，不能再添加"),
    (lambda it: with_line(it, '[weights.beta]\n"研发" = 1'), f"写了 '研发'，而没有这个部门；是否指“{TARGET}”？"),
    (
        lambda it: with_line(it, f'[[pipeline]]\ndepartment = ["{TARGET}"]\nstep = "甲"\nneeds = ["无"]'),
        "pipeline[3].needs 为 '无'，而没有谁产出它；请写某个步骤产出的",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BROKEN)
def test_a_federation_file_that_cannot_be_read_is_told_in_chinese(
    watching: World, watched: Watched, change: Callable[[Watched], object], said: str
) -> None:
    change(watched)
    assert said in told(watching, "")


@pytest.mark.parametrize("path", ["/plan", "/ledgers", f"/policies?owner={LINES[0]}"])
def test_a_departments_own_file_that_cannot_be_read_is_told_in_chinese(
    watching: World, watched: Watched, path: str
) -> None:
    own = watched.federation().department_file(LINES[0])
    own.write_text('[data]\npath = "rows.csv"\nurl = "sqlite://"\n', encoding="utf-8")
    said = told(watching, path)
    assert f"{LINES[0]}：{own} 第 2 行：data：path、url、call 须写其一，而实际写了 path和url" in said


def test_a_question_whose_answer_hangs_on_a_broken_file_is_told_so_in_chinese(
    watching: World, watched: Watched
) -> None:
    watched.federation().department_file(LINES[0]).write_text("device = 3", encoding="utf-8")
    path = f"/federation/explain?who={TARGET}&verb=train&what=updates"
    answer = Browser.before(watching.portal, "zh").sign_in("line").get(path)
    assert answer.status_code == 422
    assert "`device` 为 其他类型的值，须为文本" in alert(answer.text)


def damaged(watched: Watched) -> None:
    (watched.runs / "lepton-fed.sqlite").write_bytes(b"no database at all" * 99)


def newer(watched: Watched) -> None:
    with sqlite3.connect(watched.runs / "lepton-fed.sqlite") as connection:
        connection.execute("UPDATE lepton_fed_version SET version_num = '9999'")


def without_tables(watched: Watched) -> None:
    with sqlite3.connect(watched.runs / "lepton-fed.sqlite") as connection:
        for table in ("run", "pipeline_run", "audit_log"):
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_away")


@pytest.mark.parametrize("path", ["", "/runs", "/pipeline", "/audit", "/audit/verdict"])
@pytest.mark.parametrize(
    ("change", "said", "quoted"),
    [
        (damaged, "lepton-fed.sqlite 是另一类文件；请换一个路径", ""),
        (newer, "数据库的模式版本是 9999，而本程序只认识到", ""),
        (without_tables, "拒绝了请求（no such table: ", "no such table"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_chinese(
    watching: World, watched: Watched, path: str, change: Callable[[Watched], None], said: str, quoted: str
) -> None:
    change(watched)
    assert said in told(watching, path, *filter(None, [quoted]))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "数据库的地址不是 URL；请写成 sqlite:///folder/file.sqlite 或"),
        ("nosuch://place/it", "数据库 nosuch://place/it 不是 SQLAlchemy 认识的数据库"),
    ],
)
def test_an_address_of_no_database_is_told_in_chinese(watching: World, watched: Watched, url: str, said: str) -> None:
    watch(watching, Watched(watched.place, runs=watched.runs, database=url))
    assert said in told(watching, "/runs")


def test_a_database_in_a_folder_that_is_a_file_is_told_in_chinese(watching: World, watched: Watched) -> None:
    place = watched.runs / "not here"
    place.mkdir()
    (place / "lepton-fed.sqlite").mkdir()
    watch(watching, Watched(watched.place, runs=place))
    assert "无法打开；请检查其文件夹是否存在、是否可以写入" in told(watching, "/runs")


def ledger(watched: Watched) -> Path:
    """Where the first line's ledger is to be."""
    own = watched.federation().department_file(LINES[0])
    own.write_text(f'{own.read_text(encoding="utf-8")}\n[privacy]\nbudget = 8.0\nledger = "账"\n', encoding="utf-8")
    return own.with_name("账")


def of_something_else(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (number INTEGER)")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.with_name("账.begun").touch(), "不见了；请放回其最新副本；空的账本会让"),
        (lambda path: path.write_bytes(b"no ledger" * 99), "已损坏或不是账本（文件不是数据库）；请放回其最新副本"),
        (lambda path: path.mkdir(), "无法使用：是文件夹；请改正 `ledger` 或其文件夹"),
        (of_something_else, "是别的程序的数据库；请为账本另写一个文件"),
    ],
)  # fmt: skip
def test_a_ledger_that_cannot_be_read_is_told_in_chinese(
    watching: World, watched: Watched, change: Callable[[Path], object], said: str
) -> None:
    change(ledger(watched))
    assert said in told(watching, "/ledgers")


def test_a_pipeline_without_an_order_is_told_in_chinese(watching: World, watched: Watched) -> None:
    for name, after in (("甲", "乙"), ("乙", "甲")):
        with_line(watched, f'[[pipeline]]\ndepartment = ["{TARGET}"]\nstep = "{name}"\nafter = ["{after}"]')
    said = told(watching, "/pipeline")
    assert f"流水线中有循环，没有步骤可以最先进行：{TARGET}/甲 排在 {TARGET}/乙 之后（它自己这样声明）；" in said


def test_an_answer_about_other_steps_than_the_runs_is_refused_in_chinese(watching: World, watched: Watched) -> None:
    with_line(watched, f'[[pipeline]]\ndepartment = ["{TARGET}"]\nstep = "收尾"')
    browser = Browser.before(watching.portal, "zh").sign_in("approver")
    answer = browser.fill("/federation/pipeline", step=GATE, run=1, decision="approve", why="已核对")
    assert answer.status_code == 503
    assert f"开始时的步骤与现在不同（{TARGET}/收尾 是新的）；请用原来的步骤完成它，或取消它" in alert(answer.text)


def keys(watched: Watched) -> Path:
    (found,) = (watched.runs / "audit-keys").iterdir()
    return found


def forget_keys(watched: Watched) -> None:
    (keys(watched) / "public.json").unlink()


def no_keys(watched: Watched) -> None:
    (keys(watched) / "public.json").write_text(json.dumps({"format": "another"}), encoding="utf-8")


def no_head(watched: Watched) -> None:
    next(keys(watched).glob("*.head")).write_bytes(b"no head")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (forget_keys, "旁边没有可用来核验日志 '小联邦' 的公钥；请用 --keys 指明公钥文件或你的启动包"),
        (no_keys, "public.json 不是公钥文件；请用 lepton-fed audit keys 生成"),
        (no_head, "已损坏或不是所保存的签名头（"),
    ],
)
def test_a_log_that_cannot_be_checked_is_told_in_chinese(
    watching: World, watched: Watched, change: Callable[[Watched], None], said: str
) -> None:
    change(watched)
    quoted = "bytes are left over after the value" if change is no_head else "lepton-fed audit keys"
    assert said in told(watching, "/audit/verdict", quoted)


@pytest.mark.parametrize("body", ["x'00'", "'text'"])
def test_a_log_whose_last_head_was_edited_is_told_in_chinese(watching: World, watched: Watched, body: str) -> None:
    edit_log(watched, f"UPDATE audit_head SET body = {body}")
    found = Browser.before(watching.portal, "en").sign_in("line").get("/federation/audit").text
    flaw = html.unescape(re.search(r"it cannot be read any more \((.*?)\)</p>", found)[1])  # type: ignore[index]
    assert "日志的最后一个签名头被改动过：已无法读取（" in told(watching, "/audit", flaw)


@pytest.mark.parametrize("key", ["coordinator.key", "*.department.key"])
def test_a_key_that_an_answer_needs_and_that_is_damaged_is_told_in_chinese_and_nothing_is_answered(
    watching: World, watched: Watched, key: str
) -> None:
    damaged = next(keys(watched).glob(key))
    damaged.write_bytes(b"short")
    browser = Browser.before(watching.portal, "zh").sign_in("approver")
    answer = browser.fill("/federation/pipeline", step=GATE, run=1, decision="approve", why="已核对")
    assert answer.status_code == 503
    assert f"{damaged.name} 不是日志的密钥；请放回其副本，或换一个数据库另起新日志" in alert(answer.text)
    auto = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None)
    status = auto.status()
    assert status is not None
    assert [one.name for one in status.in_state(State.ASKING)] == [GATE]


def test_of_a_deployed_federation_what_is_wrong_is_told_in_chinese(watching: World, tmp_path: Path) -> None:
    made = provision(written(tmp_path / "小", quick(SECURE, 2)), tmp_path / "kits")
    watch(watching, Watched(made.coordinator))
    shown = Browser.before(watching.portal, "zh").sign_in("line").get("/federation").text
    assert "在线情况未知：" in shown
    assert "协调者：无法在 " in shown
    assert '<span lang="en">' not in shown
    for change, said in (
        (lambda: (made.coordinator / "federation.toml").write_text("[", encoding="utf-8"), "与管理员制作的不同；"),
        (lambda: made.coordinator.chmod(0o777), "其他人可以写入 "),
        (lambda: (made.coordinator / "kit.toml").unlink(), "是文件夹；请给出联邦文件的路径"),
    ):  # fmt: skip
        change()
        assert said in told(watching, "")


def test_in_english_it_is_what_the_command_says(watching: World, watched: Watched) -> None:
    with_line(watched, "[audit]\nevry = 3")
    browser = Browser.before(watching.portal, "en").sign_in("line")
    assert "unknown key `audit.evry`; did you mean `every`?" in html.unescape(browser.get("/federation").text)


def test_an_address_with_a_password_is_shown_without_it_in_chinese_too(watching: World, watched: Watched) -> None:
    watch(watching, Watched(watched.place, runs=watched.runs, database="nosuch://me:geheim@place/it"))
    said = told(watching, "/runs")
    assert "nosuch://me:***@place/it" in said
    assert "geheim" not in said


def test_a_file_database_is_found_by_its_address(watching: World, watched: Watched) -> None:
    damaged(watched)
    url = sqlite_url(watched.runs / "lepton-fed.sqlite")
    watch(watching, Watched(watched.place, runs=watched.runs / "none", database=url))
    assert "是另一类文件；请换一个路径" in told(watching, "/audit")
