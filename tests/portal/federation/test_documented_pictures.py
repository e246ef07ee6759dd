"""The pictures of docs/portal.md and docs/portal-console.md: `make pictures` has them made anew, by this file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lepton_fed.portal.entries import reading
from lepton_fed.portal.federation import runs
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.reward.period import Quarter
from tests.portal.test_courses import begun, scheduled
from tests.portal.visitor import Visitor, chromium, served
from tests.portal.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

__all__ = ["chromium"]

pytestmark = pytest.mark.long

WINDOW = {"width": 1120, "height": 760}
COLOURS = 128
STEPS = """Measure before the shift, with the machine **warm**.

| place | limit, mm/s |
|---|---|
| bearing, drive side | 4.5 |
| bearing, far side | 7.1 |

- [x] sensor calibrated
- [ ] reading entered in the log

先看振动，再看温度；两次超过限值即停机检修。
"""
SHARED = {
    # title: (text, by, tags)
    "Gearbox checks: vibration before temperature": (STEPS, "author", ("bearing", "vibration", "齿轮箱")),
    "轴承异响的三种原因": ("润滑不足、对中不良、滚道剥落。", "author", ("bearing", "轴承")),
    "How to read a vibration spectrum": ("Peaks at multiples of the speed.", "author", ("vibration",)),
    "停机记录的写法": ("什么时候、哪台设备、谁发现。", "shop-author", ("停机",)),
    "Greasing intervals by load": ("Twice the load, half the interval.", "shop-author", ("bearing", "lubrication")),
}
"""What departments know, in the languages that they write."""


@pytest.fixture
def address(watching: World, watched: Watched, tmp_path: Path) -> Iterator[str]:
    """Of a portal in which people have written, read and thanked for some weeks, beside a federation."""
    watching.clock.forward(days=-20)
    numbers = [
        watching.publish(title, text, by=by, audience="everyone", tags=list(tags), kind="document")
        for title, (text, by, tags) in SHARED.items()
    ]
    for name, read in {"reader": 5, "shop": 3, "supply": 5, "coauthor": 2, "shop-admin": 4, "admin": 4}.items():
        for number in numbers[:read]:
            with watching.acting(name) as acting:
                reading.note_opening(acting, number)
    for name in ("shop", "supply", "shop-admin"):
        with watching.acting(name) as acting:
            reading.note_help(acting, numbers[0])
    watching.clock.forward(days=1)
    with watching.acting("shop") as acting:
        reading.comment(acting, numbers[0], "The far side runs hotter with the new grease: see Greasing intervals.")
    draft = watching.write("采购轴承时要问的问题", "[供货商名单](/entries/9999)", audience="everyone")
    watching.send(draft, "author", "submit")
    scheduled(watching, begun(watching, *numbers[:3]), teacher="admin")
    watching.portal.close()
    with served(tmp_path / "门户", "--watch", str(watched.place), "--runs", str(watched.runs)) as address:
        yield address


def test_the_pages_of_the_documentation_look_as_it_shows_them(
    chromium: Chromium, address: str, watching: World, watched: Watched
) -> None:
    reader = Visitor(chromium, address, "en", size=WINDOW).sign_in("coauthor")
    reader.sees(reader.t("suggest.unread"))
    kept(reader, "portal-home")
    reader.page.goto("/search?q=bearing")
    reader.sees("Greasing intervals by load")
    kept(reader, "portal-search")
    reader.page.goto("/entries/1")
    reader.sees(reader.t("suggest.related"))
    kept(reader, "portal-entry")
    reader.page.goto(f"/rewards?quarter={Quarter.of(watching.clock.now)}")
    reader.page.locator("svg[role=img]").first.wait_for()
    kept(reader, "portal-use")
    reviewer = Visitor(chromium, address, "zh", size=WINDOW).sign_in("reviewer")
    reviewer.page.goto("/entries/6?newest=1")
    reviewer.page.locator("#checks").wait_for()
    kept(reviewer, "portal-review")
    approver = Visitor(chromium, address, "zh", size=WINDOW).sign_in("approver")
    (run,) = runs.runs(watched)
    for name, path, drawn in (
        ("portal-run", f"runs/{run.id}", ".plot canvas"),
        ("portal-graph", "graph", ".network canvas"),
        ("portal-pipeline", "pipeline", ".drawing svg"),
    ):
        approver.page.goto(f"/federation/{path}")
        approver.page.locator(drawn).first.wait_for()
        kept(approver, name)
    assert reader.complaints == reviewer.complaints == approver.complaints == []


def kept(visitor: Visitor, name: str) -> None:
    """The top of the page as a picture, in the folder that is asked for; of few colours, to be small."""
    folder = os.environ.get("LEPTON_PORTAL_PICTURES")
    if folder:
        import io

        from PIL import Image

        made = Image.open(io.BytesIO(visitor.page.screenshot()))
        made.convert("RGB").quantize(COLOURS).save(Path(folder) / f"{name}.png", optimize=True)
