"""Somebody writes in one tab of Chromium while their session ends in another: what they wrote is saved all the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.portal.visitor import PHONE, Visitor, chromium, served
from tests.portal.world import PASSWORD, reopened

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

__all__ = ["chromium"]

pytestmark = pytest.mark.long

WRITTEN = "第一段 </textarea>\n\n第二段：写了很久。"


@pytest.fixture(scope="module")
def address(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal of their own, with an entry published."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("断") / "门户"))
    there = reopened(folder)
    there.publish("齿轮箱质检步骤", "正文", audience="everyone")
    there.portal.close()
    with served(folder) as address:
        yield address


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_text_outlives_the_session_that_it_was_written_in(chromium: Chromium, address: str, language: str) -> None:
    author = Visitor(chromium, address, language, size=PHONE if language == "zh" else None).sign_in("author")
    page, t = author.page, author.t
    page.goto("/entries/new")
    page.get_by_label(t("entry.title"), exact=True).fill("轴承")
    page.get_by_label(t("entry.body")).fill(WRITTEN)

    other = page.context.new_page()
    other.goto("/")
    with other.expect_event("load"):
        other.get_by_role("button", name=t("nav.sign_out"), exact=True).click()

    page.get_by_role("button", name=t("edit.preview")).click()
    author.sees(t("unheard.signed_out"))
    assert page.get_by_label(t("entry.body")).input_value() == WRITTEN
    author.send("edit.save")
    author.sees(t("unsent.ended"))
    author.shown("unsent-ended")
    author.faultless("unsent-ended")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name=t("unsent.sign_in")).click()
    there = opened.value
    there.get_by_label(t("sign_in.name")).fill("author")
    there.get_by_label(t("sign_in.password"), exact=True).fill(PASSWORD)
    with there.expect_event("load"):
        there.get_by_role("button", name=t("sign_in.go"), exact=True).click()
    assert there.url == f"{address}/entries/new"

    author.send("unsent.go")
    author.sees(t("unsent.other", shown="Author", name="author"))
    author.shown("unsent-other")
    author.faultless("unsent-other")
    author.send("unsent.go")
    author.follow(page.get_by_role("link", name=t("entry.edit"), exact=True))
    assert page.get_by_label(t("entry.body")).input_value() == WRITTEN
    assert page.get_by_label(t("entry.title"), exact=True).input_value() == "轴承"


def test_signing_in_again_elsewhere_costs_one_more_press(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "en").sign_in("reader")
    page = reader.page
    page.goto("/entries/1")
    page.get_by_label(reader.t("comments.label")).fill("写了一半")
    other = page.context.new_page()
    other.goto("/")
    with other.expect_event("load"):
        other.get_by_role("button", name=reader.t("nav.sign_out"), exact=True).click()
    other.get_by_label(reader.t("sign_in.name")).fill("reader")
    other.get_by_label(reader.t("sign_in.password"), exact=True).fill(PASSWORD)
    with other.expect_event("load"):
        other.get_by_role("button", name=reader.t("sign_in.go"), exact=True).click()
    reader.send("comments.go")
    reader.sees(reader.t("unsent.confirm"))
    reader.send("unsent.go")
    page.locator("#comments").get_by_text("写了一半").wait_for()
