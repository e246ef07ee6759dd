"""Authors, readers and reviewers in Chromium: what was found in a draft, a reported error and its answer, lessons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.portal.test_quality import LONG, OTHER
from tests.portal.visitor import DESKTOP, PHONE, Visitor, chromium, served
from tests.portal.world import reopened

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

__all__ = ["chromium"]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def address(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal with an entry, and with a draft that says the same and links to nowhere."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("信") / "门户"))
    there = reopened(folder)
    there.publish("润滑规程", f"# 检查\n\n{LONG}{OTHER} [[entity:华东钢铁]]", audience="everyone")
    there.write("润滑", f"{LONG}{OTHER} [旧图](images/old.png) [上文](#没有)", audience="everyone")
    there.portal.close()
    with served(folder) as address:
        yield address


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_error_is_reported_answered_and_a_comment_taken_back(
    chromium: Chromium, address: str, language: str
) -> None:
    reader = Visitor(chromium, address, language).sign_in("shop")
    t, page = reader.t, reader.page
    page.goto("/entries/1")
    page.get_by_text(t("report.open"), exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(f"步骤二有误 {language}")
    page.keyboard.press("Tab")
    with reader.leaving():
        page.keyboard.press("Enter")
    reader.sees(t("report_state.open"))
    page.get_by_label(t("comments.label")).fill("写错了")
    reader.send("comments.go")
    page.get_by_text(t("comments.take_back"), exact=True).last.click()
    reader.send("comments.take_back_go")
    reader.sees(t("comments.taken_back", name="Shop"))

    author = Visitor(chromium, address, language).sign_in("author")
    author.follow(author.page.get_by_role("link", name=t("nav.work")))
    author.shown("work-reported")
    author.follow(author.page.get_by_role("link", name="润滑规程").first)
    author.sees(f"步骤二有误 {language}")
    author.shown("reported")
    author.faultless("reported")
    author.page.locator("#reports").get_by_label(t("moves.reason")).fill("已核对")
    author.send("report.no_error")
    author.sees("已核对")
    assert reader.complaints == author.complaints == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_no_fault_and_no_page_is_wider_than_its_window(
    chromium: Chromium, address: str, size: dict[str, int], language: str
) -> None:
    author = Visitor(chromium, address, language, size=size).sign_in("author")
    for name, path in {"checks": "/entries/2", "lessons": "/lessons", "rewards": "/rewards"}.items():
        author.page.goto(path)
        author.faultless(name)
        author.shown(name)
    author.page.goto("/entries/2")
    author.sees(author.t("check.link", what="images/old.png"))
    author.sees(author.t("check.place", what="#没有"))
    author.follow(author.page.locator("#checks").get_by_role("link", name="润滑规程"))
    author.page.get_by_role("heading", name="润滑规程").wait_for()
    assert author.complaints == []


def test_a_file_of_comments_becomes_drafts_and_a_table_is_saved(
    chromium: Chromium, address: str, tmp_path: Path
) -> None:
    comments = [{"path": "src/gear.py", "comment": "毫米与英寸混用", "resolution": "统一"}]
    (tmp_path / "r.json").write_text(json.dumps({"format": "code-reviews/1", "reviews": comments}), "utf-8")
    author = Visitor(chromium, address, "zh").sign_in("author")
    author.page.goto("/entries/new")
    author.follow(author.page.get_by_role("link", name=author.t("lesson.page")))
    author.page.get_by_label(author.t("lesson.file")).set_input_files(tmp_path / "r.json")
    author.send("lesson.go")
    author.follow(author.page.get_by_role("link", name="评审经验：src/gear.py"))
    author.sees("毫米与英寸混用")
    author.shown("lesson")
    author.page.goto("/rewards")
    with author.page.expect_download() as saved:
        author.press("yearly.go")
    assert saved.value.path().read_bytes().startswith("\ufeff季度,条目,标题".encode())
    assert author.complaints == []
