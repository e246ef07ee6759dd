"""A search that asks while somebody types, in Chromium: it leaves alone what is done with its hits just then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.portal.visitor import Visitor, chromium, served, taken
from tests.portal.world import reopened

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Route

__all__ = ["chromium"]

pytestmark = pytest.mark.long

TITLE, OTHER = "齿轮箱质检步骤", "采购合同要点"
HEARD = """
document.addEventListener("htmx:afterRequest", () => { document.body.dataset.heard = ""; }, { once: true })
"""
"""The page says when it has done what it does with the next answer."""

A_WHILE = 300
"""Milliseconds in which something that should not happen would have."""


@pytest.fixture(scope="module")
def address(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal with entries to be found."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("再") / "门户"))
    there = reopened(folder)
    there.publish(TITLE, "先看振动，再看温度。", audience="everyone")
    there.publish(OTHER, "付款与交期。", audience="everyone")
    there.portal.close()
    with served(folder) as address:
        yield address


def searching(reader: Visitor) -> list[Route]:
    """Before the search; its answers are held back, each until its route goes on."""
    held: list[Route] = []
    reader.page.goto("/search")
    reader.page.route("**/search?*", lambda route: held.append(route))
    return held


def test_a_hit_is_opened_however_slowly_the_mouse_is_pressed_after_words_were_typed(
    chromium: Chromium, address: str
) -> None:
    reader = Visitor(chromium, address, "zh").sign_in("shop")
    page = reader.page
    page.goto("/search")
    words = page.get_by_label(reader.t("search.words"))
    words.press_sequentially("齿轮箱")
    page.locator("#hits mark", has_text="齿轮箱").wait_for()
    page.locator("#hits").get_by_role("link", name=TITLE).hover()
    page.mouse.down()
    page.wait_for_timeout(A_WHILE)
    with reader.leaving():
        page.mouse.up()
    page.get_by_role("heading", name=TITLE, level=1).wait_for()
    page.go_back()
    page.locator("#hits mark", has_text="齿轮箱").wait_for()
    assert words.input_value() == "齿轮箱"
    # The way back from there does not lead through all that was typed.
    page.go_back()
    assert page.url == f"{address}/"
    assert reader.complaints == []


@pytest.mark.parametrize("released", ["there", "elsewhere"])
def test_an_answer_that_comes_while_the_mouse_is_pressed_waits_until_it_is_not(
    chromium: Chromium, address: str, released: str
) -> None:
    reader = Visitor(chromium, address, "zh").sign_in("shop")
    page, held = reader.page, searching(reader)
    hit = page.locator("#hits").get_by_role("link", name=TITLE)
    hit.hover()
    page.get_by_label(reader.t("search.words")).press_sequentially("合同")
    route = taken(page, held)
    page.mouse.down()
    page.evaluate(HEARD)
    route.continue_()
    page.locator("body[data-heard]").wait_for()
    assert hit.is_visible()
    if released == "there":
        with reader.leaving():
            page.mouse.up()
        page.get_by_role("heading", name=TITLE, level=1).wait_for()
        return
    page.mouse.move(0, 0)
    page.mouse.up()
    taken(page, held).continue_()
    page.locator("#hits mark", has_text="合同").wait_for()
    assert hit.count() == 0
    assert reader.complaints == []


def test_pinyin_is_not_searched_for_until_its_characters_are_chosen(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "zh").sign_in("shop")
    page, held = reader.page, searching(reader)
    keyboard = page.context.new_cdp_session(page)
    page.get_by_label(reader.t("search.words")).focus()
    for typed in ("h", "he", "he't", "he'tong"):
        there = {"selectionStart": len(typed), "selectionEnd": len(typed)}
        keyboard.send("Input.imeSetComposition", {"text": typed, **there})
    page.wait_for_timeout(300 + A_WHILE)
    assert held == []
    keyboard.send("Input.insertText", {"text": "合同"})
    route = taken(page, held)
    assert parse_qs(urlsplit(route.request.url).query)["q"] == ["合同"]
    route.continue_()
    page.locator("#hits mark", has_text="合同").wait_for()
    assert reader.complaints == []
