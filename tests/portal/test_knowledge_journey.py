"""People before the knowledge graph in Chromium: they search and go to neighbours, with a script and without one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyoxigraph", reason="the extra `knowledge` is not installed")

from tests.portal.test_knowledge import example
from tests.portal.visitor import DESKTOP, PHONE, Visitor, chromium, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

__all__ = ["chromium", "example"]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def address(original: Path, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal that shows the graph."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("旅") / "门户"))
    with served(
        folder, "--watch", str(example / "federation.toml"), "--knowledge", str(example / "知识.sqlite")
    ) as address:
        yield address


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_somebody_asks_who_knows_and_goes_on_to_a_neighbour(
    chromium: Chromium, address: str, language: str, size: dict[str, int]
) -> None:
    reader = Visitor(chromium, address, language, size=size).sign_in("reader")
    page, t = reader.page, reader.t
    reader.follow(page.get_by_role("link", name=t("nav.knowledge"), exact=True))
    page.get_by_label(t("knowledge.about")).fill("gearbox")
    with reader.leaving():
        page.get_by_label(t("knowledge.about")).press("Enter")
    page.get_by_role("link", name="齿轮箱", exact=True).wait_for()
    reader.faultless("knowledge-search")
    reader.shown("knowledge-search")
    reader.follow(page.get_by_role("link", name="齿轮箱", exact=True))
    page.locator(".network canvas").first.wait_for()
    reader.faultless("knowledge-entity")
    reader.shown("knowledge-entity")
    reader.follow(page.get_by_role("link", name="电机", exact=True))
    page.get_by_role("heading", level=1, name="电机").wait_for()
    assert reader.complaints == []


def test_a_neighbour_is_chosen_in_the_drawing(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "en").sign_in("reader")
    page = reader.page
    page.goto("/knowledge/entity?id=华东钢铁")
    box = page.locator(".network")
    box.locator("canvas").first.wait_for()
    place = page.evaluate(
        "(() => { const one = document.querySelector('.network')._cyreg.cy.nodes('[to]')[0].renderedPosition();"
        " return [one.x, one.y]; })()"
    )
    box.click(position={"x": place[0], "y": place[1]})
    page.get_by_role("heading", level=1, name="齿轮箱").wait_for()
    assert reader.complaints == []


def test_the_pages_say_the_same_without_a_script(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "zh")
    context = chromium.new_context(
        base_url=address, ignore_https_errors=True, locale="zh-CN", java_script_enabled=False
    )
    reader.page = context.new_page()
    reader.sign_in("reader")
    reader.page.goto("/knowledge/entity?id=齿轮箱")
    reader.follow(reader.page.get_by_role("link", name="电机", exact=True))
    reader.page.get_by_role("heading", level=1, name="电机").wait_for()
