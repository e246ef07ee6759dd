"""People before the federation's pages in Chromium: they see what goes on, approve by keyboard, and are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lepton_fed import AutoPipeline, Federation
from lepton_fed.portal.federation import runs
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.storage.store import RunStore
from tests.portal.federation.conftest import ROLE
from tests.portal.visitor import DESKTOP, PHONE, Visitor, chromium, served
from tests.portal.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page

__all__ = ["chromium"]

pytestmark = pytest.mark.long

A_WHILE = 300
"""Milliseconds in which something that should not happen would have."""

SHOWN = """
() => new Promise((done) => {
  const before = document.getElementById("seen");
  document.addEventListener("htmx:afterRequest", () => done(!before.isConnected), { once: true });
})
"""
"""Whether the next answer takes the place of what is seen."""


@pytest.fixture
def address(watching: World, watched: Watched, tmp_path: Path) -> Iterator[str]:
    """Of a portal that is served with the federation."""
    watching.portal.close()
    with served(tmp_path / "门户", "--watch", str(watched.place), "--runs", str(watched.runs)) as address:
        yield address


def test_a_gate_is_approved_by_keyboard_and_the_page_tells_that_the_pipeline_is_over(
    chromium: Chromium, address: str, watched: Watched
) -> None:
    approver = Visitor(chromium, address, "zh").sign_in("approver")
    page, t = approver.page, approver.t
    approver.follow(page.get_by_role("link", name=t("nav.federation"), exact=True))
    approver.follow(page.get_by_role("link", name=t("fed.pipeline"), exact=True))
    page.get_by_label(t("moves.reason")).focus()
    page.keyboard.type("已核对")
    # Which presses a form's first button where it is a line that is filled in: nobody approves by that.
    page.keyboard.press("Enter")
    page.wait_for_timeout(A_WHILE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == t("fed.approve")
    with approver.leaving():
        page.keyboard.press("Enter")
    page.get_by_text(f"{ROLE}已批准：已核对").first.wait_for()
    auto = AutoPipeline.of(Federation.load(watched.place), folder=watched.runs, say=lambda _: None)
    assert auto.run(by="ZhangSan").state == "finished"
    # Nobody has loaded the page again: it asks by itself, until there is nothing more to come.
    page.locator("#seen .badge.finished").wait_for()
    assert page.locator("#seen[hx-trigger]").count() == 0
    assert approver.complaints == []


def brought_again(page: Page) -> bool:
    """Whether the next answer is shown of those that the page asks for by itself."""
    return bool(page.evaluate(SHOWN))


def test_a_run_that_is_watched_keeps_what_is_opened_focused_selected_or_pressed(
    chromium: Chromium, watching: World, watched: Watched, tmp_path: Path
) -> None:
    (run,) = runs.runs(watched)
    with RunStore(str(watched.url)) as store:
        store.finish_run(run.id, "running")
    watching.portal.close()
    with served(tmp_path / "门户", "--watch", str(watched.place), "--runs", str(watched.runs)) as address:
        reader = Visitor(chromium, address, "zh").sign_in("approver")
        page = reader.page
        page.goto(f"/federation/runs/{run.id}")
        table, summary = page.locator("#seen details").first, page.locator("#seen summary").first
        summary.click()
        assert brought_again(page)
        assert table.evaluate("(one) => one.open")
        assert summary.evaluate("(one) => one === document.activeElement")
        table.evaluate("(one) => getSelection().selectAllChildren(one)")
        assert not brought_again(page)
        page.evaluate("getSelection().removeAllRanges()")
        assert brought_again(page)
        summary.hover()
        page.mouse.down()
        assert not brought_again(page)
        page.mouse.up()
        assert not table.evaluate("(one) => one.open")
        assert brought_again(page)
        assert reader.complaints == []


def test_a_table_that_was_scrolled_on_a_phone_stays_so(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "zh", size=PHONE).sign_in("approver")
    reader.page.goto("/federation/pipeline")
    table = reader.page.locator("#scroll-steps")
    table.evaluate("(one) => one.scrollTo(50, 0)")
    assert brought_again(reader.page)
    assert table.evaluate("(one) => one.scrollLeft") == 50
    assert reader.complaints == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_no_fault_and_drawings_have_the_pages_colours(
    chromium: Chromium, address: str, watched: Watched, size: dict[str, int]
) -> None:
    approver = Visitor(chromium, address, "zh", size=size).sign_in("approver")
    (run,) = runs.runs(watched)
    subjects = ("graph", "runs", f"runs/{run.id}", "pipeline", "plan", "policies", "ledgers", "audit", "audit/verdict")
    for path in ("", *subjects, "explain?who=研发部门&verb=read&what=updates"):
        approver.page.goto(f"/federation/{path}".rstrip("/"))
        if path == "graph" or run.id in path:
            approver.page.locator(".network canvas, .plot canvas").first.wait_for()
        name = "federation-" + ("run" if run.id in path else path.partition("?")[0].replace("/", "-"))
        approver.faultless(name)
        approver.shown(name)
    approver.page.goto("/federation/graph")
    ink = "getComputedStyle(document.querySelector('.drawing text')).fill"
    light = approver.page.evaluate(ink)
    approver.page.emulate_media(color_scheme="dark")
    assert approver.page.evaluate(ink) not in (light, "rgb(0, 0, 0)")
    assert approver.complaints == []
